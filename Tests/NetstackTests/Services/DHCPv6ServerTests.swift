import Primitives
import Testing
import Wire

@testable import Netstack

private let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
private let other = DHCPBench.client(1)
private let server = DHCPv6Bench.identifier
private typealias Message = DHCPv6ClientMessage

private func addresses(_ identifier: UInt32, _ addresses: IPv6Address...) -> DHCPv6Association {
  DHCPv6Bench.addresses(identifier, addresses)
}

/// Who gets which address, and for how long (RFC 8415 section 18.3).
@Suite struct DHCPv6LeaseTests {
  @Test func `a SOLICIT is advertised fec0::15 with the highest preference, by these bytes`() throws {
    var bench = DHCPv6Bench()
    let answer = try bench.send(
      Message(type: .solicit, client: guest, associations: [addresses(7)], asksFor: [.nameServers]))
    let header: [UInt8] = [2, 0xab, 0xcd, 0xef]
    let identifiers: [UInt8] =
      [0, 2, 0, 10, 0, 3, 0, 1, 0x52, 0x56, 0, 0, 0, 2] + [0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]
    // Half a day and four fifths of one, a day and a day.
    let association: [UInt8] =
      [0, 3, 0, 40, 0, 0, 0, 7, 0, 0, 0xa8, 0xc0, 0, 1, 0x0e, 0x00, 0, 5, 0, 24, 0xfe, 0xc0]
      + [UInt8](repeating: 0, count: 13) + [0x15, 0, 1, 0x51, 0x80, 0, 1, 0x51, 0x80]
    let resolver: [UInt8] = [0, 23, 0, 16, 0xfe, 0xc0] + [UInt8](repeating: 0, count: 13) + [3]
    #expect(answer.reply.bytes == header + identifiers + [0, 7, 0, 1, 255] + association + resolver)
    #expect(answer.reply.lease == nil)
    #expect(bench.server.leases(at: bench.now).isEmpty)
  }

  @Test func `a REQUEST for what was advertised is granted for a day`() throws {
    var bench = DHCPv6Bench()
    _ = try bench.send(Message(type: .solicit, client: guest, associations: [addresses(7)]))
    let request = Message(
      type: .request, client: guest, server: server, associations: [addresses(7, addressV6(0x15))],
      name: [1, 2] + Array("vm".utf8))
    let reply = try bench.send(request)
    let lease = DHCPLease(
      address: IPAddress(addressV6(0x15)), hardware: guest, hostname: "vm", expiry: bench.now + .seconds(86_400))
    #expect((reply.type, reply.reply.lease) == (.reply, lease))
    #expect(reply.associations.map(\.lifetimes) == [[86_400, 86_400]])
    #expect(reply.associations.map(\.times) == [[43_200, 69_120]])
    #expect(bench.server.leases(at: bench.now) == [lease])
  }

  @Test func `a REQUEST without a SOLICIT before it is granted as well`() throws {
    var bench = DHCPv6Bench()
    let request = Message(type: .request, client: guest, server: server, associations: [addresses(7)])
    #expect(try bench.send(request).associations.map(\.addresses) == [[addressV6(0x15)]])
  }

  @Test func `with rapid commit two messages are enough (section 18.3.1)`() throws {
    var bench = DHCPv6Bench()
    let solicit = Message(type: .solicit, client: guest, associations: [addresses(7)], wantsRapidCommit: true)
    let reply = try bench.send(solicit)
    #expect((reply.type, reply.data(14)) == (.reply, []))
    #expect(reply.reply.lease?.address == IPAddress(addressV6(0x15)))
    // In the answer to a REQUEST the option means nothing.
    let request = Message(
      type: .request, client: guest, server: server, associations: [addresses(7)], wantsRapidCommit: true)
    #expect(try bench.send(request).data(14) == nil)
  }

  @Test func `firmware and system on one interface get one address, whatever they call themselves`() throws {
    var bench = DHCPv6Bench()
    let duids: [[UInt8]] = [
      [0, 4] + [UInt8](repeating: 7, count: 16), [0, 1, 0, 1, 0x32, 0x9a, 0x1a, 0x3c, 2, 0, 0, 0, 0, 1],
      [0, 2, 0, 0, 0, 1],
    ]
    for (number, duid) in duids.enumerated() {
      let request = Message(
        type: .request, client: guest, duid: duid, server: server, associations: [addresses(UInt32(number))])
      #expect(try bench.send(request).associations.map(\.addresses) == [[addressV6(0x15)]])
    }
    // Two interfaces of one host say the same, and are two.
    let second = Message(
      type: .request, client: other, duid: duids[0], server: server, associations: [addresses(0)])
    #expect(try bench.send(second).associations.map(\.addresses) == [[addressV6(0x16)]])
  }

