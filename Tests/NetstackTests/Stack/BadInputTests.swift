import Netstack
import Primitives
import Simulation
import Testing

/// What no honest guest sends: dropped and counted, and a running flow takes no notice.
@Suite struct BadInputTests {
  /// Sends `frames` to a stack with a running flow, which is used before and after.
  private func withRunningFlow(
    framing: Lab.Framing = Lab.Framing(), _ frames: (RawConnection) -> [[UInt8]], _ check: (Lab) -> Void = { _ in }
  ) throws {
    var options = Lab.Options()
    options.framing = framing
    try withLab(options) { lab in
      let (tcp, server) = try lab.established(RemoteService(echoes: true))
      tcp.guest(.data("before", seq: 1, ack: 1))
      tcp.stack(.ack(7, seq: 1))
      tcp.stack(.data("before", seq: 1, ack: 7))
      tcp.guest(.ack(7, seq: 7))
      for frame in frames(tcp) { lab.guest.send(frame) }
      _ = tcp.takeSegments()
      check(lab)
      tcp.guest(.data("after", seq: 7, ack: 7))
      let answers = tcp.takeSegments().filter { !$0.payload.isEmpty }
      #expect(answers.map(\.payload) == [Array("after".utf8)])
      #expect(server.text == "beforeafter")
      #expect(!lab.stack.observer.closedFlows.contains { $0.flow.remote == tcp.remote })
    }
  }

  /// A good frame of each kind that the stack takes, but for those of the running flow.
  private func goldenFrames(_ lab: Lab) -> [(name: String, bytes: [UInt8])] {
    goldenFramesV4(lab) + goldenFramesV6(lab)
  }

  /// What differs in IPv6: its header and extension headers, fragments, neighbor discovery.
  private func goldenFramesV6(_ lab: Lab) -> [(name: String, bytes: [UInt8])] {
    func frame(
      _ payload: PlainPayload, to destination: IPv6Address, hopLimit: UInt8 = 64,
      _ change: (inout PlainIPv6) -> Void = { _ in }
    ) -> [UInt8] {
      var packet = PlainIPv6(from: lab.guest.ipv6Address, to: destination, payload)
      packet.hopLimit = hopLimit
      change(&packet)
      let station = destination.isMulticast ? destination.groupStation : lab.guest.ipv6GatewayMAC
      return PlainFrame(destination: station, source: lab.guest.mac, .ipv6(packet)).encoded
    }
    let udp = PlainPayload.udp(PlainUDP(sourcePort: 60_000, destinationPort: 7, payload: pattern(40)))
    let station = PlainDiscovery.Option.linkLayer(1, lab.guest.mac)
    let solicitation = PlainDiscovery(type: 135, target: .gateway, options: [station])
    let advertisement = PlainDiscovery(
      type: 136, rest: 0x6000_0000, target: lab.guest.ipv6Address, options: [.linkLayer(2, lab.guest.mac)])
    let routers = PlainDiscovery(type: 133, options: [station])
    let tooBig = PlainICMP(type: 2, rest: 1280, payload: pattern(48))
    // SOLICIT: DUID-LL, IA_NA.
    let solicit: [UInt8] = [1, 0, 0, 1, 0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1, 0, 3, 0, 12] + pattern(12)
    let servers = IPv6Address(high: 0xff02 << 48, low: 0x1_0002)
    return [
      ("TCP over IPv6", frame(.tcp(.synchronize(to: 80)), to: .outside)), ("UDP over IPv6", frame(udp, to: .outside)),
      ("ICMPv6", frame(.icmp(PlainICMP(type: 128, rest: 1, payload: pattern(40))), to: .gateway)),
      ("DHCPv6", frame(.udp(PlainUDP(sourcePort: 546, destinationPort: 547, payload: solicit)), to: servers)),
      ("packet too big", frame(.icmp(tooBig), to: .outside)),
      (
        "extension headers",
        frame(udp, to: .outside) {
          $0.extensions = [.options(0, [5, 2, 0, 0]), .options(60, [0x1e, 3, 1, 2, 3]), .options(60, [])]
        }
      ),
      (
        "fragment",
        frame(.raw(pattern(48)), to: .outside) {
          $0.proto = 17
          $0.fragment = PlainIPv6.Fragment(offset: 0, moreFragments: true, identification: 1)
        }
      ),
      (
        "neighbor solicitation",
        frame(.icmp(solicitation.message), to: IPv6Address.gateway.solicitedGroup, hopLimit: 255)
      ),
      ("neighbor advertisement", frame(.icmp(advertisement.message), to: .gateway, hopLimit: 255)),
      ("router solicitation", frame(.icmp(routers.message), to: .everyRouter, hopLimit: 255)),
    ]
  }

