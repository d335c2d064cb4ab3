"""Files by TFTP from Culvert and from QEMU's own libslirp: to a client that is only that, and to iPXE in a guest.

Run by `Scripts/bench tftp` in a network namespace of its own. The client stands at the other end of QEMU's stream, as a
guest that knows ARP, echo and TFTP; libslirp is put behind the same stream by a QEMU without a machine. iPXE boots in a
guest under TCG, from QEMU's own network and, by the same command line behind 'culvert run', from Culvert.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

from bench_common import end, median, processor_seconds, wait_for

GUEST, GATEWAY = bytes([10, 0, 2, 15]), bytes([10, 0, 2, 2])
STATION = bytes.fromhex("525400123456")
PORT = 2000
# Blocks as libslirp sends at most, and as a packet of 65,520 bytes holds.
BLOCK, LONG_BLOCK = 1428, 65464
MTU = 65520
# EtherType, protocol, UDP ports, opcode and block number, from the length before a frame on.
DATA = struct.Struct(">I12xH9xB10xHH4xHH")
SECONDS_OF_PATIENCE = 20
IPXE = "/usr/lib/ipxe/ipxe.lkrn"
SCRIPT = """#!ipxe
ifconf
echo The transfer begins
imgfetch tftp://10.0.2.2/file
echo The transfer ends
"""


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Client:
    """A guest at the end of a stream in QEMU's framing, of which nothing is lost, that does nothing but fetch files."""

    def __init__(self, stream):
        self.stream = stream
        stream.settimeout(SECONDS_OF_PATIENCE)
        self.buffer = bytearray(1 << 20)
        self.have = 0
        self.pending = []
        self.send(b"\xff" * 6, 0x0806, struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + STATION + GUEST + bytes(6) + GATEWAY)
        # Who is asked tells it, and learns who asks.
        self.gateway = self.await_frame(lambda frame: frame[12:14] == b"\x08\x06" and frame[21] == 2)[6:12]

    # Frames

    def send(self, station, kind, payload):
        frame = station + STATION + struct.pack(">H", kind) + payload
        self.stream.sendall(struct.pack(">I", len(frame)) + frame)

    def packet(self, protocol, payload):
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + GUEST + GATEWAY
        return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload

    def datagram(self, port, payload):
        # Without a checksum (RFC 768).
        return self.packet(17, struct.pack(">HHHH", PORT, port, 8 + len(payload), 0) + payload)

    def await_frame(self, matches):
        """The next frame that matches; others are forgotten, but questions by ARP are answered."""
        while True:
            while not self.pending:
                self.have += self.stream.recv_into(memoryview(self.buffer)[self.have:])
                start = 0
                while self.have - start >= 4:
                    (length,) = struct.unpack_from(">I", self.buffer, start)
                    if self.have - start - 4 < length:
                        break
                    self.pending.append(bytes(self.buffer[start + 4:start + 4 + length]))
                    start += 4 + length
                self.buffer[:self.have - start] = self.buffer[start:self.have]
                self.have -= start
            frame = self.pending.pop(0)
            if frame[12:14] == b"\x08\x06" and frame[21] == 1 and frame[38:42] == GUEST:
                reply = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + STATION + GUEST + frame[22:32]
                self.send(frame[6:12], 0x0806, reply)
            if matches(frame):
                return frame

    def show_mtu(self):
        """Lets Culvert see that long packets are taken here; libslirp has no such notion."""
        message = struct.pack(">BBHHH", 8, 0, 0, 1, 1) + bytes(MTU - 28)
        message = message[:2] + struct.pack(">H", checksum(message)) + message[4:]
        self.send(self.gateway, 0x0800, self.packet(1, message))
        self.await_frame(lambda frame: frame[23] == 1 and frame[34] == 0)

    # TFTP

    def fetch(self, name, size, block_size, window):
        """Fetches a file of a known size; what of the options was granted, the seconds, and the content."""
        options = {"blksize": block_size, "tsize": 0}
        if window > 1:
            options["windowsize"] = window
        request = b"\0\1" + b"\0".join(part.encode() for part in (name, "octet")) + b"\0"
        request += b"".join(f"{key}\0{value}\0".encode() for key, value in options.items())
        content = memoryview(bytearray(size + block_size))
        begin = time.monotonic()
        self.send(self.gateway, 0x0800, self.datagram(69, request))
        frame = self.await_frame(lambda frame: frame[23] == 17 and frame[36:38] == struct.pack(">H", PORT))
        if frame[42:44] != b"\0\6":
            raise RuntimeError(f"no acknowledgment of the options, but {frame[42:]}")
        fields = frame[44:].rstrip(b"\0").split(b"\0")
        granted = dict(zip((field.decode() for field in fields[::2]), map(int, fields[1::2])))
        (port,) = struct.unpack_from(">H", frame, 34)
        length = self.receive(content, port, granted["blksize"], granted.get("windowsize", 1))
        return {"granted": granted, "seconds": time.monotonic() - begin, "content": content[:length]}

    def receive(self, content, port, block_size, window):
        """Acknowledges and receives, without a call for each block."""
        packet = self.datagram(port, b"\0\4\0\0")
        frame = self.gateway + STATION + b"\x08\x00" + packet
        acknowledgment = bytearray(struct.pack(">I", len(frame)) + frame)
        buffer, view, stream, unpack = self.buffer, memoryview(self.buffer), self.stream, DATA.unpack_from
        block, offset, have = 0, 0, self.have
        stream.sendall(acknowledgment)
        while True:
            count = stream.recv_into(view[have:])
            if count == 0:
                raise RuntimeError("the server has gone")
            have += count
            start = 0
            while have - start >= DATA.size:
                length, kind, protocol, source, destination, opcode, number = unpack(buffer, start)
                if have - start - 4 < length:
                    break
                if kind == 0x0800 and protocol == 17 and source == port and destination == PORT:
                    if opcode != 3 or number != (block + 1) & 0xFFFF:
                        raise RuntimeError(f"opcode {opcode}, number {number} instead of block {block + 1}")
                    block += 1
                    (udp,) = struct.unpack_from(">H", buffer, start + 42)
                    payload = start + 50
                    content[offset:offset + udp - 12] = view[payload:payload + udp - 12]
                    offset += udp - 12
                    last = udp - 12 < block_size
                    if last or block % window == 0:
                        struct.pack_into(">H", acknowledgment, len(acknowledgment) - 2, block & 0xFFFF)
                        stream.sendall(acknowledgment)
                    if last:
                        self.have = 0
                        return offset
                start += 4 + length
            if start:
                buffer[:have - start] = buffer[start:have]
                have -= start


