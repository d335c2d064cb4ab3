import Primitives
import Testing
import Wire

@testable import Netstack

private let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
private let other = DHCPBench.client(1)
private let gateway = DHCPBench.gateway

@Suite struct DHCPLeaseTests {
  @Test func `a DISCOVER is offered 10.0.2.15, by these bytes`() throws {
    var bench = DHCPBench()
    let offer = try bench.send(ClientMessage(type: .discover, client: guest))
    let fixed: [UInt8] =
      [2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0] + [0, 0, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2, 0, 0, 0, 0]
      + [0x52, 0x54, 0, 0x12, 0x34, 0x56] + [UInt8](repeating: 0, count: 202) + [0x63, 0x82, 0x53, 0x63]
    let options: [UInt8] =
      [53, 1, 2, 54, 4, 10, 0, 2, 2, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 2, 2, 6, 4, 10, 0, 2, 3]
      + [51, 4, 0x00, 0x01, 0x51, 0x80, 58, 4, 0x00, 0x00, 0xa8, 0xc0, 59, 4, 0x00, 0x01, 0x27, 0x50]
      + [26, 2, 0xff, 0xf0, 255]
    let padding = [UInt8](repeating: 0, count: 300 - fixed.count - options.count)
    #expect(offer.bytes == fixed + options + padding)
    #expect(
      offer.reply
        == DHCPServer.Reply(
          byteCount: 300, type: .offer, destination: address(15), hardware: guest, lease: nil))
    #expect(!bench.server.isLeased(address(15), at: bench.now))
  }

  @Test func `a REQUEST for the offer is granted for a day`() throws {
    var bench = DHCPBench()
    _ = try bench.send(ClientMessage(type: .discover, client: guest))
    let ack = try bench.send(
      ClientMessage(type: .request, client: guest, requested: address(15), server: gateway, hostname: "vm"))
    let lease = DHCPLease(address: leased(15), hardware: guest, hostname: "vm", expiry: bench.now + .seconds(86_400))
    #expect(
      ack.reply
        == DHCPServer.Reply(
          byteCount: 300, type: .ack, destination: address(15), hardware: guest, lease: lease))
    #expect(ack.codes == [53, 54, 1, 3, 6, 51, 58, 59, 26])
    #expect(bench.server.leases(at: bench.now) == [lease])
    #expect(bench.server.isLeased(address(15), at: bench.now))
    #expect(!bench.server.isLeased(address(16), at: bench.now))
    #expect(!bench.server.isLeased(address(2), at: bench.now))
  }

  @Test func `sixteen clients get .15 to .30, and the next gets silence`() throws {
    var bench = DHCPBench()
    for number in 0..<16 { #expect(try bench.lease(DHCPBench.client(number)) == address(UInt8(15 + number))) }
    let late = ClientMessage(type: .discover, client: DHCPBench.client(16))
    #expect(try bench.sendInVain(late) == .exhausted)
    #expect(try bench.sendInVain(ClientMessage(client: DHCPBench.client(16))) == .exhausted)
    #expect(bench.server.leases(at: bench.now).map(\.address) == (15...30).map(leased))
  }

  @Test func `firmware and system on one interface get one address`() throws {
    var bench = DHCPBench()
    var message = ClientMessage(type: .discover, client: guest)
    for identifier in [[1, 0x52, 0x54, 0, 0x12, 0x34, 0x56], [255, 0, 0, 0, 1, 0, 1], [0, 7]] as [[UInt8]] {
      message.clientIdentifier = identifier
      #expect(try bench.send(message).header.yiaddr == address(15))
    }
  }

  @Test func `option 50 is honoured when free`() throws {
    var bench = DHCPBench()
    #expect(try bench.lease(guest, asking: address(20)) == address(20))
    // Taken; not one of ours; nobody's.
    #expect(try bench.lease(DHCPBench.client(1), asking: address(20)) == address(15))
    #expect(try bench.lease(DHCPBench.client(2), asking: address(2)) == address(16))
    #expect(try bench.lease(DHCPBench.client(3), asking: IPv4Address(192, 168, 1, 5)) == address(17))
  }

  @Test func `a client's own address comes before option 50`() throws {
    var bench = DHCPBench()
    try bench.lease(guest)
    #expect(try bench.lease(guest, asking: address(20)) == address(15))
    // Also where the lease has ended, if nobody else has it.
    bench.now = bench.now + .seconds(86_401)
    #expect(try bench.lease(guest, asking: address(20)) == address(15))
    #expect(bench.server.leases(at: bench.now).count == 1)
  }

  @Test func `a renewal and a rebinding extend the lease, and the answer goes to ciaddr`() throws {
    for isBroadcast in [false, true] {
      var bench = DHCPBench()
      try bench.lease(guest)
      bench.now = bench.now + .seconds(43_200)
      let ack = try bench.send(
        ClientMessage(type: .request, client: guest, isBroadcast: isBroadcast, ciaddr: address(15)))
      #expect(ack.reply.type == .ack)
      #expect((ack.header.ciaddr, ack.header.yiaddr) == (address(15), address(15)))
      #expect((ack.reply.destination, ack.reply.hardware) == (address(15), guest))
      #expect(bench.server.leases(at: bench.now).map(\.expiry) == [bench.now + .seconds(86_400)])
    }
  }

  @Test func `a renewal after the server was restarted is granted, so the guest keeps its address`() throws {
    var bench = DHCPBench()
    let ack = try bench.send(ClientMessage(type: .request, client: guest, ciaddr: address(22)))
    #expect(ack.reply.type == .ack)
    #expect(ack.reply.lease?.address == leased(22))
    #expect(try bench.lease(guest) == address(22))
  }

  @Test func `INIT-REBOOT keeps the client's address, or any that is free`() throws {
    var bench = DHCPBench()
    try bench.lease(guest)
    let known = try bench.send(ClientMessage(type: .request, client: guest, requested: address(15)))
    #expect((known.reply.type, known.reply.lease?.address) == (.ack, leased(15)))
    let unknown = try bench.send(ClientMessage(type: .request, client: other, requested: address(18)))
    #expect((unknown.reply.type, unknown.reply.lease?.address) == (.ack, leased(18)))
  }

  @Test func `INIT-REBOOT after an offer ends the offer`() throws {
    var bench = DHCPBench()
    _ = try bench.send(ClientMessage(type: .discover, client: guest))
    let ack = try bench.send(ClientMessage(type: .request, client: guest, requested: address(18)))
    #expect((ack.reply.type, ack.reply.lease?.address) == (.ack, leased(18)))
    #expect(try bench.lease(other) == address(15))
    #expect(try bench.lease(guest) == address(18))
  }

  @Test(arguments: [
    (IPv4Address(192, 168, 1, 10), "another network"), (address(99), "not one of ours"), (address(2), "the gateway"),
    (address(16), "another client's"), (address(17), "not this client's"), (address(255), "broadcast"),
  ])
  func `a REQUEST for an address that the client cannot have is refused`(_ wanted: IPv4Address, _ why: String) throws {
    var bench = DHCPBench()
    try bench.lease(guest)
    try bench.lease(other)
    let initReboot = ClientMessage(type: .request, client: guest, requested: wanted)
    let selecting = ClientMessage(type: .request, client: guest, requested: wanted, server: gateway)
    let renewing = ClientMessage(type: .request, client: guest, ciaddr: wanted)
    for message in [initReboot, selecting, renewing] {
      let nak = try bench.send(message)
      #expect(nak.reply.type == .nak, "\(why)")
      #expect(nak.header == DHCPHeader(operation: .reply, xid: 0xdead_beef, clientHardware: guest))
      #expect(nak.codes == [53, 54, 56])
      #expect((nak.reply.destination, nak.reply.hardware) == (.broadcast, .broadcast))
      #expect(nak.reply.lease == nil)
    }
    #expect(bench.server.leases(at: bench.now).map(\.address) == [leased(15), leased(16)])
  }

  @Test func `a NAK has these bytes behind the cookie`() throws {
    var bench = DHCPBench()
    let nak = try bench.send(ClientMessage(type: .request, client: guest, requested: address(99)))
    #expect(Array(nak.bytes[240..<251]) == [53, 1, 6, 54, 4, 10, 0, 2, 2, 56, 31])
    #expect(String(decoding: nak.bytes[251..<282], as: UTF8.self) == "requested address not available")
    #expect(Array(nak.bytes[282...]) == [255] + [UInt8](repeating: 0, count: 17))
  }

  @Test func `a REQUEST that names another server is left alone, and our offer is free again`() throws {
    var bench = DHCPBench()
    _ = try bench.send(ClientMessage(type: .discover, client: guest))
    let elsewhere = ClientMessage(type: .request, client: guest, requested: address(15), server: address(9))
    #expect(try bench.sendInVain(elsewhere) == .forAnotherServer)
    #expect(try bench.lease(other) == address(15))
    // A lease is no offer: it stays.
    let again = ClientMessage(type: .request, client: other, requested: address(15), server: address(9))
    #expect(try bench.sendInVain(again) == .forAnotherServer)
    #expect(bench.server.isLeased(address(15), at: bench.now))
  }

  @Test func `a lease that was not renewed is given to others, the longest ended first`() throws {
    var bench = DHCPBench()
    for number in 0..<16 {
      try bench.lease(DHCPBench.client(number))
      bench.now = bench.now + .seconds(10)
    }
    let newcomer = DHCPBench.client(99)
    bench.now = bench.now + .seconds(86_400 - 161)
    #expect(try bench.sendInVain(ClientMessage(type: .discover, client: newcomer)) == .exhausted)
    bench.now = bench.now + .seconds(12)
    #expect(!bench.server.isLeased(address(15), at: bench.now))
    #expect(try bench.lease(newcomer) == address(15))
    #expect(bench.server.leases(at: bench.now).count == 15)
  }
}

