"""The two ends of `Scripts/bench flows`: a client in the guest's namespace and a server on the host's loopback.

usage: flow_peers.py server PORT
       flow_peers.py client ADDRESS PORT

Each has one thread and one epoll. The server returns what it reads, and closes when its client does, or at once when
it reads a capital letter. The client takes one command a line on stdin, as a JSON list, and answers by a line of JSON.
"""

import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time


def server(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(65535)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients = {}
    print("ready", flush=True)
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                accept_all(listener, poll, clients)
                continue
            try:
                data = clients[number].recv(4096)
            except ConnectionError:
                data = b""
            if data:
                clients[number].send(data)
            if not data or data[:1].isupper():
                clients.pop(number).close()


def accept_all(listener, poll, clients):
    while True:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        client.setblocking(False)
        clients[client.fileno()] = client
        poll.register(client, select.EPOLLIN)


def become_guest(address, network, name):
    """Opens a TAP device in this namespace, as 10.0.2.15 behind 10.0.2.2."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    tap, no_packet_information, set_interface = 0x2, 0x1000, 0x400454CA
    fcntl.ioctl(device, set_interface, struct.pack("16sH22x", name.encode(), tap | no_packet_information))
    for command in (f"ip address add {address} dev {name}", f"ip link set {name} up",
                    f"ip route add default via {network}"):
        subprocess.run(command.split(), check=True)
    return device


class Client:
    """Connections to one server."""

    def __init__(self, address, port):
        self.target = (address, port)
        self.held = []

    def guest(self, socket_number):
        """Makes the TAP device and sends its descriptor through an inherited socket."""
        device = become_guest("10.0.2.15/24", "10.0.2.2", "tap0")
        with socket.socket(fileno=socket_number) as channel:
            socket.send_fds(channel, [b"tap"], [device])
        os.close(device)
        return True

    def open(self, count, window, patience):
        """Opens `count` connections and holds them, at most `window` of them at a time on their way, until all have
        been answered or nothing has happened for `patience` seconds.

        Returns how many were established, refused by a reset or an ICMP error, and left without an answer, and how
        many seconds it took to the last answer."""
        poll = select.epoll()
        waiting = {}
        result = {"established": 0, "refused": 0}
        started = 0
        start = last = time.monotonic()
        while started < count or waiting:
            while started < count and len(waiting) < window:
                started += 1
                connection = socket.socket()
                connection.setblocking(False)
                connection.connect_ex(self.target)
                waiting[connection.fileno()] = connection
                poll.register(connection, select.EPOLLOUT)
            events = poll.poll(patience)
            errors = 0
            for number, _ in events:
                error = waiting[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error == errno.ETIMEDOUT:
                    errors += 1
                    continue
                connection = waiting.pop(number)
                poll.unregister(number)
                if error:
                    connection.close()
                else:
                    self.held.append(connection)
                result["refused" if error else "established"] += 1
                last = time.monotonic()
            if len(events) == errors:
                break
        for connection in waiting.values():
            connection.close()
        return result | {"hanging": count - sum(result.values()), "seconds": last - start}

    def connect(self):
        """Opens the connection that `latency` uses."""
        self.talker = socket.create_connection(self.target)
        self.talker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return True

    def latency(self, count):
        """Microseconds of each of `count` requests and their responses, of a byte each, over one connection."""
        times = []
        for _ in range(count):
            start = time.perf_counter_ns()
            self.talker.send(b"x")
            self.talker.recv(1)
            times.append((time.perf_counter_ns() - start) / 1000)
        return times

    def churn(self, count, window, closer):
        """Opens connections one after another, each for a request and its response, and closes them: ours first, or
        the server's."""
        request = b"X" if closer == "server" else b"x"
        poll = select.epoll()
        running = {}
        start = time.monotonic()
        started = failed = 0
        while started < count or running:
            while started < count and len(running) < window:
                started += 1
                connection = socket.socket()
                connection.setblocking(False)
                connection.connect_ex(self.target)
                running[connection.fileno()] = connection
                poll.register(connection, select.EPOLLOUT)
            events = poll.poll(30)
            if not events:
                raise TimeoutError(f"{len(running)} connections hang")
            for number, event in events:
                connection = running[number]
                try:
                    if event & select.EPOLLOUT:
                        connection.send(request)
                        poll.modify(number, select.EPOLLIN)
                        continue
                    if connection.recv(16) == request and closer == "server":
                        continue
                except ConnectionError:
                    failed += 1
                poll.unregister(number)
                running.pop(number).close()
        return {"seconds": time.monotonic() - start, "failed": failed}

    def close(self):
        """Closes the connections that are held."""
        for connection in self.held:
            connection.close()
        self.held = []
        return True


def client(address, port):
    peer = Client(address, port)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(peer, name)(*arguments)), flush=True)


if sys.argv[1] == "server":
    server(int(sys.argv[2]))
else:
    client(sys.argv[2], int(sys.argv[3]))
