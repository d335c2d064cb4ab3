"""User-mode networks for a namespace, side by side: throughput, datagrams, latency, connections, processor time.

Run by `Scripts/bench netns` in a network namespace of its own, which is the host. The servers are on the host's
loopback, the clients in a namespace that has nothing but a TAP device, of which each network under test is the other
end. `loopback` has no network between: its clients are on the host too.
"""

import argparse
import contextlib
import json
import pathlib
import sys
import time

from bench_common import context_switches, family_processor_seconds, peak_bytes
from netns_networks import Host, Namespace, load_server, networks, prepare_host, run_iperf, run_load, server
from netns_tables import print_tables

STREAMS = (1, 8)
SIZES = (64, 1400)
DIRECTIONS = ("up", "down")
# The part of the datagrams that may be lost, and seconds of one trial of a rate.
LOSS, TRIAL = 0.01, 0.5
# The first rate that is tried, what it is multiplied by while it passes, and how often what lies between is halved.
FIRST_RATE, STEP, HALVINGS = 8000, 2, 4
CONCURRENT = 32
IDLE_SECONDS = 5
# Of the path, one way, in milliseconds; the least that a transfer over it takes, for a slow start is a part of it.
DELAY, PATH_SECONDS = 20, 5
# Its ends.
NEAR, FAR = "10.9.0.1", "10.9.0.2"


class Bench:
    """The measures of one network that runs."""

    def __init__(self, network, namespace, process, far, arguments):
        self.network, self.namespace, self.process, self.far = network, namespace, process, far
        self.arguments = arguments

    def load(self, *task, family=4):
        return run_load(self.namespace, self.arguments.load, self.network.addresses[family], *task)

    @contextlib.contextmanager
    def processor_seconds(self):
        """A list that gets the network's processor seconds in the block, None without any network."""
        before = self.process and family_processor_seconds(self.process)
        seconds = []
        yield seconds
        seconds.append(self.process and family_processor_seconds(self.process) - before)

    def idle(self):
        """Context switches while nothing happens, after something has."""
        if not self.process:
            return {"switches": None}
        self.load("connections", 1, 200)
        # What follows a connection's end is no idleness yet.
        time.sleep(2)
        before = context_switches(self.process)
        time.sleep(IDLE_SECONDS)
        return {"switches": context_switches(self.process) - before}

    def tcp(self):
        """Gbit/s and processor seconds for each gigabyte, by family, direction and streams."""
        result = {}
        for family, address in self.network.addresses.items():
            for direction in DIRECTIONS:
                for streams in STREAMS:
                    with self.processor_seconds() as seconds:
                        report = run_iperf(self.namespace, address, self.arguments.seconds, streams, direction == "up")
                    result[f"IPv{family} {direction} {streams}"] = {
                        "gbit": report["bits_per_second"] / 1e9,
                        "cpu": seconds[0] and seconds[0] / (report["bytes"] / 1e9),
                    }
        return result

    def udp(self):
        """Datagrams per second, by size and direction."""
        return {f"{size} {direction}": self.datagram_rate(size, direction)
                for size in SIZES for direction in DIRECTIONS}

    def datagram_rate(self, size, direction):
        """What arrived, in datagrams for each second, at the highest rate that passed.

        A rate passes if it was offered and less than LOSS was lost, in one trial of two: other programs disturb single
        ones. Rates are tried in a geometric series up to the first that does not pass, and then between the two, by
        their geometric mean."""
        best, passed, failed, rate = 0, None, None, FIRST_RATE
        halvings = 0
        while halvings < HALVINGS:
            arrived = self.try_rate(size, direction, round(rate)) or self.try_rate(size, direction, round(rate))
            if arrived:
                best, passed = max(best, arrived), rate
            else:
                failed = rate
            if not failed:
                rate *= STEP
            elif not passed:
                rate /= STEP
                if rate < 100:
                    break
            else:
                rate = (passed * failed) ** 0.5
                halvings += 1
        return best

    def try_rate(self, size, direction, rate):
        """Datagrams that arrived each second, None if the rate did not pass."""
        report = self.load("datagrams", direction, size, rate, round(TRIAL * 1000))
        offered, arrived = report["sent"] / report["seconds"], report["received"] / report["seconds"]
        return arrived if offered > 0.95 * rate and report["received"] > (1 - LOSS) * report["sent"] else None

    def latency(self):
        """Microseconds of a request of a byte and its response over TCP, over IPv4."""
        self.load("requests", 500)
        return self.load("requests", self.arguments.requests)

    def connections(self):
        """Connections per second, one and several at a time, and processor microseconds for each."""
        result = {}
        for window in (1, CONCURRENT):
            with self.processor_seconds() as seconds:
                report = self.load("connections", window, round(self.arguments.seconds * 1000))
            result[str(window)] = {
                "rate": report["connections"] / report["seconds"],
                "cpu": seconds[0] and seconds[0] * 1e6 / report["connections"],
            }
        return result

    def path(self):
        """Gbit/s of one flow each way over a long path.

        Upwards the network's own socket sends along the path, so no end asks for a congestion control of its own."""
        seconds = max(self.arguments.seconds, PATH_SECONDS)
        return {direction: run_iperf(self.namespace, FAR, seconds, 1, direction == "up", self.far,
                                     congestion=())["bits_per_second"] / 1e9 for direction in DIRECTIONS}

    def memory(self):
        return {"bytes": self.process and peak_bytes(self.process)}