@Suite struct DHCPPoolTests {
  @Test func `a flood of clients that never accept locks the pool for a minute only`() throws {
    var bench = DHCPBench()
    for number in 0..<1000 {
      let (silence, answer) = try bench.exchange(
        ClientMessage(type: .discover, client: DHCPBench.client(number)).bytes(), from: DHCPBench.client(number))
      #expect((answer != nil) == (number < 16))
      #expect((silence == .exhausted) == (number >= 16))
    }
    bench.now = bench.now + .seconds(59)
    #expect(try bench.sendInVain(ClientMessage(type: .discover, client: guest)) == .exhausted)
    bench.now = bench.now + .seconds(1)
    #expect(try bench.lease(guest) == address(15))
  }

  @Test func `leases are safe from a flood, and their owners are served through it`() throws {
    var bench = DHCPBench()
    try bench.lease(guest)
    for number in 0..<1000 {
      _ = try bench.exchange(
        ClientMessage(type: .discover, client: DHCPBench.client(number)).bytes(), from: DHCPBench.client(number))
      bench.now = bench.now + .seconds(1)
    }
    #expect(bench.server.isLeased(address(15), at: bench.now))
    #expect(try bench.send(ClientMessage(type: .request, client: guest, ciaddr: address(15))).reply.type == .ack)
    #expect(try bench.lease(guest) == address(15))
  }

