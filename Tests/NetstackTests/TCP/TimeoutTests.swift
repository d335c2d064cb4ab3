import Netstack
import Primitives
import Simulation
import Testing

/// The timers of a connection: RFC 9293 section 3.8, RFC 6298, RFC 5382.
@Suite struct TimeoutTests {
  @Test(arguments: families)
  func `a segment lost after a long silence is sent again and ends nothing (RFC 9293 section 3.8.3)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      // Longer than the user timeout, which counts from the first segment that is not acknowledged.
      lab.advance(by: .seconds(600))
      server.write("late")
      tcp.stack(.data("late", seq: 1, ack: 1))
      tcp.stack(after: .milliseconds(200), .data("late", seq: 1, ack: 1))
      tcp.guest(.ack(5, seq: 1))
      tcp.silence(for: .seconds(5))
      #expect(!server.sawReset)
    }
  }

  @Test(arguments: families)
  func `a guest whose window is closed and that falls silent is given up (RFC 9293 section 3.8.6.1)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.ack(1, seq: 1, win: 0))
      server.write("stuck")
      lab.advance(by: .seconds(300))
      #expect(server.sawReset)
      #expect(tcp.takeSegments().last?.flags.contains(.rst) == true)
    }
  }

  @Test(arguments: families)
  func `an idle connection is asked after two hours, and lives if the guest answers (RFC 5382 REQ-5)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.silence(for: .seconds(2 * 3600 + 239))
      lab.advance(by: .seconds(2))
      // RFC 9293 section 3.8.4: at a number that was acknowledged before.
      #expect(tcp.takeSegments().map(\.seq) == [0])
      tcp.guest(.ack(1, seq: 1))
      tcp.silence(for: .seconds(2 * 3600))
      #expect(!server.sawReset)
    }
  }

  @Test(arguments: families)
  func `an idle guest that is gone is given up after eight questions`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      lab.advance(by: .seconds(2 * 3600 + 240 + 8 * 75 + 1))
      #expect(tcp.takeSegments().map { $0.flags.contains(.rst) } == Array(repeating: false, count: 8) + [true])
      #expect(server.sawReset)
    }
  }

  @Test(arguments: families)
  func `a keep-alive of the guest's is answered (RFC 9293 section 3.8.4)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, _) = try lab.established(over: family)
      for payload in [[], [UInt8(0)]] {
        tcp.guest(Segment([], seq: 0, ack: 1, payload: payload))
        tcp.stack(.ack(1, seq: 1))
      }
    }
  }

  @Test(arguments: families)
  func `a handshake that lost a segment begins with one segment (RFC 5681 3.1) and 3 s (RFC 6298 5.7)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1000)))
      tcp.stack(.synAck())
      tcp.stack(after: .seconds(1), .synAck())
      tcp.guest(.ack(1, seq: 1))
      tcp.discardWindowUpdates()
      try #require(lab.peers(at: .server(family)).first).write(pattern(5000))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.silence(for: .milliseconds(2900))
      tcp.stack(after: .milliseconds(100), .data(pattern(1000), seq: 1, ack: 1))
    }
  }

  @Test(arguments: families)
  func `after a pause the congestion window begins anew (RFC 5681 section 4.1)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .windowScale(4), win: 65_535, over: family)
      var sent = 0
      server.write(pattern(60_000))
      while sent < 60_000 {
        let segments = tcp.takeSegments()
        try #require(!segments.isEmpty)
        sent += segments.map(\.payload.count).reduce(0, +)
        tcp.guest(.ack(sent + 1, seq: 1, win: 65_535))
      }
      lab.advance(by: .seconds(2))
      server.write(pattern(60_000, from: 60_000))
      #expect(tcp.takeSegments().count == 10)
    }
  }

  @Test(arguments: families)
  func `a sliver of window waits for more, but not for ever (RFC 9293 section 3.8.6.2.1)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 20_000, over: family)
      server.write(pattern(30_000))
      let sent = tcp.takeSegments().map(\.payload.count).reduce(0, +)
      tcp.guest(.ack(sent + 1, seq: 1, win: 100))
      tcp.silence(for: .milliseconds(190))
      // The override timeout.
      tcp.stack(after: .milliseconds(10), .data(pattern(100, from: sent), seq: sent + 1, ack: 1))
      tcp.guest(.ack(sent + 101, seq: 1, win: 100))
      tcp.silence(for: .milliseconds(100))
      tcp.guest(.ack(sent + 101, seq: 1, win: 5000))
      #expect(tcp.takeSegments().first?.payload.count == 1000)
    }
  }

  @Test(arguments: families)
  func `the last bytes go out however little window there is`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 20_000, over: family)
      tcp.guest(.ack(1, seq: 1, win: 100))
      server.write(pattern(50))
      tcp.stack(.data(pattern(50), seq: 1, ack: 1))
    }
  }
}
