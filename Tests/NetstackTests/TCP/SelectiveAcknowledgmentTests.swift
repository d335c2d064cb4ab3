import Netstack
import Primitives
import Simulation
import Testing

/// Selective acknowledgments in both directions: RFC 2018, and recovery by them: RFC 6675.
@Suite struct SelectiveAcknowledgmentTests {
  // MARK: What the stack reports

  @Test(arguments: families)
  func `it is permitted to a guest that permits it, and to no other (RFC 2018 section 2)`(
    family: IPAddress.Family
  ) throws {
    for (offered, expected) in [([PlainTCP.Option.mss(1460), .sackPermitted], true), ([.mss(1460)], false)] {
      withLab { lab in
        lab.host.services[.server(family)] = RemoteService()
        let tcp = lab.rawConnection(to: .server(family))
        tcp.guest(Segment(.syn, seq: 0, options: offered))
        #expect(tcp.takeSegments().map { $0.options?.contains(.sackPermitted) } == [expected])
      }
    }
  }

  @Test(arguments: families)
  func `each segment behind a gap is reported at once, what came last first (RFC 2018 section 4)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1460), .sackPermitted, over: family)
      tcp.guest(.data("bb", seq: 3, ack: 1))
      tcp.stack(.sack(1, 3..<5, seq: 1))
      tcp.guest(.data("dd", seq: 7, ack: 1))
      tcp.stack(.sack(1, 7..<9, 3..<5, seq: 1))
      tcp.guest(.data("ff", seq: 11, ack: 1))
      tcp.stack(.sack(1, 11..<13, 7..<9, 3..<5, seq: 1))
      // The first range grows: it is named first again.
      tcp.guest(.data("cc", seq: 5, ack: 1))
      tcp.stack(.sack(1, 3..<9, 11..<13, seq: 1))
      tcp.guest(.data("aa", seq: 1, ack: 1))
      tcp.stack(.sack(9, 11..<13, seq: 1))
      tcp.guest(.data("ee", seq: 9, ack: 1))
      tcp.stack(Segment([], seq: 1, ack: 13, options: []))
      #expect(server.bytes == Array("aabbccddeeff".utf8))
    }
  }

  @Test(arguments: families)
  func `four ranges find room, beside timestamps three (RFC 2018 section 3)`(family: IPAddress.Family) throws {
    for (clock, count) in [(UInt32?.none, 4), (5, 3)] {
      try withLab { lab in
        lab.host.services[.server(family)] = RemoteService()
        let tcp = lab.rawConnection(to: .server(family))
        tcp.clock = clock
        try tcp.establish([.mss(1460), .sackPermitted] + (clock.map { [.timestamps($0, echo: 0)] } ?? []))
        for number in 1...6 {
          tcp.guest(.data("x", seq: 1 + 2 * number, ack: 1))
          guard number == 6 else {
            _ = tcp.takeSegments()
            continue
          }
          let (_, segment) = try #require(tcp.takeSegment())
          let blocks = try #require(segment.sackBlocks)
          #expect(blocks.map(\.start) == [13, 11, 9, 7].prefix(count).map { SequenceNumber($0) })
        }
      }
    }
  }

  @Test(arguments: families)
  func `a segment behind a gap gets a duplicate acknowledgment of its own, in one batch too (RFC 5681 4.2)`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      let (tcp, _) = try lab.established(over: family)
      tcp.guest(.data("b", seq: 2, ack: 1), .data("c", seq: 3, ack: 1), .data("d", seq: 4, ack: 1))
      #expect(tcp.takeSegments().map(\.ack) == [1, 1, 1])
      tcp.guest(.data("a", seq: 1, ack: 1))
      #expect(tcp.takeSegments().map(\.ack) == [5])
    }
  }

  @Test(arguments: families)
  func `without agreement nothing is reported (RFC 2018 section 2)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, _) = try lab.established(over: family)
      tcp.guest(.data("b", seq: 2, ack: 1))
      tcp.stack(Segment([], seq: 1, ack: 1, options: []))
    }
  }

  // MARK: What the guest reports

  /// A connection with ten segments of 1000 bytes in flight.
  private func tenInFlight(
    _ lab: Lab, _ family: IPAddress.Family, _ service: RemoteService = RemoteService()
  ) throws -> (RawConnection, Peer) {
    let (tcp, server) = try lab.established(service, .mss(1000), .sackPermitted, over: family)
    server.write(pattern(10_000))
    #expect(tcp.takeSegments().map(\.seq) == (0..<10).map { 1 + $0 * 1000 })
    return (tcp, server)
  }

  @Test(arguments: families)
  func `three segments reported beyond a hole send the hole, and only that (RFC 6675 section 5)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, _) = try tenInFlight(lab, family)
      tcp.guest(.sack(1, 1001..<2001, seq: 1))
      tcp.guest(.sack(1, 1001..<3001, seq: 1))
      tcp.silence()
      tcp.guest(.sack(1, 1001..<4001, seq: 1))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.silence()
      for end in stride(from: 5001, through: 10_001, by: 1000) { tcp.guest(.sack(1, 1001..<end, seq: 1)) }
      tcp.silence()
      tcp.guest(.ack(10_001, seq: 1))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `of several holes each is sent once, in order, as the window allows (RFC 6675 section 4)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, _) = try tenInFlight(lab, family)
      // Segments 0, 2 and 4 are lost.
      tcp.guest(.sack(1, 1001..<2001, seq: 1))
      tcp.guest(.sack(1, 3001..<4001, 1001..<2001, seq: 1))
      tcp.guest(.sack(1, 5001..<6001, 3001..<4001, 1001..<2001, seq: 1))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      for end in stride(from: 7001, through: 10_001, by: 1000) {
        tcp.guest(.sack(1, 5001..<end, 3001..<4001, 1001..<2001, seq: 1))
      }
      #expect(tcp.takeSegments().map(\.seq) == [2001, 4001])
      tcp.guest(.sack(2001, 5001..<10_001, 3001..<4001, seq: 1))
      tcp.guest(.sack(4001, 5001..<10_001, seq: 1))
      tcp.guest(.ack(10_001, seq: 1))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `new data goes out for what has arrived while the hole is on its way (RFC 6675 section 5)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try tenInFlight(lab, family)
      server.write(pattern(10_000, from: 10_000))
      // The congestion window is full with ten. Two that have arrived make room for two (step 3.3), which do
      // not count for the flight; the third shows the loss, and five may be on their way (step 4.2): the hole, the tenth,
      // and three new ones.
      for end in stride(from: 2001, through: 9001, by: 1000) { tcp.guest(.sack(1, 1001..<end, seq: 1)) }
      #expect(tcp.takeSegments().map(\.seq) == [10_001, 11_001, 1, 12_001])
    }
  }

  @Test(arguments: families)
  func `a report of what was never sent, or upside down, or of old, is nothing (RFC 2018 section 5)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, _) = try tenInFlight(lab, family)
      for range in [10_001..<20_001, 5001..<90_001] {
        for _ in 0..<4 { tcp.guest(.sack(1, range, seq: 1, win: tcp.window - 1)) }
      }
      let upsideDown = PlainTCP.Option.sack([PlainTCP.Block(SequenceNumber(5001), SequenceNumber(2001))])
      for win in UInt16(100)..<104 { tcp.guest(Segment([], seq: 1, ack: 1, win: win * 600, options: [upsideDown])) }
      tcp.silence(for: .milliseconds(5))
      // And the connection lives.
      tcp.guest(.ack(10_001, seq: 1))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `after a timeout the reports are forgotten (RFC 2018 section 8) and what is reported since is passed over`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      let (tcp, _) = try tenInFlight(lab, family)
      tcp.guest(.sack(1, 3001..<5001, seq: 1))
      // The probe of the tail, then the timeout.
      lab.run(for: .seconds(2)) { tcp.pendingCount >= 2 }
      #expect(tcp.takeSegments().last?.seq == 1)
      // The guest has 3001 to 5001 still, and says so: what is before it is sent, then what is behind.
      tcp.guest(.sack(1001, 3001..<5001, seq: 1))
      #expect(tcp.takeSegments().map(\.seq) == [1001, 2001])
      tcp.guest(.sack(3001, seq: 1).acknowledging(5001))
      #expect(tcp.takeSegments().first?.seq == 5001)
    }
  }

  @Test(arguments: families)
  func `a loss at the end of a flight is found by a probe, not by the timeout (RFC 8985 section 7)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, _) = try tenInFlight(lab, family)
      tcp.guest(.ack(8001, seq: 1))
      // The last two are lost. The probe repeats the last, and its report shows the hole before it.
      tcp.stack(after: .milliseconds(10), .data(pattern(1000, from: 9000), seq: 9001, ack: 1))
      tcp.guest(.sack(8001, 9001..<10_001, seq: 1))
      lab.run(for: .milliseconds(250)) { tcp.pendingCount > 0 }
      tcp.stack(.data(pattern(1000, from: 8000), seq: 8001, ack: 1))
      tcp.guest(.ack(10_001, seq: 1))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `a FIN that is lost with the data before it comes again with it`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try tenInFlight(lab, family)
      server.finish()
      tcp.guest(.ack(9001, seq: 1))
      tcp.stack(Segment(.fin, seq: 10_001, ack: 1))
      lab.run(for: .seconds(1)) { tcp.pendingCount > 0 }
      tcp.stack(Segment(.fin, seq: 9001, ack: 1, payload: pattern(1000, from: 9000)))
      tcp.guest(.ack(10_002, seq: 1))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `a thousand reports at random take no more memory than their share and break nothing`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      var service = RemoteService()
      service.sendBufferSize = 4 << 20
      let (tcp, server) = try lab.established(
        service, .mss(100), .sackPermitted, .windowScale(10), win: 65_535, over: family)
      server.write(pattern(600_000))
      var dice = SeededGenerator(seed: 5)
      var end = 1
      for segment in tcp.takeSegments() { end = max(end, segment.seq + segment.payload.count) }
      for round in 0..<1000 {
        let start = Int.random(in: 1...(end + 2000), using: &dice)
        tcp.guest(
          .sack(1, start..<(start + Int.random(in: 1...300, using: &dice)), seq: 1, win: UInt16(60_000 + round)))
        for segment in tcp.takeSegments() { end = max(end, segment.seq + segment.payload.count) }
      }
      tcp.guest(.ack(end, seq: 1))
      #expect(!tcp.takeSegments().isEmpty)
    }
  }
}

extension Segment {
  /// The segment with another acknowledgment.
  fileprivate func acknowledging(_ ack: Int) -> Segment {
    var segment = self
    segment.ack = ack
    segment.options = []
    return segment
  }

  fileprivate var sackBlocks: [PlainTCP.Block]? {
    for case .sack(let blocks) in options ?? [] { return blocks }
    return nil
  }
}
