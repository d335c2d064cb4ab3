"""Many TCP connections at once through slirp4netns, pasta, passt and Culvert: time, memory, descriptors, latency.

Run by `Scripts/bench flows` in a network namespace of its own, which is the host. Client, server and backend are
processes of their own: the server on the host's loopback, the client in a namespace that has nothing but a TAP device,
as 10.0.2.15 behind 10.0.2.2. slirp4netns and pasta open the TAP device themselves; for passt and Culvert, which speak
QEMU's stream, the same pump stands between.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from bench_common import end, median, wait_for

PORT = 7777
GATEWAY = "10.0.2.2"
PEERS = pathlib.Path(__file__).with_name("flow_peers.py")
# Connections on their way at once: fewer than the frames that a TAP device holds, so that no SYN is lost.
WINDOW = 256
# A backend's descriptors in the measurement of what happens without, and connections more than that.
LIMIT, BEYOND = 1000, 500
# Seconds without an answer after which connections count as hanging.
PATIENCE = 5
# How often latency alone and latency among many take turns.
TURNS = 20


class Client:
    """The client's process, in a network namespace that ends with it."""

    def __init__(self):
        self.channel, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            ["unshare", "--net", sys.executable, PEERS, "client", GATEWAY, str(PORT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()], text=True)
        self.their_number = theirs.fileno()
        self.answer()
        self.theirs = theirs
        for name, value in (("ip_local_port_range", "1024 65535"), ("tcp_syn_retries", "2")):
            subprocess.run(["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "sh", "-c",
                            f"echo {value} >/proc/sys/net/ipv4/{name}"], check=True)

    def do(self, *command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the client ended")
        return json.loads(line)

    def tap(self):
        """Has the client become a guest; returns the descriptor of its TAP device."""
        self.do("guest", self.their_number)
        _, numbers, _, _ = socket.recv_fds(self.channel, 16, 1)
        return numbers[0]


class Backend:
    """A network for a namespace: its name, its command, and whether it serves a stream that the pump joins."""

    def __init__(self, name, command, pumped=False):
        self.name, self.command, self.pumped = name, command, pumped

    def start(self, folder, client, pump, limit, processes):
        """Starts the processes and appends them to `processes`, the backend's own first."""
        words = [part.format(socket=f"{folder}/socket", netns=f"{folder}/netns") for part in self.command]
        if limit:
            words = ["prlimit", f"--nofile={limit}:{limit}", *words]
        log = open(f"{folder}/log", "w")
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        processes.append(process)
        if self.pumped:
            wait_for(lambda: os.path.exists(f"{folder}/socket"), process, folder)
            tap = client.tap()
            processes.append(subprocess.Popen([pump, "pump", str(tap), f"{folder}/socket"], pass_fds=[tap]))
            os.close(tap)
        else:
            wait_for(lambda: has_route(client), process, folder)


def has_route(client):
    routes = pathlib.Path(f"/proc/{client.process.pid}/net/route").read_text()
    return any(line.split()[1] == "00000000" for line in routes.splitlines()[1:])


def anonymous_bytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon")


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def settled_descriptors(process, expected, seconds=15):
    """The descriptors once there are as few as expected, or when the time is over."""
    deadline = time.monotonic() + seconds
    while descriptors(process) > expected and time.monotonic() < deadline:
        time.sleep(0.05)
    return descriptors(process)


@contextlib.contextmanager
def running(backend, arguments, limit=None):
    """A client behind a new instance of the backend, with a connection for `latency`, and the processes, the backend's
    first."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="culvert-bench-"))
        os.chmod(folder, 0o755)
        client = Client()
        stack.callback(end, [client.process])
        # At a path, for those who give up the right to look into /proc before they look for the namespace.
        netns = pathlib.Path(folder, "netns")
        netns.touch()
        subprocess.run(["mount", "--bind", f"/proc/{client.process.pid}/ns/net", netns], check=True)
        stack.callback(subprocess.run, ["umount", netns], check=True)
        processes = []
        stack.callback(end, processes)
        backend.start(folder, client, arguments.pump, limit, processes)
        client.do("connect")
        client.do("latency", 100)
        yield client, processes


def measure_flows(backend, server, arguments):
    """Opening, what the flows cost, and the latency of one among them beside that of one alone.

    The one alone is on an instance of its own and takes turns with the other, so that whatever else the machine does
    disturbs both. All run on one processor meanwhile: on several it is the kernel's choice of where to wake whom that
    decides, by a factor of four."""
    with running(backend, arguments) as (client, processes), running(backend, arguments) as (lone_client, others):
        process = processes[0]
        before = anonymous_bytes(process), descriptors(process)
        opening = client.do("open", arguments.flows, WINDOW, PATIENCE)
        after = anonymous_bytes(process), descriptors(process)
        with on_one_processor([server, client.process, lone_client.process, *processes, *others]):
            turns = [[each.do("latency", arguments.requests // TURNS) for each in (lone_client, client)]
                     for _ in range(TURNS)]
    flows = opening["established"]
    return {
        "opening": opening, "bytes": (after[0] - before[0]) / flows, "descriptors": (after[1] - before[1]) / flows,
        "alone": summary(lone for lone, _ in turns), "crowded": summary(crowded for _, crowded in turns),
        "ratio": statistics.median(statistics.median(crowded) / statistics.median(lone) for lone, crowded in turns),
    }


@contextlib.contextmanager
def on_one_processor(processes):
    every = os.sched_getaffinity(0)
    for process in processes:
        os.sched_setaffinity(process.pid, {max(every)})
    yield
    for process in processes:
        os.sched_setaffinity(process.pid, every)


def summary(turns):
    times = sorted(time for turn in turns for time in turn)
    return {"median": statistics.median(times), "p99": times[len(times) * 99 // 100]}


def measure_churn(backend, arguments):
    """What connections leave behind that come and go, after as many have come and gone before."""
    with running(backend, arguments) as (client, (process, *_)):
        count = descriptors(process)
        client.do("churn", arguments.churn, WINDOW, "client")
        settled_descriptors(process, count)
        before = anonymous_bytes(process)
        rounds = [client.do("churn", arguments.churn // 2, WINDOW, closer) for closer in ("client", "server")]
        after = settled_descriptors(process, count)
        left = anonymous_bytes(process) - before
    return {
        "seconds": sum(each["seconds"] for each in rounds), "failed": sum(each["failed"] for each in rounds),
        "descriptors": after - count, "bytes": left,
    }


def measure_limit(backend, arguments):
    """What happens to connections beyond the backend's descriptors."""
    with running(backend, arguments, LIMIT) as (client, _):
        return client.do("open", LIMIT + BEYOND, WINDOW, PATIENCE)


def backends(arguments):
    # Foreground, quiet, no change of user, nothing forwarded to the namespace: the fewest things to do besides.
    common = ["--foreground", "--quiet", "--runas", "0:0"]
    closed = ["--tcp-ports", "none", "--udp-ports", "none"]
    every = [
        Backend("slirp4netns", ["slirp4netns", "--configure", "--mtu=65520", "--netns-type=path", "{netns}", "tap0"]),
        Backend("pasta", ["pasta", *common, *closed, "--tcp-ns", "none", "--udp-ns", "none", "--config-net",
                          "--ns-ifname", "tap0", "--netns", "{netns}"]),
        Backend("passt", ["passt", *common, "--socket", "{socket}"], pumped=True),
        Backend("culvert", [arguments.culvert, "serve", "unix:{socket}"], pumped=True),
    ]
    wanted = arguments.only.split(",") if arguments.only else None
    return [backend for backend in every if not wanted or backend.name in wanted]


def prepare_namespace(count):
    """Sets up the host's interfaces, of which pasta and passt copy the address, and its limits."""
    for command in ("ip link set lo up", "ip link add eth0 type veth peer name other", "ip address add 10.0.2.15/24 dev eth0",
                    "ip link set eth0 up", "ip link set other up", "ip route add default via 10.0.2.2 dev eth0"):
        subprocess.run(command.split(), check=True)
    for name, value in (("net/ipv4/ip_local_port_range", "1024 65535"), ("net/core/somaxconn", "65535")):
        pathlib.Path("/proc/sys", name).write_text(value)


def print_tables(table, arguments):
    print("| backend | opened | in s | connections/s | B per flow | descriptors per flow | p50 alone us | p99 | "
          f"p50 of {arguments.flows:,} us | p99 | p50 ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, results in table.items():
        flows = [result["flows"] for result in results]
        seconds = median(flows, "opening", "seconds")
        alone, crowded = median(flows, "alone", "median"), median(flows, "crowded", "median")
        opened = median(flows, "opening", "established")
        print(f"| {name} | {opened:.0f} | {seconds:.2f} | {opened / seconds:.0f} | "
              f"{median(flows, 'bytes'):.0f} | {median(flows, 'descriptors'):.2f} | {alone:.0f} | "
              f"{median(flows, 'alone', 'p99'):.0f} | {crowded:.0f} | {median(flows, 'crowded', 'p99'):.0f} | "
              f"{median(flows, 'ratio'):.2f} |")
    print(f"\n| backend | {arguments.churn:,} come and go, per s | failed | descriptors left | KB left | "
          f"of {LIMIT + BEYOND:,} with {LIMIT:,} descriptors: established | refused | hanging |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, results in table.items():
        churn, limit = [result["churn"] for result in results], [result["limit"] for result in results]
        figures = [arguments.churn / median(churn, "seconds"), median(churn, "failed"), median(churn, "descriptors"),
                   median(churn, "bytes") / 1024, median(limit, "established"), median(limit, "refused"),
                   median(limit, "hanging")]
        print(f"| {name} | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |")


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench flows")
    parser.add_argument("--culvert", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--pump", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--flows", type=int, default=10_000, help="connections at once (10,000)")
    parser.add_argument("--churn", type=int, default=20_000, help="connections one after another (20,000)")
    parser.add_argument("--requests", type=int, default=5000, help="requests of each measurement of latency (5,000)")
    parser.add_argument("--only", help="names of the table's first column, comma-separated")
    parser.add_argument("--json", help="a file for every single figure")
    arguments = parser.parse_args()

    prepare_namespace(arguments.flows)
    server = subprocess.Popen([sys.executable, PEERS, "server", str(PORT)], stdout=subprocess.PIPE)
    server.stdout.readline()
    table = {}
    try:
        for round_number in range(1, arguments.rounds + 1):
            for backend in backends(arguments):
                result = {
                    "flows": measure_flows(backend, server, arguments), "churn": measure_churn(backend, arguments),
                    "limit": measure_limit(backend, arguments),
                }
                print(f"round {round_number}: {backend.name}: {json.dumps(result)}", file=sys.stderr)
                table.setdefault(backend.name, []).append(result)
    finally:
        end([server])
    print(f"{arguments.flows:,} TCP connections at once from one namespace to one server, at most {WINDOW} on their way, "
          f"medians of {arguments.rounds} interleaved rounds; passt and culvert behind the same pump.\n")
    print_tables(table, arguments)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(table, indent=2))


main()
