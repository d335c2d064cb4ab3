"""The servers that recorded guests talk to, of both families, on the addresses of the namespace that they run in.

    record_servers.py ADDRESS...

Each server binds these addresses. What they say depends on nothing but what they are asked, so that two recordings of
the same session say the same. Says "ready" once all of them listen.
"""

import socket
import struct
import sys
import threading
import time

ECHO_PORT, DISCARD_PORT, HTTP_PORT = 7, 9, 80
RESET_PORT, SLOW_PORT, COUNT_PORT, GREETING_PORT = 7001, 7002, 7003, 7004
# A server that reads slowly has room for so much, and waits for so many seconds.
SLOW_ROOM, PAUSE = 8192, 1.0


def pattern(count):
    """So many bytes of numbered lines."""
    lines = (b"%07d\n" % number for number in range(count // 8 + 1))
    return b"".join(lines)[:count]


def read_line(stream, buffer):
    while b"\n" not in buffer:
        received = stream.recv(65536)
        if not received:
            return None
        buffer += received
    line, _, rest = bytes(buffer).partition(b"\n")
    buffer[:] = rest
    return line.strip()


def serve_http(stream):
    """GET /N is answered by N bytes, PUT by how many there were; one request for each connection, as HTTP/1.0 has it."""
    buffer = bytearray()
    request = read_line(stream, buffer)
    if not request:
        return
    method, path = request.split()[:2]
    length = 0
    while header := read_line(stream, buffer):
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        if name.lower() == b"expect":
            stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(buffer) < length:
        buffer += stream.recv(65536)
    content = pattern(int(path.strip(b"/"))) if method == b"GET" else b"%d bytes\n" % length
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    stream.sendall(head % len(content) + content)


def serve_echo(stream):
    while received := stream.recv(65536):
        stream.sendall(received)


def serve_discard(stream):
    while stream.recv(65536):
        pass


def serve_reset(stream):
    """Says something, and resets the connection once it was told something."""
    stream.sendall(pattern(2000))
    stream.recv(65536)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve_slowly(stream):
    """Reads nothing for a while, and then all, and says how much it was."""
    time.sleep(PAUSE)
    serve_count(stream)


def serve_count(stream):
    """Says how many bytes there were, behind their end."""
    count = 0
    while received := stream.recv(65536):
        count += len(received)
    stream.sendall(b"%d bytes\n" % count)


def serve_greeting(stream):
    """Says something at once, and no more."""
    stream.sendall(pattern(100))


STREAMS = {ECHO_PORT: serve_echo, DISCARD_PORT: serve_discard, HTTP_PORT: serve_http, RESET_PORT: serve_reset,
           SLOW_PORT: serve_slowly, COUNT_PORT: serve_count, GREETING_PORT: serve_greeting}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve_client(serve, stream):
    with stream:
        try:
            serve(stream)
        except ConnectionError as error:
            print(f"a client left: {error}", flush=True)


def accept_streams(listener, serve):
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve_client, args=(serve, stream), daemon=True).start()


def echo_datagrams(server):
    while True:
        datagram, client = server.recvfrom(65535)
        server.sendto(datagram, client)


def main():
    for address in sys.argv[1:]:
        for port, serve in STREAMS.items():
            listener = socket.socket(family(address), socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if serve is serve_slowly:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_ROOM)
            listener.bind((address, port))
            listener.listen()
            threading.Thread(target=accept_streams, args=(listener, serve), daemon=True).start()
        echo = socket.socket(family(address), socket.SOCK_DGRAM)
        echo.bind((address, ECHO_PORT))
        threading.Thread(target=echo_datagrams, args=(echo,), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
