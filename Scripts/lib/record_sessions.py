"""The sessions that `Scripts/record` records: what a guest does, and what the host does meanwhile."""

import dataclasses
import pathlib
import sys
import typing

from record_world import ADDRESS, GATEWAY, GATEWAY6, OUTSIDE, OUTSIDE6, RESOLVER, RESOLVER6

BOTH, CULVERT = ("culvert", "libslirp"), ("culvert",)


@dataclasses.dataclass
class Session:
    """Something that is recorded behind each of these networks, with these options of theirs as a replay has to know them.
    `record` leaves the frames in the world's `frames`, or in a file of QEMU's, whose path it returns."""

    name: str
    record: typing.Callable
    networks: tuple = BOTH
    options: tuple = ()


sessions: list[Session] = []


def session(name, networks=BOTH, options=()):
    """Registers a function of a world and a network's kind as a session."""
    def register(record):
        sessions.append(Session(name, record, networks, options))
        return record
    return register


# DHCP

# What DHCP clients call: it gives the device its address, and says what has happened.
EVENT_SCRIPT = """#!/bin/sh
reason=${reason:-$1}
case $reason in
  bound | renew) ip address replace "$ip/$mask" dev "$interface" && ip route replace default via "$router" ;;
  BOUND | RENEW | REBOOT)
    ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface" ;;
  BOUND6) ip address replace "$new_ip6_address/64" dev "$interface" nodad ;;
esac
echo "end $reason"
"""
DHCP_OPTIONS = ("hostname=guest", "domainname=a.test", "dnssearch=a.test", "dnssearch=b.test")


def event_script(world):
    path = pathlib.Path(world.folder, "event")
    path.write_text(EVENT_SCRIPT)
    path.chmod(0o755)
    return path


@session("dhcp-boot-linux", options=DHCP_OPTIONS)
def record_boot(world, kind):
    """A Linux machine boots, and gets addresses of both families."""
    machine = world.machine(kind, DHCP_OPTIONS, [
        "-device", "virtio-net-pci,netdev=net0,romfile=", "-kernel", f"{world.image}/vmlinuz", "-initrd",
        f"{world.image}/initramfs", "-append", "console=ttyS0 quiet", "-serial", "null", "-chardev",
        "stdio,id=agent,signal=off", "-serial", "chardev:agent"])
    machine.await_line("ready")
    machine.run(f"""
        set -e
        until ip -6 address show dev eth0 scope site -tentative | grep -q inet6; do usleep 20000; done
        ping -c 1 -W 5 {GATEWAY} && ping -c 1 -W 5 {GATEWAY6}""")
    machine.stop()
    return machine.path


@session("dhcp-lease-udhcpc", options=DHCP_OPTIONS)
def record_udhcpc(world, kind):
    """udhcpc takes a lease, renews it and gives it back."""
    with world.guest(kind, DHCP_OPTIONS) as guest:
        guest.without_ipv6()
        guest.bring_up(address=False)
        client = guest.start("busybox", "udhcpc", "-f", "-i", "eth0", "-s", event_script(world), "-O", "search", "-O",
                             "mtu", "-x", "hostname:guest")
        client.await_line("end bound")
        client.process.send_signal(10)
        client.await_line("end renew")
        client.process.send_signal(12)
        client.await_line("entering released state")
        client.stop()


def dhclient(world, guest, *options, lines=()):
    """dhclient with files of its own."""
    configuration = pathlib.Path(world.folder, "dhclient.conf")
    configuration.write_text("\n".join([
        'send host-name "guest";', "request subnet-mask, routers, domain-name, domain-name-servers, domain-search, "
        "host-name, interface-mtu, dhcp6.name-servers, dhcp6.domain-search;", *lines, ""]))
    return guest.start("dhclient", "-v", "-d", "-cf", configuration, "-lf", f"{world.folder}/leases", "-pf",
                       f"{world.folder}/pid", "-sf", event_script(world), *options, "eth0")


