import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// `culvert serve` with TAP devices that are left to a bridge, and with a bridge beside a user-mode network.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert, Requirement.guest,
    Requirement.installed("nft", "nsenter", "busybox", "ping", "setpriv"))
  struct ServeBridgeTests {
    /// QEMU's options for a guest behind a TAP device.
    private func port(_ name: String, _ hardware: String = "52:54:00:12:34:59") -> [String] {
      [
        "-netdev", "tap,id=\(name),ifname=\(name),script=no,downscript=no",
        "-device", "virtio-net-pci,netdev=\(name),mac=\(hardware),romfile=",
      ]
    }

    /// A script by which an interface gets its address from a DHCP server, and prints it.
    private func lease(_ interface: String) -> String {
      """
      (set -e; hook=$(mktemp)
      printf '#!/bin/sh\\n[ "$1" != bound ] || ip address add $ip/$mask dev $interface\\n' >$hook; chmod +x $hook
      ip link set \(interface) up
      busybox udhcpc -f -n -q -t 5 -T 1 -i \(interface) -s $hook >/dev/null 2>&1; rm $hook
      ip -o -4 address show dev \(interface) | awk '{print $4}')
      """
    }

    private func expect(
      _ world: BridgeWorld, toBeAs before: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let changes = try world.changes(since: before)
      #expect(changes == [], sourceLocation: sourceLocation)
    }

    private func end(_ program: Program, sourceLocation: SourceLocation = #_sourceLocation) throws {
      try program.send(signal: SIGTERM)
      let exit = try program.waitForExit(seconds: 10)
      #expect(exit == .status(0), "\(program.errors.text)", sourceLocation: sourceLocation)
    }

    /// Waits until an instance that is ready has said so much.
    private func expect(_ program: Program, says words: String) throws {
      try program.errors.wait(seconds: 5, "'\(words)'") { $0.contains(words) ? () : nil }
    }

    /// The file of a bridge `lab0`.
    private func lab(_ folder: ScratchFolder) throws -> String {
      try folder.write("bridge = \"lab0\"\naddress = \"10.7.0.1/24\"\n", to: "lab.toml")
    }

    // MARK: Which mode

    @Test func `a device that is a bridge's port is left to bridge mode, with the bridge's own address`() throws {
      let world = try BridgeWorld()
      try world.run(
        """
        ip link add br0 type bridge; ip address add 10.9.0.1/24 dev br0; ip link set br0 up
        ip tuntap add tap0 mode tap; ip link set tap0 master br0 up
        """)
      let guest = try world.guest("52:54:00:12:34:59", on: "br0")
      let before = try world.state()
      let serve = try world.serve("tap:tap0")
      try expect(serve, says: "tap:tap0 is a port of br0, so it is left to bridge mode")
      try expect(serve, says: "br0 is up: 10.9.0.0/24 goes out by wlo1, DHCP from")
      try serve.output.wait(seconds: 5, "QEMU's options") {
        $0.contains("-netdev tap,id=net0,ifname=tap0,script=no,downscript=no -device") ? () : nil
      }
      #expect(try guest.run(lease("eth0")) == "10.9.0.201/24")
      try guest.run("ip route add default via 10.9.0.1; ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
      try end(serve)
      try expect(world, toBeAs: before)
    }

    @Test func `a device that QEMU holds becomes a port of the recipe's bridge, and is free again at the end`() throws {
      let world = try BridgeWorld()
      try world.run("ip tuntap add tap0 mode tap; ip link set tap0 up")
      let guest = try Guest(network: port("tap0"), launcher: world.launcher, kernelOptions: "network=off")
      let before = try world.state()
      let serve = try world.serve("tap:tap0")
      try expect(serve, says: "tap:tap0 is held by another process, so it is left to bridge mode")
      #expect(try guest.output(of: lease("eth0")) == "192.168.1.201/24")
      try guest.output(
        of: "ip route add default via \(BridgeWorld.address); ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
      let status = try world.bridge("status").text
      #expect(status.contains("served by process \(serve.processID)") && status.contains("tap0"), "\(status)")
      try end(serve)
      try expect(world, toBeAs: before)
    }

    @Test func `a device that nobody holds is served, as one that is made is`() throws {
      let world = try BridgeWorld()
      try world.run("ip tuntap add tap0 mode tap; ip address add 10.0.2.15/24 dev tap0; ip link set tap0 up")
      let serve = try world.serve("tap:tap0", "tap:tap1")
      try world.run("ping -c 1 -W 5 10.0.2.2")
      #expect(!serve.errors.text.contains("bridge"), "\(serve.errors.text)")
      try end(serve)
    }

    @Test func `somebody else's rules that are in the way are named, with a status of their own`() throws {
      let world = try BridgeWorld()
      try world.run(
        """
        ip tuntap add tap0 mode tap
        nft 'add table inet mine; add chain inet mine pass { type filter hook forward priority 0; policy drop; }'
        """)
      let before = try world.state()
      let serve = try Program(world.launcher + [Requirement.culvertPath, "serve", "--mode", "bridge", "tap:tap0"])
      #expect(try serve.waitForExit(seconds: 10) == .status(3))
      let text = try serve.errors.textAtEnd(seconds: 5)
      #expect(text.contains("inet mine pass") && text.split(separator: "\n").allSatisfy { $0.hasPrefix("culvert: ") })
      try expect(world, toBeAs: before)
    }

    // MARK: Both

    @Test func `a user-mode network and a bridge run in one process, for one guest that has both`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      try world.run("\(Requirement.culvertPath) tap create tap0; ip link set tap0 down")
      let before = try world.state()
      let serve = try world.serve(
        "--bridge-config", try lab(folder), "--mode", "bridge", "--capture", folder["both.pcap"], "tap:tap0",
        "unix:\(folder["net"])")
      let guest = try Guest(
        network: Culvert.network(to: folder["net"]) + port("tap0"), launcher: world.launcher)
      #expect(try guest.lease()["ip"] == "10.0.2.15")
      #expect(try guest.output(of: lease("eth1")) == "10.7.0.201/24")
      try guest.output(of: "ping -c 1 -W 5 10.7.0.1; ping -c 1 -W 5 10.0.2.2")
      try world.run("ping -c 1 -W 5 10.7.0.201")
      _ = try guest.start("poweroff -f")
      try guest.program.waitForExit(seconds: 20)
      try end(serve)
      try expect(world, toBeAs: before)
      // Of both networks in one file.
      for address in ["10.7.0.1", "10.0.2.2"] {
        let types = try CaptureTests.fields(
          ["icmp.type"], of: folder["both.pcap"], where: "icmp && ip.addr == \(address)")
        #expect(types.map { $0[0] }.prefix(2) == ["8", "0"], "\(address)")
      }
    }

    @Test func `a bridge that is removed leaves the user-mode network as it is, and alone ends the instance`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      let file = try lab(folder)
      let before = try world.state()
      let both = try world.serve("--bridge-config", file, "unix:\(folder["net"])")
      try world.run("ip link delete lab0")
      try both.errors.wait(seconds: 10, "word of the bridge's end") {
        $0 == "culvert: error: lab0 was removed by somebody else" ? () : nil
      }
      try expect(both, says: "lab0 is down")
      // Its rules are gone at once; the network goes on.
      try expect(world, toBeAs: before)
      let guest = try Guest(network: Culvert.network(to: folder["net"]))
      try guest.output(of: "ping -c 1 -W 5 10.0.2.2")
      try end(both)

      let alone = try world.serve("--bridge-config", file)
      try world.run("ip link delete lab0")
      #expect(try alone.waitForExit(seconds: 10) == .status(1))
      #expect(try alone.errors.textAtEnd(seconds: 5).hasSuffix("culvert: lab0 was removed by somebody else"))
      try expect(world, toBeAs: before)
    }

    @Test func `a bridge that another process serves is left to that`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      let up = try world.up("--lease", "600")
      try world.run("ip tuntap add tap0 mode tap; ip link set tap0 master bridge0 up")
      let line = "bridge0 is up already, and served by process \(up.processID)"
      for links in [["tap:tap0"], ["tap:tap0", "unix:\(folder["net"])"]] {
        let serve = try world.serve(links)
        try expect(serve, says: line)
        try end(serve)
      }
      #expect(try world.bridge("status").text.contains("served by process \(up.processID)"))
      #expect(try refusal(world, "--bridge-config", lab(folder), "tap:tap0").contains("--bridge-config is of lab0"))
      try world.run("ip tuntap add tap1 mode tap")
      #expect(try refusal(world, "--mode", "bridge", "tap:tap1").contains("tap:tap1 is no port of bridge0"))
    }

    // MARK: Refusals

    /// The last line of an instance that could not be started.
    private func refusal(_ world: BridgeWorld, _ words: String..., user: [String] = []) throws -> String {
      let program = try Program(world.launcher + user + [Requirement.culvertPath, "serve"] + words)
      #expect(try program.waitForExit(seconds: 10) == .status(1))
      let lines = try program.errors.textAtEnd(seconds: 5).split(separator: "\n")
      // Before it at most the reason why a device is left to a bridge.
      #expect((1...2).contains(lines.count), "\(lines)")
      return String(lines.last ?? "")
    }

    @Test func `what cannot be left to a bridge is refused in one line, and changes nothing`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      try world.run(
        """
        ip link add br0 type bridge; ip link add br1 type bridge
        for n in 0 1 2; do ip tuntap add tap$n mode tap; done
        ip link set tap0 master br0; ip link set tap1 master br1
        """)
      let before = try world.state()
      #expect(
        try refusal(world, "--mode", "bridge", "tap:tap7")
          == "culvert: there is no tap:tap7, which in bridge mode is QEMU's to open; "
          + "'culvert tap create tap7 --user USER' makes it")
      #expect(try refusal(world, "--mode", "bridge", "tap:wlo1").contains("'wlo1' is no TAP device"))
      let two = try Program(world.launcher + [Requirement.culvertPath, "serve", "tap:tap0", "tap:tap1"])
      #expect(try two.waitForExit(seconds: 10) == .status(1))
      #expect(
        try two.errors.textAtEnd(seconds: 5)
          == "culvert: tap:tap0 is a port of br0 and tap:tap1 one of br1, and an instance serves one bridge; "
          + "start another for the other")
      let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
      #expect(
        try refusal(world, "tap:tap0", user: nobody)
          == "culvert: to change the host's network takes root, or CAP_NET_ADMIN and CAP_NET_RAW")
      #expect(
        try refusal(world, "--control", "unix:\(folder["ctl"])", "tap:tap0").hasPrefix(
          "culvert: control: every link is left to the bridge"))
      try expect(world, toBeAs: before)
    }

    @Test func `a bridge by which the host reaches the outside gets no second server`() throws {
      let world = try BridgeWorld()
      try world.run(
        """
        ip link add lan0 type bridge; ip link set wlo1 master lan0; ip address flush dev wlo1
        ip address add \(BridgeWorld.uplinkAddress)/24 dev lan0; ip link set lan0 up
        ip route add default via \(BridgeWorld.outsideAddress)
        ip tuntap add tap0 mode tap; ip link set tap0 master lan0 up
        """)
      let before = try world.state()
      #expect(
        try refusal(world, "tap:tap0")
          == "culvert: the host's own way outside leads through lan0: its guests have their network from there already, "
          + "which no second DHCP server is to disturb; 'culvert serve --mode user' gives a guest one of its own")
      let address = "\(BridgeWorld.uplinkAddress)/24"
      for option in ["--uplink", "--dhcp"] {
        let up = try world.bridge("up", "--bridge", "lan0", "--address", address, option, "none")
        #expect(up.status == .status(1) && up.text.contains("own way outside leads through lan0"), "\(up)")
      }
      try expect(world, toBeAs: before)
      // With neither it is no server, and no way outside of its own.
      let up = try world.bridge("up", "--bridge", "lan0", "--address", address, "--uplink", "none", "--dhcp", "none")
      #expect(up.status == .status(0), "\(up)")
      #expect(try world.bridge("down", "lan0").text == "lan0 is down")
      try expect(world, toBeAs: before)
      let user = try world.serve("--mode", "user", "tap:tap0")
      try end(user)
    }

    @Test func `where the user-mode network cannot be set up, the bridge is taken back`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      let before = try world.state()
      let file = try lab(folder)
      let link = try Program(
        world.launcher + [Requirement.culvertPath, "serve", "--bridge-config", file, "unix:\(folder["no/net"])"])
      #expect(try link.waitForExit(seconds: 10) == .status(1))
      let log = try link.errors.textAtEnd(seconds: 5)
      #expect(log.contains("lab0 is up") && log.contains("no/net"), "\(log)")
      try expect(world, toBeAs: before)
    }

    @Test func `an instance's own file names the bridge's, and both are checked`() throws {
      let folder = try ScratchFolder()
      let file = try lab(folder)
      let own = try folder.write("bridge-config = \"\(file)\"\nlink = \"unix:net\"\n", to: "own.toml")
      let text = try Program.run(Requirement.culvertPath, "check", "--config", own)
      #expect(text.contains("bridge-config = \"\(file)\"\n") && text.contains("# bridge: address = \"10.7.0.1/24\"\n"))
      try folder.write("address = \"10.7.0.0/24\"\n", to: "lab.toml")
      let wrong = try Program([Requirement.culvertPath, "check", "--config", own])
      #expect(try wrong.waitForExit(seconds: 10) == .status(1))
      #expect(try wrong.errors.textAtEnd(seconds: 5).contains("10.7.0.0 is the address of the network"))
      let run = try Program([Requirement.culvertPath, "exec", "--bridge-config", file, "--", "true"])
      #expect(try run.waitForExit(seconds: 10) == .status(1))
      #expect(try run.errors.textAtEnd(seconds: 5).contains("only 'serve' sets a bridge up"))
    }
  }
}
