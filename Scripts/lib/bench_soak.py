"""Gigabytes through a network for a namespace, each byte compared at the other end.

Run by `Scripts/bench soak` in a network namespace of its own, which is the host. The bytes are sequences that both ends
make from a seed, over several connections at once, up and down, over IPv4 and IPv6.
"""

import argparse
import json
import subprocess
import sys
import time

from bench_common import end
from netns_networks import LOAD_PORT, load_server, networks, prepare_host

# Connections for each family and direction.
CONNECTIONS = 4


def start_transfers(network, namespace, arguments):
    """Starts all transfers; returns them by name, with the bytes of each."""
    # The generator compares words of eight bytes.
    count = round(arguments.gigabytes * 1e9) // (2 * CONNECTIONS) // 8 * 8
    transfers = {}
    for family, address in network.addresses.items():
        for direction in ("up", "down"):
            for index in range(CONNECTIONS):
                seed = len(transfers) + arguments.seed
                words = namespace.words(arguments.load, "load", address, LOAD_PORT, "sequence", direction, seed, count)
                transfers[f"IPv{family} {direction} {index + 1}"] = subprocess.Popen(
                    words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return transfers, count


def verdict(transfer, count, deadline):
    """What is wrong with a transfer, None for nothing."""
    try:
        output, _ = transfer.communicate(timeout=max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return "is not done within the time limit"
    if transfer.returncode:
        return f"failed: {output.strip()}"
    report = json.loads(output)
    if report["difference"] is not None:
        return f"differs from byte {report['difference']} on"
    return None if report["bytes"] == count else f"ended after {report['bytes']} of {count} bytes"


def soak(network, arguments):
    """Runs all transfers through one network; returns what is wrong with them."""
    with load_server(arguments.load), network.running() as (namespace, _):
        started = time.monotonic()
        transfers, count = start_transfers(network, namespace, arguments)
        try:
            deadline = started + arguments.limit
            verdicts = {name: verdict(transfer, count, deadline) for name, transfer in transfers.items()}
        finally:
            end(transfers.values())
        seconds = time.monotonic() - started
    wrong = {name: text for name, text in verdicts.items() if text}
    for name, text in wrong.items():
        print(f"{network.name}: {name} {text}")
    if not wrong:
        gigabits = len(transfers) * count * 8e-9 / seconds
        print(f"{network.name}: OK: {count * CONNECTIONS * 2 / 1e9:.1f} GB each way over {len(transfers)} connections "
              f"in {seconds:.0f} s, {gigabits:.1f} Gbit/s in sum")
    return wrong


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench soak")
    parser.add_argument("--culvert", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--load", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--gigabytes", type=float, default=20, help="how much each way (20)")
    parser.add_argument("--limit", type=float, default=1800, help="seconds it may take (1800)")
    parser.add_argument("--seed", type=int, default=1, help="of the first sequence (1)")
    parser.add_argument("--only", default="culvert-1500", help="networks, comma-separated (culvert-1500)")
    arguments = parser.parse_args()
    prepare_host()
    wrong = [soak(network, arguments) for network in networks(arguments)]
    sys.exit(1 if any(wrong) else 0)


main()
