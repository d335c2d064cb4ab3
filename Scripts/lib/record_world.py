"""The world in which `Scripts/record` records: this namespace as the host, a way to an outside, and a guest, which is a
namespace or a machine of QEMU's, behind Culvert or behind QEMU's own network (libslirp)."""

import base64
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

from netns_networks import Host, Namespace, server
from record_link import Link, Loss, open_tap

HARDWARE = "52:54:00:12:34:56"
GATEWAY, GATEWAY6, RESOLVER, RESOLVER6 = "10.0.2.2", "fec0::2", "10.0.2.3", "fec0::3"
# The guest's addresses: the first lease, and the one that it makes of its hardware address.
ADDRESS, ADDRESS6 = "10.0.2.15", "fec0::5054:ff:fe12:3456"
# The outside, two hops from the host, of the documentation's networks (RFC 5737, RFC 3849).
OUTSIDE, OUTSIDE6 = "203.0.113.2", "2001:db8:3::2"
NAMES = ["--address=/host.test/10.0.2.2", "--address=/host.test/fec0::2", f"--address=/outside.test/{OUTSIDE}",
         "--txt-record=long.test," + ",".join(["x" * 200] * 12), "--local=/test/", "--edns-packet-max=1232"]
# Seconds for whatever is waited for, and of silence behind which a session has ended.
PATIENCE, SILENCE = 60, 0.3
# Small enough that a peer that does not read is felt soon.
SETTINGS = {"net/ipv4/tcp_wmem": "4096 16384 16384", "net/ipv4/tcp_rmem": "4096 16384 65536",
            "net/ipv4/ping_group_range": "0 2147483647"}


class Program:
    """A program in the background, whose lines can be awaited."""

    def __init__(self, words, **options):
        self.words = list(map(str, words))
        self.lines, self.changed = [], threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, **options)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip())
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def await_line(self, word, after=0):
        """Waits for a line with a word in it, behind so many lines; returns the number of lines until then."""
        def place():
            return next((index + 1 for index, line in enumerate(self.lines[after:], after) if word in line), None)
        with self.changed:
            self.changed.wait_for(lambda: place() or self.ended, PATIENCE)
            if not place():
                raise RuntimeError(f"{' '.join(self.words)} did not say '{word}':\n" + "\n".join(self.lines))
            return place()

    def finish(self):
        """Waits for the end, which must be a good one; returns what was said."""
        status = self.process.wait(timeout=PATIENCE)
        with self.changed:
            self.changed.wait_for(lambda: self.ended, PATIENCE)
            if status:
                raise RuntimeError(f"{' '.join(self.words)} ended with {status}:\n" + "\n".join(self.lines))
            return "\n".join(self.lines)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Network:
    """One of the two that guests are recorded behind, with options in the words of QEMU's '-netdev user'."""

    def __init__(self, world, kind, options):
        self.world, self.kind, self.options = world, kind, options
        self.path = f"{world.folder}/link"

    def stream(self):
        """Starts the network, and returns the guest's end of a stream to it, in QEMU's framing."""
        if self.kind == "culvert":
            self.start_culvert()
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(self.path)
            return stream
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        listener.settimeout(PATIENCE)
        # A QEMU without a machine joins its own network with the stream.
        self.world.start(
            "qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-netdev", self.user("user"),
            "-netdev", f"stream,id=stream,server=off,addr.type=unix,addr.path={self.path}",
            "-netdev", "hubport,hubid=0,id=one,netdev=user", "-netdev", "hubport,hubid=0,id=two,netdev=stream")
        stream, _ = listener.accept()
        stream.setblocking(True)
        return stream

    def netdev(self, name):
        """Starts the network, if it is not QEMU's own, and returns the '-netdev' option of a machine in it."""
        if self.kind == "libslirp":
            return self.user(name)
        self.start_culvert()
        return f"stream,id={name},server=off,addr.type=unix,addr.path={self.path}"

    def user(self, name):
        return f"user,id={name}" + "".join(f",{option}" for option in self.options)

    def start_culvert(self):
        ready, writing = os.pipe()
        user = ["--user", ",".join(self.options)] if self.options else []
        self.program = self.world.start(self.world.culvert, "serve", "--ready-fd", writing, *user, f"unix:{self.path}",
                                        pass_fds=[writing])
        os.close(writing)
        with open(ready, "rb") as pipe:
            if not pipe.read(1):
                raise RuntimeError(f"culvert did not start: {self.program.lines}")


