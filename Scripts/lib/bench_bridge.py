"""Two guests that speak to each other: over a bridge of the kernel's, and through Culvert's and QEMU's user networks.

Run by `Scripts/bench bridge`, in namespaces of its own: network, /etc and /run are not the machine's.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from bench_common import end, processor_seconds, wait_for
from bench_qemu import PORT, Guest

HARDWARE = ("52:54:00:12:34:59", "52:54:00:12:34:58")


def device(name, hardware):
    return ["-device", f"virtio-net-pci,netdev={name},mac={hardware},romfile="]


@contextlib.contextmanager
def bridge(arguments, folder):
    """Both on one bridge; yields the guests, where the second is for the first, and the processes between them."""
    command = [arguments.culvert, "bridge", "up", "--uplink", "none", "--detach"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    guests = []
    try:
        for hardware in HARDWARE:
            guests.append(Guest(arguments.image, ["-netdev", "bridge,id=net0,br=bridge0", *device("net0", hardware)]))
        address = guests[1].run(". /run/lease && echo $ip").strip()
        yield guests, address, []
    finally:
        end([guest.process for guest in guests])
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([arguments.culvert, "bridge", "down"], check=True, **quiet)


@contextlib.contextmanager
def user_networks(options, arguments, folder):
    """Each behind a Culvert of its own; the second's port is forwarded from the loopback, the first's gateway."""
    guests, networks = [], []
    try:
        for number, hardware in enumerate(HARDWARE):
            path = f"{folder}/socket{number}"
            forward = ["--hostfwd", f"tcp:127.0.0.1:{PORT}-:{PORT}"] if number else []
            with open(f"{folder}/log", "w") as log:
                process = subprocess.Popen(
                    [arguments.culvert, "serve", *options, *forward, f"unix:{path}"], stdout=log, stderr=log)
            networks.append(process)
            wait_for(lambda: os.path.exists(path), process, folder)
            guests.append(Guest(arguments.image, [
                "-netdev", f"stream,id=net0,server=off,addr.type=unix,addr.path={path}", *device("net0", hardware)]))
        yield guests, "10.0.2.2", networks
    finally:
        end([guest.process for guest in guests] + networks)


@contextlib.contextmanager
def qemu_networks(arguments, folder):
    """The same with QEMU's own network."""
    guests = []
    try:
        for number, hardware in enumerate(HARDWARE):
            forward = f",hostfwd=tcp:127.0.0.1:{PORT}-:{PORT}" if number else ""
            guests.append(Guest(arguments.image, ["-netdev", f"user,id=net0{forward}", *device("net0", hardware)]))
        yield guests, "10.0.2.2", []
    finally:
        end([guest.process for guest in guests])


WAYS = {
    "bridge, MTU 1500": bridge,
    "culvert, MTU 1500": lambda *rest: user_networks(["--mtu", "1500"], *rest),
    "culvert, MTU 65520": lambda *rest: user_networks([], *rest),
    "-netdev user, MTU 1500": qemu_networks,
}


def measure(way, arguments):
    """One TCP flow from the first guest to the second: Gbit/s, and processor seconds for each gigabyte."""
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
        with way(arguments, folder) as (guests, address, networks):
            guests[1].run(f"iperf3 --server --daemon --port {PORT}")
            machines = [guest.process for guest in guests]
            before = [sum(map(processor_seconds, processes)) for processes in (networks, machines)]
            report = json.loads(guests[0].run(
                f"iperf3 --client {address} --port {PORT} --time {arguments.seconds} --congestion cubic --json"))
            after = [sum(map(processor_seconds, processes)) for processes in (networks, machines)]
            received = report["end"]["sum_received"]
            costs = [(late - early) / (received["bytes"] / 1e9) for early, late in zip(before, after)]
            return received["bits_per_second"] / 1e9, *costs


def prepare_host():
    """A loopback, and folders that a bridge writes to."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for folder in ("upper", "work"):
        os.mkdir(f"/run/{folder}")
    layers = "lowerdir=/etc,upperdir=/run/upper,workdir=/run/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, "/etc"], check=True)


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench bridge")
    parser.add_argument("--culvert", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--image", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=int, default=5, help="the length of each transfer (5)")
    parser.add_argument("--json", help="a file for every single figure")
    arguments = parser.parse_args()

    prepare_host()
    figures = {name: [] for name in WAYS}
    for round_number in range(1, arguments.rounds + 1):
        for name, way in WAYS.items():
            figures[name].append(measure(way, arguments))
            print(f"round {round_number}: {name}: {figures[name][-1][0]:.2f}", file=sys.stderr)
    print(f"One TCP flow between two guests (iperf3, CUBIC), {arguments.seconds} s, medians of {arguments.rounds} "
          "interleaved rounds; one CPU each, TCG.\n")
    print("| network | Gbit/s | of the bridge's | network's CPU s/GB | both QEMUs' CPU s/GB |\n|---|--:|--:|--:|--:|")
    medians = {name: [statistics.median(values) for values in zip(*rounds)] for name, rounds in figures.items()}
    reference = next(iter(medians.values()))[0]
    for name, (rate, network, machines) in medians.items():
        cost = f"{network:.2f}" if network else ""
        print(f"| {name} | {rate:.2f} | {rate / reference:.2f} | {cost} | {machines:.2f} |")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
