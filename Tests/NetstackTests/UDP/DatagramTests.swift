import Netstack
import Primitives
import Simulation
import Testing

/// Datagrams of guests: the NAT behaviour of RFC 4787, and the way through it.
@Suite struct DatagramTests {
  private static let first = IPv4Address(192, 0, 2, 1)
  private static let second = IPv4Address(198, 51, 100, 7)

  @Test func `a datagram reaches the host's network and its answer the guest`() throws {
    try withLab { lab in
      lab.host.datagramServices[Endpoint(Self.first, port: 7)] = .echoes
      lab.guest.sendUDP(Array("hello".utf8), from: 5000, to: Self.first, port: 7)
      lab.settle()
      let sent = try #require(lab.sentDatagrams.first)
      #expect(sent.destination == Endpoint(Self.first, port: 7))
      #expect(sent.payload == Array("hello".utf8))
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 7, destinationPort: 5000, payload: Array("hello".utf8))])
    }
  }

  @Test func `one port of the guest is one socket whomever it talks to (RFC 4787 REQ-1)`() {
    withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.guest.sendUDP([2], from: 5000, to: Self.second, port: 9)
      lab.guest.sendUDP([3], from: 5001, to: Self.first, port: 7)
      lab.settle()
      let sent = lab.sentDatagrams
      #expect(sent.map(\.payload) == [[1], [2], [3]])
      #expect(sent[0].local == sent[1].local)
      #expect(sent[0].local != sent[2].local)
    }
  }

  @Test func `the host's port is the guest's where it is free`() {
    withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.settle()
      lab.guest.address = IPv4Address(10, 0, 2, 16)
      lab.guest.sendUDP([2], from: 5000, to: Self.first, port: 7)
      lab.settle()
      let ports = lab.sentDatagrams.map(\.local.port)
      #expect(ports.first == 5000)
      #expect(ports.last != 5000)
    }
  }

  @Test func `only addresses that the guest has spoken to may answer, from any port (RFC 4787 REQ-8)`() throws {
    try withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      lab.host.deliver([2], from: Endpoint(Self.first, port: 99), to: flow)
      lab.host.deliver([3], from: Endpoint(Self.second, port: 7), to: flow)
      lab.settle()
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 99, destinationPort: 5000, payload: [2])])
      #expect(lab.drops(.filtered) == 1)
    }
  }

  @Test func `a batch of datagrams is one call`() {
    withLab { lab in
      for number in 0..<20 { lab.guest.sendUDP([UInt8(number)], from: 5000, to: Self.first, port: 7) }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == (0..<20).map { [UInt8($0)] })
      #expect(lab.host.calls.datagramSends == 1)
    }
  }

  @Test func `many answers at once all arrive, in order`() throws {
    try withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      for number in 0..<200 { lab.host.deliver([UInt8(number)], from: Endpoint(Self.first, port: 7), to: flow) }
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == (0..<200).map { [UInt8($0)] })
    }
  }

  @Test(arguments: [0, 1, 1471, 1472])
  func `datagrams of any length up to the MTU pass both ways whole`(length: Int) {
    withLab { lab in
      lab.host.datagramServices[Endpoint(Self.first, port: 7)] = .echoes
      lab.guest.sendUDP(pattern(length), from: 5000, to: Self.first, port: 7)
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [pattern(length)])
      #expect(lab.guest.inbox.count == 1)
    }
  }

  @Test(arguments: [1473, 2000, 8192, 65_507])
  func `an answer longer than the guest's MTU comes in fragments (RFC 791 section 3.2)`(length: Int) {
    withLab { lab in
      lab.host.datagramServices[Endpoint(Self.first, port: 7)] = .answers(pattern(length))
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [pattern(length)])
      let fragments = lab.guest.inbox.compactMap(\.ipv4).filter(\.isFragment)
      #expect(fragments.count == (length + 8 + 1479) / 1480)
      #expect(Set(fragments.map(\.identification)).count == 1)
    }
  }

  @Test func `a guest that has sent a longer packet gets packets as long`() {
    withLab { lab in
      lab.host.datagramServices[Endpoint(Self.first, port: 7)] = .echoes
      lab.guest.sendUDP(pattern(8000), from: 5000, to: Self.first, port: 7)
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [pattern(8000)])
      #expect(lab.guest.inbox.count == 1)
    }
  }

  @Test func `a datagram without a checksum is taken, one with a wrong one is not (RFC 768)`() {
    withLab { lab in
      let packet = PlainIPv4(
        from: lab.guest.address, to: Self.first,
        .udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: Array("hello".utf8))))
      var bytes = packet.payloadBytes
      (bytes[6], bytes[7]) = (0, 0)
      lab.guest.send(PlainIPv4(from: packet.source, to: packet.destination, .raw(bytes), proto: 17))
      bytes[6] = 0x12
      lab.guest.send(PlainIPv4(from: packet.source, to: packet.destination, .raw(bytes), proto: 17))
      lab.settle()
      #expect(lab.sentDatagrams.count == 1)
      #expect(lab.drops(.badChecksum) == 1)
    }
  }

  @Test func `a mapping ends five minutes after the last datagram (RFC 4787 REQ-5)`() {
    withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.advance(by: .seconds(200))
      lab.guest.sendUDP([2], from: 5000, to: Self.first, port: 7)
      lab.advance(by: .seconds(290))
      #expect(lab.openSocketCount == 1)
      lab.advance(by: .seconds(20))
      #expect(lab.openSocketCount == 0)
      #expect(lab.flowEnds == [.timedOut])
    }
  }

  @Test func `a socket that takes no more drops the rest of the batch and goes on with the next`() throws {
    try withLab { lab in
      lab.guest.sendUDP([0], from: 5000, to: Self.first, port: 7)
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      lab.host.limitDatagrams(of: flow, to: 2)
      for number in 1...5 { lab.guest.sendUDP([UInt8(number)], from: 5000, to: Self.first, port: 7) }
      lab.settle()
      #expect(lab.drops(.hostRefused) == 3)
      lab.host.limitDatagrams(of: flow, to: nil)
      lab.guest.sendUDP([9], from: 5000, to: Self.first, port: 7)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [[0], [1], [2], [9]])
    }
  }

  @Test func `with the host's descriptors used up a datagram is refused and the others go on`() {
    withLab { lab in
      lab.host.descriptorsLeft = 1
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.guest.sendUDP([2], from: 5001, to: Self.first, port: 7)
      lab.guest.sendUDP([3], from: 5000, to: Self.first, port: 7)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [[1], [3]])
      #expect(lab.drops(.exhausted) == 1)
      #expect(lab.guest.icmpMessages.map(\.type) == [3])
    }
  }

  @Test func `an answer that finds no room on the link is dropped and counted, the next one passes`() {
    withLab { lab in
      lab.host.datagramServices[Endpoint(Self.first, port: 7)] = .echoes
      lab.sink.room = 0
      lab.guest.sendUDP([1], from: 5000, to: Self.first, port: 7)
      lab.settle()
      #expect(lab.drops(.linkFull) == 1)
      lab.openLink()
      lab.guest.sendUDP([2], from: 5000, to: Self.first, port: 7)
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [[2]])
    }
  }

  @Test func `a refusal on the host's loopback becomes an ICMP port unreachable`() {
    withLab { lab in
      lab.host.datagramServices[Endpoint(.loopback, port: 7)] = .fails(.refused)
      lab.guest.sendUDP([1], from: 5000, to: IPv4Address(10, 0, 2, 2), port: 7)
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.type) == [3])
      #expect(lab.guest.icmpMessages.map(\.code) == [3])
    }
  }
}
