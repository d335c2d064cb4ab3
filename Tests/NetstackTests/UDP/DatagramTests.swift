import Netstack
import Primitives
import Simulation
import Testing

/// Datagrams of guests: the NAT behaviour of RFC 4787, and the way through it.
@Suite struct DatagramTests {
  @Test(arguments: families)
  func `a datagram reaches the host's network and its answer the guest`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.datagramServices[Endpoint.server(family, port: 7)] = .echoes
      lab.guest.sendUDP(Array("hello".utf8), from: 5000, to: .server(family, port: 7))
      lab.settle()
      let sent = try #require(lab.sentDatagrams.first)
      #expect(sent.destination == Endpoint.server(family, port: 7))
      #expect(sent.payload == Array("hello".utf8))
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 7, destinationPort: 5000, payload: Array("hello".utf8))])
    }
  }

  @Test(arguments: families)
  func `one port of the guest is one socket whomever it talks to (RFC 4787 REQ-1)`(family: IPAddress.Family) {
    withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.guest.sendUDP([2], from: 5000, to: Endpoint(OutsideWorld(family).server, port: 9))
      lab.guest.sendUDP([3], from: 5001, to: .server(family, port: 7))
      lab.settle()
      let sent = lab.sentDatagrams
      #expect(sent.map(\.payload) == [[1], [2], [3]])
      #expect(sent[0].local == sent[1].local)
      #expect(sent[0].local != sent[2].local)
    }
  }

  @Test(arguments: families)
  func `the host's port is the guest's where it is free`(family: IPAddress.Family) {
    withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.settle()
      lab.guest.address = IPv4Address(10, 0, 2, 16)
      lab.guest.ipv6Address = IPv6Address(high: 0xfec0 << 48, low: 16)
      lab.guest.sendUDP([2], from: 5000, to: .server(family, port: 7))
      lab.settle()
      let ports = lab.sentDatagrams.map(\.local.port)
      #expect(ports.first == 5000)
      #expect(ports.last != 5000)
    }
  }

  @Test(arguments: families)
  func `only addresses that the guest has spoken to may answer, from any port (RFC 4787 REQ-8)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      lab.host.deliver([2], from: Endpoint.server(family, port: 99), to: flow)
      lab.host.deliver([3], from: Endpoint(OutsideWorld(family).server, port: 7), to: flow)
      lab.settle()
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 99, destinationPort: 5000, payload: [2])])
      #expect(lab.drops(.filtered) == 1)
    }
  }

  @Test(arguments: families)
  func `a batch of datagrams is one call`(family: IPAddress.Family) {
    withLab { lab in
      for number in 0..<20 { lab.guest.sendUDP([UInt8(number)], from: 5000, to: .server(family, port: 7)) }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == (0..<20).map { [UInt8($0)] })
      #expect(lab.host.calls.datagramSends == 1)
    }
  }

  @Test(arguments: families)
  func `many answers at once all arrive, in order`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      for number in 0..<200 { lab.host.deliver([UInt8(number)], from: Endpoint.server(family, port: 7), to: flow) }
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == (0..<200).map { [UInt8($0)] })
    }
  }

  /// Bytes of a datagram's payload in the longest packet that a guest takes before it has shown more.
  private static let wholePayload: [IPAddress.Family: Int] = [.ipv4: 1472, .ipv6: 1452]

  @Test(arguments: families, [1452, 1453, 1471, 1472])
  func `datagrams of any length up to the MTU pass both ways whole`(family: IPAddress.Family, below: Int) throws {
    // The same distance from the longest in both families, and nothing at all.
    let longest = try #require(Self.wholePayload[family])
    for length in [longest - (1472 - below), 0, 1] {
      withLab { lab in
        lab.host.datagramServices[.server(family, port: 7)] = .echoes
        lab.guest.sendUDP(pattern(length), from: 5000, to: .server(family, port: 7))
        lab.settle()
        #expect(lab.guest.datagrams.map(\.payload) == [pattern(length)])
        #expect(lab.guest.inbox.count == 1)
      }
    }
  }

  @Test(arguments: families, [1473, 2000, 8192, 65_507])
  func `an answer longer than the guest's MTU comes in fragments (RFC 791 section 3.2, RFC 8200 section 4.5)`(
    family: IPAddress.Family, length: Int
  ) {
    withLab { lab in
      lab.host.datagramServices[.server(family, port: 7)] = .answers(pattern(length))
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [pattern(length)])
      // Multiples of eight bytes behind 20 bytes of header, or 40 and the fragment header's 8.
      let room = family == .ipv4 ? 1480 : 1448
      let whole = lab.guest.inbox.filter { $0.ipv4?.isFragment == true || $0.ipv6?.isFragment == true }
      #expect(whole.count == (length + 8 + room - 1) / room)
      let names = whole.map { $0.ipv4.map { UInt32($0.identification) } ?? $0.ipv6?.fragment?.identification }
      #expect(Set(names).count == 1)
    }
  }

  @Test(arguments: [(IPAddress.Family.ipv4, 65_507), (.ipv6, 65_527)], [0, 1, 8, 1000])
  func `a datagram as long as one can be passes in fragments, both ways (RFC 768, RFC 8200 section 4.5)`(
    longest: (family: IPAddress.Family, length: Int), less: Int
  ) {
    withLab { lab in
      let (family, length) = (longest.family, longest.length - less)
      lab.host.datagramServices[.server(family, port: 7)] = .echoes
      let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: pattern(length))
      sendInFragments(datagram, to: Endpoint.server(family).address, lab)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [pattern(length)])
      #expect(lab.guest.datagrams.map(\.payload) == [pattern(length)])
    }
  }

  /// Sends a datagram as a guest does whose link takes 1280 bytes.
  private func sendInFragments(_ datagram: PlainUDP, to destination: IPAddress, _ lab: Lab) {
    let source = lab.guest.address(in: destination.family)
    let bytes = datagram.encoded(from: source, to: destination)
    for start in stride(from: 0, to: bytes.count, by: 1232) {
      let part = PlainPayload.raw(Array(bytes[start..<min(start + 1232, bytes.count)]))
      let more = start + 1232 < bytes.count
      if let to = destination.ipv4 {
        var packet = PlainIPv4(from: lab.guest.address, to: to, part, proto: 17)
        (packet.dontFragment, packet.identification) = (false, 77)
        (packet.fragmentOffset, packet.moreFragments) = (start, more)
        lab.guest.send(packet)
      } else {
        var packet = PlainIPv6(from: source.mapped, to: destination.mapped, part, proto: 17)
        packet.fragment = PlainIPv6.Fragment(offset: start, moreFragments: more, identification: 77)
        lab.guest.send(packet)
      }
    }
  }

  @Test(arguments: families)
  func `a guest that has sent a longer packet gets packets as long`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.datagramServices[.server(family, port: 7)] = .echoes
      lab.guest.sendUDP(pattern(8000), from: 5000, to: .server(family, port: 7))
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [pattern(8000)])
      #expect(lab.guest.inbox.count == 1)
    }
  }

  /// Zero is no checksum in IPv4 (RFC 768), and not allowed in IPv6 (RFC 8200 section 8.1).
  @Test(arguments: [(IPAddress.Family.ipv4, 1), (.ipv6, 0)])
  func `a datagram without a checksum is taken over IPv4 alone, one with a wrong one never`(
    family: IPAddress.Family, taken: Int
  ) {
    withLab { lab in
      let (source, destination) = (lab.guest.address(in: family), Endpoint.server(family).address)
      var bytes = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: Array("hello".utf8))
        .encoded(from: source, to: destination)
      for checksum: [UInt8] in [[0, 0], [0x12, 0x34]] {
        (bytes[6], bytes[7]) = (checksum[0], checksum[1])
        if let from = source.ipv4, let to = destination.ipv4 {
          lab.guest.send(PlainIPv4(from: from, to: to, .raw(bytes), proto: 17))
        } else {
          lab.guest.send(PlainIPv6(from: source.mapped, to: destination.mapped, .raw(bytes), proto: 17))
        }
        lab.settle()
        #expect(lab.sentDatagrams.count == taken)
      }
      #expect(lab.drops(.badChecksum) == 2 - taken)
      #expect(lab.guest.inbox.isEmpty)
    }
  }

  @Test(arguments: families)
  func `a mapping ends five minutes after the last datagram (RFC 4787 REQ-5)`(family: IPAddress.Family) {
    withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.advance(by: .seconds(200))
      lab.guest.sendUDP([2], from: 5000, to: .server(family, port: 7))
      lab.advance(by: .seconds(290))
      #expect(lab.openSocketCount == 1)
      lab.advance(by: .seconds(20))
      #expect(lab.openSocketCount == 0)
      #expect(lab.flowEnds == [.timedOut])
    }
  }

  @Test(arguments: families)
  func `a socket that takes no more drops the rest of the batch and goes on with the next`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      lab.guest.sendUDP([0], from: 5000, to: .server(family, port: 7))
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      lab.host.limitDatagrams(of: flow, to: 2)
      for number in 1...5 { lab.guest.sendUDP([UInt8(number)], from: 5000, to: .server(family, port: 7)) }
      lab.settle()
      #expect(lab.drops(.hostRefused) == 3)
      lab.host.limitDatagrams(of: flow, to: nil)
      lab.guest.sendUDP([9], from: 5000, to: .server(family, port: 7))
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [[0], [1], [2], [9]])
    }
  }

  @Test(arguments: families)
  func `with the host's descriptors used up a datagram is refused and the others go on`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.descriptorsLeft = 1
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.guest.sendUDP([2], from: 5001, to: .server(family, port: 7))
      lab.guest.sendUDP([3], from: 5000, to: .server(family, port: 7))
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [[1], [3]])
      #expect(lab.drops(.exhausted) == 1)
      #expect(lab.receivedErrors.map(\.message) == [OutsideWorld(family).message(.prohibited)])
    }
  }

  @Test(arguments: families)
  func `an answer that finds no room on the link is dropped and counted, the next one passes`(family: IPAddress.Family)
  {
    withLab { lab in
      lab.host.datagramServices[Endpoint.server(family, port: 7)] = .echoes
      lab.sink.room = 0
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.settle()
      #expect(lab.drops(.linkFull) == 1)
      lab.openLink()
      lab.guest.sendUDP([2], from: 5000, to: .server(family, port: 7))
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [[2]])
    }
  }

  @Test(arguments: families)
  func `a refusal on the host's loopback becomes an ICMP port unreachable`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.datagramServices[Endpoint(.loopback(family), port: 7)] = .fails(.refused)
      lab.guest.sendUDP([1], from: 5000, to: Endpoint(.gateway(family), port: 7))
      lab.settle()
      #expect(lab.receivedErrors.map(\.message) == [OutsideWorld(family).message(.portUnreachable)])
    }
  }
}
