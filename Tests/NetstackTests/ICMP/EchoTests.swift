import Netstack
import Primitives
import Simulation
import Testing

/// ICMP (RFC 792): echo to the stack's own addresses, errors for what goes nowhere.
@Suite struct EchoTests {
  @Test(arguments: [IPv4Address(10, 0, 2, 2), IPv4Address(10, 0, 2, 3)])
  func `the stack's own addresses answer a ping with the same bytes`(address: IPv4Address) throws {
    try withLab { lab in
      lab.guest.ping(address, sequence: 7, payload: pattern(56))
      lab.settle()
      let packet = try #require(lab.guest.inbox.first?.ipv4)
      #expect(packet.source == address)
      #expect(packet.payload == .icmp(PlainICMP(type: 0, rest: 0x1234_0007, payload: pattern(56))))
    }
  }

  @Test(arguments: [0, 1, 55, 1472, 8000])
  func `pings of any length are answered whole`(length: Int) {
    withLab { lab in
      lab.guest.ping(IPv4Address(10, 0, 2, 2), payload: pattern(length))
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.payload) == [pattern(length)])
    }
  }

  @Test func `a ping with a wrong checksum is dropped`() {
    withLab { lab in
      var bytes = PlainICMP(type: 8, rest: 1, payload: [1, 2, 3]).encoded
      bytes[8] ^= 1
      lab.guest.send(PlainIPv4(from: lab.guest.address, to: IPv4Address(10, 0, 2, 2), .raw(bytes), proto: 1))
      lab.settle()
      #expect(lab.guest.inbox.isEmpty)
      #expect(lab.drops(.badChecksum) == 1)
    }
  }

  @Test func `a packet whose time to live ends here is answered with time exceeded (RFC 1812 section 5.3.1)`() {
    withLab { lab in
      var packet = PlainIPv4(
        from: lab.guest.address, to: IPv4Address(192, 0, 2, 1),
        .udp(PlainUDP(sourcePort: 33_434, destinationPort: 33_434, payload: [1])))
      packet.timeToLive = 1
      lab.guest.send(packet)
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.type) == [11])
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.drops(.hopLimitExceeded) == 1)
    }
  }

  @Test func `an unknown protocol is answered with protocol unreachable`() {
    withLab { lab in
      let payload = PlainIPv4.Payload.raw(pattern(20))
      lab.guest.send(PlainIPv4(from: lab.guest.address, to: IPv4Address(192, 0, 2, 1), payload, proto: 132))
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.type) == [3])
      #expect(lab.guest.icmpMessages.map(\.code) == [2])
      #expect(lab.drops(.unknownProtocol) == 1)
    }
  }

  @Test func `no error answers an ICMP error (RFC 1122 section 3.2.2)`() {
    withLab { lab in
      let error = PlainICMP(type: 3, code: 3, payload: pattern(28))
      lab.guest.send(PlainIPv4(from: lab.guest.address, to: IPv4Address(192, 0, 2, 1), .icmp(error)))
      lab.guest.send(PlainIPv4(from: lab.guest.address, to: IPv4Address(127, 0, 0, 1), .icmp(error)))
      lab.settle()
      #expect(lab.guest.icmpMessages.isEmpty)
    }
  }
}
