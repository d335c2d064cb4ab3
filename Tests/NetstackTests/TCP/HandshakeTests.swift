import Netstack
import Primitives
import Simulation
import Testing

/// How a connection begins: RFC 9293 section 3.5, and when the stack dares to answer.
@Suite struct HandshakeTests {
  @Test(arguments: families)
  func `a SYN is answered once the host's connect has succeeded, not before`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService(.acceptsAfter(.milliseconds(30)))
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(after: .milliseconds(30), .synAck())
      tcp.guest(.ack(1, seq: 1))
      #expect(lab.stack.observer.openedFlows.map(\.state) == [.established])
    }
  }

  @Test(arguments: families, [RemoteService.Answer.fails(.refused), .failsAfter(.refused, .milliseconds(40))])
  func `a refused connect becomes a reset of the SYN`(family: IPAddress.Family, answer: RemoteService.Answer) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService(answer)
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      lab.advance(by: .milliseconds(50))
      // RFC 9293 section 3.10.7.1: without ACK in the SYN, the reset stands at 0 and acknowledges it.
      let segments = tcp.takeSegments()
      #expect(segments.map(\.flags) == [[.rst, .ack]])
      #expect(segments.map(\.ack) == [1])
      #expect(segments.map(\.seq) == [0])
      tcp.silence(for: .seconds(5))
      #expect(lab.openSocketCount == 0)
    }
  }

  /// RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1.
  @Test(arguments: [
    (HostError.networkUnreachable, [UInt8(0), 0]), (.hostUnreachable, [1, 3]), (.timedOut, [1, 3]),
    (.forbidden, [13, 1]),
  ])
  func `an unreachable host becomes an ICMP message that quotes the SYN`(error: HostError, codes: [UInt8]) {
    for (family, code) in zip(families, codes) {
      withLab { lab in
        lab.host.services[.server(family)] = RemoteService(.failsAfter(error, .milliseconds(10)))
        let connection = lab.guest.connect(to: .server(family))
        lab.advance(by: .seconds(1))
        #expect(connection.unreachableCode == code)
        #expect(!connection.wasReset)
        #expect(lab.openSocketCount == 0)
      }
    }
  }

  @Test(arguments: families)
  func `a repeated SYN while the host connects opens no second connection`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService(.acceptsAfter(.milliseconds(30)))
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      lab.advance(by: .milliseconds(10))
      tcp.guest(.syn(.mss(1460)), .syn(.mss(1460)))
      tcp.stack(after: .milliseconds(20), .synAck())
      tcp.silence()
      #expect(lab.host.calls.connects == 1)
    }
  }

  @Test(arguments: families)
  func `a repeated SYN after the answer gets the same answer again`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460), .windowScale(7)))
      tcp.stack(.synAck())
      tcp.guest(.syn(.mss(1460), .windowScale(7)))
      tcp.stack(.synAck())
      tcp.silence()
    }
  }

  @Test(arguments: families)
  func `an unanswered SYN-ACK is repeated with doubled intervals (RFC 6298 section 5.5)`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.synAck())
      for seconds in [1, 2, 4, 8] { tcp.stack(after: .seconds(Int64(seconds)), .synAck()) }
      tcp.guest(.ack(1, seq: 1))
      tcp.discardWindowUpdates()
      tcp.silence(for: .seconds(30))
    }
  }

  @Test(arguments: families)
  func `a guest that never completes the handshake is given up and the host's socket closed`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      lab.advance(by: .seconds(300))
      #expect(tcp.takeSegments().last?.flags.contains(.rst) == true)
      #expect(lab.openSocketCount == 0)
      #expect(lab.flowEnds == [.timedOut])
    }
  }

  @Test(arguments: families)
  func `a reset while the host connects abandons the attempt`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService(.isSilent)
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.guest(.rst(seq: 1))
      tcp.silence(for: .seconds(1))
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `data in the same batch as the handshake's ACK is not lost`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.synAck())
      tcp.guest(.ack(1, seq: 1), .data("hello", seq: 1, ack: 1), .fin(" world", seq: 6, ack: 1))
      tcp.stack(.ack(13, seq: 1))
      let server = try #require(lab.peers(at: .server(family)).first)
      #expect(server.bytes == Array("hello world".utf8))
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families)
  func `data on a SYN waits for the handshake's end and is not lost (RFC 9293 section 3.10.7.2)`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(Segment(.syn, seq: 0, options: [.mss(1460)], payload: Array("early".utf8)))
      tcp.stack(.synAck())
      #expect(lab.peers(at: .server(family)).first?.bytes.isEmpty != false)
      tcp.guest(.ack(1, seq: 6))
      #expect(lab.peers(at: .server(family)).first?.bytes == Array("early".utf8))
      lab.advance(by: .milliseconds(40))
      #expect(tcp.takeSegments().last?.ack == 6)
    }
  }

  @Test(arguments: families)
  func `the acknowledgment of the SYN-ACK may carry data and FIN (RFC 9293 section 3.10.7.4)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.synAck())
      tcp.guest(.fin("all of it", seq: 1, ack: 1))
      tcp.stack(.ack(11, seq: 1))
      let server = try #require(lab.peers(at: .server(family)).first)
      #expect(server.text == "all of it")
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families, [0, -5, 77, 1 << 20])
  func `a wrong acknowledgment of the SYN-ACK is answered with a reset (RFC 9293 section 3.10.7.4)`(
    family: IPAddress.Family, ack: Int
  ) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.synAck())
      tcp.guest(.data("evil", seq: 1, ack: ack))
      tcp.stack(.rst(seq: ack))
      // The handshake goes on.
      #expect(lab.flows.map(\.state) == [.synReceived])
      #expect(lab.peers(at: .server(family)).first?.bytes.isEmpty == true)
    }
  }

  @Test(
    arguments: families,
    [
      Segment.ack(5000, seq: 1), .data("late", seq: 1, ack: 5000), .fin(seq: 1, ack: 5000),
    ])
  func `a segment of no connection is answered with a reset at its acknowledgment`(
    family: IPAddress.Family, segment: Segment
  ) {
    withLab { lab in
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(segment)
      // The raw connection counts from 0, as no SYN of the stack's is known.
      tcp.stack(.rst(seq: 5000))
      #expect(lab.drops(.noFlow) == 1)
    }
  }

  @Test(
    arguments: families,
    [
      Segment(.rst, seq: 1, ack: 1), Segment(.rst, seq: 1), Segment([.syn, .fin], seq: 0), Segment([], seq: 0),
    ])
  func `a reset of no connection, or what no TCP sends, gets no answer`(family: IPAddress.Family, segment: Segment) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(segment)
      tcp.silence(for: .seconds(1))
      #expect(lab.host.calls.connects == 0)
    }
  }

  @Test(arguments: families)
  func `200 connections at once each carry their own bytes`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService(echoes: true)
      let connections = (0..<200).map { number in
        let connection = lab.guest.connect(to: .server(family))
        connection.write(pattern(500, from: number * 1000))
        connection.finish()
        return connection
      }
      lab.run(for: .seconds(10)) { connections.allSatisfy(\.isFinished) }
      for (number, connection) in connections.enumerated() {
        #expect(connection.isFinished)
        #expect(connection.received == pattern(500, from: number * 1000))
      }
    }
  }

  @Test(arguments: families)
  func `with the host's descriptors used up a SYN is reset and the other connections go on`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService(echoes: true)
      lab.host.descriptorsLeft = 1
      let first = lab.rawConnection(to: .server(family))
      try first.establish()
      let second = lab.rawConnection(to: .server(family))
      second.guest(.syn(.mss(1460)))
      #expect(second.takeSegments().map(\.flags) == [[.rst, .ack]])
      #expect(lab.drops(.exhausted) == 1)
      first.guest(.data("still here", seq: 1, ack: 1))
      first.stack(.ack(11, seq: 1))
      first.stack(.data("still here", seq: 1, ack: 11))
    }
  }
}
