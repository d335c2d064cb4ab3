import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// `culvert bridge` on a host of its own.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert,
    Requirement.installed("nft", "nsenter", "udhcpc", "ping", "strace"))
  struct BridgeTests {
    private func pings(_ namespace: NetworkNamespace, _ address: String) throws {
      try namespace.run("ping -c 1 -W 5 \(address)")
    }

    private func expect(
      _ world: BridgeWorld, toBeAs before: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let changes = try world.changes(since: before)
      #expect(changes == [], sourceLocation: sourceLocation)
    }

    @Test func `the recipe's guests reach each other, the host and the outside, and nothing is left of it`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let bridge = try world.up("--uplink", "wlo1")
      let (first, second) = (try world.guest("52:54:00:12:34:59"), try world.guest("52:54:00:12:34:58"))
      for (guest, address) in [(first, "192.168.1.102"), (second, "192.168.1.103")] {
        try guest.run("ip address add \(address)/24 dev eth0; ip route add default via \(BridgeWorld.address)")
      }
      try pings(first, BridgeWorld.address)
      try pings(first, "192.168.1.103")
      try world.run("ping -c 1 -W 5 192.168.1.102")
      try pings(second, BridgeWorld.outsideAddress)
      // By the address of the uplink: the outside knows no way to the guests.
      try #require(try !world.outside.run("ip route").contains("192.168.1."))
      #expect(try world.run("cat /etc/qemu/bridge.conf").contains("\nallow bridge0\n"))
      #expect(try world.bridge("down").status == .status(0))
      #expect(try !bridge.isRunning)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      for guest in [first, second] { try world.remove(guest) }
      try expect(world, toBeAs: before)
      #expect(try world.bridge("down").text == "bridge0 is not up")
    }

    @Test func `a signal takes the bridge down`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let bridge = try world.up()
      try bridge.send(signal: SIGINT)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      try expect(world, toBeAs: before)
    }

    @Test func `after kill -9 it is taken down, or taken over, as if nothing had been`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let killed = try world.up("--ipv6", "fd00:7::/64")
      try killed.send(signal: SIGKILL)
      try killed.waitForExit(seconds: 5)
      let up = try world.state()
      let next = try world.up("--ipv6", "fd00:7::/64")
      try expect(world, toBeAs: up)
      try next.send(signal: SIGKILL)
      try next.waitForExit(seconds: 5)
      #expect(try world.bridge("down").text == "bridge0 is down")
      try expect(world, toBeAs: before)
    }

    @Test(arguments: ["sendto,write", "rename,renameat,renameat2"], [[], ["--global-forward"]])
    func `killed at any step of its set-up, it leaves nothing that is not taken back`(
      calls: String, options: [String]
    ) throws {
      let world = try BridgeWorld()
      let before = try world.state()
      var count = 0
      // Each time one call later, until there are no more of them: to the kernel's tables, to its files, to the journal.
      repeat {
        count += 1
        let program = try Program(
          world.launcher + [
            "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
            "inject=\(calls):signal=SIGKILL:when=\(count)",
            Requirement.culvertPath, "bridge", "up", "--dhcp", "none",
          ] + options)
        let exit = try program.waitForExit(seconds: 20)
        let down = try world.bridge("down")
        #expect(down.status == .status(0), "\(calls) \(count): \(down.text)")
        let changes = try world.changes(since: before)
        try #require(changes == [], "\(calls) \(count)")
        if exit == .status(0) { break }
      } while count < 200
      #expect(count > 4 && count < 200, "\(count)")
    }

    @Test func `up twice is up once, and other options are refused`() throws {
      let world = try BridgeWorld()
      let bridge = try world.up()
      let second = try world.bridge("up")
      #expect(second.status == .status(0) && second.text.contains("bridge0 is up already"), "\(second)")
      let other = try world.bridge("up", "--lease", "600")
      #expect(other.status == .status(1) && other.text.contains("with other options"), "\(other)")
      #expect(try bridge.isRunning)
    }

    @Test func `in the background it goes on without its terminal, until it is taken down`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let up = try world.bridge("up", "--detach")
      #expect(up.status == .status(0) && up.text.contains("bridge0 is up"), "\(up)")
      let log = try #require(up.text.firstMatch(of: /further messages go to (\S+)/)?.1)
      #expect(try world.bridge("status").text.contains(/messages +\S*bridge0-\d+.log\n/))
      #expect(try world.bridge("down").text == "bridge0 is down")
      try expect(world, toBeAs: before)
      // What it has to say of its end is there, also when the next one has begun.
      #expect(try world.run("stat -c %a \(log); cat \(log)").contains("600\nculvert: ended by signal 15\n"))
      #expect(try world.bridge("up", "--detach").status == .status(0))
      #expect(try world.run("cat \(log)") == "")
      #expect(try world.run("cat \(log).1").hasSuffix("culvert: bridge0 is down"))
      #expect(try world.bridge("down").status == .status(0))
    }

    @Test func `what does not fit the host is refused in one line, and changes nothing`() throws {
      let world = try BridgeWorld()
      try world.run(
        """
        ip link add lan0 type bridge; ip address add 10.1.1.1/24 dev lan0; ip link add lan1 type bridge
        ip link add odd0 type veth peer name odd1; ip link set odd1 master lan1
        """)
      let before = try world.state()
      for (options, words) in [
        (["--bridge", "odd0"], "odd0 is there and no bridge (veth)"),
        (["--bridge", "lan0"], "lan0 is there with the address 10.1.1.1/24"),
        (["--uplink", "eth7"], "there is no interface 'eth7'"), (["--uplink", "lo"], "lo leads nowhere"),
        (["--bridge", "lan1", "--uplink", "odd1"], "odd1 is a port of lan1"),
        (["--address", "172.16.0.200/24"], "is a part of the network of wlo1"),
        (["--address", "10.1.0.1/16"], "is a part of the network of lan0"),
        (["--port", "tap7"], "there is no interface 'tap7'"), (["--port", "wlo1"], "wlo1 is the uplink"),
        (["--port", "odd1"], "odd1 is part of another interface"),
      ] {
        let program = try Program(world.launcher + [Requirement.culvertPath, "bridge", "up"] + options)
        #expect(try program.waitForExit(seconds: 10) == .status(1))
        let text = try program.errors.textAtEnd(seconds: 5)
        #expect(text.contains(words) && text.split(separator: "\n").count == 1, "\(options): \(text)")
      }
      try world.run("ip route delete default")
      #expect(try world.bridge("up").text.contains("the host has no default route"))
      try world.run("ip route add default via \(BridgeWorld.outsideAddress)")
      try expect(world, toBeAs: before)
    }

    @Test func `a bridge that was there is used and stays`() throws {
      let world = try BridgeWorld()
      try world.makeBridge("bridge0")
      let before = try world.state()
      let bridge = try world.up()
      #expect(try world.run("ip address show dev bridge0").contains("192.168.1.101/24"))
      try bridge.send(signal: SIGTERM)
      #expect(try bridge.waitForExit(seconds: 5) == .status(0))
      try expect(world, toBeAs: before)
    }

    @Test func `who may not change the network is told so in one line`() throws {
      let world = try BridgeWorld()
      #expect(
        try world.bridge("up", "--bridge", "lab0", "--address", "10.7.0.1/24", "--dhcp", "none").status == .status(0))
      let before = try world.state()
      for words in [["up"], ["down", "lab0"]] {
        let program = try Program(
          world.launcher + [
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
            Requirement.culvertPath, "bridge",
          ] + words)
        #expect(try program.waitForExit(seconds: 10) == .status(1))
        let text = try program.errors.textAtEnd(seconds: 5)
        #expect(text.hasSuffix("to change the host's network takes root, or CAP_NET_ADMIN and CAP_NET_RAW"), "\(text)")
        #expect(text.split(separator: "\n").count == 1, "\(text)")
      }
      try expect(world, toBeAs: before)
    }
  }
}
