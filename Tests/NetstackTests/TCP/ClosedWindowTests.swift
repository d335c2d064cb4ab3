import Netstack
import Primitives
import Simulation
import Testing

/// A guest that closes its window, takes it back, or leaves a sliver: RFC 9293 section 3.8.6.
@Suite struct ClosedWindowTests {
  /// Lets the guest answer whatever comes by the acknowledgment `answer`, looking once a second, for `seconds`.
  private func answer(_ tcp: RawConnection, with answer: Segment, seconds: Int) {
    for _ in 0..<seconds {
      tcp.lab.advance(by: .seconds(1))
      if !tcp.takeSegments().isEmpty { tcp.guest(answer) }
    }
  }

  @Test(arguments: families)
  func `a window that closes over data in flight is probed and ends nothing (MUST-35, SHLD-17)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 3000, over: family)
      server.write(pattern(3000))
      #expect(tcp.takeSegments().count == 3)
      // Taken back: 2000 bytes are in flight behind the new edge.
      tcp.guest(.ack(1001, seq: 1, win: 0))
      tcp.stack(after: .milliseconds(200), .data(pattern(1, from: 1000), seq: 1001, ack: 1))
      answer(tcp, with: .ack(1001, seq: 1, win: 0), seconds: 600)
      #expect(!server.sawReset)
      tcp.guest(.ack(1001, seq: 1, win: 3000))
      #expect(tcp.takeSegments().map(\.seq) == [1001])
      tcp.guest(.ack(3001, seq: 1, win: 3000))
      tcp.silence(for: .seconds(5))
      #expect(server.unreadByteCount == 0)
    }
  }

  @Test(arguments: families)
  func `of data in flight the part that a narrower window leaves is sent again (SHLD-16)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 3000, over: family)
      server.write(pattern(3000))
      #expect(tcp.takeSegments().count == 3)
      tcp.guest(.ack(1001, seq: 1, win: 300))
      tcp.stack(after: .milliseconds(200), .data(pattern(300, from: 1000), seq: 1001, ack: 1))
      tcp.guest(.ack(1301, seq: 1, win: 3000))
      #expect(tcp.takeSegments().first?.seq == 1301)
    }
  }

  @Test(arguments: families)
  func `a closed window with nothing to send is not probed and ends nothing`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 0, over: family)
      tcp.silence(for: .seconds(600))
      #expect(!server.sawReset)
      // What comes then is probed for.
      server.write("now")
      #expect(lab.run(for: .seconds(1)) { tcp.pendingCount > 0 })
      tcp.stack(.data("n", seq: 1, ack: 1))
    }
  }

  @Test(arguments: families)
  func `a window that the data filled exactly ends nothing while it stays closed`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 3000, over: family)
      server.write(pattern(3000))
      #expect(tcp.takeSegments().count == 3)
      tcp.guest(.ack(3001, seq: 1, win: 0))
      tcp.silence(for: .seconds(600))
      #expect(!server.sawReset)
      tcp.guest(.ack(3001, seq: 1, win: 3000))
      server.write("more")
      tcp.stack(.data("more", seq: 3001, ack: 1))
    }
  }

  @Test(arguments: families)
  func `a FIN at a closed window comes again as long as the guest answers, and ends well`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.ack(1, seq: 1, win: 0))
      server.finish()
      #expect(lab.run(for: .seconds(1)) { tcp.pendingCount > 0 })
      tcp.stack(.fin(seq: 1, ack: 1))
      answer(tcp, with: .ack(1, seq: 1, win: 0), seconds: 600)
      #expect(!server.sawReset)
      tcp.guest(.ack(1, seq: 1, win: 5000))
      #expect(lab.run(for: .seconds(61)) { tcp.pendingCount > 0 })
      tcp.stack(.fin(seq: 1, ack: 1))
      tcp.guest(.ack(2, seq: 1))
      tcp.silence(for: .seconds(120))
    }
  }

  @Test(arguments: families)
  func `a FIN that follows while the window is probed is sent again when it is lost`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 1000, over: family)
      server.write(pattern(1001))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.guest(.ack(1001, seq: 1, win: 0))
      tcp.stack(after: .milliseconds(200), .data(pattern(1, from: 1000), seq: 1001, ack: 1))
      server.finish()
      tcp.guest(.ack(1002, seq: 1, win: 0))
      // The next probe finds the stream's end; from then on the FIN is sent as after any loss.
      for milliseconds in [200, 200, 400, 800] {
        tcp.stack(after: .milliseconds(Int64(milliseconds)), .fin(seq: 1002, ack: 1))
      }
    }
  }

  @Test(arguments: families)
  func `a sliver of window that closes while it is waited for is probed (RFC 9293 section 3.8.6.1)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 20_000, over: family)
      server.write(pattern(30_000))
      let sent = tcp.takeSegments().map(\.payload.count).reduce(0, +)
      tcp.guest(.ack(sent + 1, seq: 1, win: 100))
      lab.advance(by: .milliseconds(50))
      tcp.guest(.ack(sent + 1, seq: 1, win: 0))
      // Should the guest's word of a wider window get lost, only a probe can find it.
      #expect(lab.run(for: .seconds(5)) { tcp.pendingCount > 0 })
      tcp.stack(.data(pattern(1, from: sent), seq: sent + 1, ack: 1))
    }
  }

  @Test(arguments: families)
  func `a guest that leaves unread what came before its peer's reset is reset within a minute`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 1000, over: family)
      server.write(pattern(5000))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      server.reset()
      tcp.guest(.ack(1001, seq: 1, win: 0))
      answer(tcp, with: .ack(1001, seq: 1, win: 0), seconds: 60)
      #expect(lab.openSocketCount == 0)
      #expect(lab.flowEnds == [.timedOut])
    }
  }
}
