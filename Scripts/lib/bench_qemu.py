"""Throughput, processor time and memory of a guest's network: -netdev user, Debian's passt, and Culvert.

Run by `Scripts/bench qemu`, in a network namespace of its own: there the kernel's congestion control is the same for
everyone, and the only other interface has the address that passt copies to the guest.
"""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from bench_common import end, median, processor_seconds, wait_for

PORT = 5201


class Guest:
    """The guest of Scripts/guest-image in QEMU, which runs commands (Scripts/guest/agent)."""

    def __init__(self, image, network):
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-no-user-config", "-nodefaults", "-display", "none",
             "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initramfs", "-append", "console=ttyS0 quiet",
             "-serial", "null", "-chardev", "stdio,id=agent,signal=off", "-serial", "chardev:agent", *network],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError("the guest did not boot")

    def run(self, script):
        self.process.stdin.write(b"1 %s\n" % base64.b64encode(script.encode()))
        self.process.stdin.flush()
        _, status, output = self.process.stdout.readline().decode().split(" ")
        output = base64.b64decode(output).decode()
        if status != "0":
            raise RuntimeError(f"in the guest: {script}\n{output}")
        return output


class Backend:
    """A network for QEMU: its name in the table, its MTU, the process if it is one of its own, QEMU's options."""

    def __init__(self, name, mtu, command=None):
        self.name, self.mtu, self.command = name, mtu, command

    def start(self, folder):
        """Starts the process, if there is one; returns it and QEMU's options."""
        device = ["-device", "virtio-net-pci,netdev=net0,romfile="]
        if self.command is None:
            return None, ["-netdev", "user,id=net0", *device]
        path = f"{folder}/socket"
        log = open(f"{folder}/log", "w")
        process = subprocess.Popen([part.format(socket=path) for part in self.command], stdout=log, stderr=log)
        wait_for(lambda: os.path.exists(path), process, folder)
        return process, ["-netdev", f"stream,id=net0,server=off,addr.type=unix,addr.path={path}", *device]


def peak_megabytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


def transfer(guest, backend, seconds, up):
    """One TCP flow: Gbit/s, and the processor seconds of the backend and of QEMU for each gigabyte."""
    before = [processor_seconds(process) for process in (backend or guest.process, guest.process)]
    direction = "" if up else "--reverse"
    report = json.loads(guest.run(
        f"iperf3 --client 10.0.2.2 --port {PORT} --time {seconds} --congestion cubic --json {direction}"))
    after = [processor_seconds(process) for process in (backend or guest.process, guest.process)]
    received = report["end"]["sum_received"]
    gigabytes = received["bytes"] / 1e9
    cost = [(end - start) / gigabytes for start, end in zip(before, after)]
    return {"rate": received["bits_per_second"] / 1e9, "cost": cost[0] if backend else None, "qemu": cost[1]}


def measure(backend, image, seconds):
    """Boots a guest behind a backend and measures both directions."""
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
        os.chmod(folder, 0o755)
        process, network = backend.start(folder)
        guest = None
        try:
            guest = Guest(image, network)
            mtu = int(guest.run("cat /sys/class/net/eth0/mtu"))
            if mtu != backend.mtu:
                raise RuntimeError(f"{backend.name}: the guest's MTU is {mtu}, not {backend.mtu}")
            return {
                "up": transfer(guest, process, seconds, up=True),
                "down": transfer(guest, process, seconds, up=False),
                "memory": peak_megabytes(process) if process else None,
            }
        finally:
            end([running for running in (guest and guest.process, process) if running])


def backends(arguments):
    def passt(mtu):
        # Foreground, quiet, no change of user, no DNS: the fewest things to do besides forwarding.
        return ["passt", "--foreground", "--quiet", "--runas", "0:0", "--mtu", str(mtu), "--socket", "{socket}"]

    def culvert(mtu, *more):
        return [arguments.culvert, "serve", "--mtu", str(mtu), *more, "unix:{socket}"]

    every = [Backend("-netdev user", 1500)]
    for mtu in (1500, 65520):
        every += [
            Backend("passt", mtu, passt(mtu)),
            Backend("culvert", mtu, culvert(mtu)),
            Backend("culvert --peek skip", mtu, culvert(mtu, "--peek", "skip")),
        ]
    wanted = arguments.only.split(",") if arguments.only else None
    return [backend for backend in every if not wanted or backend.name in wanted]


