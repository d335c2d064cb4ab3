import Netstack
import Primitives
import Simulation
import Testing

/// Where a guest's stream ends, and what may not come behind it: RFC 9293 section 3.10.7.4, seventh and eighth.
@Suite struct FinishTests {
  @Test(arguments: families)
  func `nothing behind a FIN is delivered, wherever it claims to stand`(family: IPAddress.Family) throws {
    for later in [
      Segment.data("evil", seq: 6, ack: 1), .data("evil", seq: 7, ack: 1), .data("hello evil", seq: 1, ack: 1),
    ] {
      try withLab { lab in
        let (tcp, server) = try lab.established(over: family)
        // In one batch, before the FIN has been passed on.
        tcp.guest(.fin("hello", seq: 1, ack: 1), later)
        #expect(server.text == "hello")
        #expect(server.sawEnd)
        #expect(tcp.takeSegments().last?.ack == 7)
        // And afterwards, in CLOSE-WAIT: acknowledged, and the text ignored.
        tcp.guest(.data("more", seq: 7, ack: 1))
        tcp.stack(.ack(7, seq: 1))
        #expect(server.text == "hello")
      }
    }
  }

  @Test(arguments: families)
  func `the first FIN says where the stream ends, and what lies beyond it is not kept`(family: IPAddress.Family) throws
  {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1460), .sackPermitted, over: family)
      tcp.guest(.fin("world", seq: 7, ack: 1))
      tcp.stack(.sack(1, 7..<12, seq: 1))
      tcp.guest(.data("!!!", seq: 12, ack: 1), .fin(seq: 20, ack: 1))
      for segment in tcp.takeSegments() { #expect(Segment.sack(1, 7..<12, seq: 1).matches(segment)) }
      tcp.guest(.data("hello ", seq: 1, ack: 1))
      tcp.stack(.ack(13, seq: 1))
      #expect(server.text == "hello world")
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families)
  func `a FIN beyond the window counts once there is room for what stands before it`(family: IPAddress.Family) throws {
    try withLab { lab in
      var service = RemoteService(readsAtOnce: false)
      service.sendBufferSize = 2000
      let (tcp, server) = try lab.established(service, over: family)
      tcp.guest(.data(pattern(1000), seq: 1, ack: 1), .fin(String(repeating: "x", count: 1400), seq: 1001, ack: 1))
      #expect(tcp.takeSegments().last?.ack == 2001)
      // The window is closed: the FIN alone is not acceptable either.
      tcp.guest(.fin(seq: 2401, ack: 1))
      tcp.stack(.ack(2001, seq: 1, win: 0))
      server.read()
      tcp.stack(.ack(2001, seq: 1, win: 2000))
      tcp.guest(.fin(String(repeating: "x", count: 400), seq: 2001, ack: 1))
      tcp.stack(.ack(2402, seq: 1))
      server.read()
      #expect(server.bytes.count == 2400)
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families)
  func `a server that has spoken and finished before the host tells that it is there is heard to its end`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService(.acceptsAfter(.milliseconds(5)))
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      let server = try #require(lab.peers(at: .server(family)).first)
      server.write("welcome")
      server.finish()
      // One event: connected, readable, and closed.
      lab.advance(by: .milliseconds(5))
      _ = tcp.takeSegments()
      tcp.guest(.ack(1, seq: 1))
      tcp.stack(.data("welcome", seq: 1, ack: 1))
      tcp.stack(.fin(seq: 8, ack: 1))
    }
  }

  /// The ways to a state in which the guest's FIN has been acknowledged, each with what the guest has of ours.
  enum Ending: CaseIterable { case closeWait, closing, lastAck, timeWait }

  @Test(arguments: families, Ending.allCases)
  func `a FIN that comes again is acknowledged again, with data and alone`(
    family: IPAddress.Family, ending: Ending
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      if ending == .closing || ending == .timeWait { server.finish() }
      tcp.guest(.fin("bye", seq: 1, ack: ending == .timeWait ? 2 : 1))
      if ending == .lastAck { server.finish() }
      _ = tcp.takeSegments()
      for again in [Segment.fin("bye", seq: 1, ack: 1), .fin(seq: 4, ack: 1), .fin("e", seq: 3, ack: 1)] {
        tcp.guest(again)
        tcp.stack(.ack(5, seq: ending == .closeWait ? 1 : 2))
      }
      #expect(server.text == "bye")
    }
  }

  @Test(arguments: families)
  func `what a guest has said is undelivered until the host's peer has it, once there is no more`(
    family: IPAddress.Family
  ) throws {
    func left(_ lab: Lab) -> Int { lab.stack.undeliveredByteCount() }
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(readsAtOnce: false), over: family)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      // It may go on for as long as it likes.
      #expect(left(lab) == 0)
      tcp.guest(.fin("!", seq: 6, ack: 1))
      #expect(left(lab) == 6)
      server.read(2)
      #expect(left(lab) == 4)
      server.read()
      #expect(left(lab) == 0)
    }
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(readsAtOnce: false), over: family)
      tcp.guest(.data("hello", seq: 1, ack: 1), .rst(seq: 6))
      #expect(left(lab) == 5)
      server.read()
      #expect(left(lab) == 0)
    }
  }

  @Test(arguments: families)
  func `an end behind bytes that the host has no room for is undelivered, too`(family: IPAddress.Family) throws {
    try withLab { lab in
      var service = RemoteService(readsAtOnce: false)
      service.sendBufferSize = 2000
      let (tcp, server) = try lab.established(service, over: family)
      tcp.guest(.data(pattern(1000), seq: 1, ack: 1), .fin(String(repeating: "x", count: 1000), seq: 1001, ack: 1))
      let before = lab.stack.undeliveredByteCount()
      #expect(before == 2000)
      server.read()
      let after = lab.stack.undeliveredByteCount()
      #expect(after == 0)
    }
  }

  @Test(arguments: families)
  func `data on a reset is not delivered`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(Segment(.rst, seq: 1, ack: 1, payload: Array("why".utf8)))
      tcp.silence(for: .seconds(3))
      #expect(server.bytes.isEmpty)
      #expect(server.sawReset)
    }
  }

  @Test(arguments: [UInt16(0), 1, 3, 5, 6, 1000, 65_535])
  func `urgent data is delivered in line, wherever the pointer points (RFC 6093 section 4)`(pointer: UInt16) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      for (text, seq) in [("hello", 1), (" world", 6)] {
        lab.guest.send(
          tcp.packet(Segment(.urg, seq: seq, ack: 1, payload: Array(text.utf8))).withUrgentPointer(pointer))
        tcp.stack(.ack(seq + text.utf8.count, seq: 1))
      }
      #expect(server.text == "hello world")
    }
  }
}

extension PlainIPv4 {
  /// The packet with this urgent pointer in its TCP header.
  fileprivate func withUrgentPointer(_ pointer: UInt16) -> PlainIPv4 {
    var bytes = payloadBytes
    (bytes[18], bytes[19]) = (UInt8(pointer >> 8), UInt8(truncatingIfNeeded: pointer))
    return PlainIPv4(
      from: source, to: destination, .raw(bytes.withTCPChecksum(from: source, to: destination)), proto: 6)
  }
}
