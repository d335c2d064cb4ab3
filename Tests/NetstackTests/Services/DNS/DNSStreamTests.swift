import Netstack
import Primitives
import Simulation
import Testing

/// Queries by TCP to 10.0.2.3 and fec0::3 (RFC 7766): several on a connection, each asked of the host's name servers on
/// a connection of its own.
@Suite struct DNSStreamTests {
  private static let good = PlainDNS.query(7).answer(IPv4Address(192, 0, 2, 1))

  @Test(arguments: families, [Endpoint.upstream, .upstream2])
  func `a query goes on by TCP under another identifier, and its answer comes back under its own`(
    family: IPAddress.Family, server: Endpoint
  ) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([server]))
      lab.host.services[server] = RemoteService()
      let connection = lab.connectToResolver(family)
      let query = PlainDNS(7, .init("wWw.example.com", 65_280, recordClass: 3), flags: 0x0130)
        .with(.edns(4096, flags: 0x8000, options: [0xff, 0xf0, 0, 3, 1, 2, 3]))
      connection.write(query.framed)
      lab.settle()
      let asked = try lab.streamQuery(0, at: server)
      #expect(asked.identified(7) == query && asked.identifier != 7)
      #expect(lab.sentDatagrams.isEmpty)
      let answer = query.answer([.init("WWW.example.com", 65_280, recordClass: 3, data: pattern(3000))])
      try lab.streamServerAnswers(0, answer, at: server)
      #expect(try connection.answers() == [answer])
      #expect(lab.isClosed(0, at: server))
      connection.finish()
      lab.settle()
      #expect(connection.isReadClosed && lab.openSocketCount == 0)
      #expect(lab.stack.resolverStatistics.forwardedAnswers == 1)
    }
  }

  @Test func `several queries are under way at once, and answered as their answers come`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connection = lab.connectToResolver()
      let queries = (0..<5).map { PlainDNS.query(UInt16($0), "n\($0).example") }
      connection.write(queries.flatMap(\.framed))
      lab.settle()
      let order = [3, 0, 4, 1, 2]
      for place in order { try lab.streamServerAnswers(place, queries[place].answer(.any)) }
      #expect(try connection.answers() == order.map { queries[$0].answer(.any) })
    }
  }

  @Test func `two queries of one connection may have the same identifier`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connection = lab.connectToResolver()
      let queries = [PlainDNS.query(7, "a.example"), .query(7, "b.example")]
      connection.write(queries.flatMap(\.framed))
      // By UDP from the same port, too.
      lab.ask(.query(7, "c.example"), from: connection.local.port)
      #expect(lab.upstreamQueries.count == 1)
      for (place, query) in queries.enumerated() { try lab.streamServerAnswers(place, query.answer(.any)) }
      #expect(try connection.answers() == queries.map { $0.answer(.any) })
    }
  }

  @Test func `queries and answers may come byte by byte`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService(.acceptsAfter(.milliseconds(10)))
      let connection = lab.connectToResolver()
      for byte in PlainDNS.query(7).framed {
        connection.write([byte])
        lab.settle()
      }
      lab.advance(by: .milliseconds(10))
      let server = try #require(lab.host.connections(to: .upstream).first)
      for byte in Self.good.identified(try lab.streamQuery(0).identifier).framed {
        #expect(connection.received.isEmpty)
        lab.host.peerWrites([byte], on: server)
        lab.settle()
      }
      #expect(try connection.answers() == [Self.good])
    }
  }

  @Test func `a connection that asks for local names asks no server`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let connection = lab.connectToResolver()
      let queries = (0..<40).map { PlainDNS.query($0, "gateway.culvert.internal") }
      connection.write(queries.flatMap(\.framed))
      lab.settle()
      let answers = try connection.answers()
      #expect(answers.map(\.identifier) == queries.map(\.identifier))
      #expect(answers.allSatisfy { $0.answers.map(\.data) == [[10, 0, 2, 2]] })
      #expect(lab.host.calls.connects == 0 && lab.stack.resolverStatistics.localAnswers == 40)
    }
  }

  // MARK: Servers

  @Test(arguments: families)
  func `the next server is asked at once where one is not there, fails or closes`(family: IPAddress.Family) throws {
    let failures: [(RemoteService, (Lab) throws -> Void)] = [
      (RemoteService(.fails(.refused)), { _ in }),
      (RemoteService(.failsAfter(.refused, .milliseconds(5))), { $0.advance(by: .milliseconds(5)) }),
      (RemoteService(), { try $0.streamServerAnswers(0, PlainDNS.query(7).answer(code: 2)) }),
      (RemoteService(), { try $0.streamServerAnswers(0, PlainDNS.query(7, "other.example").answer(.any)) }),
      (RemoteService(), { $0.host.peerFinishes($0.host.connections(to: .upstream)[0]) }),
      (
        RemoteService(),
        { lab in
          lab.host.peerWrites(Array(Self.good.framed.dropLast()), on: lab.host.connections(to: .upstream)[0])
          lab.host.peerFinishes(lab.host.connections(to: .upstream)[0])
        }
      ),
      (RemoteService(), { $0.host.peerResets($0.host.connections(to: .upstream)[0]) }),
    ]
    for (service, fail) in failures {
      try withLab { lab in
        try lab.apply(.setResolvers([.upstream, .upstream2]))
        lab.host.services = [.upstream: service, .upstream2: RemoteService()]
        let connection = lab.connectToResolver(family)
        connection.write(PlainDNS.query(7).framed)
        lab.settle()
        try fail(lab)
        lab.settle()
        try lab.streamServerAnswers(0, Self.good, at: .upstream2)
        #expect(try connection.answers() == [Self.good])
        // The guest's two ends alone.
        #expect(lab.openSocketCount == 2)
      }
    }
  }

  @Test func `the next server is asked after a second of silence, and the first may still answer`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream, .upstream2]))
      lab.host.services = [.upstream: RemoteService(), .upstream2: RemoteService(.isSilent)]
      let connection = lab.connectToResolver()
      connection.write(PlainDNS.query(7).framed)
      lab.advance(by: .milliseconds(999))
      #expect(lab.host.connections(to: .upstream2).isEmpty)
      lab.advance(by: .milliseconds(1))
      #expect(lab.host.connections(to: .upstream2).count == 1)
      // Once both were asked nobody is asked again: what a connection carries is not lost.
      lab.advance(by: .seconds(3))
      #expect(lab.host.allConnections.count == 4)
      try lab.streamServerAnswers(0, Self.good)
      #expect(try connection.answers() == [Self.good])
      #expect(lab.openSocketCount == 2)
    }
  }

  @Test func `SERVFAIL comes after five seconds, or at once where there is nobody to ask`() throws {
    let failure = PlainDNS.query(7).answer(code: 2)
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService(.isSilent)
      let connection = lab.connectToResolver()
      connection.write(PlainDNS.query(7).framed)
      lab.advance(by: .milliseconds(4990))
      #expect(connection.received.isEmpty)
      lab.advance(by: .milliseconds(10))
      #expect(try connection.answers() == [failure])
      lab.host.services[.upstream] = nil
      connection.write(PlainDNS.query(7).framed)
      lab.settle()
      try lab.apply(.setResolvers([]))
      connection.write(PlainDNS.query(7).framed)
      lab.settle()
      #expect(try connection.answers() == [failure, failure, failure])
    }
  }

  @Test func `of servers that refuse the first answer is passed on`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream, .upstream2]))
      lab.host.services = [.upstream: RemoteService(), .upstream2: RemoteService()]
      let connection = lab.connectToResolver()
      connection.write(PlainDNS.query(7).framed)
      lab.settle()
      try lab.streamServerAnswers(0, PlainDNS.query(7).answer(code: 5))
      try lab.streamServerAnswers(0, PlainDNS.query(7).answer(code: 2), at: .upstream2)
      #expect(try connection.answers() == [PlainDNS.query(7).answer(code: 2)])
    }
  }

  @Test func `queries that wait go to the new servers when these change`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services = [.upstream: RemoteService(.isSilent), .upstream2: RemoteService()]
      let connection = lab.connectToResolver()
      connection.write(PlainDNS.query(7).framed)
      lab.settle()
      try lab.apply(.setResolvers([.upstream2]))
      lab.settle()
      #expect(lab.isClosed(0))
      try lab.streamServerAnswers(0, Self.good, at: .upstream2)
      #expect(try connection.answers() == [Self.good])
    }
  }

  // MARK: Ends

  @Test func `a guest that has finished asking gets its answers, and then the end`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connection = lab.connectToResolver()
      connection.write(PlainDNS.query(7).framed)
      connection.finish()
      lab.settle()
      #expect(!connection.isReadClosed)
      try lab.streamServerAnswers(0, Self.good)
      #expect(try connection.answers() == [Self.good])
      #expect(connection.isFinished && lab.openSocketCount == 0)
    }
  }

  @Test func `a query that a guest ends in the middle is none, and those before it are answered`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connection = lab.connectToResolver()
      connection.write(PlainDNS.query(7).framed + PlainDNS.query(8).framed.dropLast())
      lab.settle()
      connection.finish()
      lab.settle()
      try lab.streamServerAnswers(0, Self.good)
      #expect(try connection.answers() == [Self.good])
      #expect(connection.isFinished && lab.openSocketCount == 0)
    }
  }

  @Test func `nothing is asked any more for a guest that has reset its connection`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connection = lab.connectToResolver()
      connection.write((0..<UInt16(20)).flatMap { PlainDNS.query($0, "n\($0).example").framed })
      lab.settle()
      connection.reset()
      lab.settle()
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test func `nothing is left when the network is shut down`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService(.isSilent)
      lab.connectToResolver().write(PlainDNS.query(7).framed)
      lab.settle()
      lab.shutDown()
      lab.advance(by: .seconds(1))
      #expect(lab.isShutDown && lab.openSocketCount == 0)
    }
  }

  // MARK: Bad input

  @Test func `what is no query is dropped, and what comes behind it is answered`() throws {
    try withLab { lab in
      let connection = lab.connectToResolver()
      let name = PlainDNS.query(7, "gateway.culvert.internal")
      let nothing: [[UInt8]] = [[], [1], Array(pattern(11)), PlainDNS.query(7).answer(.any).encoded]
      for bytes in nothing { connection.write(PlainDNS.framed(bytes)) }
      connection.write(name.framed)
      lab.settle()
      let answers = try connection.answers()
      #expect(answers.map(\.identifier) == [7])
      #expect(lab.drops(.malformed) == 3 && lab.drops(.ignoredRequest) == 1)
    }
  }

  @Test func `a query cut short, or longer than is read, is refused, and what comes behind it answered`() throws {
    try withLab { lab in
      let connection = lab.connectToResolver()
      let whole = PlainDNS.query(7, "gateway.culvert.internal").encoded
      for length in 12..<whole.count { connection.write(PlainDNS.framed(Array(whole[..<length]))) }
      connection.write(PlainDNS.framed(whole + [UInt8](repeating: 0, count: 65_535 - whole.count)))
      connection.write(PlainDNS.framed(whole))
      lab.settle()
      let answers = try connection.answers()
      let codes = answers.map { $0.flags & 15 }
      #expect(codes == [UInt16](repeating: 1, count: whole.count - 12) + [5, 0])
    }
  }

  @Test(arguments: 0..<12)
  func `an answer of no more than a few bytes is none`(length: Int) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connection = lab.connectToResolver()
      connection.write(PlainDNS.query(7).framed)
      lab.settle()
      lab.host.peerWrites(PlainDNS.framed(pattern(length)), on: lab.host.connections(to: .upstream)[0])
      lab.settle()
      #expect(try connection.answers() == [PlainDNS.query(7).answer(code: 2)])
      #expect(lab.drops(.filtered) == 1)
    }
  }
}