class NamespaceGuest(Namespace):
    """A namespace whose `eth0` is the end of a link, with a name of its own."""

    def __init__(self, link_name):
        self.process = subprocess.Popen(
            ["unshare", "--net", "--uts", "--mount", "sh", "-c", "hostname guest; echo; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.path = f"/proc/{self.process.pid}/ns/net"
        tap = open_tap(link_name)
        subprocess.run(["ip", "link", "set", link_name, "netns", str(self.process.pid), "name", "eth0"], check=True)
        self.tap = tap
        self.configure("ip link set lo up", f"ip link set eth0 address {HARDWARE}")

    def words(self, *command):
        return ["nsenter", f"--target={self.process.pid}", "--net", "--uts", "--mount", *map(str, command)]

    def run(self, *command):
        """Runs a command to its end, which must come soon, and returns what it wrote."""
        return super().run("timeout", PATIENCE, *command)

    def shell(self, script):
        """Runs a script of bash to its end and returns what it wrote."""
        return self.run("bash", "-ec", script)

    def start(self, *command):
        return Program(self.words(*command))

    def bring_up(self, address=True, mtu=1500):
        """Brings the link up, if so with the address and the way that DHCP would give, and IPv6 as it comes."""
        self.configure(f"ip link set eth0 mtu {mtu} up")
        if address:
            self.configure(f"ip address add {ADDRESS}/24 dev eth0", f"ip route add default via {GATEWAY}")

    def without_ipv6(self):
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")

    def await_ipv6(self):
        """Waits until the guest has made its address, nobody else has it, and there is a way out."""
        self.shell("""
            until ip -6 address show dev eth0 scope site -tentative | grep -q inet6 &&
              ip -6 route show default | grep -q .
            do sleep 0.05; done""")


class MachineGuest:
    """A machine of QEMU's, whose frames QEMU itself writes down."""

    def __init__(self, world, network, options, path):
        self.path = path
        self.log = f"{world.folder}/qemu.log"
        log = open(self.log, "wb")
        world.stack.callback(log.close)
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-no-user-config", "-nodefaults", "-display", "none",
             "-netdev", network.netdev("net0"), "-object", f"filter-dump,id=dump,netdev=net0,file={path}",
             *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        world.stack.callback(self.stop)

    def await_line(self, word):
        """Waits for a line of the machine's serial port."""
        for line in self.process.stdout:
            if word in line.decode(errors="replace"):
                return
        raise RuntimeError(f"the machine ended without a word of '{word}': {pathlib.Path(self.log).read_text()}")

    def run(self, script):
        """Has the agent of the guest run a script of bash, and returns what it wrote."""
        self.process.stdin.write(b"1 %s\n" % base64.b64encode(script.encode()))
        self.process.stdin.flush()
        _, status, output = self.process.stdout.readline().decode().split(" ")
        output = base64.b64decode(output).decode()
        if status != "0":
            raise RuntimeError(f"in the guest: {script}\n{output}")
        return output

    def stop(self):
        """Ends the machine, by which its file is whole."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=PATIENCE)


class World:
    """The host and the outside with their servers, and what is started in them."""

    def __init__(self, arguments, folder, stack):
        self.culvert, self.image, self.folder, self.stack = arguments.culvert, arguments.image, folder, stack
        self.joints = 0
        self.host = Host()
        self.host.configure("ip link set lo up")
        self.configure(self.host)
        subprocess.run(["hostname", "host"], check=True)
        self.make_outside()
        pathlib.Path(folder, "resolv.conf").write_text("nameserver 127.0.0.1\n")
        self.host.run("mount", "--bind", f"{folder}/resolv.conf", os.path.realpath("/etc/resolv.conf"))
        self.start("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--pid-file=", "--user=", "--group=",
                   "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1",
                   "--bind-interfaces", "--port=53", *NAMES).await_line("started, version")
        self.start_servers(self.host, "127.0.0.1", "::1")
        self.start_servers(self.outside, OUTSIDE, OUTSIDE6)

    def start(self, *command, **options):
        """Starts a program that ends with the world."""
        program = Program(command, **options)
        self.stack.callback(program.stop)
        return program

    def start_servers(self, place, *addresses):
        script = pathlib.Path(__file__).with_name("record_servers.py")
        self.start(*place.words(sys.executable, "-u", script, *addresses)).await_line("ready")

    def serving(self, *command, until):
        """A server on the host that lives as long as the context."""
        return server(command, until)

    # The outside

    def configure(self, place):
        for name, value in SETTINGS.items():
            place.run("sh", "-c", f"echo '{value}' >/proc/sys/{name}")

    def namespace(self):
        made = Namespace()
        self.stack.callback(made.close)
        made.configure("ip link set lo up")
        self.configure(made)
        return made

    def make_outside(self):
        """The host, a router and the outside, in a row."""
        self.router, self.outside = self.namespace(), self.namespace()
        self.join(self.host, "198.51.100.1/30", "2001:db8:1::1/64", self.router, "198.51.100.2/30", "2001:db8:1::2/64")
        self.join(self.router, "203.0.113.1/30", "2001:db8:3::1/64", self.outside, f"{OUTSIDE}/30", f"{OUTSIDE6}/64")
        self.host.configure("ip route add default via 198.51.100.2", "ip route add default via 2001:db8:1::2")
        self.outside.configure("ip route add default via 203.0.113.1", "ip route add default via 2001:db8:3::1")
        for name, value in [("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv4/icmp_ratelimit", 0),
                            ("ipv6/icmp/ratelimit", 0)]:
            self.router.run("sh", "-c", f"echo {value} >/proc/sys/net/{name}")

    def join(self, near, near_ipv4, near_ipv6, far, far_ipv4, far_ipv6):
        self.joints += 1
        number = self.joints
        ends = (near, f"near{number}", near_ipv4, near_ipv6), (far, f"far{number}", far_ipv4, far_ipv6)
        self.host.configure(f"ip link add near{number} type veth peer name far{number}")
        for place, name, ipv4, ipv6 in ends:
            if place is not self.host:
                self.host.configure(f"ip link set {name} netns {place.process.pid}")
            place.configure(f"ip link set {name} up", f"ip address add {ipv4} dev {name}",
                            f"ip address add {ipv6} dev {name} nodad")

    # Guests

    @contextlib.contextmanager
    def guest(self, kind, options=(), loss_up=0, loss_down=0):
        """A namespace as a guest, whose frames are in `self.frames` afterwards. Of large frames every so many is lost."""
        guest = NamespaceGuest("record-tap")
        try:
            link = Link(guest.tap, Network(self, kind, options).stream(), Loss(loss_up), Loss(loss_down))
            yield guest
            link.await_rest(SILENCE)
            self.frames = link.stop()
        finally:
            guest.close()

    def machine(self, kind, options, machine):
        """A machine of QEMU's as a guest."""
        return MachineGuest(self, Network(self, kind, options), machine, f"{self.folder}/machine.pcap")