@contextlib.contextmanager
def serving(name, arguments, files):
    """A server of files behind a stream: its process, and the stream's end."""
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
        path, log = f"{folder}/socket", open(f"{folder}/log", "w")
        listener = socket.socket(socket.AF_UNIX)
        if name == "libslirp":
            listener.bind(path)
            listener.listen()
            command = ["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none",
                       "-netdev", f"user,id=user,tftp={files}",
                       "-netdev", f"stream,id=stream,server=off,addr.type=unix,addr.path={path}",
                       "-netdev", "hubport,hubid=0,id=one,netdev=user",
                       "-netdev", "hubport,hubid=0,id=two,netdev=stream"]
        else:
            command = [arguments.culvert, "serve", "--tftp", str(files), f"unix:{path}"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            if name == "libslirp":
                listener.settimeout(SECONDS_OF_PATIENCE)
                stream, _ = listener.accept()
            else:
                wait_for(lambda: os.path.exists(path), process, folder)
                stream = socket.socket(socket.AF_UNIX)
                stream.connect(path)
            with stream:
                yield process, Client(stream)
        finally:
            end([process])


def measure_fetch(name, block_size, window, arguments, files, expected):
    with serving(name, arguments, files) as (process, client):
        if block_size > BLOCK:
            client.show_mtu()
        before = processor_seconds(process)
        result = client.fetch("large", len(expected), block_size, window)
        cost = processor_seconds(process) - before
    if result["content"] != expected:
        raise RuntimeError(f"{name}: the file did not arrive as it is")
    return {"seconds": result["seconds"], "rate": len(expected) / 1e6 / result["seconds"],
            "cost": cost / (len(expected) / 1e9), "granted": result["granted"]}


def fetches(arguments):
    """The rows of the first table: server, block size and window."""
    return [("libslirp", BLOCK, 1)] + [
        ("culvert", size, window) for size in (BLOCK, LONG_BLOCK) for window in (1, 16, 64)]


def measure_boot(name, model, arguments, files):
    """Boots iPXE, which fetches a file: the seconds of all that, and of the transfer."""
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-no-user-config", "-nodefaults", "-display", "none",
               "-machine", "graphics=off", "-serial", "stdio", "-kernel", IPXE, "-initrd", f"{files}/script.ipxe",
               "-netdev", f"user,id=net0,tftp={files}", "-device", f"{model},netdev=net0,romfile="]
    if name == "culvert":
        command = [arguments.culvert, "run", "--log-level", "error", "--", *command]
    begin = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, marks = b"", []
        for mark in (b"The transfer begins", b"The transfer ends"):
            while mark not in output:
                part = os.read(process.stdout.fileno(), 4096)
                if not part or time.monotonic() - begin > 6 * SECONDS_OF_PATIENCE:
                    raise RuntimeError(f"iPXE behind {name} got no file:\n{output.decode(errors='replace')}")
                output += part
            marks.append(time.monotonic())
        if b"ok" not in output.rpartition(b"The transfer begins")[2]:
            raise RuntimeError(f"iPXE behind {name} got no file:\n{output.decode(errors='replace')}")
    finally:
        process.terminate()
        try:
            process.wait(timeout=SECONDS_OF_PATIENCE)
        except subprocess.TimeoutExpired:
            end([process])
    return {"boot": marks[1] - begin, "transfer": marks[1] - marks[0]}


