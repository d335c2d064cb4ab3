import Netstack
import Primitives
import Simulation
import Testing

/// ICMP errors (RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3.2): what they quote, and when there are none.
@Suite struct ErrorTests {
  private static let outside = IPv4Address(192, 0, 2, 1)

  /// A packet that dies at the gateway, from which an error comes back.
  private func dyingPacket(_ lab: Lab, payload: [UInt8] = pattern(8), port: UInt16 = 33_434) -> PlainIPv4 {
    let datagram = PlainUDP(sourcePort: 40_000, destinationPort: port, payload: payload)
    var packet = PlainIPv4(from: lab.guest.address, to: Self.outside, .udp(datagram))
    packet.timeToLive = 1
    return packet
  }

  @Test(arguments: [0, 8, 519, 520, 521, 1400])
  func `an error quotes as much as keeps it within 576 bytes (RFC 1812 section 4.3.2.3)`(length: Int) {
    withLab { lab in
      let packet = dyingPacket(lab, payload: pattern(length))
      lab.guest.send(packet)
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.payload) == [Array(packet.encoded.prefix(548))])
    }
  }

  @Test func `an error comes from the gateway with a time to live of its own`() {
    withLab { lab in
      lab.guest.send(dyingPacket(lab))
      lab.settle()
      #expect(lab.guest.inbox.compactMap(\.ipv4).map(\.source) == [IPv4Address(10, 0, 2, 2)])
      #expect(lab.guest.inbox.compactMap(\.ipv4).map(\.timeToLive) == [64])
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
      lab.guest.send(dyingPacket(lab))
      lab.settle()
      #expect(lab.guest.inbox.isEmpty)
    }
  }

  @Test func `errors are limited, 64 at once and a thousand a second (RFC 1812 section 4.3.2.8)`() {
    withLab { lab in
      for port in UInt16(1)...200 { lab.guest.send(dyingPacket(lab, port: port)) }
      lab.settle()
      #expect(lab.guest.icmpMessages.count == 64)
      #expect(lab.drops(.rateLimited) == 136)
      lab.advance(by: .milliseconds(10))
      for port in UInt16(1)...200 { lab.guest.send(dyingPacket(lab, port: port)) }
      lab.settle()
      #expect(lab.guest.icmpMessages.count == 64 + 10)
    }
  }
}
