import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// What is captured of a bridge and of its ports, judged by Wireshark.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert, Requirement.guest,
    Requirement.installed("nft", "nsenter", "ping", "socat", "tshark"))
  struct BridgeCaptureTests {
    private static let byteCount = 2_000_000

    private func end(_ program: Program, sourceLocation: SourceLocation = #_sourceLocation) throws {
      try program.send(signal: SIGTERM)
      let exit = try program.waitForExit(seconds: 10)
      #expect(exit == .status(0), "\(program.errors.text)", sourceLocation: sourceLocation)
    }

    private func count(_ path: String, _ filter: String) throws -> Int {
      try CaptureTests.fields(["frame.number"], of: path, where: filter).count
    }

    /// A namespace with an address of its own on the bridge.
    private func guest(_ world: BridgeWorld, _ number: Int) throws -> NetworkNamespace {
      let guest = try world.guest("52:54:00:12:35:0\(number)")
      try guest.run("ip address add 192.168.1.10\(number)/24 dev eth0")
      return guest
    }

    /// Checks that the file is sound, and that no frame is in it twice.
    private func expectSound(_ path: String) throws {
      #expect(try CaptureTests.fields(["frame.number"], of: path, where: CaptureTests.bad) == [])
      let names = ["ip.src", "ip.id", "tcp.srcport", "tcp.seq_raw", "tcp.ack_raw", "tcp.len"]
      let segments = try CaptureTests.fields(names, of: path, where: "tcp")
      #expect(Set(segments).count == segments.count)
      let times = try CaptureTests.fields(["frame.time_epoch"], of: path).compactMap { Double($0[0]) }
      #expect(zip(times, times.dropFirst()).allSatisfy { $0 <= $1 })
      #expect(try count(path, "tcp.analysis.lost_segment") == 0)
    }

    @Test(arguments: [false, true])
    func `what passes a port is captured both ways, each frame once, as it was sent or in segments`(
      inSegments: Bool
    ) throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      let path = folder["port.pcap"]
      try world.run("\(Requirement.culvertPath) tap create tap0")
      let options = inSegments ? ["--capture-segments"] : []
      let serve = try world.serve(["--mode", "bridge", "--capture", path] + options + ["tap:tap0"])
      let port = [
        "-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=n,romfile=",
      ]
      let machine = try Guest(network: port, launcher: world.launcher)
      let (first, second) = (try guest(world, 2), try guest(world, 3))
      let sender = try Program(
        first.launcher + ["bash", "-c", "head -c \(Self.byteCount) /dev/zero | socat -u - TCP4-LISTEN:7000,reuseaddr"])
      let receiver = try Program(
        first.launcher + ["bash", "-c", "socat -u TCP4-LISTEN:7001,reuseaddr - | wc -c"])
      #expect(
        try machine.output(of: "socat -u TCP4:192.168.1.102:7000,retry=50,interval=0.1 - | wc -c", seconds: 60)
          == "\(Self.byteCount)")
      try machine.output(
        of: "head -c \(Self.byteCount) /dev/zero | socat -u - TCP4:192.168.1.102:7001,retry=50,interval=0.1",
        seconds: 60)
      try sender.expectSuccess()
      try receiver.expectSuccess()
      #expect(try receiver.output.textAtEnd(seconds: 5) == "\(Self.byteCount)")
      try machine.output(of: "ping -q -c 2 -i 0.2 192.168.1.103")
      // What passes another port is none of this one's.
      try first.run("ping -q -c 1 192.168.1.103")
      withExtendedLifetime(second) {}
      try end(serve)
      try expectSound(path)
      for filter in ["tcp.srcport == 7000", "tcp.dstport == 7001"] {
        let lengths = try CaptureTests.numbers("tcp.len", of: path, where: "\(filter) && !tcp.analysis.retransmission")
        #expect(lengths.reduce(0, +) == Self.byteCount, "\(filter)")
        let longest = lengths.max() ?? 0
        #expect(inSegments ? longest == 1448 : longest > 10_000, "\(filter): \(longest)")
      }
      #expect(try CaptureTests.fields(["icmp.type"], of: path, where: "icmp").map { $0[0] } == ["8", "0", "8", "0"])
      #expect(try count(path, "dhcp.option.dhcp == 5") == 1)
    }

    @Test func `all that passes a bridge is captured, each frame once, with the tags that the kernel takes off`() throws
    {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      let path = folder["bridge.pcap"]
      let up = try world.up("--capture", path, "--address", "192.168.1.100/24")
      let (first, second) = (try guest(world, 1), try guest(world, 2))
      let pings = [
        ("192.168.1.101", "192.168.1.102"), ("192.168.1.101", "192.168.1.100"), ("192.168.1.100", "192.168.1.102"),
      ]
      try first.run("ping -q -c 1 -W 5 192.168.1.102; ping -q -c 1 -W 5 192.168.1.100")
      try world.run("ping -q -c 1 -W 5 192.168.1.102")
      // Nobody answers these.
      try first.run("ping -q -b -c 1 -W 1 192.168.1.255 || true")
      try world.run("ping -q -b -c 1 -W 1 192.168.1.255 || true")
      // 802.1Q, VLAN 7, an EtherType for experiments (RFC 9542).
      try second.run(
        #"printf '\xff\xff\xff\xff\xff\xff\x52\x54\x00\x12\x35\x02\x81\x00\x00\x07\x88\xb5%046d' 0 | socat -u - INTERFACE:eth0"#
      )
      try up.send(signal: SIGUSR2)
      try up.errors.wait(seconds: 5, "the capture's end") {
        $0.contains("frames were captured to \(path)") ? () : nil
      }
      try end(up)
      try expectSound(path)
      for (source, destination) in pings {
        for (type, from, to) in [(8, source, destination), (0, destination, source)] {
          let filter = "icmp.type == \(type) && ip.src == \(from) && ip.dst == \(to)"
          #expect(try count(path, filter) == 1, "\(filter)")
        }
      }
      for source in ["192.168.1.100", "192.168.1.101"] {
        #expect(try count(path, "icmp && ip.src == \(source) && ip.dst == 192.168.1.255") == 1, "\(source)")
      }
      #expect(try count(path, "vlan.id == 7 && eth.src == 52:54:00:12:35:02 && frame.len == 64") == 1)
    }

    @Test func `a port that goes away ends its capture with one line, and a signal begins another`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      try world.run("ip tuntap add tap0 mode tap; ip tuntap add tap1 mode tap")
      let path = folder["port.pcap"]
      let serve = try world.serve(["--mode", "bridge", "--capture", path, "tap:tap0", "tap:tap1"])
      try world.run("ip link delete tap1")
      let line = "culvert: tap1 has gone, and is captured no more; traffic goes on"
      try serve.errors.wait(seconds: 5, "word of the port's end") { $0 == line ? () : nil }
      // A port that comes back is one again.
      try world.run(
        "ip tuntap add tap1 mode tap; until ip link show tap1 | grep -q 'master bridge0'; do sleep 0.05; done")
      try world.run("ip link delete tap1")
      try serve.send(signal: SIGUSR2)
      try serve.errors.wait(seconds: 5, "the capture's end") {
        $0.contains("frames were captured to \(path)") ? () : nil
      }
      // The port that is no more is asked for again.
      try serve.send(signal: SIGUSR2)
      try serve.errors.wait(seconds: 5, "the refusal") {
        $0.contains("cannot capture: cannot find the interface tap1") ? () : nil
      }
      try end(serve)
      #expect(serve.errors.text.components(separatedBy: line).count == 2)
      #expect(!serve.errors.text.contains("warning: "), "\(serve.errors.text)")
    }

    @Test func `what does not go with a bridge is refused in one line`() throws {
      let world = try BridgeWorld()
      let folder = try ScratchFolder()
      try world.run("ip tuntap add tap0 mode tap")
      let before = try world.state()
      for (words, line) in [
        (
          ["serve", "--mode", "bridge", "--capture-host", folder["host.pcap"], "tap:tap0"],
          "culvert: capture-host: every link is left to the bridge"
        ),
        (["bridge", "up", "--capture-filter", "icmp"], "culvert: capture-filter: nothing is captured"),
        (["bridge", "up", "--capture", folder["no/file"]], "cannot write \(folder["no/file"])"),
      ] {
        let program = try Program(world.launcher + [Requirement.culvertPath] + words)
        #expect(try program.waitForExit(seconds: 10) == .status(1))
        let text = try program.errors.textAtEnd(seconds: 5)
        #expect(text.contains(line), "\(text)")
      }
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }
  }
}
