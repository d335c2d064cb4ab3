import Primitives
import Testing
import Wire

@testable import Netstack

private let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
private let gateway = DHCPBench.gateway

/// The terms of a server that may not be alone on its link: an hour, two at most.
private var bridgeTerms: DHCPTerms {
  var terms = DHCPTerms()
  terms.leaseTime = .seconds(3600)
  terms.maximumLeaseTime = .seconds(7200)
  terms.nameServers = [IPv4Address(8, 8, 8, 8), IPv4Address(9, 9, 9, 9)]
  terms.isAlone = false
  return terms
}

@Suite struct DHCPTermsTests {
  /// The seconds in an option of an answer.
  func seconds(_ code: DHCPOptionCode, in message: ServerMessage) throws -> Int {
    try #require(try message.value(code)).reduce(0) { $0 << 8 | Int($1) }
  }

  @Test(
    arguments: [
      (nil, 3600), (3600, 3600), (600, 600), (7200, 7200), (7201, 7200), (86_400, 7200), (.max, 7200), (59, 60),
      (0, 60),
    ] as [(UInt32?, Int)])
  func `a client has the time that it asks for, up to the maximum`(asked: UInt32?, granted: Int) throws {
    var bench = DHCPBench(terms: bridgeTerms)
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, leaseTime: asked))
    let ack = try bench.send(
      ClientMessage(type: .request, client: guest, requested: address(15), server: gateway, leaseTime: asked))
    for message in [offer, ack] {
      #expect(try seconds(.leaseTime, in: message) == granted)
      #expect(try seconds(.renewalTime, in: message) == granted / 2)
      #expect(try seconds(.rebindingTime, in: message) == granted / 8 * 7)
    }
    #expect(ack.reply.lease?.expiry == bench.now + .seconds(Int64(granted)))
    // A renewal, too.
    bench.now = bench.now + .seconds(Int64(granted / 2))
    let renewal = try bench.send(ClientMessage(type: .request, client: guest, ciaddr: address(15), leaseTime: asked))
    #expect(renewal.reply.lease?.expiry == bench.now + .seconds(Int64(granted)))
    bench.now = bench.now + .seconds(Int64(granted))
    #expect(bench.server.leases(at: bench.now) == [])
  }

  @Test func `where nobody is listened to, what a client asks for counts for nothing`() throws {
    var bench = DHCPBench()
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, leaseTime: 600))
    #expect(try seconds(.leaseTime, in: offer) == 86_400)
  }

  @Test func `name servers take the place of the virtual resolver, and none is no option`() throws {
    var bench = DHCPBench(terms: bridgeTerms)
    let offer = try bench.send(ClientMessage(type: .discover, client: guest))
    #expect(try offer.value(.domainNameServer) == [8, 8, 8, 8, 9, 9, 9, 9])
    var terms = bridgeTerms
    terms.nameServers = []
    bench = DHCPBench(terms: terms)
    #expect(try bench.send(ClientMessage(type: .discover, client: guest)).value(.domainNameServer) == nil)
  }

  @Test func `who is not alone does not grant by one message`() throws {
    var bench = DHCPBench(terms: bridgeTerms)
    let answer = try bench.send(ClientMessage(type: .discover, client: guest, wantsRapidCommit: true))
    #expect(answer.reply.type == .offer)
    #expect(bench.server.leases(at: bench.now) == [])
  }

  // MARK: INIT-REBOOT, RFC 2131 section 4.3.2

  @Test func `an address of another network is refused`() throws {
    var bench = DHCPBench(terms: bridgeTerms)
    let message = ClientMessage(type: .request, client: guest, requested: IPv4Address(192, 168, 7, 5))
    #expect(try bench.send(message).reply.type == .nak)
  }

  @Test func `an address of the range that another has is refused, and a free one is granted`() throws {
    var bench = DHCPBench(terms: bridgeTerms)
    try bench.lease(DHCPBench.client(1))
    #expect(try bench.send(ClientMessage(type: .request, client: guest, requested: address(15))).reply.type == .nak)
    #expect(try bench.send(ClientMessage(type: .request, client: guest, requested: address(16))).reply.type == .ack)
  }

  @Test func `of an address that another server may have given, only a client that is known is told`() throws {
    var bench = DHCPBench(terms: bridgeTerms)
    for message in [
      ClientMessage(type: .request, client: guest, requested: address(200)),
      ClientMessage(type: .request, client: guest, ciaddr: address(200)),
    ] {
      #expect(try bench.sendInVain(message) == .unknownAddress)
    }
    // Who speaks to us by name, is not served by another.
    let ours = ClientMessage(type: .request, client: guest, requested: address(200), server: gateway)
    #expect(try bench.send(ours).reply.type == .nak)
    try bench.lease(guest)
    #expect(try bench.send(ClientMessage(type: .request, client: guest, requested: address(200))).reply.type == .nak)
    // Also when the lease has ended.
    bench.now = bench.now + .seconds(7201)
    #expect(try bench.send(ClientMessage(type: .request, client: guest, requested: address(200))).reply.type == .nak)
  }

  @Test func `who is alone knows that no other server gave the address`() throws {
    var bench = DHCPBench()
    #expect(try bench.send(ClientMessage(type: .request, client: guest, requested: address(200))).reply.type == .nak)
  }

  // MARK: Taking over, keeping back

  @Test func `a lease of an earlier run lasts no longer than one that is granted now`() throws {
    var bench = DHCPBench(terms: bridgeTerms)
    let old = DHCPLease(address: leased(20), hardware: guest, hostname: "vm", expiry: bench.now + .seconds(86_400))
    try bench.server.restore(old, at: bench.now)
    #expect(bench.server.leases(at: bench.now).map(\.expiry) == [bench.now + .seconds(7200)])
    #expect(bench.server.heldAddress(of: guest, at: bench.now) == address(20))
    let ipv6 = DHCPLease(address: IPAddress(IPv6Address.loopback), hardware: guest, expiry: old.expiry)
    #expect(throws: DHCPLease.Refusal.notGivenOut) { try bench.server.restore(ipv6, at: bench.now) }
  }

  @Test func `an address that is kept back is offered to nobody for ten minutes`() throws {
    var bench = DHCPBench(terms: bridgeTerms)
    _ = try bench.send(ClientMessage(type: .discover, client: guest))
    bench.server.keepBack(address(15), at: bench.now)
    // Nobody's: not one of those that are given out.
    bench.server.keepBack(address(200), at: bench.now)
    #expect(try bench.send(ClientMessage(type: .discover, client: guest)).header.yiaddr == address(16))
    bench.now = bench.now + .seconds(601)
    #expect(try bench.send(ClientMessage(type: .discover, client: DHCPBench.client(1))).header.yiaddr == address(15))
  }
}
