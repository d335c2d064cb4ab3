import Netstack
import Primitives
import Simulation
import Testing

/// Data from the host to the guest: RFC 9293 section 3.8, RFC 6298, RFC 5681.
@Suite struct SendingTests {
  @Test(arguments: families)
  func `the host's bytes reach the guest in segments and leave the socket once acknowledged`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write(pattern(3000))
      tcp.stack(.data(pattern(1460), seq: 1, ack: 1))
      tcp.stack(.data(pattern(1460, from: 1460), seq: 1461, ack: 1))
      tcp.stack(.data(pattern(80, from: 2920), seq: 2921, ack: 1))
      // What may have to be sent again is still in the socket.
      #expect(server.unreadByteCount == 3000)
      tcp.guest(.ack(1461, seq: 1))
      #expect(server.unreadByteCount == 1540)
      tcp.guest(.ack(3001, seq: 1))
      #expect(server.unreadByteCount == 0)
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `many segments are read from the host by one call`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 65_535, over: family)
      let before = lab.host.calls.receives
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().map(\.payload.count) == Array(repeating: 1000, count: 10))
      // One that brings everything, and at most one that finds nothing more.
      #expect(lab.host.calls.receives <= before + 2)
    }
  }

  @Test(arguments: families)
  func `a short answer is laid out for a few segments, a long one for more and more, however wide the windows`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .windowScale(10), win: 65_535, over: family)
      var sent = 0
      // What the reads offered, and how many there were, until the guest has all of it.
      func carry(_ count: Int) -> (regions: Int, reads: Int) {
        let before = lab.host.calls
        server.write(pattern(count, from: sent))
        sent += count
        while server.unreadByteCount > 0 {
          let came = tcp.takeSegments()
          guard let last = came.last else { break }
          tcp.guest(.ack(last.seq + last.payload.count, seq: 1, win: 65_535))
        }
        let after = lab.host.calls
        return (after.offeredRegions - before.offeredRegions, after.receives - before.receives)
      }
      // The congestion window grows to some hundreds of segments.
      for _ in 0..<8 { _ = carry(200_000) }
      // What was needed for that is forgotten by halves.
      _ = carry(100)
      #expect(carry(100).regions > 16)
      for _ in 0..<5 { _ = carry(100) }
      #expect(carry(100) == (16, 1))
      // 16, 32, 64, 128 and the rest; the last finds no more.
      #expect(carry(300_000).reads <= 6)
    }
  }

  @Test(arguments: families)
  func `a link that lends a slot at a time gets the same segments`(family: IPAddress.Family) throws {
    var options = Lab.Options()
    options.maximumSlots = 1
    try withLab(options) { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write(pattern(3000))
      #expect(tcp.takeSegments().map(\.payload.count) == [1460, 1460, 80])
    }
  }

  @Test(arguments: families)
  func `the guest's window is never exceeded`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 2500, over: family)
      server.write(pattern(10_000))
      // RFC 9293 section 3.8.6.2.1: no segment is cut short only to fill the window.
      #expect(tcp.takeSegments().map(\.payload.count) == [1000, 1000])
      tcp.guest(.ack(1001, seq: 1, win: 2500))
      tcp.stack(.data(pattern(1000, from: 2000), seq: 2001, ack: 1))
      tcp.silence()
      tcp.guest(.ack(3001, seq: 1, win: 3000))
      #expect(tcp.takeSegments().map(\.seq) == [3001, 4001, 5001])
    }
  }

  @Test(arguments: families)
  func `lost data is sent again after a timeout, with doubled intervals (RFC 6298 section 5.5)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 1))
      // A handshake without delay leaves the least timeout.
      for milliseconds in [200, 400, 800, 1600, 3200] {
        tcp.stack(after: .milliseconds(Int64(milliseconds)), .data("hello", seq: 1, ack: 1))
      }
      tcp.guest(.ack(6, seq: 1))
      tcp.silence(for: .seconds(60))
    }
  }

  @Test(arguments: families)
  func `a timeout sends the first lost segment, and its acknowledgment the rest`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(100), over: family)
      server.write(pattern(500))
      #expect(tcp.takeSegments().map(\.seq) == [1, 101, 201, 301, 401])
      tcp.stack(after: .milliseconds(200), .data(pattern(100), seq: 1, ack: 1))
      // RFC 5681 section 3.1: after a timeout the congestion window is one segment; each acknowledgment adds one.
      tcp.guest(.ack(101, seq: 1))
      #expect(tcp.takeSegments().map(\.seq) == [101, 201])
      tcp.guest(.ack(501, seq: 1))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `an acknowledgment ends the backoff, although nothing could be measured`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(100), over: family)
      server.write(pattern(200))
      #expect(tcp.takeSegments().count == 2)
      for milliseconds in [200, 400, 800, 1600] {
        tcp.stack(after: .milliseconds(Int64(milliseconds)), .data(pattern(100), seq: 1, ack: 1))
      }
      tcp.guest(.ack(101, seq: 1))
      tcp.stack(.data(pattern(100, from: 100), seq: 101, ack: 1))
      tcp.stack(after: .milliseconds(200), .data(pattern(100, from: 100), seq: 101, ack: 1))
    }
  }

  @Test(arguments: families)
  func `three duplicate acknowledgments send the lost segment at once (RFC 5681 section 3.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 50_000, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      tcp.guest(.ack(1, seq: 1, win: 50_000), .ack(1, seq: 1, win: 50_000))
      tcp.silence()
      tcp.guest(.ack(1, seq: 1, win: 50_000))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.silence()
      tcp.guest(.ack(10_001, seq: 1, win: 50_000))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `a partial acknowledgment in recovery sends the next lost segment (RFC 6582 section 3.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 10_000, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      for _ in 0..<3 { tcp.guest(.ack(1, seq: 1, win: 10_000)) }
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.guest(.ack(4001, seq: 1, win: 6000))
      tcp.stack(.data(pattern(1000, from: 4000), seq: 4001, ack: 1))
      tcp.guest(.ack(10_001, seq: 1, win: 10_000))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `a window update is no duplicate acknowledgment`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 5000, over: family)
      server.write(pattern(5000))
      #expect(tcp.takeSegments().count == 5)
      tcp.guest(.ack(1, seq: 1, win: 5100), .ack(1, seq: 1, win: 5200), .ack(1, seq: 1, win: 5300))
      tcp.silence()
    }
  }

  @Test(arguments: families)
  func `a closed window is probed with one byte, ever more rarely, until it opens`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 1000, over: family)
      server.write(pattern(3000))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.guest(.ack(1001, seq: 1, win: 0))
      // RFC 9293 section 3.8.6.1.
      for milliseconds in [200, 400, 800] {
        tcp.stack(
          after: .milliseconds(Int64(milliseconds)), within: .milliseconds(20),
          .data(pattern(1, from: 1000), seq: 1001, ack: 1))
        tcp.guest(.ack(1001, seq: 1, win: 0))
      }
      tcp.guest(.ack(1001, seq: 1, win: 2000))
      tcp.stack(.data(pattern(1000, from: 1000), seq: 1001, ack: 1))
      tcp.stack(.data(pattern(1000, from: 2000), seq: 2001, ack: 1))
      tcp.guest(.ack(3001, seq: 1, win: 2000))
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `a window that stays closed for ten minutes does not end the connection`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 1000, over: family)
      server.write(pattern(2000))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.guest(.ack(1001, seq: 1, win: 0))
      for _ in 0..<600 {
        lab.advance(by: .seconds(1))
        // RFC 9293 section 3.8.6.1: as long as the probes are answered the connection stays.
        for probe in tcp.takeSegments() where probe.payload.count == 1 { tcp.guest(.ack(1001, seq: 1, win: 0)) }
      }
      tcp.guest(.ack(1001, seq: 1, win: 1000))
      tcp.stack(.data(pattern(1000, from: 1000), seq: 1001, ack: 1))
    }
  }

  @Test(arguments: families)
  func `a guest that takes the probe's byte gets the bytes behind it`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 1000, over: family)
      server.write(pattern(3000))
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.guest(.ack(1001, seq: 1, win: 0))
      tcp.stack(after: .milliseconds(200), within: .milliseconds(20), .data(pattern(1, from: 1000), seq: 1001, ack: 1))
      tcp.guest(.ack(1002, seq: 1, win: 1000))
      tcp.stack(.data(pattern(1000, from: 1001), seq: 1002, ack: 1))
    }
  }

  @Test(arguments: families)
  func `a guest that stops answering is given up after two minutes and its peer reset`(family: IPAddress.Family) throws
  {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write("anybody there?")
      lab.advance(by: .seconds(300))
      let segments = tcp.takeSegments()
      #expect(segments.last?.flags.contains(.rst) == true)
      #expect(server.sawReset)
      #expect(lab.flowEnds == [.timedOut])
    }
  }

  @Test(arguments: families)
  func `a link without room holds the data back and loses nothing`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 65_000, over: family)
      lab.sink.room = 3
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 3)
      lab.openLink(room: 2)
      #expect(tcp.takeSegments().map(\.seq) == [3001, 4001])
      lab.openLink()
      #expect(tcp.takeSegments().map(\.seq) == [5001, 6001, 7001, 8001, 9001])
      #expect(lab.drops(.linkFull) == 0)
    }
  }

  @Test(arguments: families)
  func `an acknowledgment that found no room on the link follows when there is some`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      lab.sink.room = 0
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.silence()
      #expect(server.text == "hello")
      lab.openLink()
      tcp.stack(.ack(6, seq: 1))
    }
  }

  @Test(arguments: families)
  func `a refusal of one flow's frames does not hold up the next turn of another`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (first, firstServer) = try lab.established(RemoteService(), .mss(1000), win: 60_000, over: family)
      let (second, secondServer) = try lab.established(RemoteService(), .mss(1000), win: 60_000, over: family)
      lab.sink.room = 1
      firstServer.write(pattern(2000))
      secondServer.write(pattern(2000))
      lab.settle()
      lab.openLink()
      #expect(first.takeSegments().map(\.payload.count).reduce(0, +) == 2000)
      #expect(second.takeSegments().map(\.payload.count).reduce(0, +) == 2000)
    }
  }
}
