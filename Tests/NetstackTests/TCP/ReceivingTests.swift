import Netstack
import Primitives
import Simulation
import Testing

/// Data from the guest to the host: RFC 9293 section 3.10.7.4, seventh step, and RFC 1122 section 4.2.3.2.
@Suite struct ReceivingTests {
  @Test(arguments: families)
  func `data in order is written to the host and acknowledged`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      tcp.guest(.data(" world", seq: 6, ack: 1))
      tcp.stack(.ack(12, seq: 1))
      #expect(server.text == "hello world")
    }
  }

  @Test(arguments: families)
  func `the consecutive segments of a batch are one write and one acknowledgment`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      let before = lab.host.calls
      tcp.guest(
        .data(pattern(1460), seq: 1, ack: 1), .data(pattern(1460, from: 1460), seq: 1461, ack: 1),
        .data(pattern(1460, from: 2920), seq: 2921, ack: 1), .data(pattern(620, from: 4380), seq: 4381, ack: 1))
      tcp.stack(.ack(5001, seq: 1))
      tcp.silence()
      #expect(lab.host.calls.sends == before.sends + 1)
      #expect(lab.host.calls.sentSlices == before.sentSlices + 4)
      #expect(server.bytes == pattern(5000))
    }
  }

  @Test(arguments: families)
  func `the segments of two connections in one batch are one write each`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (first, firstServer) = try lab.established(over: family)
      let (second, secondServer) = try lab.established(over: family)
      let before = lab.host.calls.sends
      first.guestQueues(.data("one ", seq: 1, ack: 1))
      second.guestQueues(.data("un ", seq: 1, ack: 1))
      first.guestQueues(.data("two", seq: 5, ack: 1))
      second.guestQueues(.data("deux", seq: 4, ack: 1))
      first.stack(.ack(8, seq: 1))
      second.stack(.ack(8, seq: 1))
      #expect(lab.host.calls.sends == before + 2)
      #expect(firstServer.text == "one two")
      #expect(secondServer.text == "un deux")
    }
  }

  @Test(arguments: families)
  func `data behind a gap is kept, asked for by duplicate acknowledgments, and delivered when it is closed`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.data("CCC", seq: 7, ack: 1))
      // RFC 5681 section 4.2: an immediate duplicate acknowledgment.
      tcp.stack(.ack(1, seq: 1))
      tcp.guest(.data("BBB", seq: 4, ack: 1))
      tcp.stack(.ack(1, seq: 1))
      #expect(server.text == "")
      tcp.guest(.data("AAA", seq: 1, ack: 1))
      tcp.stack(.ack(10, seq: 1))
      #expect(server.text == "AAABBBCCC")
    }
  }

  @Test(arguments: families)
  func `a batch whose segments arrive in reverse is delivered in order`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(
        .data(pattern(1000, from: 2000), seq: 2001, ack: 1), .data(pattern(1000, from: 1000), seq: 1001, ack: 1),
        .data(pattern(1000), seq: 1, ack: 1))
      #expect(tcp.takeSegments().last?.ack == 3001)
      #expect(server.bytes == pattern(3000))
    }
  }

  @Test(arguments: families)
  func `what arrives twice is delivered once and acknowledged again`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      #expect(server.text == "hello")
    }
  }

  /// Each: the segments that arrive, as places in the text; in whatever way they overlap, the text arrives whole.
  @Test(
    arguments: families,
    [
      [0..<6, 3..<10], [0..<4, 0..<10], [5..<10, 0..<10], [5..<8, 3..<10, 0..<4], [2..<4, 6..<8, 1..<9, 0..<10],
      [4..<10, 2..<6, 0..<3], [9..<10, 7..<8, 5..<6, 3..<4, 1..<2, 0..<10], [6..<10, 0..<7], [0..<10, 2..<5, 0..<1],
    ])
  func `overlapping segments give each byte once`(family: IPAddress.Family, ranges: [Range<Int>]) throws {
    let text = Array("abcdefghij".utf8)
    // All in one batch, and each in a batch of its own.
    for isTogether in [true, false] {
      try withLab { lab in
        let (tcp, server) = try lab.established(over: family)
        for range in ranges {
          tcp.guestQueues(.data(Array(text[range]), seq: 1 + range.lowerBound, ack: 1))
          if !isTogether { lab.settle() }
        }
        #expect(tcp.takeSegments().last?.ack == 11)
        #expect(server.bytes == text)
      }
    }
  }

  @Test(arguments: families)
  func `data beyond the window is cut off, not delivered`(family: IPAddress.Family) throws {
    try withLab { lab in
      var service = RemoteService(readsAtOnce: false)
      service.sendBufferSize = 10_000
      let (tcp, server) = try lab.established(service, over: family)
      // Twelve segments into a window of 10,000 bytes.
      for number in 0..<12 {
        tcp.guestQueues(.data(pattern(1000, from: number * 1000), seq: 1 + number * 1000, ack: 1))
      }
      #expect(tcp.takeSegments().last?.ack == 10_001)
      server.setReadsAtOnce(true)
      lab.settle()
      #expect(server.bytes == pattern(10_000))
    }
  }

  @Test func `a segment with a wrong checksum is dropped`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      var bytes = tcp.packet(.data("hello", seq: 1, ack: 1)).payloadBytes
      bytes[24] ^= 1
      let source = lab.guest.address
      lab.guest.send(PlainIPv4(from: source, to: IPv4Address(192, 0, 2, 1), .raw(bytes), proto: 6))
      tcp.silence()
      #expect(lab.drops(.badChecksum) == 1)
      #expect(server.text == "")
    }
  }

  @Test(arguments: families)
  func `a host that takes a part of a write gets the rest as soon as it has room`(family: IPAddress.Family) throws {
    try withLab { lab in
      // Memory costs twice the payload, so the window promises more than the socket takes.
      var service = RemoteService(readsAtOnce: false)
      service.sendBufferSize = 8000
      service.memoryPercent = 200
      let (tcp, server) = try lab.established(service, over: family)
      for number in 0..<8 {
        tcp.guestQueues(.data(pattern(1000, from: number * 1000), seq: 1 + number * 1000, ack: 1))
      }
      let acknowledged = try #require(tcp.takeSegments().last?.ack)
      // Only what the socket took is acknowledged.
      #expect(acknowledged == 4001)
      server.read()
      #expect(tcp.takeSegments().last?.ack == 8001)
      server.read()
      lab.settle()
      #expect(server.bytes == pattern(8000))
    }
  }

  @Test(arguments: families)
  func `payload in pieces is delivered as if it were in one`(family: IPAddress.Family) throws {
    for framing in [Lab.Framing(headerLength: 134, pieceLength: 500), .init(headerLength: 78, pieceLength: 700)] {
      var options = Lab.Options()
      options.framing = framing
      try withLab(options) { lab in
        let (tcp, server) = try lab.established(over: family)
        tcp.guest(.data(pattern(1460, from: 1460), seq: 1461, ack: 1))
        tcp.stack(.ack(1, seq: 1))
        tcp.guest(.data(pattern(1460), seq: 1, ack: 1))
        tcp.stack(.ack(2921, seq: 1))
        #expect(server.bytes == pattern(2920))
      }
    }
  }

  @Test(arguments: families)
  func `a segment without ACK in an established connection is dropped`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(Segment([], seq: 1, payload: Array("hello".utf8)))
      tcp.silence()
      #expect(server.text == "")
    }
  }

  @Test(arguments: families)
  func `an acknowledgment of what was never sent is answered and its data not taken`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      // RFC 9293 section 3.10.7.4: send an ACK, drop the segment.
      tcp.guest(.data("hello", seq: 1, ack: 1000))
      tcp.stack(.ack(1, seq: 1))
      #expect(server.text == "")
    }
  }

  @Test(arguments: families)
  func `a SYN in the window of an established connection is challenged (RFC 5961 section 4.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(Segment(.syn, seq: 5, options: [.mss(1460)]))
      tcp.stack(.ack(1, seq: 1))
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      #expect(server.text == "hello")
    }
  }
}