  @Test func `a repeated DISCOVER gets the same offer, held for a further minute`() throws {
    var bench = DHCPBench()
    for _ in 0..<3 {
      #expect(try bench.send(ClientMessage(type: .discover, client: guest)).header.yiaddr == address(15))
      bench.now = bench.now + .seconds(40)
    }
    #expect(try bench.lease(other) == address(16))
  }

  @Test func `a REQUEST that comes after the offer ran out is granted if nobody took the address`() throws {
    var bench = DHCPBench()
    _ = try bench.send(ClientMessage(type: .discover, client: guest))
    bench.now = bench.now + .seconds(61)
    let accept = ClientMessage(type: .request, client: guest, requested: address(15), server: gateway)
    #expect(try bench.send(accept).reply.type == .ack)
    var unlucky = DHCPBench()
    _ = try unlucky.send(ClientMessage(type: .discover, client: guest))
    unlucky.now = unlucky.now + .seconds(61)
    #expect(try unlucky.lease(other) == address(15))
    #expect(try unlucky.send(accept).reply.type == .nak)
  }

  @Test func `a DISCOVER of a client with a lease does not shorten it`() throws {
    var bench = DHCPBench()
    try bench.lease(guest)
    _ = try bench.send(ClientMessage(type: .discover, client: guest))
    bench.now = bench.now + .seconds(3600)
    #expect(bench.server.isLeased(address(15), at: bench.now))
  }

