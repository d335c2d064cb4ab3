import Netstack
import Primitives
import Simulation
import Testing

/// Which of several name servers is asked, and what a guest hears when none has an answer.
@Suite struct DNSFailoverTests {
  private static let servers = [Endpoint.upstream, .upstream2]
  private static let good = PlainDNS.query(7).answer(IPv4Address(192, 0, 2, 1))

  @Test(arguments: families)
  func `the next server is asked after a second, and the first may still answer`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers(Self.servers))
      lab.ask(.query(7), over: family)
      lab.advance(by: .milliseconds(999))
      #expect(lab.upstreamQueries.map(\.destination) == [.upstream])
      lab.advance(by: .milliseconds(1))
      #expect(lab.upstreamQueries.map(\.destination) == [.upstream, .upstream2])
      try lab.serverAnswers(0, Self.good)
      #expect(try lab.takeAnswers() == [Self.good])
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test func `a server that was silent is asked last for half a minute`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers(Self.servers))
      lab.ask(.query(7))
      lab.advance(by: .seconds(1))
      try lab.serverAnswers(1, Self.good)
      for (wait, server) in [(0, Endpoint.upstream2), (29, .upstream2), (1, .upstream)] as [(Int64, Endpoint)] {
        lab.advance(by: .seconds(wait))
        lab.ask(.query(7))
        #expect(lab.upstreamQueries.last?.destination == server)
        try lab.serverAnswers(lab.upstreamQueries.count - 1, Self.good)
      }
      var servers: [DNSServerSummary] = []
      lab.stack.forEachResolver { servers.append($0) }
      #expect(servers.map(\.endpoint) == Self.servers)
      #expect(servers.map(\.asked) == [2, 3] && servers.map(\.answered) == [1, 3] && servers.map(\.failed) == [1, 0])
      #expect(servers.map(\.roundTrip) == [.zero, .zero])
    }
  }

  @Test(arguments: families)
  func `the next server is asked at once where one is not there`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers(Self.servers))
      lab.host.datagramServices[.upstream] = .fails(.refused)
      lab.ask(.query(7), over: family)
      #expect(lab.upstreamQueries.map(\.destination) == [.upstream, .upstream2])
      #expect(lab.openSocketCount == 1)
      try lab.serverAnswers(1, Self.good)
      #expect(try lab.takeAnswers() == [Self.good])
    }
  }

  @Test(arguments: [UInt16(2), 5])
  func `the next server is asked at once where one has failed or refuses`(code: UInt16) throws {
    try withLab { lab in
      try lab.apply(.setResolvers(Self.servers))
      lab.ask(.query(7))
      try lab.serverAnswers(0, PlainDNS.query(7).answer(code: code))
      #expect(try lab.takeAnswers().isEmpty)
      #expect(lab.upstreamQueries.map(\.destination) == [.upstream, .upstream2])
      try lab.serverAnswers(1, Self.good)
      #expect(try lab.takeAnswers() == [Self.good])
    }
  }

  @Test(arguments: [([2, 5], 2), ([5, 2], 2), ([5, 5], 5), ([2, 2], 2)] as [([UInt16], UInt16)])
  func `where all fail the guest hears what the servers said, SERVFAIL rather than REFUSED`(
    codes: [UInt16], heard: UInt16
  ) throws {
    try withLab { lab in
      try lab.apply(.setResolvers(Self.servers))
      let query = PlainDNS.query(7).with(.edns(1232))
      lab.ask(query)
      // An extended error (RFC 8914) in each.
      let answers = codes.enumerated().map { place, code in
        query.answer(code: code).with(.edns(1232, options: [0, 15, 0, 2, 0, UInt8(place)]))
      }
      for (place, answer) in answers.enumerated() { try lab.serverAnswers(place, answer) }
      #expect(try lab.takeAnswers() == [answers[codes.firstIndex(of: heard) ?? 0]])
      #expect(lab.openSocketCount == 0 && lab.stack.resolverStatistics.failures == 1)
    }
  }

  @Test(arguments: families, [false, true])
  func `SERVFAIL comes after five seconds of silence, with RA, the question, and EDNS if asked so`(
    family: IPAddress.Family, hasEDNS: Bool
  ) throws {
    try withLab { lab in
      try lab.apply(.setResolvers(Self.servers))
      let plain = PlainDNS(7, .init("wWw.example.com", RecordType.aaaa), flags: 0x0110)
      lab.ask(hasEDNS ? plain.with(.edns(1232, flags: 0x8000)) : plain, over: family)
      lab.advance(by: .milliseconds(4999))
      #expect(try lab.takeAnswers().isEmpty)
      lab.advance(by: .milliseconds(1))
      let failure = PlainDNS(7, .init("wWw.example.com", RecordType.aaaa), flags: 0x8192)
      #expect(try lab.takeAnswers() == [hasEDNS ? failure.with(.edns(4094, flags: 0x8000)) : failure])
      // Each for a second, then each for two.
      #expect(lab.upstreamQueries.map(\.destination) == [.upstream, .upstream2, .upstream, .upstream2])
      // Sent again as they were: an answer to the first is one to all.
      #expect(lab.upstreamQueries[0].payload == lab.upstreamQueries[2].payload)
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `without a server SERVFAIL comes at once`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.ask(.query(7), over: family)
      let answers = try lab.takeAnswers()
      #expect(answers == [PlainDNS.query(7).answer(code: 2)])
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test func `without a way to any server SERVFAIL comes at once`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers(Self.servers))
      for server in Self.servers { lab.host.datagramServices[server] = .fails(.networkUnreachable) }
      lab.ask(.query(7))
      #expect(try lab.takeAnswers() == [PlainDNS.query(7).answer(code: 2)])
    }
  }

  @Test func `without descriptors SERVFAIL comes at once, but for those that idle flows give up`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.descriptorsLeft = 0
      lab.ask(.query(7))
      #expect(try lab.takeAnswers() == [PlainDNS.query(7).answer(code: 2)])
      lab.host.descriptorsLeft = 1
      lab.guest.sendUDP([1], from: 4000, to: .server)
      lab.settle()
      lab.ask(.query(8))
      #expect(lab.flowEnds == [.evicted])
      #expect(lab.upstreamQueries.last?.destination == .upstream)
    }
  }

  @Test(arguments: families)
  func `queries that wait go to the new servers when these change`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(.query(7), over: family)
      try lab.apply(.setResolvers([.upstream2]))
      lab.settle()
      #expect(lab.upstreamQueries.map(\.destination) == [.upstream, .upstream2])
      #expect(lab.openSocketCount == 1)
      try lab.apply(.setResolvers([.upstream2]))
      #expect(lab.upstreamQueries.count == 2)
      try lab.apply(.setResolvers([]))
      lab.settle()
      #expect(try lab.takeAnswers() == [PlainDNS.query(7).answer(code: 2)])
    }
  }

  @Test func `of a full table the oldest query makes room, one of the same guest's first`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let (first, second) = (lab.guest.address, IPv4Address(bits: lab.guest.address.bits + 1))
      lab.guest.address = second
      lab.ask(.query(0, "quiet.example"))
      lab.guest.address = first
      for number in 0..<UInt16(1024) { lab.ask(.query(number, "n\(number).example"), from: 6000) }
      #expect(lab.openSocketCount == 1024 && lab.drops(.exhausted) == 1)
      let names = try (0..<lab.upstreamQueries.count).filter { place in
        lab.host.isOpen(lab.upstreamQueries[place].flow)
      }.map { try lab.upstreamQuery($0).questions[0].name }
      #expect(names.first == "quiet.example" && !names.contains("n0.example") && names.last == "n1023.example")
    }
  }

  @Test func `nothing is left of queries when the network is shut down`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(.query(7))
      lab.shutDown()
      #expect(lab.isShutDown && lab.openSocketCount == 0)
    }
  }
}
