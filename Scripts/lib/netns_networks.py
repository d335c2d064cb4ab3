"""Networks for a namespace, as `Scripts/bench netns` and `Scripts/bench soak` measure them: namespaces, what connects
them with the host, and the servers on the host's loopback."""

import contextlib
import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

from bench_common import end

LOAD_PORT, IPERF_PORT = 7780, 5201
# Where a namespace's data goes by; the name is the same with all.
TAP = "tap0"
SETTINGS = {
    "net/ipv4/tcp_rmem": "4096 131072 16777216",
    "net/ipv4/tcp_wmem": "4096 65536 16777216", "net/ipv4/ip_local_port_range": "1024 65535",
    # Ports of connections that have ended are free again soon, or a rate of connections would use them all up.
    "net/ipv4/tcp_max_tw_buckets": "2000",
    # An address of IPv6 is valid at once.
    "net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0",
}
# Seconds until a network has to be ready.
PATIENCE = 15


class Host:
    """The namespace that the benchmark runs in itself."""

    def words(self, *command):
        """A command's words such that it runs in the namespace."""
        return list(map(str, command))

    def run(self, *command):
        """Runs a command to its end and returns what it wrote."""
        done = subprocess.run(self.words(*command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def configure(self, *lines):
        for line in lines:
            self.run(*line.split())

    def prepare(self):
        """Loopback and the settings that are the same for all."""
        self.configure("ip link set lo up")
        for name, value in SETTINGS.items():
            self.run("sh", "-c", f"echo '{value}' >/proc/sys/{name}")
        # Of sockets that do not ask for one. Reno where the machine does not let a namespace choose CUBIC.
        name = "/proc/sys/net/ipv4/tcp_congestion_control"
        self.run("sh", "-c", f"echo cubic >{name} || echo reno >{name}")

    def close(self):
        pass


class Namespace(Host):
    """A network namespace of its own, which ends with the process that holds it."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.path = f"/proc/{self.process.pid}/ns/net"

    def words(self, *command):
        return ["nsenter", f"--net={self.path}", *map(str, command)]

    def has_default_routes(self):
        """Whether there are default routes of both families."""
        routes = pathlib.Path(f"/proc/{self.process.pid}/net/route").read_text().splitlines()[1:]
        routes6 = pathlib.Path(f"/proc/{self.process.pid}/net/ipv6_route").read_text().splitlines()
        return any(line.split()[1] == "00000000" for line in routes) and any(
            line.split()[:2] == ["0" * 32, "00"] and line.split()[-1] == TAP for line in routes6)

    def close(self):
        end([self.process])


class Network:
    """What connects a namespace with the host: its name, its MTU, its command, and what it calls the host's loopback.

    The command gets `{pid}` and `{netns}`, the namespace's, and `{ready}`, a descriptor to write to once it is ready;
    without that it is ready when there are routes."""

    def __init__(self, name, mtu, command, ipv4, ipv6, queue=None):
        self.kind, self.mtu, self.command, self.queue = name, mtu, command, queue
        self.name = f"{name}-{mtu}" if mtu else name
        self.addresses = {4: ipv4, 6: ipv6}

    @contextlib.contextmanager
    def running(self):
        """A namespace behind a new instance, and the instance's process: the host itself and None without any."""
        if self.command is None:
            yield Host(), None
            return
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="culvert-bench-"))
            os.chmod(folder, 0o755)
            namespace = Namespace()
            stack.callback(namespace.close)
            namespace.prepare()
            # At a path, for those who give up the right to look into /proc before they look for the namespace.
            netns = pathlib.Path(folder, "netns")
            netns.touch()
            subprocess.run(["mount", "--bind", namespace.path, netns], check=True)
            stack.callback(subprocess.run, ["umount", netns], check=True)
            process = self.start(folder, namespace)
            stack.callback(end, [process])
            self.await_ready(folder, namespace, process)
            if self.queue:
                namespace.configure(f"ip link set {TAP} txqueuelen {self.queue}")
            yield namespace, process

    def start(self, folder, namespace):
        self.ready, ready = os.pipe()
        words = [word.format(pid=namespace.process.pid, netns=f"{folder}/netns", ready=ready) for word in self.command]
        with open(f"{folder}/log", "w") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[ready])
        os.close(ready)
        return process

    def await_ready(self, folder, namespace, process):
        """Waits for what the command writes to `{ready}`, or else for routes."""
        with open(self.ready, "rb", buffering=0) as ready:
            if any("{ready}" in word for word in self.command):
                is_ready = select.select([ready], [], [], PATIENCE)[0] and ready.read(1)
            else:
                deadline = time.monotonic() + PATIENCE
                while process.poll() is None and not namespace.has_default_routes() and time.monotonic() < deadline:
                    # The routes of another namespace cannot be awaited from this one.
                    time.sleep(0.02)
                is_ready = namespace.has_default_routes()
        if not is_ready or process.poll() is not None:
            process.kill()
            raise RuntimeError(f"{self.name} did not start: {pathlib.Path(folder, 'log').read_text()}")


