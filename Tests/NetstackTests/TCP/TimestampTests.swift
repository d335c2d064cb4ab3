import Netstack
import Primitives
import Simulation
import Testing

/// RFC 7323: timestamps, round trips measured by them, and protection against old segments (PAWS).
@Suite struct TimestampTests {
  private static let offer: [PlainTCP.Option] = [.mss(1460), .timestamps(1000, echo: 0)]

  private func established(_ lab: Lab) throws -> (RawConnection, Peer) {
    lab.host.services[.server] = RemoteService()
    let tcp = lab.rawConnection(to: .server)
    tcp.clock = 1000
    return (tcp, try tcp.establish(Self.offer))
  }

  @Test(arguments: families)
  func `timestamps are agreed on where the guest offers them, and then stand in every segment (section 3.2)`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.clock = 7777
      tcp.guest(.syn(.mss(1460), .timestamps(7777, echo: 0)))
      let (_, answer) = try #require(tcp.takeSegment())
      // The guest's clock comes back.
      #expect(answer.options?.contains { if case .timestamps(_, echo: 7777) = $0 { true } else { false } } == true)
      tcp.guest(.ack(1, seq: 1))
      tcp.discardWindowUpdates()
      try #require(lab.peers(at: .server(family)).first).write("hello")
      let (_, data) = try #require(tcp.takeSegment())
      #expect(data.options == [.timestamps(tcp.remoteClock, echo: 7777)])
    }
  }

  @Test(arguments: families)
  func `no timestamps go to a guest that offers none (section 3.2)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1460), .sackPermitted, over: family)
      server.write("hello")
      let (_, data) = try #require(tcp.takeSegment())
      #expect(data.options == [])
    }
  }

  @Test(arguments: families)
  func `the option's bytes come out of the segment, not out of the packet (RFC 6691 section 2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try established(lab)
      server.write(pattern(4000))
      #expect(tcp.takeSegments().map(\.payload.count) == [1448, 1448, 1104])
    }
  }

  @Test func `our clock ticks in milliseconds (section 4.1) and starts elsewhere for each connection (section 5.4)`()
    throws
  {
    try withLab { lab in
      var clocks: [UInt32] = []
      for port: UInt16 in [81, 82] {
        let remote = Endpoint(IPv4Address(192, 0, 2, 1), port: port)
        lab.host.services[remote] = RemoteService()
        let tcp = lab.rawConnection(to: remote)
        tcp.clock = 1
        let server = try tcp.establish([.mss(1460), .timestamps(1, echo: 0)])
        let before = tcp.remoteClock
        lab.advance(by: .milliseconds(250))
        server.write("x")
        _ = tcp.takeSegments()
        #expect(tcp.remoteClock &- before == 250)
        clocks.append(before)
      }
      #expect(clocks[0] != clocks[1])
    }
  }

  @Test(arguments: families)
  func `the clock that is echoed is that of the last segment in order (section 4.3)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, _) = try established(lab)
      tcp.clock = 1010
      // Behind a gap: its clock does not count yet.
      tcp.guest(.data("c", seq: 3, ack: 1))
      #expect(tcp.takeSegments().map { $0.options?.last } == [.timestamps(tcp.remoteClock, echo: 1000)])
      tcp.clock = 1020
      tcp.guest(.data("ab", seq: 1, ack: 1))
      #expect(tcp.takeSegments().map { $0.options?.last } == [.timestamps(tcp.remoteClock, echo: 1020)])
    }
  }

  @Test(arguments: families)
  func `a segment older than the last is dropped and acknowledged (section 5.3, R1)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try established(lab)
      tcp.clock = 2000
      tcp.guest(.data("new", seq: 1, ack: 1))
      tcp.stack(.ack(4, seq: 1))
      tcp.clock = 1999
      tcp.guest(.data("old", seq: 4, ack: 1))
      tcp.stack(.ack(4, seq: 1))
      #expect(server.bytes == Array("new".utf8))
      #expect(lab.stack.counters[.unacceptableSegment] == 1)
    }
  }

  @Test(arguments: families)
  func `the guest's clock may wrap around (section 5.2)`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.clock = .max
      let server = try tcp.establish([.mss(1460), .timestamps(.max, echo: 0)])
      tcp.clock = 3
      tcp.guest(.data("on", seq: 1, ack: 1))
      #expect(server.bytes == Array("on".utf8))
      tcp.clock = .max
      tcp.guest(.data("no", seq: 3, ack: 1))
      #expect(server.bytes == Array("on".utf8))
      lab.settle()
      _ = tcp.takeSegments()
    }
  }

  @Test(arguments: families)
  func `after 24 days of silence any clock is taken (section 5.5)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try established(lab)
      // The guest answers what it is asked meanwhile, with segments that carry no clock.
      for _ in 0..<(25 * 12) {
        lab.advance(by: .seconds(7200))
        tcp.clock = nil
        tcp.guest(.ack(1, seq: 1))
      }
      _ = tcp.takeSegments()
      tcp.clock = 999
      tcp.guest(.data("late", seq: 1, ack: 1))
      #expect(server.bytes == Array("late".utf8))
    }
  }

  @Test(arguments: families)
  func `a reset needs no timestamp, and an old one does not save the connection (section 3.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try established(lab)
      tcp.guest(Segment(.rst, seq: 1, options: [.timestamps(1, echo: 0)]))
      #expect(server.sawReset)
    }
  }

  @Test(arguments: families)
  func `a segment without the timestamps agreed on does not end the connection (section 3.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try established(lab)
      tcp.clock = nil
      tcp.guest(.data("bare", seq: 1, ack: 1))
      tcp.stack(.ack(5, seq: 1))
      #expect(server.bytes == Array("bare".utf8))
    }
  }

  @Test(arguments: families)
  func `what was sent again is measured by the clock that comes back (section 4)`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.clock = 1000
      tcp.guest(.syn(.mss(1460), .timestamps(1000, echo: 0)))
      tcp.stack(.synAck())
      // A round trip of 10 ms, for the handshake.
      lab.advance(by: .milliseconds(10))
      tcp.guest(.ack(1, seq: 1))
      tcp.discardWindowUpdates()
      let server = try #require(lab.peers(at: .server(family)).first)
      // Then one of a second: the timer fires twice before the acknowledgment, and Karn's rule forbids to measure by
      // what was sent twice. The echoed clock is that of the first.
      server.write("x")
      let (_, first) = try #require(tcp.takeSegment())
      let clock = tcp.remoteClock
      lab.advance(by: .seconds(1))
      #expect(tcp.takeSegments().count == 2)
      tcp.guest(Segment([], seq: 1, ack: 2, options: [.timestamps(1000, echo: clock)]))
      server.write("y")
      tcp.stack(.data("y", seq: 2, ack: first.ack ?? 0))
      // SRTT is (7 * 10 + 1000) / 8 ms, RTTVAR (3 * 5 + 990) / 4, the timeout SRTT + 4 RTTVAR (RFC 6298 section 2.3).
      tcp.stack(after: .milliseconds(134 + 1005), within: .milliseconds(8), .data("y", seq: 2, ack: 1))
    }
  }
}
