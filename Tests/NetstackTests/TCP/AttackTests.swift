import Netstack
import Primitives
import Simulation
import Testing

/// What strangers and broken guests send into connections: RFC 5961, RFC 9293 section 3.10.7, RFC 4987.
@Suite struct AttackTests {
  @Test(arguments: families)
  func `challenges are limited to ten in five seconds (RFC 5961 section 7)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      for _ in 0..<100 { tcp.guest(.rst(seq: 100)) }
      #expect(tcp.takeSegments() == Array(repeating: tcp.acknowledgment, count: 10))
      lab.advance(by: .seconds(5))
      tcp.guest(.rst(seq: 100))
      #expect(tcp.takeSegments().count == 1)
      #expect(!server.sawReset)
    }
  }

  @Test(
    arguments: families,
    [
      Segment(.syn, seq: 1), Segment(.syn, seq: 500), Segment(.syn, seq: -5000), Segment(.syn, seq: 1, ack: 1),
    ])
  func `a SYN in a connection is challenged, wherever it stands (RFC 5961 section 4.2)`(
    family: IPAddress.Family, syn: Segment
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(syn)
      tcp.stack(.ack(1, seq: 1))
      tcp.guest(.data("on", seq: 1, ack: 1))
      #expect(server.bytes == Array("on".utf8))
    }
  }

  @Test(arguments: families, [100_000, -100_000, -2])
  func `a reset outside the window is ignored (RFC 5961 section 3.2)`(family: IPAddress.Family, sequence: Int) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.rst(seq: sequence))
      tcp.silence(for: .milliseconds(50))
      #expect(!server.sawReset)
    }
  }

  @Test(arguments: families, [50, -200_000, 1 << 30])
  func `data with an impossible acknowledgment is not taken (RFC 5961 section 5.2)`(
    family: IPAddress.Family, ack: Int
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      tcp.guest(.data("evil", seq: 1, ack: ack))
      tcp.stack(.ack(1, seq: 1))
      #expect(server.bytes.isEmpty)
      tcp.guest(.data("good", seq: 1, ack: 1))
      #expect(server.bytes == Array("good".utf8))
    }
  }

  @Test(arguments: families)
  func `an acknowledgment a little old still brings its data`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 1))
      tcp.guest(.ack(6, seq: 1))
      tcp.guest(.data("late", seq: 1, ack: 1))
      #expect(server.bytes == Array("late".utf8))
    }
  }

  @Test(arguments: families, [PlainTCP.Flags(), [.fin, .psh, .urg], [.syn, .fin], [.fin], [.psh]])
  func `what no TCP sends opens nothing and is answered by nothing (RFC 9293 section 3.10.7.1)`(
    family: IPAddress.Family, flags: PlainTCP.Flags
  ) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(Segment(flags, seq: 0))
      tcp.silence(for: .seconds(1))
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: [
    IPv4Address(224, 0, 0, 1), IPv4Address(255, 255, 255, 255), IPv4Address(10, 0, 2, 255), IPv4Address(239, 1, 2, 3),
  ])
  func `what goes to a group opens nothing and is not answered (RFC 1122 section 4.2.3.10)`(group: IPv4Address) {
    withLab { lab in
      lab.host.defaultService = RemoteService()
      let tcp = lab.rawConnection(to: Endpoint(group, port: 80))
      tcp.guest(.syn(.mss(1460)), .ack(77, seq: 1), .data("hello", seq: 1, ack: 77), .fin(seq: 1, ack: 77))
      tcp.silence(for: .seconds(1))
      #expect(lab.openSocketCount == 0)
      #expect(lab.guest.icmpMessages.isEmpty)
    }
  }

  @Test func `what comes in a frame to everybody opens nothing and is not answered (RFC 1122 section 3.3.6)`() {
    withLab { lab in
      lab.host.services[.server] = RemoteService()
      let tcp = lab.rawConnection(to: .server)
      for segment in [Segment.syn(.mss(1460)), .ack(77, seq: 1)] {
        lab.guest.send(PlainFrame(destination: .broadcast, source: lab.guest.mac, .ipv4(tcp.packet(segment))))
      }
      tcp.silence(for: .seconds(1))
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `two ends that no longer agree do not acknowledge each other for ever`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, _) = try lab.established(over: family)
      // Each of our answers is answered by an empty segment from outside the window.
      var answers = 0
      for _ in 0..<1000 {
        tcp.guest(.ack(1, seq: -100))
        answers += tcp.takeSegments().count
      }
      #expect(answers == 10)
    }
  }

  @Test func `SYNs into a black hole are bounded, the oldest dropped first, and others get through`() throws {
    var options = Lab.Options()
    options.settings.maximumFlows = 64
    try withLab(options) { lab in
      let hole = Endpoint(IPv4Address(192, 0, 2, 66), port: 80)
      lab.host.services[hole] = RemoteService(.isSilent)
      for port in UInt16(1000)..<1200 { lab.rawConnection(to: hole, port: port).guest(.syn(.mss(1460))) }
      // A quarter of the table.
      #expect(lab.openSocketCount == 16)
      let (tcp, server) = try lab.established()
      tcp.guest(.data("through", seq: 1, ack: 1))
      #expect(server.bytes == Array("through".utf8))
    }
  }

  @Test func `clients of a forward whose guest is silent do not keep the guest's own connections away`() throws {
    var options = Lab.Options()
    options.settings.maximumFlows = 64
    try withLab(options) { lab in
      let listener = Endpoint(.loopback, port: 2222)
      let forward = PortForward(transport: .tcp, host: listener, guest: Endpoint(lab.guest.address, port: 22))
      try lab.apply(.addForward(forward))
      _ = lab.rawConnection(to: Endpoint(IPv4Address(10, 0, 2, 2), port: 1), port: 22)
      for port in UInt16(2000)..<2100 {
        _ = lab.connectClient(from: Endpoint(IPv4Address(203, 0, 113, 9), port: port), to: listener)
        lab.settle()
      }
      let (tcp, server) = try lab.established()
      tcp.guest(.data("mine", seq: 1, ack: 1))
      #expect(server.bytes == Array("mine".utf8))
    }
  }

  @Test(arguments: families)
  func `connections that linger in TIME-WAIT make room for new ones, the oldest first`(family: IPAddress.Family) throws
  {
    var options = Lab.Options()
    options.settings.maximumFlows = 32
    try withLab(options) { lab in
      lab.host.services[.server(family)] = RemoteService()
      for port in UInt16(3000)..<3200 {
        let tcp = lab.rawConnection(to: .server(family), port: port)
        let server = try tcp.establish()
        server.finish()
        tcp.stack(.fin(seq: 1, ack: 1))
        tcp.guest(.fin(seq: 1, ack: 2))
        tcp.stack(.ack(2, seq: 2))
      }
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `a guest that begins anew while its first SYN waits for the host is connected by the second`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService(.acceptsAfter(.milliseconds(100)))
      let first = lab.rawConnection(to: .server(family), port: 5000)
      first.guest(.syn(.mss(1460)))
      let second = lab.rawConnection(to: .server(family), port: 5000)
      second.guest(.syn(.mss(1460)))
      lab.advance(by: .milliseconds(300))
      #expect(lab.openSocketCount == 1)
    }
  }
}

extension RawConnection {
  /// The acknowledgment of everything so far, as the stack would send it now.
  fileprivate var acknowledgment: Segment { Segment(.ack, seq: 1, ack: 1, win: 65_535, options: []) }
}
