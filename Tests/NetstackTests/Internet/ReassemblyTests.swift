import Netstack
import Primitives
import Simulation
import Testing

/// Packets that guests send in parts: RFC 791 section 3.2, RFC 8200 section 4.5, and the attacks by them.
@Suite struct ReassemblyTests {
  /// A datagram of the guest's to the world, `length` bytes of payload.
  private func datagram(_ lab: Lab, _ family: IPAddress.Family, _ length: Int, port: UInt16 = 9) -> DividedPacket {
    let payload = PlainPayload.udp(PlainUDP(sourcePort: 4000, destinationPort: port, payload: pattern(length)))
    let remote = Endpoint.server(family).address
    let source = lab.guest.address(in: family)
    return DividedPacket(
      source: source, destination: remote, proto: 17, bytes: payload.encoded(from: source, to: remote))
  }

  @Test(arguments: families)
  func `parts in any order make the packet`(family: IPAddress.Family) {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
      withLab { lab in
        let whole = datagram(lab, family, 2500)
        let ranges = [0..<1000, 1000..<2000, 2000..<2508]
        for index in order { whole.send(ranges[index], by: lab) }
        lab.settle()
        #expect(lab.sentDatagrams.map(\.payload) == [pattern(2500)])
        #expect(lab.drops(.fragment) == 0)
      }
    }
  }

  @Test(arguments: families)
  func `an 8 KB ping in parts is answered, in parts`(family: IPAddress.Family) {
    withLab { lab in
      let gateway = family == .ipv4 ? IPAddress(IPv4Address(10, 0, 2, 2)) : IPAddress(lab.options.settings.ipv6Gateway)
      let type: UInt8 = family == .ipv4 ? 8 : 128
      let source = lab.guest.address(in: family)
      let echo = PlainPayload.icmp(PlainICMP(type: type, rest: 0x1234_0001, payload: pattern(8000)))
      let proto: UInt8 = family == .ipv4 ? 1 : 58
      let whole = DividedPacket(
        source: source, destination: gateway, proto: proto, bytes: echo.encoded(from: source, to: gateway))
      for start in stride(from: 0, to: whole.bytes.count, by: 1400) {
        whole.send(start..<min(start + 1400, whole.bytes.count), by: lab)
      }
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.payload) == [pattern(8000)])
    }
  }

  @Test func `a TCP segment in parts is a segment like any other`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      let packet = tcp.packet(.data(pattern(1000), seq: 1, ack: 1))
      let whole = DividedPacket(
        source: IPAddress(packet.source), destination: IPAddress(packet.destination), proto: 6,
        bytes: packet.payloadBytes)
      // RFC 1858 asks to drop so small a first part; here nothing is judged before all is there.
      whole.send(0..<8, by: lab)
      whole.send(8..<512, by: lab)
      whole.send(512..<whole.bytes.count, by: lab)
      tcp.stack(.ack(1001, seq: 1))
      #expect(server.bytes == pattern(1000))
    }
  }

  @Test(arguments: families)
  func `a part that comes twice does no harm (RFC 5722 section 4)`(family: IPAddress.Family) {
    withLab { lab in
      let whole = datagram(lab, family, 1500)
      for range in [0..<800, 0..<800, 800..<1508] { whole.send(range, by: lab) }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [pattern(1500)])
    }
  }

  @Test(arguments: families)
  func `parts that overlap spoil the packet, those to come included (RFC 5722 section 4)`(family: IPAddress.Family) {
    for overlap in [[0..<800, 792..<1508], [800..<1508, 0..<808], [0..<800, 400..<600, 800..<1508]] {
      withLab { lab in
        let whole = datagram(lab, family, 1500)
        for range in overlap { whole.send(range, by: lab) }
        for range in [0..<800, 800..<1508] { whole.send(range, by: lab) }
        lab.settle()
        #expect(lab.sentDatagrams.isEmpty)
        #expect(lab.drops(.fragment) > 0)
      }
    }
  }

  @Test(arguments: families)
  func `parts that disagree on the end spoil the packet`(family: IPAddress.Family) {
    for ranges in [[0..<800, 800..<1508, 800..<1600], [800..<1600, 0..<1508], [1600..<1700, 800..<1508]] {
      withLab { lab in
        let whole = datagram(lab, family, 1500)
        var padded = whole
        padded.bytes += pattern(300)
        padded.end = nil
        for range in ranges {
          var part = padded
          part.end = range.upperBound == 1508 || range.upperBound == 1600 ? range.upperBound : nil
          part.send(range, by: lab)
        }
        lab.settle()
        #expect(lab.sentDatagrams.isEmpty || lab.sentDatagrams.map(\.payload) == [pattern(1500)])
      }
    }
  }

  /// Each part alone is no longer than a packet may be, by its own headers; those of the first count for the whole.
  @Test(arguments: families)
  func `a first part with longer headers than the others does not make a packet longer than one can be`(
    family: IPAddress.Family
  ) {
    for isFirstLast in [false, true] {
      withLab { lab in
        var whole = datagram(lab, family, 60_000)
        whole.end = 65_512
        let first = { whole.sendRaw(offset: 0, pattern(8), more: true, extraHeader: 40, by: lab) }
        if !isFirstLast { first() }
        whole.sendRaw(offset: 8, pattern(32_760), more: true, by: lab)
        whole.sendRaw(offset: 32_768, pattern(32_744), more: false, by: lab)
        if isFirstLast { first() }
        lab.settle()
        #expect(lab.sentDatagrams.isEmpty)
        #expect(lab.drops(.fragment) == 1)
      }
    }
  }

  @Test(arguments: families)
  func `a packet longer than a packet can be is refused (ping of death)`(family: IPAddress.Family) {
    withLab { lab in
      var whole = datagram(lab, family, 1500)
      whole.bytes = pattern(1400)
      whole.end = 65_528 + 1400
      whole.sendRaw(offset: 65_528, whole.bytes, more: false, by: lab)
      lab.settle()
      #expect(lab.drops(.fragment) == 1)
    }
  }

  @Test func `a part whose length is no multiple of eight is answered with a parameter problem (RFC 8200 section 4.5)`()
  {
    withLab { lab in
      datagram(lab, .ipv6, 1500).sendRaw(offset: 0, pattern(801), more: true, by: lab)
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.type) == [4])
      #expect(lab.guest.icmpMessages.map(\.rest) == [4])
    }
    withLab { lab in
      datagram(lab, .ipv4, 1500).sendRaw(offset: 0, pattern(801), more: true, by: lab)
      lab.settle()
      #expect(lab.guest.icmpMessages.isEmpty)
      #expect(lab.drops(.fragment) == 1)
    }
  }

  @Test func `a fragment that is the whole packet is taken by itself (RFC 6946)`() {
    withLab { lab in
      // Another packet of the same name is under way; it is not touched.
      let other = datagram(lab, .ipv6, 1500)
      other.send(0..<800, by: lab)
      let whole = datagram(lab, .ipv6, 100)
      whole.send(0..<108, by: lab)
      other.send(800..<1508, by: lab)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload.count) == [100, 1500])
    }
  }

  @Test(arguments: [(IPAddress.Family.ipv4, Int64(30), UInt8(11)), (.ipv6, 60, 3)])
  func `a packet that stays in parts is given up, and its sender told if the first is there`(
    family: IPAddress.Family, seconds: Int64, type: UInt8
  ) {
    withLab { lab in
      datagram(lab, family, 1500).send(0..<800, by: lab)
      lab.advance(by: .seconds(seconds - 1))
      #expect(lab.guest.icmpMessages.isEmpty)
      lab.advance(by: .seconds(2))
      #expect(lab.guest.icmpMessages.map(\.type) == [type])
      #expect(lab.guest.icmpMessages.map(\.code) == [1])
      #expect(lab.drops(.fragment) == 1)
    }
    withLab { lab in
      datagram(lab, family, 1500).send(800..<1508, by: lab)
      lab.advance(by: .seconds(seconds + 1))
      #expect(lab.guest.icmpMessages.isEmpty)
      #expect(lab.drops(.fragment) == 1)
    }
  }

  @Test(arguments: families)
  func `a flood of first parts takes no more than its share, and the last are still put together`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      for identification in 0..<5000 {
        var part = datagram(lab, family, 1500)
        part.identification = UInt32(identification)
        part.send(0..<800, by: lab)
        if identification % 50 == 0 { lab.settle() }
      }
      lab.settle()
      var last = datagram(lab, family, 1500)
      last.identification = 4999
      last.send(800..<1508, by: lab)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [pattern(1500)])
    }
  }

  @Test(arguments: families)
  func `a packet in too many parts is refused`(family: IPAddress.Family) {
    withLab { lab in
      let whole = datagram(lab, family, 4000)
      for start in stride(from: 0, to: 4008, by: 8) {
        whole.send(start..<(start + 8), by: lab)
        if start % 400 == 0 { lab.settle() }
      }
      lab.settle()
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.drops(.fragment) > 0)
    }
  }

  @Test(arguments: families)
  func `a part lost in one packet does not hurt another`(family: IPAddress.Family) {
    withLab { lab in
      var first = datagram(lab, family, 1500, port: 10)
      first.identification = 1
      var second = datagram(lab, family, 1500, port: 11)
      second.identification = 2
      first.send(0..<800, by: lab)
      second.send(0..<800, by: lab)
      second.send(800..<1508, by: lab)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination.port) == [11])
    }
  }

  @Test(arguments: families)
  func `random parts never harm and never make what was not sent`(family: IPAddress.Family) {
    withLab { lab in
      var dice = SeededGenerator(seed: family == .ipv4 ? 4 : 6)
      for _ in 0..<3000 {
        var part = datagram(lab, family, 3000)
        part.identification = UInt32.random(in: 0..<3, using: &dice)
        let start = Int.random(in: 0..<376, using: &dice) * 8
        part.send(start..<min(3008, start + Int.random(in: 1...120, using: &dice) * 8), by: lab)
        lab.settle()
      }
      for sent in lab.sentDatagrams { #expect(sent.payload == pattern(3000)) }
    }
  }
}