  @Test func `sixteen clients get ::15 to ::30, numbered as in IPv4, and the next is told that there is none`() throws {
    var bench = DHCPv6Bench()
    let expected: [UInt64] = [
      0x15, 0x16, 0x17, 0x18, 0x19, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x30,
    ]
    for (number, last) in expected.enumerated() {
      #expect(try bench.lease(DHCPBench.client(number)) == addressV6(last))
    }
    let late = DHCPBench.client(16)
    for wantsRapidCommit in [false, true] {
      let solicit = Message(
        type: .solicit, client: late, associations: [addresses(7)], wantsRapidCommit: wantsRapidCommit)
      let answer = try bench.send(solicit)
      #expect((answer.type, answer.reply.isExhausted) == (.advertise, true))
      #expect(answer.associations.map(\.status) == [.noAddressesAvailable])
    }
    let answer = try bench.send(Message(type: .request, client: late, server: server, associations: [addresses(7)]))
    #expect(answer.associations.map(\.status) == [.noAddressesAvailable])
    #expect((answer.reply.isExhausted, answer.reply.lease) == (true, nil))
    // A lease that was not renewed is given to others.
    bench.now = bench.now + .seconds(86_400)
    #expect(try bench.lease(late) == addressV6(0x15))
  }

  @Test func `an offer stands for a minute, and clients that never accept keep the pool no longer`() throws {
    var bench = DHCPv6Bench { $0.ipv6LeaseCount = 1 }
    for number in 0..<100 {
      let solicit = Message(type: .solicit, client: DHCPBench.client(number), associations: [addresses(7)])
      #expect(try bench.send(solicit).reply.isExhausted == (number > 0))
    }
    bench.now = bench.now + .seconds(60)
    #expect(try bench.lease(guest) == addressV6(0x15))
  }

  @Test func `the address that a client would like is its own when free`() throws {
    var bench = DHCPv6Bench()
    #expect(try bench.lease(guest, asking: addressV6(0x20)) == addressV6(0x20))
    // Taken; not given out; nobody's.
    #expect(try bench.lease(DHCPBench.client(1), asking: addressV6(0x20)) == addressV6(0x15))
    #expect(try bench.lease(DHCPBench.client(2), asking: addressV6(2)) == addressV6(0x16))
    #expect(try bench.lease(DHCPBench.client(3), asking: .outside) == addressV6(0x17))
  }

  @Test(
    arguments: [
      (64, [0x15, 0x16]), (120, [0x15, 0x16]), (124, [1, 4]), (126, [1]),
    ] as [(Int, [UInt64])])
  func `a network too small for these numbers gives out its lowest, but neither ::2 nor ::3`(
    length: Int, expected: [UInt64]
  ) throws {
    var bench = DHCPv6Bench { $0.ipv6Prefix = IPv6Prefix(containing: .gateway, length: length) }
    let given = try expected.indices.map { try bench.lease(DHCPBench.client($0)) }
    #expect(given == expected.map(addressV6))
    #expect(given.allSatisfy(bench.server.settings.ipv6Prefix.contains))
  }

  @Test func `gateway and resolver are never given out, wherever they are`() throws {
    var bench = DHCPv6Bench { ($0.ipv6Gateway, $0.ipv6Resolver) = (addressV6(0x15), addressV6(0x17)) }
    var given: [IPv6Address] = []
    for number in 0..<16 {
      let request = Message(
        type: .request, client: DHCPBench.client(number), server: bench.server.identifier, associations: [addresses(1)])
      guard case .reply(let reply) = try bench.exchange(request.bytes, from: request.client) else { continue }
      given += DHCPv6ServerMessage(reply).associations.flatMap(\.addresses)
    }
    #expect(given == ([0x16, 0x18, 0x19] + Array(0x20...0x29) + Array(0x30...0x32)).map(addressV6))
  }

  // MARK: Renewal

  @Test(arguments: [DHCPv6MessageType.renew, .rebind])
  func `a RENEW and a REBIND extend the lease (sections 18.3.4 and 18.3.5)`(type: DHCPv6MessageType) throws {
    var bench = DHCPv6Bench()
    try bench.lease(guest)
    bench.now = bench.now + .seconds(43_200)
    let reply = try bench.send(
      Message(
        type: type, client: guest, server: type == .renew ? server : nil,
        associations: [addresses(7, addressV6(0x15))]))
    #expect(reply.associations.map(\.lifetimes) == [[86_400, 86_400]])
    #expect(bench.server.leases(at: bench.now).map(\.expiry) == [bench.now + .seconds(86_400)])
  }

