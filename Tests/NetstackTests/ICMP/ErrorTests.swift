import Netstack
import Primitives
import Simulation
import Testing

/// ICMP errors (RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3.2): what they quote, and when there are none.
@Suite struct ErrorTests {
  private static let outside = IPv4Address(192, 0, 2, 1)

  /// Sends a packet that dies at the gateway, from which an error comes back, and returns its bytes.
  @discardableResult
  private func sendDying(
    _ lab: Lab, _ family: IPAddress.Family = .ipv4, payload: [UInt8] = pattern(8), port: UInt16 = 33_434
  ) -> [UInt8] {
    let datagram = PlainPayload.udp(PlainUDP(sourcePort: 40_000, destinationPort: port, payload: payload))
    guard family == .ipv4 else {
      var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .outside, datagram)
      packet.hopLimit = 1
      lab.guest.send(packet)
      return packet.encoded
    }
    var packet = PlainIPv4(from: lab.guest.address, to: Self.outside, datagram)
    packet.timeToLive = 1
    lab.guest.send(packet)
    return packet.encoded
  }

  @Test(arguments: [(IPAddress.Family.ipv4, 548), (.ipv6, 1232)], [-500, -1, 0, 1, 200])
  func `an error quotes as much as keeps it within 576 or 1280 bytes (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4)`(
    limit: (family: IPAddress.Family, quote: Int), more: Int
  ) {
    withLab { lab in
      // A packet longer than what is quoted by so much.
      let headers = limit.family == .ipv4 ? 28 : 48
      let packet = sendDying(lab, limit.family, payload: pattern(limit.quote - headers + more))
      lab.settle()
      #expect(packet.count == limit.quote + more)
      #expect(lab.guest.icmpMessages.map(\.payload) == [Array(packet.prefix(limit.quote))])
    }
  }

  @Test(arguments: families)
  func `an error comes from the gateway with a hop limit of its own`(family: IPAddress.Family) {
    withLab { lab in
      sendDying(lab, family)
      lab.settle()
      #expect(lab.guest.inbox.map(\.packetSource) == [.gateway(family)])
      #expect(lab.guest.inbox.map { $0.ipv4?.timeToLive ?? $0.ipv6?.hopLimit } == [64])
    }
  }

  @Test(arguments: [3, 4, 5, 11, 12] as [UInt8])
  func `no error answers an ICMP error (RFC 1122 section 3.2.2)`(type: UInt8) {
    withLab { lab in
      var packet = PlainIPv4(
        from: lab.guest.address, to: Self.outside, .icmp(PlainICMP(type: type, payload: pattern(28))))
      packet.timeToLive = 1
      lab.guest.send(packet)
      lab.settle()
      #expect(lab.guest.icmpMessages.isEmpty)
      #expect(lab.drops(.hopLimitExceeded) == 1)
    }
  }

  @Test func `no error answers a packet to a group, or one in a frame to everybody (RFC 1122 section 3.2.2)`() {
    withLab { lab in
      for group in [IPv4Address(224, 0, 0, 1), .broadcast, IPv4Address(10, 0, 2, 255)] {
        lab.guest.send(PlainIPv4(from: lab.guest.address, to: group, .raw(pattern(20)), proto: 132))
      }
      let packet = PlainIPv4(from: lab.guest.address, to: Self.outside, .raw(pattern(20)), proto: 132)
      lab.guest.send(PlainFrame(destination: .broadcast, source: lab.guest.mac, .ipv4(packet)))
      lab.settle()
      #expect(lab.drops(.unknownProtocol) == 4)
      #expect(lab.guest.icmpMessages.isEmpty)
    }
  }

  @Test func `no error answers a packet without a source (RFC 1122 section 3.2.2)`() {
    withLab { lab in
      lab.guest.address = .any
      sendDying(lab)
      lab.settle()
      #expect(lab.guest.inbox.isEmpty)
    }
  }

  @Test(arguments: families)
  func `errors are limited, 64 at once and a thousand a second (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f))`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      for port in UInt16(1)...200 { sendDying(lab, family, port: port) }
      lab.settle()
      #expect(lab.guest.icmpMessages.count == 64)
      #expect(lab.drops(.rateLimited) == 136)
      lab.advance(by: .milliseconds(10))
      for port in UInt16(1)...200 { sendDying(lab, family, port: port) }
      lab.settle()
      #expect(lab.guest.icmpMessages.count == 64 + 10)
    }
  }
}
