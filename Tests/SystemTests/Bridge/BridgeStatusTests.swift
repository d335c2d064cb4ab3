import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// What `culvert bridge status` finds wrong.
  @Suite(.serialized, Requirement.root, Requirement.culvert, Requirement.installed("nft", "nsenter", "bridge", "socat"))
  struct BridgeStatusTests {
    /// The lines of problems; "none" is one.
    private func problems(_ world: BridgeWorld, sourceLocation: SourceLocation = #_sourceLocation) throws -> [String] {
      let status = try world.bridge("status")
      #expect(status.status == .status(0), sourceLocation: sourceLocation)
      let parts = status.text.components(separatedBy: "problems:\n")
      return (parts.last ?? "").split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test func `each thing that is wrong with a bridge is told of, by itself, and no more once it is mended`() throws {
      let world = try BridgeWorld()
      #expect(try problems(world) == ["there is no bridge 'bridge0'"])
      try world.run("ip link add bridge1 type bridge")
      #expect(try world.bridge("up", "--dhcp", "none").status == .status(0))
      let up = "culvert bridge up --dhcp none".replacing("culvert", with: Requirement.culvertPath)
      #expect(try problems(world) == ["none"])
      for (harm, remedy, words) in [
        (
          "ip link set bridge0 down", "ip link set bridge0 up",
          "bridge0 is down; 'ip link set bridge0 up' brings it up"
        ),
        (
          "echo 0 >/proc/sys/net/ipv4/conf/bridge0/forwarding", "echo 1 >/proc/sys/net/ipv4/conf/bridge0/forwarding",
          "forwarding is off: net.ipv4.conf.bridge0.forwarding is 0; "
            + "'sysctl -w net.ipv4.conf.bridge0.forwarding=1' switches it on"
        ),
        (
          "echo 0 >/proc/sys/net/ipv4/conf/wlo1/forwarding", up,
          "forwarding is off: net.ipv4.conf.wlo1.forwarding is 0; "
            + "'sysctl -w net.ipv4.conf.wlo1.forwarding=1' switches it on"
        ),
        (
          "ip address add 192.168.2.7/16 dev wlo1", "ip address delete 192.168.2.7/16 dev wlo1",
          "wlo1 has the address 192.168.2.7/16, whose network meets the guests' 192.168.1.0/24"
        ),
        (
          "nft delete table inet culvert_bridge0", up,
          "the table inet culvert_bridge0 is gone: guests do not get outside"
        ),
        (
          "sed -i s/^allow/#allow/ /etc/qemu/bridge.conf", "sed -i s/^#allow/allow/ /etc/qemu/bridge.conf",
          "QEMU's helper may not make ports: 'allow bridge0' is missing in /etc/qemu/bridge.conf"
        ),
        (
          "echo 'deny bridge0' >>/etc/qemu/bridge.conf", "sed -i /^deny/d /etc/qemu/bridge.conf",
          "QEMU's helper may not make ports: line 4 of /etc/qemu/bridge.conf ('deny bridge0') denies it"
        ),
        (
          "ip link set wlo1 down", "ip link set wlo1 up; until grep -q 1 /sys/class/net/wlo1/carrier; do :; done",
          "the uplink wlo1 is down: guests do not get outside"
        ),
      ] {
        try world.run(harm)
        #expect(try problems(world) == [words], "\(harm)")
        try world.run(remedy)
        #expect(try problems(world) == ["none"], "\(remedy)")
      }
      // Up, with nobody at its other end.
      try world.outside.run("ip link set eth0 down")
      try world.run("until ip link show wlo1 | grep -q NO-CARRIER; do :; done")
      #expect(try problems(world) == ["the uplink wlo1 is down: guests do not get outside"])
      try world.run("ip link delete wlo1")
      #expect(try problems(world) == ["the uplink wlo1 is gone: guests do not get outside"])
      try world.run("ip link delete bridge0")
      #expect(try problems(world) == ["bridge0 is gone; 'culvert bridge down bridge0' clears up"])
      #expect(try world.bridge("down").text == "bridge0 is down")
      #expect(try problems(world) == ["there is no bridge 'bridge0'"])
    }

    @Test func `of a bridge with IPv6 it is told of when the host does not forward that`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up("--ipv6", "fd00:7::/64")
      #expect(try problems(world) == ["none"])
      try world.run("echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
      #expect(
        try problems(world) == [
          "forwarding is off: net.ipv6.conf.all.forwarding is 0; 'sysctl -w net.ipv6.conf.all.forwarding=1' switches it on"
        ])
      #expect(try bridge.isRunning)
    }

    @Test func `a bridge whose process was killed is told of, and one that nobody needs to serve is not`() throws {
      let world = try BridgeWorld()
      let killed = try world.up("--uplink", "none")
      let served = try world.bridge("status").text
      #expect(served.contains("served by process \(killed.processID)\n") && served.hasSuffix("\n  none"), "\(served)")
      try killed.send(signal: SIGKILL)
      try killed.waitForExit(seconds: 5)
      #expect(try world.bridge("status").text.contains(/set up +not served\n/))
      #expect(
        try problems(world)
          == ["nobody serves bridge0: its process has ended; 'culvert bridge up' goes on with it"])
      let next = try world.up("--uplink", "none")
      #expect(try world.bridge("status").text.contains("served by process \(next.processID)\n"))
      #expect(try problems(world) == ["none"])
      #expect(try world.bridge("down").text == "bridge0 is down")
      #expect(try world.bridge("up", "--uplink", "none", "--dhcp", "none").status == .status(0))
      #expect(try problems(world) == ["none"])
    }

    @Test func `of a machine behind a TAP device an address is told that is none of QEMU's`() throws {
      let world = try BridgeWorld()
      // A link between namespaces is nobody's machine.
      try world.run("ip tuntap add tap0 mode tap")
      #expect(try world.bridge("up", "--dhcp", "none", "--port", "tap0").status == .status(0))
      let stranger = try world.guest("02:00:00:00:00:07")
      try stranger.run("ip address add 192.168.1.102/24 dev eth0; ping -c 1 -W 5 \(BridgeWorld.address)")
      #expect(try problems(world) == ["none"])
      let frame = #"\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x05\x88\xb5%046d"#
      let machine = try Program(
        world.launcher + [
          "bash", "-c",
          // The device's holder is what is ended, and the rest ends with its pipe.
          """
          exec socat -u - TUN,tun-name=tap0,tun-type=tap,iff-no-pi \
            < <(while printf '\(frame)' 0; do sleep 0.05; done)
          """,
        ])
      try world.run("until bridge fdb show brport tap0 | grep -q 02:00:00:00:00:05; do sleep 0.05; done")
      let status = try world.bridge("status").text
      #expect(status.contains(/\ntap0 +up +socat \(\d+\) +02:00:00:00:00:05 *\n/), "\(status)")
      #expect(
        try problems(world) == [
          "the guest behind tap0 has the hardware address 02:00:00:00:00:05, which may be somebody's: "
            + "QEMU's begin with 52:54:00"
        ])
      #expect(try machine.isRunning)
    }

    @Test func `of another network namespace's bridge nothing is told, and nothing is taken down`() throws {
      let world = try BridgeWorld()
      #expect(try world.bridge("up", "--dhcp", "none").status == .status(0))
      let elsewhere = "unshare --net \(Requirement.culvertPath) bridge"
      #expect(try world.run("\(elsewhere) status").contains("there is no bridge 'bridge0'"))
      #expect(try world.run("\(elsewhere) down") == "bridge0 is not up")
      #expect(try problems(world) == ["none"])
    }
  }
}
