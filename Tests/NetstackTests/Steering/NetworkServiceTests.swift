import Netstack
import Primitives
import Simulation
import Testing

/// What a network has but once, where several loops serve it.
@Suite struct NetworkServiceTests {
  @Test func `an address is answered for once`() {
    withLoops { lab in
      for number in 1...20 {
        lab.guest.requestARP(for: IPv4Address(10, 0, 2, 2))
        lab.guest.solicit(.gateway)
        lab.settle()
        #expect(lab.guest.arpMessages.count { $0.operation == 2 } == number)
        #expect(lab.guest.discovery.count { $0.message.type == 136 } == number)
      }
    }
  }

  /// A loop that has a forward's client must not ask for a guest of whom another loop has heard.
  @Test(arguments: families)
  func `all loops learn where a guest is`(family: IPAddress.Family) {
    withLoops { lab in
      switch family {
      case .ipv4: lab.guest.requestARP(for: IPv4Address(10, 0, 2, 2))
      case .ipv6: lab.guest.solicit(.gateway)
      }
      lab.settle()
      for loop in lab.loops {
        let stations = lab[stack: loop].observer.stations
        #expect(stations.map(\.address) == [lab.guest.address(in: family)])
        #expect(stations.map(\.hardware) == [lab.guest.mac])
      }
    }
  }

  @Test func `one router is advertised`() {
    withLoops { lab in
      lab.advance(by: .seconds(17))
      let atFirst = lab.guest.discovery.count { $0.message.type == 134 }
      #expect(atFirst == 1)
      for number in 1...10 {
        lab.guest.send(PlainDiscovery(type: 133), to: .everyRouter)
        lab.settle()
        #expect(lab.guest.discovery.count { $0.message.type == 134 } == atFirst + number)
      }
    }
  }

  @Test func `one server leases`() {
    withLoops { lab in
      for number in 1...10 as ClosedRange<UInt32> {
        lab.guest.sendDHCP(type: 1, transaction: number)
        lab.guest.sendDHCP(type: 3, transaction: number, options: [50, 4, 10, 0, 2, 15])
        lab.settle()
        #expect(lab.guest.datagrams.count { $0.sourcePort == 67 } == 2 * Int(number))
      }
      #expect(lab.loops.map { lab[stack: $0].leases(at: lab.now).count } == [1, 0, 0])
    }
  }

  @Test(arguments: families)
  func `one resolver asks`(family: IPAddress.Family) throws {
    try withLoops { lab in
      try lab.apply(.setResolvers([.upstream]))
      for number in 1...10 as ClosedRange<UInt16> {
        lab.ask(.query(number, "host\(number).example.com"), from: 5000 + number, over: family)
        #expect(lab[host: 0].sentDatagrams.count == Int(number))
        try lab.serverAnswers(
          Int(number) - 1, PlainDNS.query(number, "host\(number).example.com").answer(IPv4Address(198, 51, 100, 7)))
      }
      let answers = try lab.takeAnswers()
      #expect(answers.count == 10)
      #expect(lab.sentDatagrams.count == 10)
      // Over TCP as well.
      lab.host.services[.upstream] = RemoteService()
      for number in 0..<6 {
        let (connection, query) = (lab.connectToResolver(family), PlainDNS.query(UInt16(number)))
        connection.write(query.framed)
        lab.settle()
        try lab.streamServerAnswers(number, query.answer(.any))
        let answers = try connection.answers()
        #expect(answers == [query.answer(.any)])
      }
    }
  }

  /// A transfer has ports of its own at both ends: those of the guest's end say whose it is.
  @Test(arguments: families)
  func `files come whole`(family: IPAddress.Family) {
    var settings = NetworkSettings()
    settings.servesFiles = true
    withLoops(settings) { lab in
      lab.setWorld { $0.files["boot"] = SimulatedFile(pattern(100_000)) }
      let downloads = (0..<6).map { number in
        var plan = TFTPDownload.Plan()
        plan.options = number % 2 == 0 ? [] : ["blksize", "1428", "windowsize", "8"]
        return TFTPDownload("boot", plan, on: lab, over: family, port: 2000 + UInt16(number))
      }
      lab.run(for: .seconds(30)) { downloads.allSatisfy { $0.outcome == .complete } }
      #expect(downloads.allSatisfy { $0.content == pattern(100_000) && $0.requestCount == 1 })
      #expect(lab.handedOverCount > 0)
    }
  }
}
