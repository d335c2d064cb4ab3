import Netstack
import Primitives
import Simulation
import Testing
import Wire

/// The names that the virtual resolver knows itself.
@Suite struct LocalNameTests {
  private static let gateway = "gateway.culvert.internal"
  private static let host = "host.culvert.internal"
  private static let gatewayV4 = IPAddress(IPv4Address(10, 0, 2, 2))
  private static let gatewayV6 = IPAddress(IPv6Address.gateway)
  private static let stationOfLease = MACAddress(0x52, 0x54, 0, 0, 0, 9)

  private static var options: Lab.Options {
    var options = Lab.Options()
    options.settings.hostname = "vm"
    options.settings.domainName = "lan.example"
    options.settings.staticLeases = [
      StaticLease(hardware: stationOfLease, address: IPv4Address(10, 0, 2, 40), hostname: "printer")
    ]
    options.settings.localNames = [
      LocalName(name: "db.example.com", address: IPAddress(IPv4Address(192, 0, 2, 7))),
      LocalName(name: "DB.example.com", address: IPAddress(IPv4Address(192, 0, 2, 8))),
      LocalName(name: "db.example.com", address: IPAddress(.outside)),
      LocalName(name: "printer2.culvert.internal", address: IPAddress(IPv4Address(10, 0, 2, 41))),
    ]
    return options
  }

  /// RFC 2308 section 3: the record that says for how long something is not there, here not at all.
  private static func authority(_ zone: String) -> PlainDNS.Record {
    let times: [UInt8] = [0, 0, 0, 1, 0, 0, 14, 16, 0, 0, 4, 176, 0, 9, 58, 128, 0, 0, 0, 0]
    return .init(
      zone, RecordType.soa, data: PlainDNS.encoded(gateway) + PlainDNS.encoded("nobody.invalid") + times)
  }

  /// What the resolver answers, with authority: addresses, or nothing.
  private static func answer(
    _ query: PlainDNS, code: UInt16 = 0, _ addresses: [IPAddress] = [], names: [String] = [], zone: String? = nil
  ) -> PlainDNS {
    let name = query.questions[0].name
    var answer = query.answer(
      code: code,
      addresses.map { .address($0, of: name) }
        + names.map { .init(name, RecordType.ptr, data: PlainDNS.encoded($0)) })
    answer.flags |= 0x0400
    answer.authorities = zone.map { [authority($0)] } ?? []
    return answer
  }

  private static let outside7 = IPAddress(IPv4Address(192, 0, 2, 7))
  private static let outside8 = IPAddress(IPv4Address(192, 0, 2, 8))

  @Test(
    arguments: families,
    [
      (gateway, RecordType.a, [gatewayV4]), (gateway, RecordType.aaaa, [gatewayV6]),
      (gateway, RecordType.any, [gatewayV4, gatewayV6]), ("GateWay.CULVERT.internal", RecordType.a, [gatewayV4]),
      (host, RecordType.a, [gatewayV4]), (host, RecordType.aaaa, [gatewayV6]),
      ("printer", RecordType.a, [IPAddress(IPv4Address(10, 0, 2, 40))]),
      ("printer.lan.example", RecordType.a, [IPAddress(IPv4Address(10, 0, 2, 40))]),
      ("db.example.com", RecordType.a, [outside7, outside8]),
      ("db.example.com", RecordType.aaaa, [IPAddress(.outside)]),
      ("db.example.com", RecordType.any, [outside7, outside8, IPAddress(.outside)]),
      ("printer2.culvert.internal", RecordType.a, [IPAddress(IPv4Address(10, 0, 2, 41))]),
    ] as [(String, UInt16, [IPAddress])])
  func `a name that is known is answered with authority, in the case it was asked in, and nobody is asked`(
    family: IPAddress.Family, question: (name: String, type: UInt16, addresses: [IPAddress])
  ) throws {
    try withLab(Self.options) { lab in
      try lab.apply(.setResolvers([.upstream]))
      let query = PlainDNS.query(7, question.name, question.type)
      lab.ask(query, over: family)
      let answers = try lab.takeAnswers()
      #expect(answers == [Self.answer(query, question.addresses)])
      #expect(lab.sentDatagrams.isEmpty && lab.stack.resolverStatistics.localAnswers == 1)
    }
  }