# In this order: idleness before there is anything to clear up, memory when all is done.
MEASURES = ("idle", "latency", "connections", "udp", "tcp", "path", "memory")


@contextlib.contextmanager
def long_path(load):
    """A namespace at the far end of a path with a delay that begins on the host."""
    with contextlib.ExitStack() as stack:
        far = Namespace()
        stack.callback(far.close)
        far.prepare()
        stack.enter_context(server([load, "path", "near", "far", DELAY], "ready"))
        host = Host()
        host.configure(f"ip link set far netns {far.process.pid}")
        for end, device, address in ((host, "near", NEAR), (far, "far", FAR)):
            end.configure(f"ip address add {address}/24 dev {device}", f"ip link set {device} up txqueuelen 10000")
        yield far


def measure(network, far, arguments, failures):
    """All that is wanted of one network, on one instance."""
    result = {}
    with load_server(arguments.load), network.running() as (namespace, process):
        bench = Bench(network, namespace, process, far, arguments)
        for kind in MEASURES:
            if kind not in arguments.measure:
                continue
            try:
                result[kind] = getattr(bench, kind)()
            except RuntimeError as error:
                # The others are worth their time all the same.
                failures.append(f"{network.name}, {kind}: {error}")
    return result


def parse_arguments():
    parser = argparse.ArgumentParser(prog="Scripts/bench netns")
    parser.add_argument("--culvert", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--load", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=float, default=4, help="seconds of each transfer and rate of connections (4)")
    parser.add_argument("--requests", type=int, default=20_000, help="requests of each measurement of latency (20,000)")
    parser.add_argument("--only", help="networks, comma-separated, with their MTU or for each")
    parser.add_argument("--measure", help=f"what to measure, comma-separated ({','.join(MEASURES)})")
    parser.add_argument("--json", help="a file for every single figure")
    arguments = parser.parse_args()
    arguments.measure = arguments.measure.split(",") if arguments.measure else MEASURES
    unknown = set(arguments.measure) - set(MEASURES)
    if unknown:
        parser.error(f"there is no {', '.join(unknown)} to measure")
    return arguments


def main():
    arguments = parse_arguments()
    chosen = networks(arguments)
    prepare_host()
    table, failures = {network.name: [] for network in chosen}, []
    with long_path(arguments.load) as far:
        for round_number in range(1, arguments.rounds + 1):
            for network in chosen:
                result = measure(network, far, arguments, failures)
                print(f"round {round_number}: {network.name}: {json.dumps(result)}", file=sys.stderr)
                table[network.name].append(result)
    print(introduction(arguments))
    print_tables(table, chosen)
    for failure in failures:
        print(f"\nFailed: {failure}")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(table, indent=2))


def introduction(arguments):
    limit, default = (pathlib.Path("/proc/sys/net", name).read_text().strip()
                      for name in ("core/rmem_max", "ipv4/tcp_congestion_control"))
    return (
        f"A namespace and servers on the host's loopback, medians of {arguments.rounds} interleaved rounds of "
        f"{arguments.seconds:g} s for each transfer. iperf3 uses cubic, but along the path and all other sockets "
        f"{default}; up to 16 MiB for buffers of TCP in every namespace; net.core.rmem_max is the machine's, {limit}. "
        f"pasta-long is pasta with a queue of 10,000 frames on its TAP device, loopback the host without any network. "
        f"Datagrams: what arrived at the highest rate with less than {LOSS:.0%} lost, rates of {FIRST_RATE:,} a second "
        f"and on by factors of {STEP}, then {HALVINGS} geometric means, {TRIAL:g} s for each rate, which passes if one "
        f"of two trials does.")


main()
