import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// What guests find on a bridge that `culvert bridge` has set up, and what is in their way.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert, Requirement.guest,
    Requirement.installed("nft", "iptables", "nsenter", "busybox", "ping", "/usr/lib/qemu/qemu-bridge-helper"))
  struct BridgeGuestTests {
    /// QEMU's options as the recipe has them.
    private func recipe(_ hardware: String) -> [String] {
      ["-net", "nic,model=virtio,macaddr=\(hardware)", "-net", "bridge,br=bridge0"]
    }

    /// A namespace with an address of its own on the bridge.
    private func guest(in world: BridgeWorld, _ address: String = "192.168.1.102") throws -> NetworkNamespace {
      let guest = try world.guest("52:54:00:12:34:59")
      try guest.run("ip address add \(address)/24 dev eth0; ip route add default via \(BridgeWorld.address)")
      return guest
    }

    @Test func `machines that are started as the recipe says have their addresses and reach everybody`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let bridge = try world.up("--uplink", "wlo1")
      let first = try Guest(
        network: recipe("52:54:00:12:34:59"), launcher: world.launcher, kernelOptions: "network=off")
      try first.output(
        of: "ip link set eth0 up; ip address add 192.168.1.102/24 dev eth0; ip route add default via 192.168.1.101")
      let second = try Guest(network: recipe("52:54:00:12:34:58"), launcher: world.launcher)
      let lease = try second.lease()
      #expect(lease["ip"] == "192.168.1.201" && lease["router"] == "192.168.1.101" && lease["domain"] == "mylan")
      #expect(lease["dns"] == "8.8.8.8" && lease["lease"] == "3600" && lease["search"] == "mylan")
      for address in [BridgeWorld.address, "192.168.1.201", BridgeWorld.outsideAddress] {
        try first.output(of: "ping -c 1 -W 5 \(address)")
      }
      try world.run("ping -c 1 -W 5 192.168.1.201")
      let status = try world.bridge("status").text
      for part in ["qemu-system-x86", "52:54:00:12:34:58", "192.168.1.201", "problems:\n  none"] {
        #expect(status.contains(part), "\(part)\n\(status)")
      }
      for guest in [first, second] {
        _ = try guest.start("poweroff -f")
        try guest.program.waitForExit(seconds: 20)
      }
      try bridge.send(signal: SIGTERM)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }

    @Test func `two guests with one hardware address are told of`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up()
      let usual = ["-net", "nic,model=virtio", "-net", "bridge,br=bridge0"]
      let guests = try (0..<2).map { _ in
        try Guest(network: usual, launcher: world.launcher, kernelOptions: "network=off")
      }
      let status = try world.bridge("status").text
      #expect(status.contains("have guests with one hardware address, 52:54:00:12:34:56"), "\(status)")
      #expect(try bridge.isRunning && guests.count == 2)
    }

    @Test func `of a full range the next guest gets nothing, and who has an address keeps it after kill -9`() throws {
      let world = try BridgeWorld()
      let range = "192.168.1.201-192.168.1.201"
      let ask = "busybox udhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true"
      let killed = try world.up("--dhcp", range)
      let (first, second) = (try world.guest("52:54:00:12:34:59"), try world.guest("52:54:00:12:34:58"))
      func refuse(_ bridge: Program) throws {
        let refused = try Program(second.launcher + ["bash", "-c", ask])
        try bridge.errors.wait(seconds: 10, "word of the full range") {
          $0.contains("there is no address left for 52:54:00:12:34:58") ? () : nil
        }
        #expect(try refused.waitForExit(seconds: 20) == .status(1))
        // It has asked three times, and that is said once.
        #expect(bridge.errors.text.components(separatedBy: "there is no address left").count == 2)
      }
      try first.run(ask)
      try refuse(killed)
      try world.run("until grep -q 192.168.1.201 /run/culvert/*/leases; do sleep 0.05; done", seconds: 10)
      try killed.send(signal: SIGKILL)
      try killed.waitForExit(seconds: 5)
      let bridge = try world.up("--dhcp", range)
      #expect(try world.bridge("status").text.contains("192.168.1.201  52:54:00:12:34:59"))
      try refuse(bridge)
      try first.run(ask)
    }

    @Test func `an address whose lease has ended goes to another guest, no sooner`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up("--dhcp", "192.168.1.201-192.168.1.201")
      let (first, second) = (try world.guest("52:54:00:12:34:59"), try world.guest("52:54:00:12:34:58"))
      // A minute is the shortest that the server gives.
      try first.run("busybox udhcpc -i eth0 -n -q -x lease:60 -s /bin/true")
      let leased = ContinuousClock.now
      try second.run("busybox udhcpc -i eth0 -n -q -t 90 -T 1 -s /bin/true", seconds: 80)
      let time = ContinuousClock.now - leased
      #expect(time > .seconds(58) && time < .seconds(66), "\(time)")
      #expect(bridge.errors.text.contains("there is no address left for 52:54:00:12:34:58"))
      let status = try world.bridge("status").text
      #expect(status.contains("192.168.1.201  52:54:00:12:34:58"), "\(status)")
    }

    @Test func `a machine of 'run --bridge' has an address of its own, which no other gets`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up()
      let run =
        world.launcher + [Requirement.culvertPath, "run", "--bridge", "bridge0", "--mac", "52:54:00:aa:bb:cc", "--"]
      let guest = try Guest(network: [], launcher: run)
      #expect(try guest.lease()["ip"] == "192.168.1.201")
      #expect(try guest.output(of: "cat /sys/class/net/eth0/address") == "52:54:00:aa:bb:cc")
      let other = try Program(run + ["qemu-system-x86_64", "-display", "none"])
      #expect(try other.waitForExit(seconds: 10) == .status(1))
      #expect(try other.errors.textAtEnd(seconds: 5).contains("has the hardware address 52:54:00:aa:bb:cc on bridge0"))
      #expect(try bridge.isRunning)
    }

    // MARK: Rules of others

    @Test(arguments: [
      (
        "nft 'add table inet filter; add chain inet filter forward { type filter hook forward priority 0; policy drop; }'",
        "inet filter forward"
      ),
      ("iptables -P FORWARD DROP", "FORWARD"),
    ])
    func `a chain of somebody else's that drops is told of, and is asked to let the bridge pass only where allowed`(
      rules: String, chain: String
    ) throws {
      let world = try BridgeWorld()
      try world.run(rules)
      let before = try world.state()
      let refused = try world.bridge("up")
      #expect(refused.status == .status(3) && refused.text.contains("bridge0"), "\(refused.text)")
      #expect(try world.changes(since: before) == [String]())
      let bridge = try world.up("--allow-in", chain)
      let guest = try guest(in: world)
      try guest.run("ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
      try world.remove(guest)
      try bridge.send(signal: SIGTERM)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }

    @Test func `rules that somebody flushes, as the reload of a firewall does, are put back`() throws {
      let world = try BridgeWorld()
      // As a firewall's service has them: with everything else gone.
      let reload = """
        nft -f - <<'RULES'
        flush ruleset
        table inet filter { chain forward { type filter hook forward priority 0; policy drop; }; }
        RULES
        """
      try world.run(reload)
      let before = try world.state()
      let bridge = try world.up("--allow-in", "inet filter forward")
      let guest = try guest(in: world)
      try guest.run("ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
      try world.run(reload)
      for words in ["load the table inet culvert_bridge0", "pass in the chain inet filter forward"] {
        try bridge.errors.wait(seconds: 10, words) { $0.contains(words) ? () : nil }
      }
      try guest.run("ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
      try world.remove(guest)
      try bridge.send(signal: SIGTERM)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }

    // MARK: The uplink

    @Test func `an uplink that changes its address, or goes and comes back, leads outside again`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up("--uplink", "wlo1")
      let guest = try guest(in: world)
      try guest.run("ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
      try world.run(
        """
        ip address delete \(BridgeWorld.uplinkAddress)/24 dev wlo1; ip address add 172.16.0.77/24 dev wlo1
        ip route add default via \(BridgeWorld.outsideAddress)
        """)
      try guest.run("ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
      try world.replaceUplink()
      try bridge.errors.wait(seconds: 10, "the uplink's return") {
        $0.contains("set net.ipv4.conf.wlo1.forwarding to 1") ? () : nil
      }
      try guest.run("ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
    }

    @Test func `a bridge that somebody removes ends its service, which takes the rest back`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let bridge = try world.up()
      try world.run("ip link delete bridge0")
      #expect(try bridge.waitForExit(seconds: 10) == .status(1))
      #expect(try bridge.errors.textAtEnd(seconds: 5).contains("bridge0 was removed by somebody else"))
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }
  }
}
