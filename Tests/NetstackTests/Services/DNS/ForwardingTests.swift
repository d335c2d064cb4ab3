import Netstack
import Primitives
import Simulation
import Testing

/// Queries by UDP to 10.0.2.3 and fec0::3 go on to the host's name servers, and their answers come back.
@Suite struct DNSForwardingTests {
  @Test(arguments: families, [Endpoint.upstream, .upstream2])
  func `a query goes on under another identifier, and its answer comes back under its own (RFC 5452 section 9.2)`(
    family: IPAddress.Family, server: Endpoint
  ) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([server]))
      lab.ask(.query(7), over: family)
      #expect(lab.upstreamQueries.map(\.destination) == [server])
      let query = try lab.upstreamQuery(0)
      #expect(query == PlainDNS.query(query.identifier) && query.identifier != 7)
      #expect(lab.upstreamQueries[0].local.port != 5000)
      let answer = PlainDNS.query(7).answer(IPv4Address(192, 0, 2, 1))
      try lab.serverAnswers(0, answer)
      #expect(try lab.takeAnswers() == [answer])
      #expect(lab.openSocketCount == 0 && lab.stack.resolverStatistics.forwardedAnswers == 1)
    }
  }

  @Test func `each query has an identifier and a port of its own (RFC 5452 section 9.2)`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      for number in 0..<UInt16(100) { lab.ask(.query(number), from: 5000 + number) }
      #expect(Set(lab.upstreamQueries.map(\.local.port)).count == 100)
      let identifiers = try (0..<100).map { try lab.upstreamQuery($0).identifier }
      // 100 of 65,536 by chance: no two in a row are neighbors, and hardly two are the same.
      #expect(Set(identifiers).count > 97)
      #expect(zip(identifiers, identifiers.dropFirst()).allSatisfy { $0 &+ 1 != $1 })
    }
  }

  @Test(arguments: families)
  func `types, classes, flags, case and options that nobody here knows pass both ways unchanged (RFC 3597 section 2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      var query = PlainDNS(9, .init("wWw.ExAmPlE.cOm", 65_280, recordClass: 3), flags: 0x0130)
      query.additionals = [.edns(4096, flags: 0x8000, options: [0xff, 0xf0, 0, 3, 1, 2, 3])]
      lab.ask(query, over: family)
      #expect(try lab.upstreamQuery(0).identified(9) == query)
      var answer = query.answer([.init("WWW.eXaMpLe.CoM", 65_280, recordClass: 3, data: pattern(1000))])
      answer.flags |= 0x0620
      answer.additionals = [.edns(1232, flags: 0x8000, options: [0, 10, 0, 1, 7])]
      try lab.serverAnswers(0, answer)
      #expect(try lab.takeAnswers() == [answer])
    }
  }

  @Test(arguments: [UInt16(4), 5])
  func `NOTIFY and UPDATE go on like queries (RFC 1996, RFC 2136)`(opcode: UInt16) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let message = PlainDNS(9, .init("example.com", RecordType.soa), flags: opcode << 11)
      lab.ask(message)
      #expect(try lab.upstreamQuery(0).identified(9) == message)
      // RFC 2136 section 3.8: the answer may have no more than a header.
      let answer = PlainDNS(9, nil, flags: 0x8000 | opcode << 11 | 9)
      try lab.serverAnswers(0, answer)
      #expect(try lab.takeAnswers() == [answer])
    }
  }

  @Test(arguments: families)
  func `a query that comes again while it waits is asked once, and answered once`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      for _ in 0..<3 { lab.ask(.query(7), over: family) }
      #expect(lab.upstreamQueries.count == 1)
      try lab.serverAnswers(0, PlainDNS.query(7).answer(IPv4Address(192, 0, 2, 1)))
      #expect(try lab.takeAnswers().count == 1)
      #expect(lab.stack.resolverStatistics.repetitions == 2)
      lab.ask(.query(7), over: family)
      #expect(lab.upstreamQueries.count == 2)
    }
  }

  @Test func `another question by the same identifier takes the place of the one before`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(.query(7, "a.example"))
      lab.ask(.query(7, "b.example"))
      #expect(lab.openSocketCount == 1)
      let answer = PlainDNS.query(7, "b.example").answer(IPv4Address(192, 0, 2, 2))
      try lab.serverAnswers(1, answer)
      #expect(try lab.takeAnswers() == [answer])
    }
  }

  @Test(arguments: families)
  func `any number of queries from one port are answered, in any order`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let queries = (0..<UInt16(300)).map { PlainDNS.query($0, "n\($0).example") }
      for query in queries { lab.guest.sendUDP(query.encoded, from: 5000, to: .resolver(family)) }
      lab.settle()
      for place in queries.indices.reversed() {
        let question = try lab.upstreamQuery(place)
        try lab.serverAnswers(place, question.answer(IPv4Address(192, 0, 2, 1)))
      }
      let answers = try lab.takeAnswers()
      #expect(answers == queries.reversed().map { $0.answer(IPv4Address(192, 0, 2, 1)) })
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `an answer longer than the guest takes is cut with TC (RFC 6891 section 6.2.5, RFC 2181 section 9)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let records = (0..<40).map {
        PlainDNS.Record.address(IPAddress(IPv4Address(192, 0, 2, UInt8($0))), of: "www.example.com")
      }
      for (size, limit) in [(nil, 512), (UInt16(100), 512), (700, 700), (4096, 4096)] as [(UInt16?, Int)] {
        let plain = PlainDNS.query(7)
        let query = size.map { plain.with(.edns($0, flags: 0x8000)) } ?? plain
        lab.ask(query, over: family)
        var answer = query.answer(records)
        if size != nil { answer.additionals = [.edns(1232, flags: 0x8000, options: [0, 10, 0, 1, 7])] }
        try lab.serverAnswers(lab.upstreamQueries.count - 1, answer)
        if answer.encoded.count > limit {
          answer.flags |= 0x0200
          answer.answers = []
          if size != nil { answer.additionals = [.edns(1232, flags: 0x8000)] }
        }
        #expect(try lab.takeAnswers() == [answer])
      }
    }
  }

  @Test(arguments: families)
  func `an answer of 4 KB comes in fragments to a guest that takes it`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let query = PlainDNS.query(7).with(.edns(4096))
      lab.ask(query, over: family)
      let answer = query.answer([.init("www.example.com", RecordType.txt, data: pattern(4000))])
      try lab.serverAnswers(0, answer)
      #expect(lab.guest.inbox.count > 2)
      #expect(try lab.takeAnswers() == [answer])
    }
  }

  @Test func `what the server did not say is not believed (RFC 5452 section 9.1)`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(.query(7))
      let sent = lab.upstreamQueries[0]
      let query = try lab.upstreamQuery(0)
      let right = query.answer(IPv4Address(192, 0, 2, 1))
      var other = right
      other.questions[0].name = "www.example.org"
      var otherType = right
      otherType.questions[0].type = RecordType.aaaa
      var otherClass = right
      otherClass.questions[0].recordClass = 3
      var noQuestion = right
      noQuestion.questions = []
      var otherOperation = right
      otherOperation.flags |= 0x2000
      let wrong = [
        right.identified(query.identifier &+ 1), query, other, otherType, otherClass, noQuestion, otherOperation,
      ]
      for message in wrong { lab.host.deliver(message.encoded, from: .upstream, to: sent.flow) }
      lab.host.deliver([], from: .upstream, to: sent.flow)
      lab.host.deliver(right.encoded, from: .upstream2, to: sent.flow)
      lab.settle()
      #expect(try lab.takeAnswers().isEmpty)
      #expect(lab.drops(.filtered) == wrong.count + 1)
      // The case of letters may be another (RFC 4343).
      var shouted = right
      shouted.questions[0].name = "WWW.EXAMPLE.COM"
      try lab.serverAnswers(0, shouted)
      #expect(try lab.takeAnswers() == [shouted.identified(7)])
    }
  }

  @Test func `a socket at which somebody guesses is given up, and the next server asked`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream, .upstream2]))
      lab.ask(.query(7))
      let sent = lab.upstreamQueries[0]
      for _ in 0..<256 { lab.host.deliver(pattern(20), from: .upstream, to: sent.flow) }
      lab.settle()
      #expect(lab.upstreamQueries.map(\.destination) == [.upstream, .upstream2])
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test(arguments: families)
  func `on other ports the resolver refuses`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.guest.sendUDP([1], from: 5000, to: .resolver(family, port: 54))
      lab.settle()
      let connection = lab.guest.connect(to: .resolver(family, port: 80))
      lab.settle()
      #expect(lab.receivedErrors.map(\.message) == [OutsideWorld(family).message(.portUnreachable)])
      #expect(connection.wasReset)
      #expect(lab.openSocketCount == 0 && lab.sentDatagrams.isEmpty)
    }
  }

  @Test func `a server on the host's own loopback may be asked`() throws {
    try withLab { lab in
      let local = Endpoint(IPv4Address(127, 0, 0, 53), port: 5353)
      try lab.apply(.setResolvers([local]))
      lab.ask(.query())
      #expect(lab.upstreamQueries.map(\.destination) == [local])
    }
  }
}
