import Netstack
import Primitives
import Simulation
import Testing

/// Requests and responses: RFC 1122 section 4.2.3.2, an acknowledgment may wait for the answer that carries it.
@Suite struct ConversationTests {
  /// One request of a byte and its answer; returns the segments that the guest was sent.
  @discardableResult
  func exchange(_ number: Int, _ tcp: RawConnection, _ server: Peer) -> [Segment] {
    var request = Segment.data("?", seq: 1 + number, ack: 1 + number)
    request.flags.insert(.psh)
    tcp.guest(request)
    server.write("!")
    tcp.lab.settle()
    return tcp.takeSegments()
  }

  @Test(arguments: families)
  func `after a few turns the answer alone carries the acknowledgment`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      let first = exchange(0, tcp, server)
      #expect(first.map(\.payload) == [[], Array("!".utf8)])
      for number in 1..<8 { exchange(number, tcp, server) }
      let later = exchange(8, tcp, server)
      #expect(later.map(\.payload) == [Array("!".utf8)])
      #expect(later.first?.ack == 10)
    }
  }

  @Test func `an answer that does not come is not waited for longer than a moment, and then no more`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      for number in 0..<8 { exchange(number, tcp, server) }
      var request = Segment.data("?", seq: 9, ack: 9)
      request.flags.insert(.psh)
      tcp.guest(request)
      tcp.silence()
      lab.advance(by: .milliseconds(10))
      tcp.stack(.ack(10, seq: 9))
      var next = Segment.data("?", seq: 10, ack: 9)
      next.flags.insert(.psh)
      tcp.guest(next)
      tcp.stack(.ack(11, seq: 9))
    }
  }

  @Test func `a guest that says two things in a row has both acknowledged at once`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      for number in 0..<8 { exchange(number, tcp, server) }
      for number in 8..<10 {
        var part = Segment.data("?", seq: 1 + number, ack: 9)
        part.flags.insert(.psh)
        tcp.guest(part)
      }
      tcp.stack(.ack(11, seq: 9))
    }
  }

  @Test func `what comes out of order, or ends the stream, is answered at once all the same`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      for number in 0..<8 { exchange(number, tcp, server) }
      tcp.guest(.data("later", seq: 20, ack: 9))
      tcp.stack(.ack(9, seq: 9))
      tcp.guest(.fin(seq: 25, ack: 9))
      #expect(tcp.takeSegments().last?.ack == 9)
    }
  }
}
