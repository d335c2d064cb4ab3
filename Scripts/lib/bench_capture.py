"""What --capture costs: a guest's whole frames on QEMU's stream, and a namespace's first 128 bytes, with and without.

Run by `Scripts/bench capture`, in a network namespace of its own.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

from bench_common import end, wait_for
from bench_qemu import PORT, Guest, prepare_namespace


def iperf(seconds, up):
    direction = "" if up else "--reverse"
    return f"iperf3 --client 10.0.2.2 --port {PORT} --time {seconds} --congestion cubic --json {direction}"


def rate(report):
    return json.loads(report)["end"]["sum_received"]["bits_per_second"] / 1e9


def captured(log):
    """Frames that were written and dropped, as the log has them."""
    written = re.search(r"(\d+) frames were captured", log)
    dropped = re.search(r"(\d+) more were not", log)
    return int(written.group(1)) if written else 0, int(dropped.group(1)) if dropped else 0


def stream(arguments, folder, options):
    """A guest on QEMU's stream, up and down."""
    path = f"{folder}/socket"
    with open(f"{folder}/log", "w") as log:
        process = subprocess.Popen([arguments.culvert, "serve", *options, f"unix:{path}"], stdout=log, stderr=log)
    guest = None
    try:
        wait_for(lambda: os.path.exists(path), process, folder)
        guest = Guest(arguments.image, [
            "-netdev", f"stream,id=net0,server=off,addr.type=unix,addr.path={path}",
            "-device", "virtio-net-pci,netdev=net0,romfile="])
        rates = [rate(guest.run(iperf(arguments.seconds, up))) for up in (True, False)]
        # Asked to end, it says what was captured.
        process.send_signal(signal.SIGTERM)
        process.wait()
        return rates, captured(pathlib.Path(folder, "log").read_text())
    finally:
        end([running for running in (guest and guest.process, process) if running and running.poll() is None])


def device(arguments, folder, options):
    """A namespace's device, up and down."""
    rates, written, dropped = [], 0, 0
    for up in (True, False):
        result = subprocess.run(
            [arguments.culvert, "exec", "--log-level", "info", *options, "--", "sh", "-c", iperf(arguments.seconds, up)],
            capture_output=True, text=True, check=True)
        rates.append(rate(result.stdout))
        counts = captured(result.stderr)
        written, dropped = written + counts[0], dropped + counts[1]
    return rates, (written, dropped)


WAYS = {
    "QEMU stream, MTU 1500, whole frames": (stream, ["--mtu", "1500"], []),
    "QEMU stream, MTU 65520, whole frames": (stream, [], []),
    "TAP, MTU 1500, snap length 128": (device, [], ["--capture-snaplen", "128"]),
}


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench capture")
    parser.add_argument("--culvert", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--image", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=int, default=4, help="the length of each transfer (4)")
    arguments = parser.parse_args()

    prepare_namespace()
    server = subprocess.Popen(
        ["iperf3", "--server", "--port", str(PORT), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    print("| link | up, without Gbit/s | with | ratio | down, without Gbit/s | with | ratio | frames | dropped |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    try:
        for name, (measure, basic, more) in WAYS.items():
            rates = {False: [], True: []}
            frames, drops = 0, 0
            for round_number in range(1, arguments.rounds + 1):
                # Whoever is first has a colder machine.
                for on in ((False, True) if round_number % 2 else (True, False)):
                    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
                        capture = ["--capture", f"{folder}/net.pcap", *more] if on else []
                        result, (written, dropped) = measure(arguments, folder, basic + capture)
                    print(f"round {round_number}: {name}, {'with' if on else 'without'}: {result[0]:.2f} up, "
                          f"{result[1]:.2f} down, {dropped} dropped", file=sys.stderr)
                    rates[on].append(result)
                    frames, drops = frames + written, drops + dropped
            cells = []
            for direction in (0, 1):
                off, on = (statistics.median(each[direction] for each in rates[which]) for which in (False, True))
                cells += [f"{off:.2f}", f"{on:.2f}", f"{on / off:.2f}"]
            print(f"| {name} | " + " | ".join(cells) + f" | {frames} | {drops} |", flush=True)
    finally:
        end([server])


main()
