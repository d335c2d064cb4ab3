import Netstack
import Primitives
import Simulation
import Testing

/// Initial sequence numbers by RFC 6528: a clock plus a secret function of the connection's name.
@Suite struct InitialSequenceNumberTests {
  /// The initial sequence number that the stack chooses for a connection from `port` at this time.
  private func initialSequence(_ lab: Lab, _ family: IPAddress.Family, port: UInt16) throws -> SequenceNumber {
    let tcp = lab.rawConnection(to: .server(family), port: port)
    tcp.guest(.syn(.mss(1460)))
    let initial = try #require(tcp.remoteInitial)
    tcp.guest(.rst(seq: 1))
    tcp.discardReset()
    return initial
  }

  @Test(arguments: families)
  func `the same connection a second later starts 250,000 further`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let first = try initialSequence(lab, family, port: 5000)
      lab.advance(by: .seconds(1))
      let second = try initialSequence(lab, family, port: 5000)
      // RFC 6528 section 3: M is a timer of 4 microseconds.
      #expect(second - first == 250_000)
    }
  }

  @Test(arguments: families)
  func `a connection that takes the place of one in TIME-WAIT starts beyond all of it (RFC 1122 4.2.2.13)`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      let (old, server) = try lab.established(RemoteService(), .mss(1460), .windowScale(4), win: 65_535, over: family)
      old.window = 65_535
      server.write(pattern(1_000_000))
      var received = 0
      while received < 1_000_000 {
        let segments = old.takeSegments()
        try #require(!segments.isEmpty)
        received += segments.map(\.payload.count).reduce(0, +)
        old.guest(.ack(1 + received, seq: 1))
      }
      server.finish()
      old.guest(.fin(seq: 1, ack: 1_000_002))
      #expect(lab.flows.map(\.state) == [.timeWait])
      // In no time at all; the clock alone would have numbers start where the old ones did.
      let new = lab.rawConnection(to: .server(family), port: old.port, initialSequence: old.initialSequence + 10_000)
      try new.establish()
      #expect(try #require(new.remoteInitial) - (try #require(old.remoteInitial)) >= 1_000_001)
    }
  }

  @Test(arguments: families)
  func `other connections start elsewhere`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let starts = try (5000..<5032).map { try initialSequence(lab, family, port: $0) }
      #expect(Set(starts).count == 32)
      // Neighbouring names must not give neighbouring numbers.
      let near = zip(starts, starts.dropFirst()).filter { abs($0 - $1) < 1_000_000 }
      #expect(near.count < 4)
    }
  }

  @Test(arguments: families)
  func `another secret gives other numbers`(family: IPAddress.Family) throws {
    var starts: Set<SequenceNumber> = []
    for seed in 1...8 {
      var options = Lab.Options()
      options.seed = UInt64(seed)
      try withLab(options) { lab in
        lab.host.services[.server(family)] = RemoteService()
        starts.insert(try initialSequence(lab, family, port: 5000))
      }
    }
    #expect(starts.count == 8)
  }

  @Test(arguments: families, [UInt32.max, 0xffff_fff0, 0x7fff_ffff, 0])
  func `sequence numbers wrap around in both directions`(family: IPAddress.Family, start: UInt32) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService(echoes: true)
      let tcp = lab.rawConnection(to: .server(family), initialSequence: SequenceNumber(start))
      try tcp.establish()
      tcp.guest(.data("across the edge of the numbers", seq: 1, ack: 1))
      tcp.stack(.ack(31, seq: 1))
      tcp.stack(.data("across the edge of the numbers", seq: 1, ack: 31))
      tcp.guest(.ack(31, seq: 31))
      tcp.silence(for: .seconds(3))
    }
  }
}

extension RawConnection {
  /// Takes what came before the guest's reset reached the stack.
  fileprivate func discardReset() { _ = takeSegments() }
}