def cell(value, digits):
    return "in QEMU" if value is None else f"{value:.{digits}f}"


def print_table(table):
    print("| backend | MTU | up Gbit/s | down Gbit/s | up CPU s/GB | down CPU s/GB | QEMU up s/GB | QEMU down s/GB"
          " | peak MB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for (name, mtu), results in table.items():
        figures = [
            cell(median(results, "up", "rate"), 2), cell(median(results, "down", "rate"), 2),
            cell(median(results, "up", "cost"), 2), cell(median(results, "down", "cost"), 2),
            cell(median(results, "up", "qemu"), 2), cell(median(results, "down", "qemu"), 2),
            cell(median(results, "memory"), 1),
        ]
        print(f"| {name} | {mtu} | " + " | ".join(figures) + " |")


def print_ratios(table):
    """Culvert against the others, as far as they were measured."""
    def ratio(one, other, *path):
        if one not in table or other not in table:
            return None
        values = median(table[one], *path), median(table[other], *path)
        return None if None in values else values[0] / values[1]

    print("\n| ratio | MTU | up Gbit/s | down Gbit/s | up CPU | down CPU |\n|---|--:|--:|--:|--:|--:|")
    for name in ("culvert", "culvert --peek skip"):
        for other, mtu in (("passt", 1500), ("passt", 65520), ("-netdev user", 1500)):
            pair = (name, mtu), (other, mtu)
            figures = [ratio(*pair, direction, figure) for figure in ("rate", "cost") for direction in ("up", "down")]
            if figures[0] is not None:
                shown = [f"{figure:.2f}" if figure is not None else "" for figure in figures]
                print(f"| {name} / {other} | {mtu} | " + " | ".join(shown) + " |")


def prepare_namespace():
    """Sets up the interfaces; returns the congestion control of the sockets that do not choose one."""
    for command in ("ip link set lo up", "ip link add eth0 type veth peer name other", "ip address add 10.0.2.15/24 dev eth0",
                    "ip link set eth0 up", "ip link set other up", "ip route add default via 10.0.2.2 dev eth0"):
        subprocess.run(command.split(), check=True)
    control = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
    try:
        control.write_text("cubic")
    except PermissionError:
        # A namespace may choose only what the host allows to everyone; without loss Reno is the nearest to CUBIC.
        control.write_text("reno")
    return control.read_text().strip()


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench qemu")
    parser.add_argument("--culvert", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--image", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=int, default=5, help="the length of each transfer (5)")
    parser.add_argument("--only", help="names of the table's first column, comma-separated")
    parser.add_argument("--json", help="a file for every single figure")
    arguments = parser.parse_args()

    control = prepare_namespace()
    server = subprocess.Popen(
        ["iperf3", "--server", "--port", str(PORT), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    table = {}
    try:
        for round_number in range(1, arguments.rounds + 1):
            for backend in backends(arguments):
                result = measure(backend, arguments.image, arguments.seconds)
                print(f"round {round_number}: {backend.name} {backend.mtu}: {result['up']['rate']:.2f} up, "
                      f"{result['down']['rate']:.2f} down", file=sys.stderr)
                table.setdefault((backend.name, backend.mtu), []).append(result)
    finally:
        end([server])
    print(f"One TCP flow (iperf3, CUBIC), {arguments.seconds} s each way, medians of {arguments.rounds} interleaved "
          f"rounds; one guest CPU, TCG; {control} on the backends' sockets.\n")
    print_table(table)
    print_ratios(table)
    if arguments.json:
        figures = [{"backend": name, "mtu": mtu, "rounds": results} for (name, mtu), results in table.items()]
        pathlib.Path(arguments.json).write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
