import Netstack
import Primitives
import Simulation
import Testing

/// What a guest can make the stack hold is bounded, and given back.
@Suite struct BoundTests {
  /// Sends `count` single bytes, each behind a gap of its own.
  private func scatter(_ tcp: RawConnection, _ count: Int) {
    for number in 0..<count { tcp.lab.guest.send(tcp.packet(.data([7], seq: 3 + 2 * number, ack: 1))) }
    _ = tcp.takeSegments()
  }

  @Test func `single bytes behind gaps fill a connection's share, and no more (2048 bytes each, 1024 of them)`() throws
  {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      scatter(tcp, 1500)
      #expect(lab.drops(.exhausted) == 1500 - 1024)
      // What found no room is sent again by its owner, and nothing is lost.
      tcp.guest(.data(pattern(3000), seq: 1, ack: 1))
      #expect(tcp.takeSegments().last?.ack == 3001)
      #expect(server.bytes.count == 3000)
    }
  }

  @Test func `what one guest's gaps hold is there again once its connections are gone`() throws {
    try withLab { lab in
      for round in 0..<3 {
        let connections = try (0..<5).map { _ in try lab.established().0 }
        for tcp in connections { scatter(tcp, 1024) }
        // Four shares are all there is.
        #expect(lab.drops(.exhausted) == (round + 1) * 1024)
        for tcp in connections { tcp.guest(.rst(seq: 1)) }
        #expect(lab.flows.isEmpty)
      }
    }
  }

  @Test func `a connection with a full share of gaps still moves, a segment at a time`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      scatter(tcp, 1024)
      for number in 0..<40 {
        tcp.guest(.data(pattern(100, from: number * 100), seq: 1 + number * 100, ack: 1))
        #expect(tcp.takeSegments().last.flatMap(\.ack) ?? 0 >= 101 + number * 100)
      }
      #expect(server.bytes.count == 4000)
    }
  }

  @Test func `a guest that never reads holds no more than the host's socket does`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 0)
      server.write(pattern(1_000_000))
      let before = lab.host.calls.receivedBytes
      lab.advance(by: .seconds(100))
      // A byte for each probe, read where it lies.
      #expect(lab.host.calls.receivedBytes - before < 20)
      #expect(tcp.takeSegments().allSatisfy { $0.payload.count <= 1 })
    }
  }

  @Test func `a thousand acknowledgments at once make the stack say nothing`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .sackPermitted, win: 20_000)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      for _ in 0..<1000 { lab.guest.send(tcp.packet(.ack(1, seq: 1, win: 20_000))) }
      tcp.silence()
      for _ in 0..<1000 { lab.guest.send(tcp.packet(.sack(1, 1001..<2001, seq: 1, win: 20_000))) }
      tcp.silence()
    }
  }

  @Test(arguments: [RemoteService.Answer.accepts, .isSilent, .fails(.refused)])
  func `SYNs without end leave nothing behind`(answer: RemoteService.Answer) {
    var options = Lab.Options()
    options.settings.maximumFlows = 100
    withLab(options) { lab in
      lab.host.services[.server] = RemoteService(answer)
      for port in UInt16(1000)..<6000 {
        let tcp = lab.rawConnection(to: .server, port: port)
        lab.guest.send(tcp.packet(.syn(.mss(1460))))
        if port % 64 == 0 { lab.settle() }
        #expect(lab.openSocketCount <= 25)
      }
      lab.settle()
      for port in UInt16(1000)..<6000 where answer == .isSilent {
        lab.guest.send(lab.rawConnection(to: .server, port: port).packet(.rst(seq: 1)))
      }
      lab.advance(by: .seconds(100))
      if answer != .isSilent { #expect(lab.openSocketCount == 0) }
    }
  }
}
