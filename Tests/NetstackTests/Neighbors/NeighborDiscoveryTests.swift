import Netstack
import Primitives
import Simulation
import Testing

/// Neighbor discovery (RFC 4861, RFC 4862): for whom the stack answers, what it believes, and what it advertises.
@Suite struct NeighborDiscoveryTests {
  private static let resolver = IPv6Address(high: 0xfec0 << 48, low: 3)

  @Test(arguments: [IPv6Address.gateway, .router, resolver])
  func `the stack's own addresses are answered for, solicited and overriding (RFC 4861 section 7.2.4)`(
    address: IPv6Address
  ) throws {
    try withLab { lab in
      lab.guest.solicit(address)
      lab.settle()
      let (frame, answer) = try #require(lab.guest.discovery.first)
      #expect(frame.ipv6?.source == address)
      #expect(answer.type == 136)
      #expect(answer.rest == 0xe000_0000)
      #expect(answer.target == address)
      #expect(answer.linkLayer(2) == frame.source)
    }
  }

  @Test func `a probe for one of them is answered to everybody (RFC 4862 section 5.4.3)`() throws {
    try withLab { lab in
      lab.guest.send(
        PlainDiscovery(type: 135, target: .gateway), from: .any, to: IPv6Address.gateway.solicitedGroup)
      lab.settle()
      let (frame, answer) = try #require(lab.guest.discovery.first)
      #expect(frame.ipv6?.destination == .everybody)
      #expect(answer.rest == 0xa000_0000)
    }
  }

  @Test func `a message that has passed a router is not believed (RFC 4861 section 7.1.1)`() {
    withLab { lab in
      let message = PlainDiscovery(type: 135, target: .gateway, options: [.linkLayer(1, lab.guest.mac)])
      lab.guest.send(message, to: IPv6Address.gateway.solicitedGroup, hopLimit: 254)
      lab.settle()
      #expect(lab.guest.discovery.isEmpty)
      #expect(lab.drops(.malformed) == 1)
    }
  }

  @Test func `nobody answers for other addresses`() {
    withLab { lab in
      lab.guest.solicit(IPv6Address(high: 0xfec0 << 48, low: 77))
      lab.settle()
      #expect(lab.guest.discovery.isEmpty)
    }
  }

  @Test func `a router solicitation is answered with prefix, MTU and resolver (RFC 4861 section 6.2.6, RFC 8106)`()
    throws
  {
    try withLab { lab in
      let message = PlainDiscovery(type: 133, options: [.linkLayer(1, lab.guest.mac)])
      lab.guest.send(message, from: lab.guest.ipv6LinkLocal, to: .everyRouter)
      lab.settle()
      let (frame, answer) = try #require(lab.guest.discovery.first)
      #expect(frame.ipv6?.source == .router)
      // Hop limit 64, neither managed nor other, 1800 seconds.
      #expect(answer.rest == 0x4000_0708)
      #expect(answer.linkLayer(1) == frame.source)
      #expect(answer.option(5) == [0, 0, 0, 0, 0xff, 0xf0])
      #expect(answer.option(3)?.prefix(2) == [64, 0xc0])
      #expect(answer.option(25)?.suffix(16) == [0xfe, 0xc0] + [UInt8](repeating: 0, count: 13) + [3])
    }
  }

  @Test func `everybody is told three times at first, then at least every ten minutes (RFC 4861 section 6.2.4)`() {
    withLab { lab in
      lab.advance(by: .seconds(49))
      #expect(lab.guest.discovery.map(\.message.type) == [134, 134, 134])
      lab.advance(by: .seconds(617))
      #expect(lab.guest.discovery.count >= 4)
    }
  }

  @Test func `connections and datagrams are carried over IPv6`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: .ipv6)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      #expect(server.text == "hello")
      lab.host.datagramServices[.server(.ipv6, port: 7)] = .echoes
      lab.guest.sendUDP([1, 2, 3], from: 5000, to: .server(.ipv6, port: 7))
      lab.settle()
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 7, destinationPort: 5000, payload: [1, 2, 3])])
    }
  }

  @Test(arguments: [0, 1452, 1453, 8000])
  func `the gateway answers a ping over IPv6 (RFC 4443 section 4.2)`(length: Int) {
    withLab { lab in
      lab.guest.ping(.gateway(.ipv6), payload: pattern(length))
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.payload) == [pattern(length)])
    }
  }

  @Test func `a hop limit that ends here is answered with time exceeded (RFC 4443 section 3.3)`() {
    withLab { lab in
      let datagram = PlainUDP(sourcePort: 40_000, destinationPort: 33_434, payload: pattern(1400))
      var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .outside, .udp(datagram))
      packet.hopLimit = 1
      lab.guest.send(packet)
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.type) == [3])
      #expect(lab.guest.icmpMessages.map(\.payload) == [Array(packet.encoded.prefix(1232))])
    }
  }

  @Test(arguments: [(UInt8(0x5e), true), (0x9e, true), (0x1e, false)])
  func `an option that is not known is treated as its type says (RFC 8200 section 4.2)`(type: UInt8, isDropped: Bool) {
    withLab { lab in
      let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1])
      var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .outside, .udp(datagram))
      packet.extensions = [.options(60, [type, 0])]
      lab.guest.send(packet)
      lab.settle()
      #expect(lab.sentDatagrams.isEmpty == isDropped)
      #expect(lab.guest.icmpMessages.map(\.code) == (type >> 6 == 2 ? [2] : []))
    }
  }
}
