import Netstack
import Primitives
import Simulation
import Testing

/// What guests send to the virtual resolver that is no query.
@Suite struct DNSBadInputTests {
  /// A query with every kind of record behind its question.
  private static var crowded: PlainDNS {
    var query = PlainDNS.query(7).with(.edns(1232, options: [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]))
    query.answers = [.init("a.example", RecordType.a, data: [1, 2, 3, 4])]
    query.authorities = [.init("b.example", RecordType.txt, data: pattern(20))]
    return query
  }

  @Test(arguments: families)
  func `a query cut at any length is answered with FORMERR, or dropped where the header is cut`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let whole = Self.crowded.encoded
      for count in whole.indices {
        lab.guest.sendUDP(Array(whole[..<count]), from: 5000, to: .resolver(family))
        lab.settle()
        let answers = try lab.takeAnswers()
        guard count >= 12 else {
          #expect(answers.isEmpty)
          continue
        }
        // Nothing is known of a question that is not whole.
        #expect(answers == [PlainDNS(7, nil, flags: 0x8181)], "\(count) bytes")
      }
      #expect(lab.drops(.malformed) == 12)
      #expect(lab.sentDatagrams.isEmpty)
      lab.guest.sendUDP(whole, from: 5000, to: .resolver(family))
      lab.settle()
      #expect(lab.sentDatagrams.count == 1)
    }
  }

  @Test func `every byte of a query may have any of the extreme values`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let whole = Self.crowded.encoded
      for index in whole.indices {
        for value in [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff] as [UInt8] {
          var bytes = whole
          bytes[index] = value
          lab.guest.sendUDP(bytes, from: 5000, to: .resolver())
          lab.settle()
          for answer in try lab.takeAnswers() { #expect(answer.flags & 0x8000 != 0) }
        }
      }
    }
  }

  @Test(arguments: [UInt16(0), 2, 3, 65_535])
  func `but one question is FORMERR (RFC 9619 section 4)`(count: UInt16) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      var bytes = PlainDNS.query(7).encoded
      (bytes[4], bytes[5]) = (UInt8(count >> 8), UInt8(count & 0xff))
      lab.guest.sendUDP(bytes, from: 5000, to: .resolver())
      lab.settle()
      #expect(try lab.takeAnswers() == [PlainDNS(7, nil, flags: 0x8181)])
    }
  }

  @Test func `EDNS twice, or with a name, is FORMERR (RFC 6891 section 6.1.1)`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let named = PlainDNS.Record("a", 41, recordClass: 1232)
      for query in [PlainDNS.query(7).with(.edns(1232)).with(.edns(1232)), PlainDNS.query(7).with(named)] {
        lab.ask(query)
        #expect(try lab.takeAnswers() == [PlainDNS(7, nil, flags: 0x8181)])
      }
    }
  }

  /// A label of a kind that there is not, a pointer where nothing is to point at, a label and a name that are too long.
  private static let wrongNames: [[UInt8]] = [
    [0x40] + [UInt8](repeating: 97, count: 64) + [0], [0x80, 1, 0], [0xc0, 12], [1, 97, 0xc0, 0],
    [UInt8]([[UInt8]](repeating: [63] + [UInt8](repeating: 97, count: 63), count: 4).joined()) + [0],
  ]

  @Test(arguments: wrongNames)
  func `a name that is none is FORMERR (RFC 1035 sections 2.3.4 and 4.1.4)`(name: [UInt8]) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let bytes = Array(PlainDNS.query(7).encoded[..<12]) + name + [0, 1, 0, 1]
      lab.guest.sendUDP(bytes, from: 5000, to: .resolver())
      lab.settle()
      #expect(try lab.takeAnswers() == [PlainDNS(7, nil, flags: 0x8181)])
    }
  }

  @Test func `the longest name is one`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let label = String(repeating: "a", count: 63)
      lab.ask(.query(7, [label, label, label, String(label.dropLast(2))].joined(separator: ".")))
      #expect(lab.upstreamQueries.count == 1)
    }
  }

  @Test func `an answer from a guest is dropped, so that none goes round for ever`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(PlainDNS.query(7).answer())
      let answers = try lab.takeAnswers()
      #expect(answers.isEmpty && lab.drops(.ignoredRequest) == 1)
    }
  }

  @Test(arguments: [UInt16(1), 2, 3, 6, 15])
  func `other operations are not implemented (RFC 3425, RFC 8490 section 5.1)`(opcode: UInt16) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(PlainDNS(7, nil, flags: opcode << 11))
      #expect(try lab.takeAnswers() == [PlainDNS(7, nil, flags: 0x8084 | opcode << 11)])
    }
  }

  @Test func `a transfer of a zone, and a query that is too long to keep, are refused`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      let transfer = PlainDNS.query(7, "example.com", RecordType.axfr)
      lab.ask(transfer)
      #expect(try lab.takeAnswers() == [transfer.answer(code: 5)])
      let padding = { (count: Int) in
        PlainDNS.Record.edns(1232, options: [0, 12] + [UInt8](repeating: 0, count: count))
      }
      let rest = PlainDNS.query(7).with(padding(0)).encoded.count
      lab.ask(PlainDNS.query(7).with(padding(4094 - rest)))
      #expect(lab.upstreamQueries.map(\.payload.count) == [4094])
      lab.ask(PlainDNS.query(8).with(padding(4095 - rest)))
      #expect(try lab.takeAnswers() == [PlainDNS(8, nil, flags: 0x8185)])
      #expect(lab.upstreamQueries.count == 1)
    }
  }

  @Test func `a server's answer cut at any length harms nobody`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([.upstream]))
      // Longer than the guest takes, so that it is read to its end.
      let query = PlainDNS.query(7)
      let records = (0..<40).map {
        PlainDNS.Record.address(IPAddress(IPv4Address(192, 0, 2, $0)), of: "www.example.com")
      }
      let answer = query.answer(records).encoded
      for count in answer.indices {
        lab.ask(query)
        let sent = try #require(lab.upstreamQueries.last)
        lab.host.deliver(
          Array(sent.payload[..<2] + answer[2...].prefix(max(count - 2, 0))), from: .upstream, to: sent.flow)
        lab.advance(by: .seconds(6))
        lab.guest.clearInbox()
      }
      #expect(lab.openSocketCount == 0)
    }
  }
}