  @Test(arguments: [DHCPv6MessageType.renew, .rebind])
  func `a lease of which the server knows nothing is extended when the address is free`(type: DHCPv6MessageType) throws
  {
    var bench = DHCPv6Bench()
    let reply = try bench.send(
      Message(
        type: type, client: guest, server: type == .renew ? server : nil,
        associations: [addresses(7, addressV6(0x22))]))
    #expect(reply.reply.lease?.address == IPAddress(addressV6(0x22)))
    #expect(try bench.lease(guest) == addressV6(0x22))
  }

  @Test(arguments: [DHCPv6MessageType.renew, .rebind])
  func `addresses that a client cannot keep end at once, or are unknown`(type: DHCPv6MessageType) throws {
    var bench = DHCPv6Bench()
    try bench.lease(guest)
    try bench.lease(other)
    let (own, taken) = (addressV6(0x15), addressV6(0x16))
    let cases: [([IPv6Address], DHCPv6Status?, [UInt32])] = [
      // Another's; not given out; one that is free, beside the one it has: NoBinding (section 18.3.4).
      ([taken], .noBinding, []), ([addressV6(0x99)], .noBinding, []), ([addressV6(0x18)], .noBinding, []),
      // Of another link: lifetimes of zero.
      ([.outside], nil, [0, 0]),
      ([own, taken, .outside], nil, [86_400, 86_400, 0, 0, 0, 0]),
    ]
    for (held, status, lifetimes) in cases {
      let reply = try bench.send(
        Message(
          type: type, client: guest, server: type == .renew ? server : nil,
          associations: [DHCPv6Bench.addresses(7, held)]))
      #expect(reply.associations.map(\.status) == [status], "\(held)")
      #expect(reply.associations.map(\.lifetimes) == [lifetimes], "\(held)")
    }
    #expect(bench.server.leases(at: bench.now).map(\.address) == [IPAddress(own), IPAddress(taken)])
  }

  @Test func `a RENEW of an association without an address asks for one (section 18.2.4)`() throws {
    var bench = DHCPv6Bench()
    let renewal = Message(type: .renew, client: guest, server: server, associations: [addresses(7)])
    #expect(try bench.send(renewal).associations.map(\.addresses) == [[addressV6(0x15)]])
  }

  // MARK: Confirming

  @Test(
    arguments: [
      ([addressV6(0x15)], .success), ([addressV6(0x99), addressV6(0x15)], .success), ([.outside], .notOnLink),
      ([addressV6(0x15), .outside], .notOnLink),
    ] as [([IPv6Address], DHCPv6Status)])
  func `a CONFIRM is told whether its addresses fit the link (section 18.3.3)`(
    held: [IPv6Address], status: DHCPv6Status
  ) throws {
    var bench = DHCPv6Bench()
    let reply = try bench.send(
      Message(type: .confirm, client: guest, associations: [DHCPv6Bench.addresses(7, held)]))
    #expect((reply.type, reply.status) == (.reply, status))
    #expect(reply.codes == [2, 1, 13])
    #expect(bench.server.leases(at: bench.now).isEmpty)
  }

  @Test func `a CONFIRM of no address gets no answer (section 18.3.3)`() throws {
    var bench = DHCPv6Bench()
    #expect(try bench.sendInVain(Message(type: .confirm, client: guest)) == .nothingToConfirm)
    let empty = Message(type: .confirm, client: guest, associations: [addresses(7)])
    #expect(try bench.sendInVain(empty) == .nothingToConfirm)
  }

  @Test func `a REQUEST for an address of another link is told so (section 18.3.2)`() throws {
    var bench = DHCPv6Bench()
    let reply = try bench.send(
      Message(type: .request, client: guest, server: server, associations: [addresses(7, .outside)]))
    #expect(reply.associations.map(\.status) == [.notOnLink])
    #expect(reply.reply.lease == nil)
  }

  // MARK: Ending

  @Test func `a released address comes last for others, and first for its owner (section 18.3.7)`() throws {
    var bench = DHCPv6Bench()
    try bench.lease(guest)
    let release = Message(
      type: .release, client: guest, server: server, associations: [addresses(7, addressV6(0x15))])
    let reply = try bench.send(release)
    #expect((reply.codes, reply.status) == ([2, 1, 13], .success))
    #expect(bench.server.leases(at: bench.now).isEmpty)
    #expect(try bench.send(release).associations.map(\.status) == [.noBinding])
    #expect(try bench.lease(other) == addressV6(0x16))
    #expect(try bench.lease(guest) == addressV6(0x15))
  }