  @Test func `a released address comes last for others, and first for its owner`() throws {
    var bench = DHCPBench()
    try bench.lease(guest)
    let release = ClientMessage(type: .release, client: guest, ciaddr: address(15), server: gateway)
    #expect(try bench.sendInVain(release) == .released(address(15)))
    #expect(bench.server.leases(at: bench.now).isEmpty)
    #expect(try bench.sendInVain(release) == .notHeld)
    #expect(try bench.lease(other) == address(16))
    #expect(try bench.lease(guest) == address(15))
  }

  @Test func `nobody releases or declines another's address`() throws {
    var bench = DHCPBench()
    try bench.lease(guest)
    let forged = ClientMessage(type: .release, client: guest, source: other, ciaddr: address(15), server: gateway)
    let foreign = ClientMessage(type: .release, client: other, ciaddr: address(15), server: gateway)
    let slander = ClientMessage(type: .decline, client: other, requested: address(15), server: gateway)
    // The frame's source is the holder, the client that is named another.
    let borrowed = ClientMessage(type: .release, client: other, source: guest, ciaddr: address(15), server: gateway)
    for message in [forged, foreign, slander, borrowed] { #expect(try bench.sendInVain(message) == .notHeld) }
    let elsewhere = ClientMessage(type: .release, client: guest, ciaddr: address(15), server: address(9))
    #expect(try bench.sendInVain(elsewhere) == .forAnotherServer)
    #expect(bench.server.isLeased(address(15), at: bench.now))
  }

  @Test func `a declined address is held back for ten minutes`() throws {
    var bench = DHCPBench { $0.ipv4LeaseCount = 2 }
    try bench.lease(guest)
    let decline = ClientMessage(type: .decline, client: guest, requested: address(15), server: gateway)
    #expect(try bench.sendInVain(decline) == .declined(address(15)))
    #expect(!bench.server.isLeased(address(15), at: bench.now))
    #expect(try bench.lease(guest) == address(16))
    let late = ClientMessage(type: .discover, client: other, requested: address(15))
    #expect(try bench.sendInVain(late) == .exhausted)
    let rebooting = ClientMessage(type: .request, client: other, requested: address(15))
    #expect(try bench.send(rebooting).reply.type == .nak)
    bench.now = bench.now + .seconds(600)
    #expect(try bench.lease(other) == address(15))
  }

  @Test func `gateway, resolver, network and broadcast are never given out`() throws {
    var bench = DHCPBench {
      $0.ipv4Prefix = IPv4Prefix(containing: address(0), length: 29)
      $0.ipv4FirstLease = address(0)
    }
    let given = try [0, 1, 2, 3].map { try bench.lease(DHCPBench.client($0)) }
    #expect(given == [address(1), address(4), address(5), address(6)])
    #expect(try bench.sendInVain(ClientMessage(type: .discover, client: guest)) == .exhausted)
  }

  @Test func `a network at the end of all addresses has an end`() throws {
    var bench = DHCPBench {
      $0.ipv4Prefix = IPv4Prefix(containing: .broadcast, length: 31)
      $0.ipv4FirstLease = IPv4Address(bits: 0xffff_fffe)
    }
    #expect(try bench.lease(guest) == IPv4Address(bits: 0xffff_fffe))
  }

  @Test func `an empty pool is silent`() throws {
    var bench = DHCPBench { $0.ipv4LeaseCount = 0 }
    #expect(try bench.sendInVain(ClientMessage(type: .discover, client: guest)) == .exhausted)
    #expect(bench.server.leases(at: bench.now).isEmpty)
  }

  @Test func `whatever clients say, one has one address and an address one client`() throws {
    var bench = DHCPBench { $0.ipv4LeaseCount = 4 }
    var random = SeededGenerator(seed: 3)
    let types: [DHCPMessageType?] = [
      .discover, .discover, .request, .request, .request, .decline, .release, .inform, nil,
    ]
    for _ in 0..<20_000 {
      let addresses = [.any, address(15), address(16), address(17), address(18), address(19)] as [IPv4Address]
      let pick = { (random: inout SeededGenerator) in addresses[Int.random(in: 0..<addresses.count, using: &random)] }
      var message = ClientMessage(
        type: types[Int.random(in: 0..<types.count, using: &random)],
        client: DHCPBench.client(Int.random(in: 0..<8, using: &random)))
      if Bool.random(using: &random) { message.requested = pick(&random) }
      if Bool.random(using: &random) { message.ciaddr = pick(&random) }
      if Bool.random(using: &random) { message.server = Bool.random(using: &random) ? gateway : address(9) }
      let before = bench.server.leases(at: bench.now)
      let answer = try bench.exchange(message.bytes(), from: message.client).message
      let leases = bench.server.leases(at: bench.now)
      #expect(Set(leases.map(\.hardware)).count == leases.count)
      // No lease of another client's is changed by it.
      #expect(before.filter { $0.hardware != message.client } == leases.filter { $0.hardware != message.client })
      if let lease = answer?.reply.lease { #expect(leases.contains(lease)) }
      bench.now = bench.now + .seconds(Int64.random(in: 0...[1, 100, 50_000][Int.random(in: 0...2, using: &random)]))
    }
  }
}

@Suite struct DHCPMessageTests {
  @Test(arguments: [
    (DHCPMessageType.discover, false, IPv4Address.any, address(15), false),
    (.discover, true, .any, .broadcast, true),
    (.request, false, .any, address(15), false),
    (.request, true, .any, .broadcast, true),
    (.request, true, address(15), address(15), false),
    (.inform, true, address(77), address(77), false),
  ])
  func `a reply goes where RFC 2131 section 4.1 says`(
    _ type: DHCPMessageType, _ isBroadcast: Bool, _ ciaddr: IPv4Address, _ destination: IPv4Address, _ toAll: Bool
  ) throws {
    var bench = DHCPBench()
    let answer = try bench.send(
      ClientMessage(
        type: type, client: guest, isBroadcast: isBroadcast, ciaddr: ciaddr,
        requested: type == .request && ciaddr == .any ? address(15) : nil))
    #expect(answer.reply.destination == destination)
    #expect(answer.reply.hardware == (toAll ? .broadcast : guest))
    #expect(answer.header.isBroadcast == isBroadcast)
  }

  @Test func `an OFFER is never sent to an unchecked ciaddr`() throws {
    var bench = DHCPBench()
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, ciaddr: IPv4Address(8, 8, 8, 8)))
    #expect((offer.reply.destination, offer.header.ciaddr) == (address(15), .any))
  }