  private func goldenFramesV4(_ lab: Lab) -> [(name: String, bytes: [UInt8])] {
    let (guest, gateway) = (lab.guest.address, IPv4Address(10, 0, 2, 2))
    func frame(_ payload: PlainIPv4.Payload, to destination: IPv4Address) -> [UInt8] {
      PlainFrame(
        destination: lab.guest.gatewayMAC, source: lab.guest.mac,
        .ipv4(PlainIPv4(from: guest, to: destination, payload))
      ).encoded
    }
    var syn = PlainTCP()
    (syn.sourcePort, syn.destinationPort, syn.flags) = (60_000, 80, .syn)
    syn.options = [.mss(1460), .windowScale(7), .sackPermitted]
    let udp = PlainUDP(sourcePort: 60_000, destinationPort: 7, payload: pattern(40))
    let arp = PlainARP(operation: 1, senderMAC: lab.guest.mac, senderAddress: guest, targetAddress: gateway)
    return [
      ("TCP", frame(.tcp(syn), to: IPv4Address(192, 0, 2, 2))),
      ("UDP", frame(.udp(udp), to: IPv4Address(192, 0, 2, 2))),
      ("ICMP", frame(.icmp(PlainICMP(type: 8, rest: 1, payload: pattern(40))), to: gateway)),
      ("ARP", PlainFrame(destination: .broadcast, source: lab.guest.mac, .arp(arp)).encoded),
    ]
  }

  @Test func `frames shorter than an Ethernet header are dropped and counted`() throws {
    try withRunningFlow { _ in
      (0...13).map { [UInt8](repeating: 0xff, count: $0) }
    } _: { lab in
      #expect(lab.drops(.malformed) == 14)
    }
  }

  @Test(arguments: [Lab.Framing(), Lab.Framing(headerLength: 134, pieceLength: 600)])
  func `every prefix of a good frame is dropped`(framing: Lab.Framing) throws {
    try withRunningFlow(framing: framing) { tcp in
      goldenFrames(tcp.lab).flatMap { golden in (0..<golden.bytes.count).map { Array(golden.bytes[..<$0]) } }
    } _: { lab in
      #expect(lab.drops(.malformed) > 100)
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test func `a good frame with one byte changed does no harm, wherever it is`() throws {
    for flip in [UInt8(0x01), 0x80, 0xff] {
      try withRunningFlow { tcp in
        goldenFrames(tcp.lab).flatMap { golden in
          // Beyond the source address: a changed one is another guest.
          (12..<golden.bytes.count).map { place in
            var bytes = golden.bytes
            bytes[place] ^= flip
            return bytes
          }
        }
      } _: { lab in
        #expect(lab.stack.observer.drops.count > 100)
      }
    }
  }

  @Test(arguments: UInt64(1)...20)
  func `random bytes behind good Ethernet headers do no harm`(seed: UInt64) throws {
    var dice = SeededGenerator(seed: seed)
    try withRunningFlow { tcp in
      let lab = tcp.lab
      return (0..<300).map { _ in
        let type: [UInt8] =
          [[0x08, 0x00], [0x08, 0x06], [0x86, 0xdd], [0x12, 0x34]].randomElement(using: &dice) ?? []
        // Now and then one that no Ethernet carries.
        let isHuge = Int.random(in: 0..<50, using: &dice) == 0
        let count = isHuge ? 100_000 : Int.random(in: 0...1600, using: &dice)
        var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &dice) }
        // Often enough something that looks like a packet.
        if !bytes.isEmpty && Bool.random(using: &dice) { bytes[0] = 0x45 }
        let header = PlainFrame(destination: lab.guest.gatewayMAC, source: lab.guest.mac, .other(0, [])).encoded
        return header.dropLast(2) + type + bytes
      }
    } _: { lab in
      #expect(lab.stack.observer.drops.count >= 200)
      #expect(lab.openSocketCount == 1)
    }
  }

  /// Checksums stop most changes at the door: here they are made valid again, so that what lies behind it is reached.
  @Test(arguments: UInt64(1)...20)
  func `good IPv6 packets with bytes changed behind valid checksums do no harm`(seed: UInt64) throws {
    var dice = SeededGenerator(seed: seed)
    try withRunningFlow { tcp in
      // A connection with other ports is another connection.
      let golden = goldenFramesV6(tcp.lab).filter { $0.name != "TCP over IPv6" }
      return (0..<200).map { _ in
        var bytes = golden.randomElement(using: &dice)?.bytes ?? []
        for _ in 0..<Int.random(in: 1...4, using: &dice) {
          // Not the addresses, nor the hardware addresses at the end: another one is another guest.
          let places = [14..<22, 54..<(bytes.count - 6)]
          let place = places.randomElement(using: &dice)?.randomElement(using: &dice)
          if let place { bytes[place] = [0, 1, 0x7f, 0x80, 0xff, bytes[place] ^ 1].randomElement(using: &dice) ?? 0 }
        }
        return bytes.withICMPv6Checksum
      }
    } _: { lab in
      lab.advance(by: .seconds(1))
      #expect(lab.stack.observer.drops.count > 50)
    }
  }