  @Test func `a declined address is held back for ten minutes (section 18.3.8)`() throws {
    var bench = DHCPv6Bench { $0.ipv6LeaseCount = 2 }
    try bench.lease(guest)
    let decline = Message(
      type: .decline, client: guest, server: server, associations: [addresses(7, addressV6(0x15))])
    #expect(try bench.send(decline).status == .success)
    #expect(try bench.lease(guest) == addressV6(0x16))
    let late = Message(type: .solicit, client: other, associations: [addresses(7, addressV6(0x15))])
    #expect(try bench.send(late).reply.isExhausted)
    bench.now = bench.now + .seconds(600)
    #expect(try bench.lease(other) == addressV6(0x15))
  }

  @Test(arguments: [DHCPv6MessageType.release, .decline])
  func `nobody gives up another's address`(type: DHCPv6MessageType) throws {
    var bench = DHCPv6Bench()
    try bench.lease(guest)
    try bench.lease(other)
    // The owner's DUID, from another station.
    let forged = Message(
      type: type, client: other, server: server, associations: [addresses(7, addressV6(0x15)), addresses(8)])
    let reply = try bench.send(forged)
    #expect(reply.status == .success)
    #expect(reply.associations.map(\.status) == [.noBinding, .noBinding])
    #expect(bench.server.leases(at: bench.now).count == 2)
  }

  // MARK: Several associations

  @Test(arguments: [DHCPv6MessageType.solicit, .request])
  func `one association gets the address; temporary ones, prefixes and a second one get none`(
    type: DHCPv6MessageType
  ) throws {
    var bench = DHCPv6Bench()
    let asked = [
      DHCPv6Association(.delegatedPrefixes, identifier: 1), DHCPv6Association(.temporaryAddresses, identifier: 2),
      addresses(3), addresses(4), addresses(3),
    ]
    let answer = try bench.send(
      Message(type: type, client: guest, server: type == .request ? server : nil, associations: asked))
    #expect(answer.associations.map(\.identifier) == [1, 2, 3, 4, 3])
    #expect(
      answer.associations.map(\.status) == [
        .noPrefixAvailable, .noAddressesAvailable, nil, .noAddressesAvailable, .noAddressesAvailable,
      ])
    #expect(answer.associations.flatMap(\.addresses) == [addressV6(0x15)])
  }

  @Test(arguments: [DHCPv6MessageType.renew, .release])
  func `nothing is known of temporary addresses and prefixes`(type: DHCPv6MessageType) throws {
    var bench = DHCPv6Bench()
    let asked = [
      DHCPv6Association(.delegatedPrefixes, identifier: 1), DHCPv6Association(.temporaryAddresses, identifier: 2),
    ]
    let reply = try bench.send(Message(type: type, client: guest, server: server, associations: asked))
    #expect(reply.associations.map(\.status) == [.noBinding, .noBinding])
  }

  @Test func `whatever clients say, one has one address and an address one client`() throws {
    var bench = DHCPv6Bench { $0.ipv6LeaseCount = 4 }
    var random = SeededGenerator(seed: 3)
    let types: [DHCPv6MessageType] = [.solicit, .request, .request, .confirm, .renew, .rebind, .release, .decline]
    for _ in 0..<10_000 {
      let type = types[Int.random(in: 0..<types.count, using: &random)]
      let hasServer = [.request, .renew, .release, .decline].contains(type)
      let client = DHCPBench.client(Int.random(in: 0..<8, using: &random))
      let associations = (0..<Int.random(in: 0...3, using: &random)).map { number in
        let held = (0..<Int.random(in: 0...2, using: &random)).map { _ in
          addressV6(UInt64.random(in: 0x14...0x19, using: &random))
        }
        return DHCPv6Bench.addresses(UInt32(number), held)
      }
      let message = Message(
        type: type, client: client, server: hasServer ? server : nil, associations: associations,
        wantsRapidCommit: Bool.random(using: &random))
      let before = bench.server.leases(at: bench.now)
      let answer = try bench.exchange(message.bytes, from: client)
      let leases = bench.server.leases(at: bench.now)
      #expect(Set(leases.map(\.hardware)).count == leases.count)
      #expect(Set(leases.map(\.address)).count == leases.count)
      #expect(before.filter { $0.hardware != client } == leases.filter { $0.hardware != client })
      if case .reply(let reply) = answer, let lease = reply.lease { #expect(leases.contains(lease)) }
      bench.now = bench.now + .seconds(Int64.random(in: 0...[1, 100, 50_000][Int.random(in: 0...2, using: &random)]))
    }
  }
}
