import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// How a bridge's server goes on when the host changes under it, or when it is started anew.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert,
    Requirement.installed("nft", "nsenter", "busybox", "socat", "ss"))
  struct BridgeRepairTests {
    private func wait(_ bridge: Program, from start: Int = 0, for words: String) throws {
      try bridge.errors.wait(seconds: 10, from: start, "'\(words)'") { $0.contains(words) ? () : nil }
    }

    /// Waits until the server has looked after its bridge: somebody brings that down, and it is up again.
    private func waitForRepair(_ world: BridgeWorld) throws {
      try world.run(
        "ip link set bridge0 down; until ip -o link show bridge0 | grep -q '[<,]UP[,>]'; do sleep 0.05; done",
        seconds: 10)
    }

    private func occurrences(_ words: String, in bridge: Program) -> Int {
      bridge.errors.text.components(separatedBy: words).count - 1
    }

    private func end(_ bridge: Program) throws {
      try bridge.send(signal: SIGTERM)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
    }

    @Test func `the default route moves to another interface, and so does the bridge, until it is down`() throws {
      let world = try BridgeWorld()
      try world.run(
        """
        ip link add eth7 type veth peer name peer7; ip link set peer7 up; ip link set eth7 up
        ip address add 172.17.0.10/24 dev eth7
        """)
      let before = try world.state()
      let bridge = try world.up()
      let rules = "nft -a list table inet culvert_bridge0"
      #expect(try world.run(rules).contains("oifname \"wlo1\""))
      try world.run("ip route replace default via 172.17.0.1")
      try wait(bridge, for: "192.168.1.0/24 goes out by eth7 now")
      let table = try world.run(rules)
      #expect(table.contains("oifname \"eth7\"") && !table.contains("wlo1"), "\(table)")
      #expect(try world.run("cat /proc/sys/net/ipv4/conf/eth7/forwarding") == "1")
      #expect(try world.bridge("status").text.contains(/uplink +eth7 +up/))
      // What is as it should be is not done again: its rules keep what they have counted. Nor is it written down again.
      let journal = try world.run("cat /run/culvert/bridge0-*/journal.json")
      try waitForRepair(world)
      #expect(try world.run(rules) == table)
      #expect(try world.run("cat /run/culvert/bridge0-*/journal.json") == journal)
      #expect(occurrences("goes out by eth7 now", in: bridge) == 1)
      try end(bridge)
      try world.run("ip route replace default via \(BridgeWorld.outsideAddress)")
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }

    @Test func `of two bridges with one uplink each goes on when the other is taken down`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      func parameters() throws -> String {
        try world.run(
          "cd /proc/sys/net; cat ipv4/conf/wlo1/forwarding ipv6/conf/all/forwarding ipv6/conf/wlo1/accept_ra")
      }
      let first = try world.up("--ipv6", "fd00:7::/64")
      let second = try world.up(
        "--bridge", "lab0", "--address", "10.7.0.1/24", "--dhcp", "none", "--ipv6", "fd00:8::/64")
      #expect(try parameters() == "1\n1\n2")
      // It has found these set, and is not to lose them with the one that has set them.
      let said = second.errors.count
      try end(first)
      try wait(second, from: said, for: "set net.ipv4.conf.wlo1.forwarding to 1")
      try wait(second, from: said, for: "set net.ipv6.conf.all.forwarding to 1")
      #expect(try parameters() == "1\n1\n2")
      try end(second)
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }

    @Test func `that an uplink has gone is said once each time that it goes`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up("--uplink", "wlo1")
      let line = "uplink: there is no interface 'wlo1'"
      try world.run("ip link delete wlo1")
      try wait(bridge, for: line)
      // Something changes, and the server has looked once more what is to be done: it was at the lock, and is not now.
      try world.run(
        """
        exec 9>$(echo /run/culvert/bridge0-*/lock); flock 9; ip link set lo mtu 65000
        until grep -qe "-> FLOCK.*:$(stat -L -c %i /dev/fd/9) " /proc/locks; do sleep 0.02; done
        flock -u 9; flock 9
        """, seconds: 10)
      let said = bridge.errors.count
      try world.replaceUplink(isThere: false)
      try wait(bridge, from: said, for: "set net.ipv4.conf.wlo1.forwarding to 1")
      let mended = bridge.errors.count
      try world.run("ip link delete wlo1")
      try wait(bridge, from: mended, for: line)
      #expect(occurrences(line, in: bridge) == 2)
    }

    @Test func `a port that goes is no harm to the rest`() throws {
      let world = try BridgeWorld()
      try world.run("ip tuntap add tap0 mode tap")
      let bridge = try world.up("--port", "tap0")
      try world.run("ip link delete tap0")
      try waitForRepair(world)
      let said = bridge.errors.count
      try world.run("ip tuntap add tap0 mode tap")
      try wait(bridge, from: said, for: "make tap0 a port of bridge0")
      #expect(!bridge.errors.text.contains("warning"), "\(bridge.errors.text)")
      try end(bridge)
    }

    @Test func `a server whose journal somebody has removed changes nothing more, and says so`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up()
      try world.run("rm /run/culvert/bridge0-*/journal.json; ip link set bridge0 down")
      try wait(bridge, for: "bridge0 was taken down by somebody else")
      try world.run("ip -o link show bridge0 | grep -vq '[<,]UP[,>]'")
    }

    @Test func `guests of a bridge without a way outside are told of no router`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      try folder.write("#!/bin/sh\n[ \"$1\" != bound ] || echo \"$ip via ${router:-nobody}\"\n", to: "script")
      let bridge = try world.up("--uplink", "none")
      let guest = try world.guest("52:54:00:12:34:59")
      let script = "chmod +x \(folder["script"]); busybox udhcpc -i eth0 -n -q -t 5 -T 1 -s \(folder["script"])"
      #expect(try guest.run("\(script) 2>/dev/null").contains("192.168.1.201 via nobody"))
      try end(bridge)
    }

    @Test func `another server of DHCP on the host is told of`() throws {
      let world = try BridgeWorld()
      let rival = try Program(world.launcher + ["socat", "-u", "UDP4-RECV:67", "-"])
      try world.run("until ss -Hlun sport = 67 | grep -q .; do sleep 0.02; done")
      let bridge = try world.up()
      try wait(bridge, for: "another program has the port of DHCP servers")
      #expect(try rival.isRunning)
      try end(bridge)
    }

    // MARK: Leases of the time before

    /// A bridge whose server was killed when it had leased an address, and the path of its leases.
    private func killedServer(_ world: BridgeWorld) throws -> String {
      let killed = try world.up()
      let guest = try world.guest("52:54:00:12:34:59")
      try guest.run("busybox udhcpc -i eth0 -n -q -t 5 -T 1 -s /bin/true")
      let path = try world.run(
        "until grep -l 192.168.1.201 /run/culvert/*/leases 2>/dev/null; do sleep 0.05; done", seconds: 10)
      try killed.send(signal: SIGKILL)
      try killed.waitForExit(seconds: 5)
      try world.remove(guest)
      return path
    }

    @Test func `a lease that does not fit is left out with a warning`() throws {
      let world = try BridgeWorld()
      let path = try killedServer(world)
      #expect(try world.bridge("status").text.contains(/192.168.1.201 +52:54:00:12:34:59/))
      try world.run("sed -i s/192.168.1.201/192.168.1.7/ \(path)")
      let bridge = try world.up()
      try wait(bridge, for: "warning: the lease of 192.168.1.7 to 52:54:00:12:34:59 was left out")
      try end(bridge)
    }

    @Test func `leases that cannot be read keep the bridge from being served, and everything is taken back`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let path = try killedServer(world)
      try world.run("echo mine >\(path)")
      let failed = try world.bridge("up")
      #expect(failed.status == .status(1) && failed.text.contains("this is not a file of leases"), "\(failed)")
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }
  }
}