@session("dhcp-renew-dhclient", options=DHCP_OPTIONS)
def record_dhclient(world, kind):
    """dhclient takes a lease, renews it when it thinks that half of it is over, asks for it again and gives it back."""
    with world.guest(kind, DHCP_OPTIONS) as guest:
        guest.without_ipv6()
        guest.bring_up(address=False)
        soon = ["supersede dhcp-renewal-time 2;"]
        client = dhclient(world, guest, "-4", lines=soon)
        client.await_line("end RENEW", client.await_line("end BOUND"))
        client.stop()
        client = dhclient(world, guest, "-4")
        client.await_line("end REBOOT")
        client.stop()
        dhclient(world, guest, "-4", "-r").finish()


@session("dhcpv6-lease-dhclient", networks=CULVERT, options=DHCP_OPTIONS)
def record_dhclient6(world, kind):
    """dhclient takes an IPv6 lease and gives it back. libslirp has none to give."""
    with world.guest(kind, DHCP_OPTIONS) as guest:
        guest.bring_up(address=False)
        guest.await_ipv6()
        client = dhclient(world, guest, "-6", "-D", "LL")
        client.await_line("end BOUND6")
        client.stop()
        dhclient(world, guest, "-6", "-D", "LL", "-r").finish()


@session("dhcpv6-information-dhclient", options=DHCP_OPTIONS)
def record_information(world, kind):
    """dhclient asks for the name server and the domains, and for no address."""
    with world.guest(kind, DHCP_OPTIONS) as guest:
        guest.bring_up(address=False)
        guest.await_ipv6()
        client = dhclient(world, guest, "-6", "-S", "-D", "LL")
        # Behind libslirp, whose answer is none for lack of a server identifier, it asks again.
        client.await_line("XMT: Info-Request" if kind == "libslirp" else "end RENEW6",
                          client.await_line("XMT: Info-Request"))
        client.stop()


IPXE = """#!ipxe
imgfetch tftp://10.0.2.2/lines || exit
imgfetch http://10.0.2.2/20000 || exit
echo The script ends
"""


@session("tftp-boot-ipxe", options=("tftp=.", "bootfile=boot.ipxe"))
def record_ipxe(world, kind):
    """The firmware of the network card gets a script by TFTP, and by that a file by TFTP and one by HTTP."""
    files = pathlib.Path(world.folder, "files")
    files.mkdir()
    (files / "boot.ipxe").write_text(IPXE)
    (files / "lines").write_text("".join(f"{number:07}\n" for number in range(750)))
    machine = world.machine(kind, (f"tftp={files}", "bootfile=boot.ipxe"), [
        "-machine", "graphics=off", "-device", "virtio-net-pci,netdev=net0", "-boot", "n", "-serial", "stdio"])
    machine.await_line("The script ends")
    machine.stop()
    return machine.path


# Names

@session("dns-lookup-dig")
def record_dig(world, kind):
    """dig asks for an address, for one that there is not, for a long text, which comes by TCP, and by TCP at once."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        questions = [("host.test", "A"), ("host.test", "AAAA"), ("unknown.test", "A"),
                     ("long.test", "TXT", "+bufsize=512"), ("outside.test", "A", "+tcp"),
                     ("4.3.2.1.in-addr.arpa", "PTR")]
        for number, question in enumerate(questions):
            guest.run("dig", f"@{RESOLVER}", "-b", f"{ADDRESS}#{40100 + number}", "+nocookie", "+tries=1", "+timeout=5",
                      *question)


# TCP

@session("http-transfer-curl")
def record_curl(world, kind):
    """curl gets something from the host, sends something to it, and gets something from outside."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        guest.shell(f"""
            curl -sSf --local-port 40200 http://{GATEWAY}/30000 >{world.folder}/got
            curl -sSf --local-port 40201 -T {world.folder}/got http://{GATEWAY}/put
            curl -sSf --local-port 40202 http://{OUTSIDE}/3000 >/dev/null""")


FORWARDS = ("hostfwd=tcp:127.0.0.1:8080-:80", "hostfwd=tcp:127.0.0.1:8081-:81", "hostfwd=udp:127.0.0.1:8007-:7")