  /// Lies about lengths and offsets, each with valid checksums.
  @Test(arguments: [
    "header length", "total length beyond the frame", "total length below the header", "version", "data offset 4",
    "data offset beyond the segment", "UDP length beyond the packet", "UDP length 7", "source is broadcast",
  ])
  func `headers that lie are dropped`(lie: String) throws {
    try withRunningFlow { tcp in
      [lyingFrame(lie, tcp.lab)]
    } _: { lab in
      #expect(lab.stack.observer.drops.count == 1, "\(lie)")
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.openSocketCount == 1)
    }
  }

  private func lyingFrame(_ lie: String, _ lab: Lab) -> [UInt8] {
    let golden = goldenFramesV4(lab)
    var (tcp, udp) = (golden[0].bytes, golden[1].bytes)
    switch lie {
    case "header length": udp[14] = 0x44
    case "version": udp[14] = 0x65
    case "total length beyond the frame": udp[16] = 0x05
    case "total length below the header": (udp[16], udp[17]) = (0, 19)
    case "UDP length beyond the packet": udp[39] = 200
    case "UDP length 7": udp[39] = 7
    case "data offset 4": tcp[46] = 0x40
    case "data offset beyond the segment": tcp[46] = 0xf0
    default: udp.replaceSubrange(6..<12, with: [UInt8](repeating: 0xff, count: 6))
    }
    if lie.hasPrefix("data offset") {
      let segment = Array(tcp[34...]).withTCPChecksum(from: lab.guest.address, to: IPv4Address(192, 0, 2, 2))
      return Array(tcp[..<34]) + segment
    }
    return udp.withIPv4Checksum
  }

  @Test func `a fragment that cannot be one is dropped and counted`() throws {
    try withRunningFlow { tcp in
      var packet = PlainIPv4(from: tcp.lab.guest.address, to: IPv4Address(192, 0, 2, 2), .raw(pattern(63)), proto: 17)
      packet.dontFragment = false
      packet.moreFragments = true
      return [PlainFrame(destination: tcp.lab.guest.gatewayMAC, source: tcp.lab.guest.mac, .ipv4(packet)).encoded]
    } _: { lab in
      #expect(lab.drops(.fragment) == 1)
    }
  }

  @Test func `IP options are skipped and bytes behind the packet ignored`() {
    withLab { lab in
      var packet = PlainIPv4(
        from: lab.guest.address, to: IPv4Address(192, 0, 2, 2),
        .udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1, 2, 3])))
      packet.options = [1, 1, 1, 0]
      let frame = PlainFrame(destination: lab.guest.gatewayMAC, source: lab.guest.mac, .ipv4(packet)).encoded
      lab.guest.send(frame + [9, 9, 9, 9, 9])
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [[1, 2, 3]])
    }
  }

  @Test func `frames for another station are dropped`() throws {
    try withRunningFlow { tcp in
      var frame = goldenFrames(tcp.lab)[1].bytes
      frame[4] ^= 1
      return [frame]
    } _: { lab in
      #expect(lab.drops(.notForUs) == 1)
      #expect(lab.sentDatagrams.isEmpty)
    }
  }

  @Test func `a flood of SYNs ends in counted drops and leaves the running flow alone`() throws {
    var options = Lab.Options()
    options.settings.maximumFlows = 64
    try withLab(options) { lab in
      let (tcp, server) = try lab.established()
      for port in UInt16(1)...500 {
        var syn = PlainTCP()
        (syn.sourcePort, syn.destinationPort, syn.flags, syn.options) = (port, 80, .syn, [.mss(1460)])
        lab.guest.send(PlainIPv4(from: lab.guest.address, to: IPv4Address(192, 0, 2, 1), .tcp(syn)))
      }
      tcp.guest(.data("still here", seq: 1, ack: 1))
      tcp.stack(.ack(11, seq: 1))
      #expect(server.text == "still here")
      #expect(lab.drops(.exhausted) >= 436)
      lab.advance(by: .seconds(300))
      #expect(lab.openSocketCount == 1)
    }
  }
}

extension [UInt8] {
  /// A frame's bytes with the checksum of the ICMPv6 message in it, where one follows the IPv6 header, made valid.
  fileprivate var withICMPv6Checksum: [UInt8] {
    guard count >= 62, self[20] == 58 else { return self }
    let (source, destination) = (IPv6Address(span, at: 22), IPv6Address(span, at: 38))
    let message = PlainICMP(
      type: self[54], code: self[55], rest: span.bigEndian32(at: 58), payload: Array(self[62...]))
    return Array(self[..<54]) + message.encoded(from: IPAddress(source), to: IPAddress(destination))
  }

  /// A frame's bytes with its IPv4 header's checksum made valid.
  fileprivate var withIPv4Checksum: [UInt8] {
    var bytes = self
    (bytes[24], bytes[25]) = (0, 0)
    var sum: UInt32 = 0
    for index in stride(from: 14, to: 34, by: 2) { sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1]) }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    (bytes[24], bytes[25]) = (UInt8(truncatingIfNeeded: ~sum >> 8), UInt8(truncatingIfNeeded: ~sum))
    return bytes
  }
}
