import Netstack
import Primitives
import Simulation
import Testing

/// The window that the stack advertises is the room in the host's socket: RFC 9293 section 3.8.6.2.2, RFC 7323.
@Suite struct WindowTests {
  private func slowService(_ size: Int) -> RemoteService {
    var service = RemoteService(readsAtOnce: false)
    service.sendBufferSize = size
    return service
  }

  @Test(arguments: families)
  func `a host that does not read closes the window, and its reading opens it unasked`(family: IPAddress.Family) throws
  {
    try withLab { lab in
      let (tcp, server) = try lab.established(slowService(4000), over: family)
      tcp.guest(.data(pattern(1460), seq: 1, ack: 1), .data(pattern(1460, from: 1460), seq: 1461, ack: 1))
      tcp.guest(.data(pattern(1080, from: 2920), seq: 2921, ack: 1))
      let last = try #require(tcp.takeSegments().last)
      #expect(last.ack == 4001)
      #expect(last.win == 0)
      tcp.silence(for: .seconds(3))
      server.read()
      tcp.stack(.ack(4001, seq: 1, win: 4000))
      #expect(server.bytes == pattern(4000))
    }
  }

  @Test(arguments: families)
  func `the window shrinks by what arrives and never takes back what was promised`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, _) = try lab.established(slowService(20_000), over: family)
      var edge = 0
      for number in 0..<5 {
        tcp.guest(.data(pattern(1000, from: number * 1000), seq: 1 + number * 1000, ack: 1))
        let segment = try #require(tcp.takeSegments().last)
        let newEdge = try #require(segment.ack) + Int(try #require(segment.win))
        #expect(newEdge >= edge)
        edge = newEdge
      }
      #expect(edge == 20_001)
    }
  }

  @Test(arguments: families)
  func `a guest's probe of the closed window is answered`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(slowService(2000), over: family)
      tcp.guest(.data(pattern(1000), seq: 1, ack: 1), .data(pattern(1000, from: 1000), seq: 1001, ack: 1))
      _ = tcp.takeSegments()
      tcp.guest(.data(pattern(1, from: 2000), seq: 2001, ack: 1))
      tcp.stack(.ack(2001, seq: 1, win: 0))
      server.read()
      tcp.stack(.ack(2001, seq: 1, win: 2000))
      tcp.guest(.data(pattern(1000, from: 2000), seq: 2001, ack: 1))
      tcp.stack(.ack(3001, seq: 1))
    }
  }

  @Test(arguments: families)
  func `an acknowledgment counts although the window is closed (RFC 9293 section 3.10.7.4)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(slowService(2000), over: family)
      tcp.guest(.data(pattern(1000), seq: 1, ack: 1), .data(pattern(1000, from: 1000), seq: 1001, ack: 1))
      _ = tcp.takeSegments()
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 2001))
      tcp.guest(.ack(6, seq: 2001))
      #expect(server.unreadByteCount == 0)
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `the room that grows by less than a segment is not announced (RFC 9293 section 3.8.6.2.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(slowService(8000), over: family)
      for number in 0..<8 { tcp.guest(.data(pattern(1000, from: number * 1000), seq: 1 + number * 1000, ack: 1)) }
      _ = tcp.takeSegments()
      server.read(100)
      tcp.silence()
      server.read()
      #expect(tcp.takeSegments().last?.win == 8000)
    }
  }

  @Test(arguments: families)
  func `with scaling the window exceeds 64 KiB and stays in its units`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, _) = try lab.established(slowService(1 << 20), .mss(1460), .windowScale(7), over: family)
      tcp.guest(.data(pattern(1000), seq: 1, ack: 1))
      let segment = try #require(tcp.takeSegments().last)
      let window = Int(try #require(segment.win)) << 8
      #expect(window > 65_535 && window <= 1 << 20)
    }
  }

  @Test(arguments: families)
  func `little room opens a closed window too, and does not keep the stack busy`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(slowService(3000), .mss(9000), over: family)
      tcp.guest(.data(pattern(3000), seq: 1, ack: 1))
      tcp.stack(.ack(3001, seq: 1, win: 0))
      // Enough for the host to call its socket writable, less than the stack waits for otherwise.
      server.read(1200)
      tcp.stack(.ack(3001, seq: 1, win: 1200))
    }
  }

  @Test(arguments: families)
  func `an acknowledgment from the window's edge counts while a gap is open`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(slowService(4000), over: family)
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 1))
      // The first thousand bytes are lost; the guest has filled the window and speaks from its edge.
      tcp.guest(.data(pattern(3000, from: 1000), seq: 1001, ack: 1))
      tcp.stack(.ack(1, seq: 6))
      tcp.guest(.ack(6, seq: 4001))
      #expect(server.unreadByteCount == 0)
      tcp.silence(for: .seconds(5))
    }
  }

  @Test(arguments: families)
  func `the window of a segment sent again counts if it acknowledges something new`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 2000, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 2)
      tcp.guest(.data("later", seq: 11, ack: 1, win: 2000))
      tcp.stack(.ack(1, seq: 2001))
      // An older number, a newer acknowledgment: the window's edge has not moved.
      tcp.guest(.data("first part", seq: 1, ack: 1001, win: 1000))
      tcp.stack(.ack(16, seq: 2001))
      tcp.guest(.ack(2001, seq: 16, win: 1000))
      tcp.stack(.data(pattern(1000, from: 2000), seq: 2001, ack: 16))
      tcp.silence()
    }
  }

  @Test(arguments: families)
  func `a host that reads a little now and then receives everything`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = slowService(16_384)
      let connection = lab.guest.connect(to: .server(family))
      let bytes = pattern(200_000)
      connection.write(bytes)
      connection.finish()
      lab.settle()
      let server = try #require(lab.peers(at: .server(family)).first)
      for turn in 1...100 { lab.schedule(after: .milliseconds(Int64(turn) * 10)) { _ in server.read(3000) } }
      lab.run(for: .seconds(10)) { server.sawEnd }
      #expect(server.bytes == bytes)
    }
  }
}