  @Test(
    arguments: [
      // Known, but not of the type (RFC 2308 section 2.2).
      (gateway, RecordType.txt, 0, "culvert.internal"), (gateway, RecordType.https, 0, "culvert.internal"),
      ("printer", RecordType.aaaa, 0, "printer"), ("db.example.com", RecordType.txt, 0, "db.example.com"),
      ("culvert.internal", RecordType.a, 0, "culvert.internal"),
      // No guest goes by it yet.
      ("vm", RecordType.a, 0, "vm"),
      // Not known (RFC 2308 section 2.1).
      ("other.culvert.internal", RecordType.a, 3, "culvert.internal"),
      ("a.gateway.culvert.internal", RecordType.aaaa, 3, "culvert.internal"),
      // The guests' own networks, whose names nobody outside has.
      ("99.2.0.10.in-addr.arpa", RecordType.ptr, 3, "2.0.10.in-addr.arpa"),
      ("x.99.2.0.10.in-addr.arpa", RecordType.ptr, 3, "2.0.10.in-addr.arpa"),
      ("256.2.0.10.in-addr.arpa", RecordType.ptr, 3, "2.0.10.in-addr.arpa"),
      ("2.0.10.in-addr.arpa", RecordType.ptr, 0, "2.0.10.in-addr.arpa"),
      (
        "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.e.f.ip6.arpa", RecordType.ptr, 3,
        "0.0.0.0.0.0.0.0.0.0.0.0.0.c.e.f.ip6.arpa"
      ),
      ("0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.e.f.ip6.arpa", RecordType.ptr, 0, "0.0.0.0.0.0.0.0.0.0.0.0.0.c.e.f.ip6.arpa"),
    ] as [(String, UInt16, UInt16, String)])
  func `what is not there is said to be not there, with the zone's SOA`(
    name: String, type: UInt16, code: UInt16, zone: String
  ) throws {
    try withLab(Self.options) { lab in
      try lab.apply(.setResolvers([.upstream]))
      let query = PlainDNS.query(7, name, type)
      lab.ask(query)
      let answers = try lab.takeAnswers()
      #expect(answers == [Self.answer(query, code: code, zone: zone)])
      #expect(lab.sentDatagrams.isEmpty)
    }
  }

  @Test(
    arguments: [
      ("2.2.0.10.in-addr.arpa", [gateway, host]), ("40.2.0.10.IN-ADDR.ARPA", ["printer.lan.example"]),
      ("7.2.0.192.in-addr.arpa", ["db.example.com"]),
      (
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", ["db.example.com"]
      ),
      (
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.e.F.ip6.arpa", [gateway, host]
      ),
    ] as [(String, [String])])
  func `each of the addresses has its name (RFC 1035 section 3.5, RFC 3596 section 2.5)`(
    name: String, names: [String]
  ) throws {
    try withLab(Self.options) { lab in
      try lab.apply(.setResolvers([.upstream]))
      let query = PlainDNS.query(7, name, RecordType.ptr)
      lab.ask(query)
      let answers = try lab.takeAnswers()
      #expect(answers == [Self.answer(query, names: names)])
    }
  }

  @Test(arguments: [
    "example.com", "culvert.internal.example", "xculvert.internal", "internal", "a.db.example.com", "com", "",
    "1.3.0.10.in-addr.arpa", "0.10.in-addr.arpa", "in-addr.arpa", "9.2.0.192.in-addr.arpa", "f.ip6.arpa",
  ])
  func `every other name is asked outside`(name: String) throws {
    try withLab(Self.options) { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(.query(7, name, RecordType.ptr))
      #expect(lab.upstreamQueries.count == 1)
    }
  }

  @Test func `a known name in another class is another name`() throws {
    try withLab(Self.options) { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(PlainDNS(7, .init(Self.gateway, RecordType.txt, recordClass: 3)))
      #expect(lab.upstreamQueries.count == 1)
    }
  }

  @Test(arguments: ["vm", "VM.lan.example"])
  func `a guest's name is that of the address it has leased`(name: String) throws {
    try withLab(Self.options) { lab in
      lab.guest.sendDHCP(type: 1)
      lab.settle()
      lab.guest.sendDHCP(type: 3, options: [50, 4, 10, 0, 2, 15])
      lab.settle()
      lab.guest.clearInbox()
      let query = PlainDNS.query(7, name)
      lab.ask(query)
      let answers = try lab.takeAnswers()
      #expect(answers == [Self.answer(query, [IPAddress(IPv4Address(10, 0, 2, 15))])])
      let reverse = PlainDNS.query(8, "15.2.0.10.in-addr.arpa", RecordType.ptr)
      lab.ask(reverse)
      let names = try lab.takeAnswers()
      #expect(names == [Self.answer(reverse, names: ["vm.lan.example"])])
    }
  }