  @Test func `INFORM is told all but an address and times`() throws {
    var bench = DHCPBench()
    let ack = try bench.send(ClientMessage(type: .inform, client: guest, ciaddr: address(77)))
    #expect(ack.reply.type == .ack)
    #expect((ack.header.ciaddr, ack.header.yiaddr) == (address(77), .any))
    #expect(ack.codes == [53, 54, 1, 3, 6, 26])
    #expect(bench.server.leases(at: bench.now).isEmpty)
    for ciaddr in [IPv4Address.any, IPv4Address(8, 8, 8, 8)] {
      #expect(try bench.sendInVain(ClientMessage(type: .inform, client: guest, ciaddr: ciaddr)) == .malformed)
    }
  }

  @Test func `a BOOTP client gets an address, without DHCP's own options`() throws {
    var bench = DHCPBench()
    let reply = try bench.send(ClientMessage(client: guest))
    #expect((reply.header.yiaddr, reply.header.siaddr) == (address(15), gateway))
    #expect(reply.codes == [1, 3, 6, 26])
    #expect(reply.bytes.count == 300)
    #expect(reply.reply.type == nil)
    #expect(reply.reply.lease?.address == leased(15))
    #expect(try bench.lease(guest) == address(15))
    let known = try bench.send(ClientMessage(client: guest, ciaddr: address(15)))
    #expect((known.header.yiaddr, known.reply.destination) == (.any, address(15)))
  }

