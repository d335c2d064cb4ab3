import Netstack
import Primitives
import Simulation
import Testing

/// How much is sent at once: RFC 5681, RFC 6928, RFC 3042, RFC 6298.
@Suite struct CongestionTests {
  /// The first flight to a guest of each segment size.
  @Test(arguments: [
    (UInt16(536), 10), (1000, 10), (1460, 10), (2000, 7), (8000, 2),
  ])
  func `the first flight is min(10 MSS, max(2 MSS, 14600)) (RFC 6928 section 2)`(mss: UInt16, count: Int) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(mss), .windowScale(4), win: 65_535)
      server.write(pattern(100_000))
      #expect(tcp.takeSegments().map(\.payload.count) == Array(repeating: Int(mss), count: count))
    }
  }

  /// Sends `bytes` through `tcp`, a whole flight acknowledged at a time, and returns the segments of each flight.
  private func flights(_ tcp: RawConnection, from start: Int, count: Int) -> [Int] {
    var acknowledged = start
    return (0..<count).map { _ in
      let segments = tcp.takeSegments()
      acknowledged += segments.map(\.payload.count).reduce(0, +)
      // RFC 9293 section 3.8.6.3: every second segment.
      for place in stride(from: 1, to: segments.count, by: 2) {
        tcp.guest(.ack(segments[place].seq + segments[place].payload.count, seq: 1))
      }
      if segments.count % 2 == 1 { tcp.guest(.ack(acknowledged, seq: 1)) }
      return segments.count
    }
  }

  @Test(arguments: families)
  func `the window doubles each round trip in slow start (RFC 5681 section 3.1)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .windowScale(4), win: 65_535, over: family)
      tcp.window = 65_535
      server.write(pattern(200_000))
      #expect(flights(tcp, from: 1, count: 4) == [10, 20, 40, 80])
    }
  }

  @Test(arguments: families)
  func `after a loss the window is half the flight and grows by a segment each round trip`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .windowScale(4), win: 65_535, over: family)
      tcp.window = 65_535
      server.write(pattern(200_000))
      #expect(tcp.takeSegments().count == 10)
      for _ in 0..<3 { tcp.guest(.ack(1, seq: 1)) }
      // RFC 3042: the first two duplicates each let a new segment go; the third repeats what is lost.
      #expect(tcp.takeSegments().map(\.seq) == [10_001, 11_001, 1])
      // RFC 5681 section 3.2, (2): those two do not count for the flight, which was ten segments: half is five.
      tcp.guest(.ack(12_001, seq: 1))
      #expect(flights(tcp, from: 12_001, count: 4) == [5, 5, 6, 7])
    }
  }

  @Test(arguments: families)
  func `a timeout leaves one segment, and slow start up to half the flight (RFC 5681 section 3.1)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .windowScale(4), win: 65_535, over: family)
      tcp.window = 65_535
      server.write(pattern(200_000))
      #expect(tcp.takeSegments().count == 10)
      // RFC 5681 (4): the flight is halved once, however often the timer fires.
      for milliseconds in [200, 400, 800] {
        tcp.stack(after: .milliseconds(Int64(milliseconds)), .data(pattern(1000), seq: 1, ack: 1))
      }
      tcp.guest(.ack(10_001, seq: 1))
      // That ten have arrived adds one (RFC 3465 section 2.3); then slow start, and beyond five segments no more.
      #expect(flights(tcp, from: 10_001, count: 4) == [2, 4, 5, 6])
    }
  }

  @Test(arguments: families)
  func `duplicate acknowledgments without reports are no sign of a loss where SACK is agreed (RFC 6675 2)`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .sackPermitted, win: 50_000, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      for _ in 0..<5 { tcp.guest(.ack(1, seq: 1, win: 50_000)) }
      tcp.silence()
      tcp.guest(.ack(10_001, seq: 1, win: 50_000))
    }
  }

  @Test(arguments: families)
  func `a DSACK is taken for nothing else (RFC 2883 section 4)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .sackPermitted, win: 50_000, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      for _ in 0..<5 { tcp.guest(.sack(5001, 1..<1001, seq: 1, win: 50_000)) }
      tcp.silence()
      tcp.guest(.ack(10_001, seq: 1, win: 50_000))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `a request of the guest's does not keep the window of the last answer (RFC 5681 section 4.1)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .windowScale(4), win: 65_535, over: family)
      tcp.window = 65_535
      server.write(pattern(150_000))
      #expect(flights(tcp, from: 1, count: 4) == [10, 20, 40, 80])
      lab.advance(by: .seconds(2))
      tcp.guest(.data("request", seq: 1, ack: 150_001))
      tcp.stack(.ack(8, seq: 150_001))
      server.write(pattern(150_000, from: 150_000))
      #expect(tcp.takeSegments().count == 10)
    }
  }

  @Test(arguments: families)
  func `what was sent twice is not measured (RFC 6298 section 3)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 1))
      tcp.stack(after: .milliseconds(200), .data("hello", seq: 1, ack: 1))
      lab.advance(by: .milliseconds(300))
      // Of which of the two is this the acknowledgment? The timeout stays as it was.
      tcp.guest(.ack(6, seq: 1))
      server.write("again")
      tcp.stack(.data("again", seq: 6, ack: 1))
      tcp.stack(after: .milliseconds(200), .data("again", seq: 6, ack: 1))
    }
  }

  @Test(arguments: families)
  func `the timeout is a minute at most (RFC 6298 section 2.5)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.ack(1, seq: 1, win: 0))
      server.write("hello")
      var times: [Instant] = []
      for _ in 0..<600 {
        lab.advance(by: .seconds(1))
        if let (at, _) = tcp.takeSegment() {
          times.append(at)
          tcp.guest(.ack(1, seq: 1, win: 0))
        }
      }
      #expect(zip(times.dropFirst(), times).map { $0 - $1 }.max() == .seconds(60))
    }
  }
}