  @Test(arguments: [("vm", "vm.lan.example", nil), ("printer", "printer.lan.example", stationOfLease)])
  func `a guest's name is that of the address it has leased by DHCPv6, too`(
    name: String, wholeName: String, station: MACAddress?
  ) throws {
    try withLab(Self.options) { lab in
      if let station { lab.guest.mac = station }
      let solicit = DHCPv6ClientMessage(
        type: .solicit, client: lab.guest.mac, associations: [DHCPv6Bench.addresses(7)], wantsRapidCommit: true)
      let datagram = PlainUDP(sourcePort: 546, destinationPort: 547, payload: solicit.bytes)
      lab.guest.send(
        .udp(datagram), from: IPAddress(lab.guest.ipv6LinkLocal), to: IPAddress(IPv6Address.allDHCPServers))
      lab.settle()
      lab.guest.clearInbox()
      let query = PlainDNS.query(7, name, RecordType.aaaa)
      lab.ask(query, over: .ipv6)
      let answers = try lab.takeAnswers()
      #expect(answers == [Self.answer(query, [IPAddress(addressV6(0x15))])])
      let reverse = PlainDNS.query(
        8, "5.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.e.f.ip6.arpa", RecordType.ptr)
      lab.ask(reverse, over: .ipv6)
      let names = try lab.takeAnswers()
      #expect(names == [Self.answer(reverse, names: [wholeName])])
    }
  }

  @Test func `names may be replaced while the network runs`() throws {
    try withLab(Self.options) { lab in
      let other = LocalName(name: "cache.example.com", address: IPAddress(IPv4Address(192, 0, 2, 9)))
      try lab.apply(.setLocalNames([other, LocalName(name: "not..a.name", address: other.address)]))
      lab.ask(.query(7, "cache.example.com"))
      lab.ask(.query(8, "db.example.com"))
      lab.ask(.query(9, Self.gateway))
      let answers = try lab.takeAnswers()
      #expect(
        answers == [
          Self.answer(.query(7, "cache.example.com"), [other.address]),
          PlainDNS.query(8, "db.example.com").answer(code: 2),
          Self.answer(.query(9, Self.gateway), [Self.gatewayV4]),
        ])
    }
  }

  @Test func `where the host's loopback is not to be reached the host has no name`() throws {
    var options = Self.options
    options.settings.allowsHostLoopback = false
    try withLab(options) { lab in
      lab.ask(.query(7, Self.host))
      lab.ask(.query(8, Self.gateway))
      let names = [Self.gatewayV4]
      let answers = try lab.takeAnswers()
      #expect(
        answers == [
          Self.answer(.query(7, Self.host), code: 3, zone: "culvert.internal"),
          Self.answer(.query(8, Self.gateway), names),
        ])
    }
  }

  @Test func `a restricted network answers for its names, and refuses all others (RFC 1035 section 4.1.1)`() throws {
    var options = Self.options
    options.settings.isRestricted = true
    try withLab(options) { lab in
      try lab.apply(.setResolvers([.upstream]))
      lab.ask(.query(7, Self.gateway))
      lab.ask(.query(8))
      let answers = try lab.takeAnswers()
      #expect(
        answers == [
          Self.answer(.query(7, Self.gateway), [Self.gatewayV4]), PlainDNS.query(8).answer(code: 5),
        ])
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test func `EDNS is answered with EDNS, DO as it was, another version with BADVERS (RFC 6891 section 6.1.3)`() throws
  {
    try withLab(Self.options) { lab in
      let query = PlainDNS.query(7, Self.gateway)
      lab.ask(query.with(.edns(1232, flags: 0x8000)))
      lab.ask(query.with(.edns(1232, flags: 0x0001_0000)))
      let answers = try lab.takeAnswers()
      #expect(
        answers == [
          Self.answer(query, [Self.gatewayV4]).with(.edns(4094, flags: 0x8000)),
          query.answer().with(.edns(4094, flags: 0x0100_0000)),
        ])
    }
  }

  @Test func `records that do not fit are left out, and TC says so (RFC 2181 section 9)`() throws {
    var options = Lab.Options()
    options.settings.localNames = (0..<60).map {
      LocalName(name: "many.example", address: IPAddress(IPv4Address(192, 0, 2, $0)))
    }
    try withLab(options) { lab in
      let query = PlainDNS.query(7, "many.example")
      lab.ask(query)
      let short = try #require(try lab.takeAnswers().first)
      // 512 bytes less 30 of header and question, by 16.
      #expect(short.answers.count == 30 && short.flags & 0x0200 != 0)
      lab.ask(query.with(.edns(1232)))
      let whole = try #require(try lab.takeAnswers().first)
      #expect(whole.answers.count == 60 && whole.flags & 0x0200 == 0)
    }
  }
}
