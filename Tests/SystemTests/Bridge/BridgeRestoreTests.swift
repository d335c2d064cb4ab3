import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// How exactly `culvert bridge down`, and an `up` that fails, leave the host as it was.
  @Suite(.serialized, Requirement.root, Requirement.culvert, Requirement.installed("nft", "nsenter"))
  struct BridgeRestoreTests {
    private func expect(
      _ world: BridgeWorld, toBeAs before: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let changes = try world.changes(since: before)
      #expect(changes == [], sourceLocation: sourceLocation)
    }

    private func up(
      _ world: BridgeWorld, _ options: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let program = try Program(
        world.launcher + [Requirement.culvertPath, "bridge", "up", "--dhcp", "none"] + options)
      let exit = try program.waitForExit(seconds: 10)
      #expect(exit == .status(0), "\(program.errors.text)", sourceLocation: sourceLocation)
    }

    private func down(_ world: BridgeWorld, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let down = try world.bridge("down")
      #expect(down.status == .status(0) && down.text == "bridge0 is down", "\(down)", sourceLocation: sourceLocation)
    }

    /// A parameter of the host's kernel.
    private func parameter(_ world: BridgeWorld, _ name: String) throws -> String {
      try world.run("cat /proc/sys/net/\(name)")
    }

    // MARK: What was there

    @Test func `a bridge that was there keeps its address and its ports, and a new port is as it was`() throws {
      let world = try BridgeWorld()
      try world.makeBridge("bridge0")
      try world.run(
        """
        for address in 10.1.1.1 192.168.1.101; do ip address add $address/24 dev bridge0; done
        # Who was up once is never again quite as one that was not.
        for n in 0 1 2 3; do ip tuntap add tap$n mode tap; ip link set tap$n up; ip link set tap$n down; done
        ip link set tap0 master bridge0 up; ip link set tap1 master bridge0; ip link set tap2 up
        """)
      let before = try world.state()
      try up(world, ["--port", "tap0", "--port", "tap1", "--port", "tap2", "--port", "tap3"])
      let ports = try world.run("ip -br link show master bridge0 up")
      #expect((0...3).allSatisfy { ports.contains("tap\($0) ") }, "\(ports)")
      try down(world)
      try expect(world, toBeAs: before)
    }

    @Test func `the switch for all interfaces leaves those as they were that differed from it`() throws {
      let world = try BridgeWorld()
      try world.run(
        """
        cd /proc/sys/net; for name in wlo1 default; do echo 1 | tee ipv?/conf/$name/forwarding; done
        echo 0 >ipv4/conf/all/accept_redirects
        """)
      let before = try world.state()
      let bridge = try world.up("--global-forward", "--ipv6", "fd00:7::/64")
      for family in ["ipv4", "ipv6"] { #expect(try parameter(world, "\(family)/conf/all/forwarding") == "1") }
      try bridge.send(signal: SIGTERM)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      try expect(world, toBeAs: before)
    }

    @Test func `where all interfaces forward already the bridge does, whatever new ones are to do`() throws {
      let world = try BridgeWorld()
      try world.run(
        "cd /proc/sys/net; echo 1 | tee ipv?/conf/all/forwarding; echo 0 | tee ipv?/conf/default/forwarding")
      let before = try world.state()
      let bridge = try world.up("--global-forward", "--ipv6", "fd00:7::/64")
      for family in ["ipv4", "ipv6"] { #expect(try parameter(world, "\(family)/conf/bridge0/forwarding") == "1") }
      try bridge.send(signal: SIGTERM)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      try expect(world, toBeAs: before)
    }

    @Test func `with IPv6 a host that takes routers' word still does, and the bridge has its own`() throws {
      let world = try BridgeWorld()
      try world.run(
        """
        ip link add lan0 type bridge; cd /proc/sys/net/ipv6/conf
        echo 0 >lan0/accept_ra; echo 1 >default/disable_ipv6
        """)
      let before = try world.state()
      let bridge = try world.up("--ipv6", "fd00:7::/64")
      #expect(try world.run("ip -o address show dev bridge0").contains("inet6 fd00:7::1/64"))
      for (name, value) in [
        ("bridge0/disable_ipv6", "0"), ("bridge0/accept_ra", "0"), ("all/forwarding", "1"),
        ("wlo1/accept_ra", "2"), ("lan0/accept_ra", "0"),
      ] {
        #expect(try parameter(world, "ipv6/conf/\(name)") == value, "\(name)")
      }
      #expect(try parameter(world, "ipv4/conf/all/forwarding") == "0")
      let guest = try world.guest("52:54:00:12:34:59")
      let route = "ip -6 route show default | grep -q 'proto ra'"
      try guest.run("until \(route); do sleep 0.05; done", seconds: 10)
      #expect(try world.bridge("down").status == .status(0))
      // A router that ends says so (RFC 4861 section 6.2.5).
      try guest.run("while \(route); do sleep 0.05; done", seconds: 10)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      try world.remove(guest)
      try expect(world, toBeAs: before)
    }

    // MARK: What has changed since

    @Test func `what somebody has changed since, or has removed, stays so`() throws {
      let world = try BridgeWorld()
      try world.makeBridge("bridge0")
      try world.run(
        """
        ip link add lan0 type bridge; ip address add fd00:7::1/64 dev bridge0
        for n in 0 1; do ip tuntap add tap$n mode tap; done
        """)
      let look = """
        grep -r . /proc/sys/net/ipv?/conf 2>/dev/null | grep -v 'tap.\\|wlo1/accept_ra' | sort
        ip -o address show dev bridge0 scope global; nft list ruleset; ls -A /etc
        """
      let before = try world.run(look)
      let killed = try world.up("--ipv6", "fd00:7::/64", "--port", "tap0", "--port", "tap1")
      #expect(try parameter(world, "ipv6/conf/bridge0/accept_ra") == "0")
      try killed.send(signal: SIGKILL)
      try killed.waitForExit(seconds: 5)
      try world.run(
        """
        echo 0 >/proc/sys/net/ipv6/conf/wlo1/accept_ra
        ip address delete 192.168.1.101/24 dev bridge0; ip link set tap0 master lan0; ip link delete tap1
        nft delete table inet culvert_bridge0
        """)
      try down(world)
      #expect(try parameter(world, "ipv6/conf/wlo1/accept_ra") == "0")
      #expect(try world.run("ip -o link show tap0").contains("master lan0"))
      #expect(try world.run(look) == before)
    }

    @Test func `a bridge of the same name that somebody has made since stays`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      try up(world, [])
      try world.run("ip link delete bridge0; ip link add bridge0 type bridge")
      try down(world)
      try world.run("ip link show bridge0")
      try world.run("ip link delete bridge0")
      try expect(world, toBeAs: before)
    }

    // MARK: What fails

    @Test(arguments: [
      ("mount -o remount,ro /etc", [], "Read-only file system"), (":", ["--port", "lo"], "cannot attach lo"),
    ])
    func `a step that fails takes back those before it`(obstacle: String, options: [String], words: String) throws {
      let world = try BridgeWorld()
      try world.run(obstacle)
      let before = try world.state()
      let program = try Program(
        world.launcher + [Requirement.culvertPath, "bridge", "up", "--global-forward"] + options)
      #expect(try program.waitForExit(seconds: 10) == .status(1))
      let text = try program.errors.textAtEnd(seconds: 5)
      #expect(text.contains(words) && text.hasSuffix("; everything is as it was"), "\(text)")
      #expect(text.split(separator: "\n").count == 1, "\(text)")
      try expect(world, toBeAs: before)
      #expect(try world.bridge("down").text == "bridge0 is not up")
    }

    @Test func `what cannot be taken back is told of, and is taken back by the next 'down'`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      try up(world, [])
      try world.run("mount -o remount,ro /etc")
      let failed = try world.bridge("down")
      #expect(failed.status == .status(1) && failed.text.contains("could not be taken down wholly; try again"))
      #expect(failed.text.contains("allow bridge0 to QEMU's helper"), "\(failed)")
      // Everything else is: only the list is as it was set.
      #expect(try world.run("ip -o link; nft list ruleset").contains("bridge0") == false)
      try world.run("mount -o remount,rw /etc")
      try down(world)
      try expect(world, toBeAs: before)
    }

    // MARK: Before anything is changed

    @Test func `a dry run tells the steps in the order that cuts nothing off, and takes none`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let plan = try world.bridge("up", "--dry-run", "--ipv6", "fd00:7::/64")
      #expect(plan.status == .status(0))
      let steps = [
        "type bridge", "ip address add 192.168.1.101/24 dev bridge0", "ip link set bridge0 up",
        "sysctl -w net.ipv6.conf.wlo1.accept_ra=2", "sysctl -w net.ipv6.conf.all.forwarding=1",
        "table inet culvert_bridge0 {", "echo 'allow bridge0' >> /etc/qemu/bridge.conf",
      ]
      let places = steps.compactMap { plan.text.firstRange(of: $0)?.lowerBound }
      #expect(places.count == steps.count && places == places.sorted(), "\(plan.text)")
      #expect(!plan.text.contains("sysctl -w net.ipv4.conf.all.forwarding"))
      try expect(world, toBeAs: before)
    }

    @Test func `a bridge that nobody serves is not set up anew with other options, nor served by two`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      try up(world, [])
      let other = try world.bridge("up", "--dhcp", "none", "--uplink", "none")
      #expect(other.status == .status(1) && other.text.contains("bridge0 was set up with other options"), "\(other)")
      try down(world)
      let folder = try ScratchFolder()
      let capturing = try world.up("--dhcp", "none", "--capture", folder["bridge.pcap"])
      let second = try world.bridge("up", "--dhcp", "none")
      #expect(second.text.contains("is up already, and served by process \(capturing.processID)"), "\(second)")
      try down(world)
      #expect(try capturing.waitForExit(seconds: 5) == .status(0))
      try expect(world, toBeAs: before)
    }

    @Test func `a rule is added to somebody's chain only where it is needed, and not where it is not enough`() throws {
      let world = try BridgeWorld()
      let chain = "chain pass { type filter hook forward priority 0; policy drop; }"
      try world.run("nft 'table inet mine { \(chain.replacing("drop", with: "accept")); }'")
      var before = try world.state()
      try up(world, ["--allow-in", "inet mine pass"])
      #expect(try !world.run("nft list table inet mine").contains("culvert"))
      try down(world)
      try expect(world, toBeAs: before)
      try world.run("nft 'flush ruleset; table inet mine { \(chain); }; table inet other { \(chain); }'")
      before = try world.state()
      let refused = try world.bridge("up", "--allow-in", "inet mine pass")
      #expect(refused.status == .status(3), "\(refused)")
      for words in ["inet other pass", "everything is as it was"] {
        #expect(refused.text.contains(words), "\(refused)")
      }
      try expect(world, toBeAs: before)
    }

    @Test func `a host that reaches the outside by IPv6 alone has an uplink`() throws {
      let world = try BridgeWorld()
      try world.run("ip route delete default; ip -6 route add default via fe80::1 dev wlo1")
      #expect(try world.bridge("up", "--dry-run").text.contains("oifname \"wlo1\""))
    }
  }
}
