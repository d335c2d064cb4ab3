import Netstack
import Primitives
import Simulation
import Testing

/// What guests, or routers behind them, report of our segments: RFC 1191, RFC 8201, RFC 1122 section 4.2.3.9, and with
/// what caution it is believed: RFC 5927.
@Suite struct PathMTUTests {
  private func tooBig(_ mtu: UInt32, about tcp: RawConnection, at sequence: Int) throws {
    let isV4 = tcp.remote.address.family == .ipv4
    try tcp.reports(isV4 ? 3 : 2, isV4 ? 4 : 0, rest: mtu, at: sequence)
  }

  @Test(arguments: families)
  func `a narrower path cuts what is in flight anew and sends it again (RFC 1191 section 6.4, RFC 8201 section 5.4)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let headers = family == .ipv4 ? 40 : 60
      let (tcp, server) = try lab.established(RemoteService(), .mss(1400), over: family)
      server.write(pattern(4200))
      #expect(tcp.takeSegments().map(\.payload.count) == [1400, 1400, 1400])
      try tooBig(1300, about: tcp, at: 1)
      let size = 1300 - headers
      #expect(tcp.takeSegments().map(\.seq) == [1, 1 + size, 1 + 2 * size, 1 + 3 * size])
      // The other segments of the flight were too long as well, which says nothing new.
      try tooBig(1300, about: tcp, at: 1401)
      tcp.silence()
      tcp.guest(.ack(4201, seq: 1))
      server.write(pattern(3000))
      #expect(tcp.takeSegments().map(\.payload.count).max() == size)
    }
  }

  @Test func `a router that names no MTU is taken for one of 576 bytes (RFC 1191 section 5)`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      server.write(pattern(1460))
      #expect(tcp.takeSegments().count == 1)
      try tooBig(0, about: tcp, at: 1)
      #expect(tcp.takeSegments().map(\.payload.count) == [536, 536, 388])
    }
  }

  @Test(arguments: [(IPAddress.Family.ipv4, UInt32(20), 28), (.ipv6, 100, 1220)])
  func `no report makes segments smaller than any link does (RFC 791 section 3.2, RFC 8201 section 4)`(
    family: IPAddress.Family, mtu: UInt32, size: Int
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1400), over: family)
      server.write(pattern(1400))
      #expect(tcp.takeSegments().count == 1)
      try tooBig(mtu, about: tcp, at: 1)
      #expect(tcp.takeSegments().first?.payload.count == size)
    }
  }

  @Test(arguments: families, [-1000, 0, 1401, 100_000])
  func `a report that quotes nothing in flight is forged or late (RFC 5927 section 4.1)`(
    family: IPAddress.Family, sequence: Int
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1400), over: family)
      server.write(pattern(1400))
      #expect(tcp.takeSegments().count == 1)
      try tooBig(1300, about: tcp, at: sequence)
      tcp.silence()
      #expect(lab.drops(.noFlow) == 1)
    }
  }

  @Test(arguments: families)
  func `a report of a wider path changes nothing (RFC 1191 section 3)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), over: family)
      server.write(pattern(1000))
      #expect(tcp.takeSegments().count == 1)
      try tooBig(9000, about: tcp, at: 1)
      tcp.silence()
    }
  }

  // MARK: Nobody there

  /// Codes by which a guest, or a firewall in it, refuses.
  @Test(arguments: [UInt8(2), 3, 9, 10, 13])
  func `a guest that refuses our SYN by ICMP resets the client at once (RFC 1122 section 4.2.3.9)`(code: UInt8) throws {
    try withLab { lab in
      let (tcp, client) = try lab.forwarded()
      _ = tcp.takeSegments()
      try tcp.reports(3, code, at: 0, length: 0)
      #expect(client.sawReset)
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: [UInt8(0), 1, 5, 11])
  func `an unreachable network or host may be reached again: our SYN is repeated (RFC 1122 section 4.2.3.9)`(
    code: UInt8
  ) throws {
    try withLab { lab in
      let (tcp, client) = try lab.forwarded()
      _ = tcp.takeSegments()
      try tcp.reports(3, code, at: 0, length: 0)
      #expect(!client.sawReset)
      lab.advance(by: .seconds(1))
      #expect(tcp.takeSegments().count == 1)
    }
  }

  @Test(arguments: families)
  func `no report ends an established connection (RFC 5927 section 5.2)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 1))
      for code in UInt8(0)...13 where family == .ipv6 || code != 4 {
        try tcp.reports(family == .ipv4 ? 3 : 1, code, at: 1, length: 5)
      }
      tcp.guest(.ack(6, seq: 1))
      #expect(!server.sawReset)
      tcp.silence(for: .seconds(5))
    }
  }

  @Test func `a report whose quote is cut short, or of a fragment, is dropped`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      server.write(pattern(1460))
      #expect(tcp.takeSegments().count == 1)
      var quoted = PlainTCP()
      (quoted.sourcePort, quoted.destinationPort) = (tcp.remote.port, tcp.port)
      quoted.sequence = try #require(tcp.remoteInitial) + 1
      var packet = PlainIPv4(from: IPv4Address(192, 0, 2, 1), to: lab.guest.address, .tcp(quoted))
      for length in 0..<28 {
        let quote = Array(packet.encoded.prefix(length))
        lab.guest.send(
          .icmp(PlainICMP(type: 3, code: 4, rest: 600, payload: quote)), from: lab.guest.address(in: .ipv4),
          to: tcp.remote.address)
      }
      packet.fragmentOffset = 8
      let fragment = Array(packet.encoded.prefix(28))
      lab.guest.send(
        .icmp(PlainICMP(type: 3, code: 4, rest: 600, payload: fragment)), from: lab.guest.address(in: .ipv4),
        to: tcp.remote.address)
      tcp.silence()
    }
  }
}
