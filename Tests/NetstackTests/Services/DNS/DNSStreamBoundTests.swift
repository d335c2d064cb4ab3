import Netstack
import Primitives
import Simulation
import Testing

/// How many connections to the resolver there may be, how many queries of one, and what becomes of answers that nobody
/// takes.
@Suite struct DNSStreamBoundTests {
  @Test func `more than sixteen queries of a connection wait in it`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connection = lab.connectToResolver()
      let queries = (0..<UInt16(40)).map { PlainDNS.query($0, "n\($0).example") }
      connection.write(queries.flatMap(\.framed))
      lab.settle()
      #expect(lab.host.connections(to: .upstream).count == 16)
      for place in queries.indices { try lab.streamServerAnswers(place, queries[place].answer(.any)) }
      #expect(try connection.answers() == queries.map { $0.answer(.any) })
    }
  }

  @Test(arguments: families)
  func `answers wait for a guest that does not read, and none is lost`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      var options = GuestTCP.Options()
      options.readsAtOnce = false
      let connection = lab.connectToResolver(family, options)
      let queries = (0..<UInt16(40)).map { PlainDNS.query($0, "n\($0).example") }
      connection.write(queries.flatMap(\.framed))
      lab.settle()
      let answers = queries.map { query in
        // As long as a message can be.
        query.answer([.init("n", 65_280, data: pattern(65_535 - query.encoded.count - 13, from: Int(query.identifier)))]
        )
      }
      var answered = 0
      while connection.received.count < answers.count * 65_537 {
        while answered < lab.host.connections(to: .upstream).count {
          try lab.streamServerAnswers(answered, answers[answered])
          answered += 1
        }
        lab.advance(by: .milliseconds(100))
        // The stream, the guest's window, and no more than what sixteen servers have said.
        #expect(answered <= connection.received.count / 65_537 + 30)
        connection.read(100_000)
        lab.advance(by: .milliseconds(100))
      }
      let received = try connection.answers().sorted { $0.identifier < $1.identifier }
      #expect(received == answers)
      #expect(lab.stack.resolverStatistics.failures == 0)
    }
  }

  @Test func `answers that wait for their guest are asked for anew where the servers change`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services = [.upstream: RemoteService(), .upstream2: RemoteService()]
      var options = GuestTCP.Options()
      options.readsAtOnce = false
      let connection = lab.connectToResolver(.ipv4, options)
      let queries = (0..<UInt16(16)).map { PlainDNS.query($0, "n\($0).example") }
      connection.write(queries.flatMap(\.framed))
      lab.settle()
      func answer(_ place: Int, at server: Endpoint) throws {
        let query = try lab.streamQuery(place, at: server)
        let data = pattern(60_000, from: server == .upstream ? 1 : 2)
        try lab.streamServerAnswers(place, query.answer([.init("n", 65_280, data: data)]), at: server)
      }
      for place in queries.indices { try answer(place, at: .upstream) }
      try lab.apply(.setResolvers([.upstream2]))
      lab.settle()
      let askedAnew = lab.host.connections(to: .upstream2).count
      #expect((1..<16).contains(askedAnew))
      // One of them in vain.
      for place in 1..<askedAnew { try answer(place, at: .upstream2) }
      for _ in 0..<600 {
        connection.read(100_000)
        lab.advance(by: .milliseconds(10))
      }
      let answers = try connection.answers()
      #expect(answers.map(\.identifier).sorted() == queries.map(\.identifier))
      #expect(answers.count { $0.answers.first?.data.first == pattern(1, from: 2)[0] } == askedAnew - 1)
      #expect(answers.count { $0.flags & 15 == 2 } == 1)
    }
  }

  @Test func `a connection is closed after half a minute without a word, or with answers that nobody takes`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let connection = lab.connectToResolver()
      connection.write(Array(PlainDNS.query(7).framed.dropLast()))
      lab.advance(by: .seconds(29))
      #expect(!connection.isReadClosed)
      lab.advance(by: .seconds(1))
      #expect(connection.isReadClosed && connection.received.isEmpty)
      connection.finish()
      lab.host.services[.upstream] = RemoteService()
      var options = GuestTCP.Options()
      options.readsAtOnce = false
      let deaf = lab.connectToResolver(.ipv4, options)
      let queries = (0..<UInt16(16)).map { PlainDNS.query($0, "n\($0).example") }
      deaf.write(queries.flatMap(\.framed))
      lab.settle()
      for (place, query) in queries.enumerated() {
        try lab.streamServerAnswers(place, query.answer([.init("n", 65_280, data: pattern(60_000))]))
      }
      #expect(lab.openSocketCount > 2)
      lab.advance(by: .seconds(31))
      // What is left is the guest's connection, which has not taken all yet.
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test func `of 128 connections the one idle for longest makes room for another`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.host.services[.upstream] = RemoteService()
      let connections = (0..<128).map { number in
        let connection = lab.connectToResolver()
        // The first waits for an answer.
        if number == 0 { connection.write(PlainDNS.query(7).framed) }
        lab.advance(by: .milliseconds(1))
        return connection
      }
      // The second has just asked.
      lab.advance(by: .seconds(1))
      connections[1].write(PlainDNS.query(7, "gateway.culvert.internal").framed)
      lab.settle()
      _ = lab.connectToResolver()
      let closed = connections.indices.filter { connections[$0].isReadClosed }
      #expect(closed == [2])
      #expect(lab.drops(.exhausted) == 1)
    }
  }

  @Test func `without descriptors the guest is reset`() {
    withLab { lab in
      for left in [0, 1] {
        lab.host.descriptorsLeft = left
        #expect(lab.connectToResolver().wasReset)
        #expect(lab.openSocketCount == 0)
      }
    }
  }
}