  @Test func `a BOOTP client without magic cookie is told no options`() throws {
    var bench = DHCPBench()
    var bytes = try ClientMessage(client: guest).bytes()
    bytes[236] = 0
    let reply = try #require(try bench.exchange(bytes, from: guest).message)
    #expect(reply.codes.isEmpty)
    #expect(reply.header.yiaddr == address(15))
  }

  @Test func `name, domain and search list follow where they are set`() throws {
    var bench = DHCPBench {
      $0.hostname = "vm"
      $0.domainName = "example.org"
      $0.searchDomains = ["a.test", "b.test"]
      $0.mtu = 1500
    }
    let offer = try bench.send(ClientMessage(type: .discover, client: guest))
    #expect(offer.codes == [53, 54, 1, 3, 6, 51, 58, 59, 26, 12, 15, 119])
    #expect(try offer.value(.hostname) == Array("vm".utf8))
    #expect(try offer.value(.domainName) == Array("example.org".utf8))
    // libslirp's answer for the same two domains.
    #expect(try offer.value(.domainSearch) == [1, 0x61, 4, 0x74, 0x65, 0x73, 0x74, 0, 1, 0x62, 0xc0, 2])
    #expect(try offer.value(.interfaceMTU) == [0x05, 0xdc])
  }

  @Test func `a message is as long as the client takes, and leaves out what has no room`() throws {
    var bench = DHCPBench {
      $0.searchDomains = (0..<8).map {
        String(repeating: Character(UnicodeScalar(97 + UInt8($0))), count: 60) + ".test"
      }
    }
    let usual = try bench.send(ClientMessage(type: .discover, client: guest))
    #expect(usual.bytes.count <= 548)
    #expect(!usual.codes.contains(119))
    let long = try bench.send(ClientMessage(type: .discover, client: guest, maximumSize: 1500))
    #expect(long.codes.filter { $0 == 119 }.count == 2)
    #expect(try long.value(.domainSearch)?.count == 67 + 7 * 63)
    // Less than every client must take counts as that.
    let small = try bench.send(ClientMessage(type: .discover, client: guest, maximumSize: 100))
    #expect(small.bytes == usual.bytes)
    // More than there is room for counts as the room.
    let huge = try bench.send(ClientMessage(type: .discover, client: guest, maximumSize: 65_535))
    #expect(huge.bytes == long.bytes)
  }

  @Test func `what is no client's message is ignored`() throws {
    var bench = DHCPBench()
    for type in [2, 5, 6, 9, 13, 0, 255] as [UInt8] {
      let message = ClientMessage(type: DHCPMessageType(rawValue: type), client: guest)
      #expect(try bench.sendInVain(message) == .unknownType)
    }
    #expect(try bench.sendInVain(ClientMessage(type: .discover, client: guest, giaddr: address(9))) == .relayed)
    #expect(try bench.sendInVain(ClientMessage(type: .request, client: guest)) == .malformed)
    for client in [MACAddress.broadcast, MACAddress(bits: 0), MACAddress(1, 0, 0x5e, 0, 0, 1)] {
      #expect(try bench.sendInVain(ClientMessage(type: .discover, client: client)) == .malformed)
    }
    var reply = try ClientMessage(type: .discover, client: guest).bytes()
    reply[0] = 2
    #expect(try bench.exchange(reply, from: guest).silence == .malformed)
    #expect(bench.server.leases(at: bench.now).isEmpty)
  }

  @Test func `any bytes are answered or not, without harm`() throws {
    var bench = DHCPBench()
    var random = SeededGenerator(seed: 5)
    let golden = try ClientMessage(type: .request, client: guest, requested: address(15), hostname: "vm").bytes()
    for count in 0...golden.count {
      guard let answer = try? bench.exchange(Array(golden[..<count]), from: guest) else {
        #expect(count < 236)
        continue
      }
      #expect(count >= 236)
      #expect((answer.message != nil) || (answer.silence != nil))
    }
    for _ in 0..<5000 {
      var bytes = golden
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: 3..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      _ = try bench.exchange(bytes, from: guest)
    }
  }
}