def networks(arguments):
    """All networks, or those that `--only` names, by name or for every MTU by what comes before it."""
    # Foreground, quiet, no change of user, nothing forwarded to the namespace: the fewest things to do besides.
    pasta = ["pasta", "--foreground", "--quiet", "--runas", "0:0", "--tcp-ports", "none", "--udp-ports", "none",
             "--tcp-ns", "none", "--udp-ns", "none", "--config-net", "--ns-ifname", TAP]
    every = []
    for mtu in (1500, 65520):
        pasta_command = [*pasta, "--mtu", str(mtu), "--netns", "{netns}"]
        every += [
            Network("culvert", mtu, [arguments.culvert, "serve", f"netns:{{pid}},ifname={TAP}", "--mtu", str(mtu),
                                     "--ready-fd", "{ready}"], "10.0.2.2", "fec0::2"),
            Network("pasta", mtu, pasta_command, "10.0.2.2", "fd00:1::2"),
            Network("slirp4netns", mtu, ["slirp4netns", "--configure", "--enable-ipv6", f"--mtu={mtu}",
                                         "--ready-fd={ready}", "--netns-type=path", "{netns}", TAP],
                    "10.0.2.2", "fd00::2"),
        ]
        if mtu == 1500:
            # With a queue that does not overflow at the start of a transfer.
            every.append(Network("pasta-long", mtu, pasta_command, "10.0.2.2", "fd00:1::2", queue=10_000))
    every.append(Network("loopback", None, None, "127.0.0.1", "::1"))
    wanted = arguments.only.split(",") if arguments.only else None
    chosen = [network for network in every if not wanted or network.kind in wanted or network.name in wanted]
    unknown = set(wanted or []) - {network.kind for network in every} - {network.name for network in every}
    if unknown or not chosen:
        raise SystemExit(f"bench: there is no {', '.join(unknown)}; there are {', '.join(each.name for each in every)}")
    return chosen


def prepare_host():
    """Sets up the host: loopback, and an interface with default routes, of which pasta copies the addresses."""
    host = Host()
    host.prepare()
    host.configure(
        "ip link add eth0 type veth peer name other", "ip address add 10.0.2.15/24 dev eth0",
        "ip address add fd00:1::15/64 dev eth0 nodad", "ip link set eth0 up", "ip link set other up",
        "ip route add default via 10.0.2.2 dev eth0", "ip route add default via fd00:1::2 dev eth0")
    pathlib.Path("/proc/sys/net/core/somaxconn").write_text("65535")


@contextlib.contextmanager
def server(words, line):
    """A server process, once it has written a line."""
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True)
    try:
        for written in process.stdout:
            if line in written:
                break
        else:
            raise RuntimeError(f"{words} did not start")
        yield process
    finally:
        end([process])
        process.stdout.close()


def load_server(load):
    """The load generator's server on the host."""
    return server([load, "load-server", LOAD_PORT], "ready")


def run_load(namespace, load, address, *task):
    """The figures of one task with the load generator's server."""
    return json.loads(namespace.run(load, "load", address, LOAD_PORT, *task))


def run_iperf(namespace, address, seconds, streams, is_up, far=Host(), congestion=("--congestion", "cubic")):
    """The report of iperf3 in a namespace, with a server of its own at the far end."""
    with server(far.words("iperf3", "--server", "--one-off", "--forceflush", "--port", IPERF_PORT), "Server listening"):
        report = json.loads(namespace.run(
            "iperf3", "--client", address, "--port", IPERF_PORT, "--time", seconds, "--parallel", streams, "--json",
            *congestion, *([] if is_up else ["--reverse"])))
    if "error" in report:
        raise RuntimeError(f"iperf3: {report['error']}")
    return report["end"]["sum_received"]