def print_fetches(table, megabytes):
    base = median(table["libslirp", BLOCK, 1], "seconds") if ("libslirp", BLOCK, 1) in table else None
    print(f"A file of {megabytes} MB to a client at the other end of QEMU's stream.\n")
    print("| server | blksize | windowsize | s | MB/s | CPU s/GB | of libslirp's time |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for (name, _, window), results in table.items():
        seconds, granted = median(results, "seconds"), results[0]["granted"]
        ratio = f"{seconds / base:.2f}" if base else ""
        print(f"| {name} | {granted['blksize']} | {granted.get('windowsize', 1)} | {seconds:.2f} | "
              f"{median(results, 'rate'):.0f} | {median(results, 'cost'):.2f} | {ratio} |")


def print_boots(table, megabytes):
    print(f"\niPXE in a guest under TCG, from the start of QEMU on, and a file of {megabytes} MB in it.\n")
    print("| NIC | network | whole boot s | transfer s | boot of libslirp's | transfer of libslirp's |")
    print("|---|---|--:|--:|--:|--:|")
    for (model, name), results in table.items():
        figures = [median(results, figure) for figure in ("boot", "transfer")]
        base = [median(table[model, "libslirp"], figure) for figure in ("boot", "transfer")]
        print(f"| {model} | {name} | {figures[0]:.2f} | {figures[1]:.2f} | {figures[0] / base[0]:.2f} | "
              f"{figures[1] / base[1]:.2f} |")


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench tftp")
    parser.add_argument("--culvert", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--only", choices=["stream", "ipxe"], help="one of the two tables")
    parser.add_argument("--nic", default="virtio-net-pci,e1000", help="iPXE's NICs, comma-separated")
    parser.add_argument("--json", help="a file for every single figure")
    arguments = parser.parse_args()

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    streams, boots = {}, {}
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
        os.chmod(folder, 0o755)
        files, expected = pathlib.Path(folder), os.urandom(64 << 20)
        (files / "large").write_bytes(expected)
        (files / "file").write_bytes(expected[:32 << 20])
        (files / "script.ipxe").write_text(SCRIPT)
        for round_number in range(1, arguments.rounds + 1):
            for row in fetches(arguments) if arguments.only != "ipxe" else []:
                result = measure_fetch(*row, arguments, files, expected)
                print(f"round {round_number}: {row}: {result['seconds']:.2f} s", file=sys.stderr)
                streams.setdefault(row, []).append(result)
            for model in arguments.nic.split(",") if arguments.only != "stream" else []:
                for name in ("libslirp", "culvert"):
                    result = measure_boot(name, model, arguments, files)
                    print(f"round {round_number}: {model} {name}: {result}", file=sys.stderr)
                    boots.setdefault((model, name), []).append(result)
    print(f"Medians of {arguments.rounds} interleaved rounds.\n")
    if streams:
        print_fetches(streams, 64)
    if boots:
        print_boots(boots, 32)
    if arguments.json:
        figures = [{"row": row, "rounds": results} for table in (streams, boots) for row, results in table.items()]
        pathlib.Path(arguments.json).write_text(json.dumps(figures, indent=2))


main()