@session("http-forward-curl", options=FORWARDS)
def record_forward(world, kind):
    """The host's curl asks a server in the guest by a forward, and another where nobody is; and so do datagrams."""
    with world.guest(kind, FORWARDS) as guest:
        guest.without_ipv6()
        guest.bring_up()
        script = pathlib.Path(__file__).with_name("record_servers.py")
        server = guest.start(sys.executable, "-u", script, ADDRESS)
        server.await_line("ready")
        world.host.run("bash", "-ec", f"""
            curl -sSf --local-port 4000 http://127.0.0.1:8080/20000 >{world.folder}/got
            curl -sSf --local-port 4001 -T {world.folder}/got http://127.0.0.1:8080/put
            if curl -sS --local-port 4002 --max-time 5 http://127.0.0.1:8081/; then exit 1; fi 2>/dev/null
            [ "$(echo ping | socat -t 5 - UDP4:127.0.0.1:8007,sourceport=4003,readbytes=5)" = ping ]""")
        server.stop()


@session("tcp-loss-iperf3")
def record_losses(world, kind):
    """iperf3 sends up and down over a link that loses one of 25 long frames."""
    for_up = ("iperf3", "--client", GATEWAY, "--bytes", "150K", "--length", "2K", "--bitrate", "4M")
    with world.guest(kind, loss_up=25, loss_down=25) as guest:
        guest.without_ipv6()
        guest.bring_up()
        for number, direction in enumerate(([], ["--reverse"])):
            with world.serving("iperf3", "--server", "--one-off", "--forceflush", until="Server listening"):
                guest.run(*for_up, "--cport", 40300 + number, *direction)


# A client of the guest's in Python, which tells how its socket is used: "connect(PORT)" opens one to the gateway.
CLIENT = """
import socket, struct, time
port = {port}
def connect(remote, room=0):
    global port
    stream = socket.socket()
    if room: stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    stream.bind(("{address}", port))
    port += 1
    stream.connect(("{gateway}", remote))
    return stream
def read(stream):
    total = 0
    while part := stream.recv(65536): total += len(part)
    return total
"""


def client(guest, port, lines):
    """Runs lines of Python in the guest, with ports of its own from `port` on."""
    head = CLIENT.format(port=port, address=ADDRESS, gateway=GATEWAY)
    return guest.run(sys.executable, "-c", head + "\n".join(lines))


@session("tcp-reset-python")
def record_resets(world, kind):
    """The server resets, nobody listens, and the guest resets."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        client(guest, 40400, [
            "stream = connect(7001)",
            "while len(stream.recv(2000, socket.MSG_PEEK)) < 2000: pass",
            "stream.sendall(b'enough')",
            "try: read(stream) and read(stream)",
            "except ConnectionResetError: pass",
            "else: raise SystemExit('not reset')",
            "try: connect(7999)",
            "except ConnectionRefusedError: pass",
            "else: raise SystemExit('not refused')",
            "stream = connect(7)",
            "stream.sendall(b'echo')",
            "stream.recv(4)",
            "stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))",
            "stream.close()",
        ])


@session("tcp-zerowindow-python")
def record_zero_window(world, kind):
    """The guest closes its window for a second, and so does the server."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        client(guest, 40500, [
            "stream = connect(80, room=4096)",
            "stream.sendall(b'GET /40000 HTTP/1.0\\r\\n\\r\\n')",
            "time.sleep(1)",
            "assert read(stream) > 40000",
            "stream.close()",
            "stream = connect(7002)",
            "stream.sendall(b'0123456\\n' * 25000)",
            "stream.shutdown(socket.SHUT_WR)",
            "assert stream.recv(100) == b'200000 bytes\\n'",
        ])


