import Netstack
import Primitives
import Simulation
import Testing

/// How connections end: RFC 9293 section 3.6, each half for itself, and resets behind everything that came before.
@Suite struct ClosingTests {
  @Test(arguments: families)
  func `the guest's FIN ends the host's stream, and data still flows to the guest`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.fin("last words", seq: 1, ack: 1))
      tcp.stack(.ack(12, seq: 1))
      #expect(server.text == "last words")
      #expect(server.sawEnd)
      server.write("an answer")
      tcp.stack(.data("an answer", seq: 1, ack: 12))
      tcp.guest(.ack(10, seq: 12))
      server.finish()
      tcp.stack(.fin(seq: 10, ack: 12))
      tcp.guest(.ack(11, seq: 12))
      tcp.silence(for: .seconds(120))
      #expect(server.isClosed)
      #expect(lab.flowEnds == [.finished])
    }
  }

  @Test(arguments: families)
  func `the end of the host's stream becomes a FIN, and data still flows to the host`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write("hello")
      server.finish()
      tcp.stack(.data("hello", seq: 1, ack: 1))
      tcp.stack(.fin(seq: 6, ack: 1))
      tcp.guest(.ack(7, seq: 1))
      tcp.guest(.data("more", seq: 1, ack: 7))
      tcp.stack(.ack(5, seq: 7))
      #expect(server.text == "more")
      tcp.guest(.fin(seq: 5, ack: 7))
      tcp.stack(.ack(6, seq: 7))
      #expect(server.sawEnd)
      #expect(server.isClosed)
    }
  }

  @Test(arguments: families)
  func `a FIN that is lost is sent again`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.finish()
      tcp.stack(.fin(seq: 1, ack: 1))
      for milliseconds in [200, 400, 800] { tcp.stack(after: .milliseconds(Int64(milliseconds)), .fin(seq: 1, ack: 1)) }
      tcp.guest(.ack(2, seq: 1))
      tcp.silence(for: .seconds(30))
    }
  }

  @Test(arguments: families)
  func `a FIN that the guest repeats is acknowledged again`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, _) = try lab.established(over: family)
      tcp.guest(.fin(seq: 1, ack: 1))
      tcp.stack(.ack(2, seq: 1))
      tcp.guest(.fin(seq: 1, ack: 1))
      tcp.stack(.ack(2, seq: 1))
    }
  }

  @Test(arguments: families)
  func `a FIN behind a gap waits until the gap is closed`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.fin("world", seq: 7, ack: 1))
      tcp.stack(.ack(1, seq: 1))
      #expect(!server.sawEnd)
      tcp.guest(.data("hello ", seq: 1, ack: 1))
      tcp.stack(.ack(13, seq: 1))
      #expect(server.text == "hello world")
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families)
  func `a FIN alone behind a gap waits until the gap is closed`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.fin(seq: 6, ack: 1))
      tcp.stack(.ack(1, seq: 1))
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(7, seq: 1))
      #expect(server.text == "hello")
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families)
  func `a FIN behind what the host has no room for reaches it behind that`(family: IPAddress.Family) throws {
    try withLab { lab in
      var service = RemoteService(readsAtOnce: false)
      service.sendBufferSize = 4000
      service.memoryPercent = 200
      let (tcp, server) = try lab.established(service, over: family)
      tcp.guest(
        .data(pattern(1000), seq: 1, ack: 1), .data(pattern(1000, from: 1000), seq: 1001, ack: 1),
        .data(pattern(1000, from: 2000), seq: 2001, ack: 1), .fin(seq: 3001, ack: 1))
      #expect(tcp.takeSegments().last?.ack == 2001)
      #expect(!server.sawEnd)
      server.read()
      #expect(tcp.takeSegments().last?.ack == 3002)
      server.read()
      #expect(server.bytes == pattern(3000))
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families)
  func `both sides may finish at once`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.finish()
      tcp.stack(.fin(seq: 1, ack: 1))
      // The guest's FIN crosses ours: CLOSING (RFC 9293 figure 13).
      tcp.guest(.fin(seq: 1, ack: 1))
      tcp.stack(.ack(2, seq: 2))
      tcp.guest(.ack(2, seq: 2))
      tcp.silence(for: .seconds(120))
      #expect(server.sawEnd)
      #expect(lab.openSocketCount == 0)
    }
  }

  // MARK: Resets

  @Test(arguments: families)
  func `the guest's reset resets the host's peer`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.rst(seq: 1))
      tcp.silence(for: .seconds(3))
      #expect(server.sawReset)
      #expect(lab.flowEnds == [.resetByGuest])
    }
  }

  @Test(arguments: families)
  func `what was acknowledged before the guest's reset still reaches the host's peer`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(readsAtOnce: false), over: family)
      tcp.guest(.data("acknowledged", seq: 1, ack: 1))
      tcp.stack(.ack(13, seq: 1))
      tcp.guest(.rst(seq: 13))
      lab.advance(by: .milliseconds(500))
      #expect(!server.sawReset)
      server.read()
      lab.advance(by: .milliseconds(500))
      #expect(server.text == "acknowledged")
      #expect(server.sawReset)
      #expect(server.isClosed)
    }
  }

  @Test(arguments: families)
  func `data and reset in one batch reach the host's peer in that order`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(readsAtOnce: false), over: family)
      tcp.guest(.data("hello", seq: 1, ack: 1), .rst(seq: 6))
      server.read()
      lab.advance(by: .seconds(1))
      #expect(server.text == "hello")
      #expect(server.sawReset)
    }
  }

  @Test(arguments: families)
  func `a peer that never reads what came before a reset is given two seconds`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(readsAtOnce: false), over: family)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      tcp.guest(.rst(seq: 6))
      lab.advance(by: .milliseconds(1900))
      #expect(!server.isClosed)
      lab.advance(by: .milliseconds(400))
      #expect(server.isClosed)
    }
  }

  @Test(arguments: families)
  func `the host peer's reset reaches the guest behind all data that came before it`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 2000, over: family)
      server.write(pattern(5000))
      lab.settle()
      server.reset()
      #expect(tcp.takeSegments().map(\.seq) == [1, 1001])
      tcp.guest(.ack(2001, seq: 1, win: 2000))
      #expect(tcp.takeSegments().map(\.seq) == [2001, 3001])
      tcp.guest(.ack(4001, seq: 1, win: 2000))
      tcp.stack(.data(pattern(1000, from: 4000), seq: 4001, ack: 1))
      tcp.guest(.ack(5001, seq: 1, win: 2000))
      tcp.stack(.rst(seq: 5001, ack: 1))
      tcp.silence(for: .seconds(5))
      #expect(lab.flowEnds == [.failed(.reset)])
    }
  }

  @Test(arguments: families)
  func `a reset without data before it reaches the guest at once`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.reset()
      tcp.stack(.rst(seq: 1, ack: 1))
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `a guest that writes to a reset connection is reset and gets no FIN`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.reset()
      tcp.guest(.data("hello", seq: 1, ack: 1))
      let segments = tcp.takeSegments()
      #expect(segments.contains { $0.flags.contains(.rst) })
      #expect(!segments.contains { $0.flags.contains(.fin) })
    }
  }

  @Test(arguments: families)
  func `a reset that is not at the next expected number is challenged (RFC 5961 section 3.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.rst(seq: 5))
      tcp.stack(.ack(1, seq: 1))
      tcp.guest(.rst(seq: 1_000_000))
      tcp.silence()
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      #expect(server.text == "hello")
    }
  }

  @Test(arguments: families)
  func `after a half-close by the host a reset of the guest ends everything`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.finish()
      tcp.stack(.fin(seq: 1, ack: 1))
      tcp.guest(.rst(seq: 1, ack: 2))
      tcp.silence(for: .seconds(3))
      #expect(server.sawReset)
      #expect(lab.openSocketCount == 0)
    }
  }

  // MARK: TIME-WAIT

  /// A connection in TIME-WAIT on the stack's side: the host's half ended first.
  private func inTimeWait(_ lab: Lab, _ family: IPAddress.Family) throws -> RawConnection {
    let (tcp, server) = try lab.established(over: family)
    server.finish()
    tcp.stack(.fin(seq: 1, ack: 1))
    tcp.guest(.fin(seq: 1, ack: 2))
    tcp.stack(.ack(2, seq: 2))
    #expect(server.isClosed)
    return tcp
  }

  @Test(arguments: families)
  func `TIME-WAIT holds no socket, answers a late FIN and lasts a minute`(family: IPAddress.Family) throws {
    try withLab { lab in
      let tcp = try inTimeWait(lab, family)
      #expect(lab.openSocketCount == 0)
      lab.advance(by: .seconds(50))
      tcp.guest(.fin(seq: 1, ack: 2))
      tcp.stack(.ack(2, seq: 2))
      lab.advance(by: .seconds(59))
      #expect(lab.flows.map(\.state) == [.timeWait])
      lab.advance(by: .seconds(2))
      #expect(lab.flows.isEmpty)
      #expect(lab.flowEnds == [.finished])
    }
  }

  @Test(arguments: families)
  func `a reset does not end TIME-WAIT (RFC 1337)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let tcp = try inTimeWait(lab, family)
      tcp.guest(.rst(seq: 2))
      tcp.silence(for: .seconds(1))
      #expect(lab.flows.map(\.state) == [.timeWait])
    }
  }

  @Test(arguments: families)
  func `a new SYN with a higher number reuses the connection's name in TIME-WAIT (RFC 9293 section 3.6.1)`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      let old = try inTimeWait(lab, family)
      let new = lab.rawConnection(to: .server(family), port: old.port, initialSequence: old.initialSequence + 10_000)
      let server = try new.establish()
      new.guest(.data("again", seq: 1, ack: 1))
      new.stack(.ack(6, seq: 1))
      #expect(server.text == "again")
      #expect(lab.host.calls.connects == 2)
    }
  }

  @Test(arguments: families)
  func `an old SYN in TIME-WAIT is answered with the last acknowledgment`(family: IPAddress.Family) throws {
    try withLab { lab in
      let tcp = try inTimeWait(lab, family)
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.ack(2, seq: 2))
      #expect(lab.host.calls.connects == 1)
    }
  }

  // MARK: Everything

  @Test(arguments: families)
  func `a shutdown resets the connections and delivers what was acknowledged`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(readsAtOnce: false), over: family)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      lab.shutDown()
      tcp.stack(.rst(seq: 1, ack: 6))
      #expect(!lab.isShutDown)
      server.read()
      lab.advance(by: .milliseconds(200))
      #expect(lab.isShutDown)
      #expect(server.text == "hello")
      #expect(lab.openSocketCount == 0)
    }
  }

  /// A guest goes on as if nothing were; what it begins would be one more thing to wait for.
  @Test func `a network that shuts down begins nothing any more`() throws {
    try withLab { lab in
      lab.host.defaultService = RemoteService(readsAtOnce: false)
      let (tcp, server) = try lab.established(RemoteService(readsAtOnce: false))
      tcp.guest(.data("still to be read", seq: 1, ack: 1))
      lab.shutDown()
      #expect(!lab.isShutDown)
      lab.guest.sendUDP([1], from: 5000, to: .server(.ipv4, port: 9))
      lab.guest.ping(IPv4Address(192, 0, 2, 1))
      _ = lab.guest.connect(to: .server(.ipv4, port: 81))
      lab.settle()
      server.setReadsAtOnce(true)
      lab.advance(by: .milliseconds(500))
      #expect(lab.isShutDown)
      #expect(server.text == "still to be read")
    }
  }
}