@session("tcp-close-socat")
def record_half_close(world, kind):
    """The guest ends its half first, and gets the answer behind that; a server says something and ends first."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        guest.shell(f"""
            printf 'one\\ntwo\\n' | socat -t 10 - TCP4:{GATEWAY}:7003,sourceport=40600
            socat -u TCP4:{GATEWAY}:7004,sourceport=40601 - </dev/null""")


# Datagrams and messages

@session("udp-echo-socat")
def record_datagrams(world, kind):
    """Datagrams to the host, to the outside and to where nobody listens."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        guest.shell(f"""
            echo() {{
              head -c "$1" /dev/zero | tr '\\0' x | socat -t 5 - "UDP4:$2,sourceport=$3,readbytes=$1" | wc -c | grep -qx "$1"
            }}
            echo 1 {GATEWAY}:7 40700
            echo 1000 {GATEWAY}:7 40700
            echo 100 {OUTSIDE}:7 40700
            printf x | socat -u - UDP4:{GATEWAY}:10,sourceport=40701""")


@session("ip-fragments-linux")
def record_fragments(world, kind):
    """Datagrams and pings that take several packets, of both families; libslirp knows those of IPv4."""
    goes = "|| true" if kind == "libslirp" else ""
    with world.guest(kind) as guest:
        guest.bring_up()
        guest.await_ipv6()
        guest.shell(f"""
            echo() {{
              head -c "$1" /dev/zero | tr '\\0' x | socat -b 66000 -t 5 - "$2,readbytes=$1" | wc -c | grep -qx "$1"
            }}
            echo 4000 UDP4:{GATEWAY}:7,sourceport=40800
            echo 4000 UDP6:[{GATEWAY6}]:7,sourceport=40801 {goes}
            ping -n -c 1 -W 5 -s 4000 -e 4660 {GATEWAY}
            ping -n -c 1 -W 2 -s 4000 -e 4661 {GATEWAY6} {goes}""")


@session("icmp-ping-linux")
def record_pings(world, kind):
    """Pings to the gateway, the name server, the outside, and an address of the network where nobody is."""
    with world.guest(kind) as guest:
        guest.bring_up()
        guest.await_ipv6()
        guest.shell(f"""
            ping -n -c 2 -i 0.2 -W 5 -e 4660 {GATEWAY}
            ping -n -c 1 -W 5 -s 1400 -e 4661 {RESOLVER}
            ping -n -c 1 -W 5 -e 4662 {OUTSIDE}
            ping -n -c 1 -W 5 -e 4663 {GATEWAY6}
            ping -n -c 1 -W 2 -e 4664 {OUTSIDE6} || true
            ping -n -c 1 -W 2 -e 4665 10.0.2.77 || true""")


@session("icmp-traceroute-linux")
def record_traceroutes(world, kind):
    """traceroute to the outside, by UDP and by echo."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        guest.shell(f"""
            traceroute -n -q 1 -N 1 -w 1 -m 5 --sport=40900 {OUTSIDE}
            traceroute -n -q 1 -N 1 -w 1 -m 5 -I {OUTSIDE}""")


@session("ipv6-traffic-linux")
def record_ipv6(world, kind):
    """A guest that makes itself an IPv6 address asks the host, the name server and the outside."""
    with world.guest(kind) as guest:
        guest.bring_up(address=False)
        guest.await_ipv6()
        guest.shell(f"""
            curl -sSf --local-port 41000 'http://[{GATEWAY6}]/5000' >{world.folder}/got
            curl -sSf --local-port 41001 -T {world.folder}/got 'http://[{GATEWAY6}]/put'
            curl -sSf --local-port 41002 'http://[{OUTSIDE6}]/3000' >/dev/null
            dig @{RESOLVER6} +nocookie +tries=1 +timeout=2 host.test AAAA || true
            traceroute -n -q 1 -N 1 -w 1 -m 4 {OUTSIDE6}""")


@session("arp-probe-busybox")
def record_arp(world, kind):
    """Questions for hardware addresses, and a check whether somebody else has the guest's."""
    with world.guest(kind) as guest:
        guest.without_ipv6()
        guest.bring_up()
        guest.shell(f"""
            busybox arping -D -c 1 -w 1 -I eth0 {ADDRESS}
            busybox arping -U -c 1 -w 1 -I eth0 {ADDRESS} || true
            for last in 2 3 4; do busybox arping -c 1 -w 1 -I eth0 10.0.2.$last || true; done""")
