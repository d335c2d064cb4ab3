import Netstack
import Primitives
import Simulation
import Testing

/// Which IPv6 destinations of a guest become destinations of the host, and which never do.
@Suite struct PolicyV6Tests {
  /// Addresses to which no host socket is ever opened.
  static let forbidden = [
    "::1", "::",  // RFC 4291 sections 2.5.2 and 2.5.3
    "::ffff:127.0.0.1", "::ffff:192.0.2.1", "::127.0.0.1", "::192.0.2.1",  // section 2.5.5: they embed IPv4
    "64:ff9b::7f00:1", "64:ff9b::10.0.2.2", "64:ff9b::169.254.169.254", "64:ff9b::",  // RFC 6052
    "ff01::1", "ff02::1", "ff02::2", "ff02::fb", "ff05::2", "ff0e::101", "ff02::1:ff00:2",  // section 2.7
    "fe80::1", "fe80::77", "fe80::5054:ff:fe12:3456", "febf:ffff::1",  // section 2.5.6, unassigned and a guest
    "fec0::", "fec0::1", "fec0::4", "fec0::77", "fec0::5054:ff:fe12:3456", "fec0::5054:ff:fe12:3457",  // the network
  ].compactMap { IPv6Address($0) }

  /// Addresses beside those.
  static let permitted = [
    "2001:db8::1", "2000::", "fd00::1", "fc00::", "fec0:0:0:1::1", "fe00::1", "fe7f::1", "::1:0:0:1", "::1:127.0.0.1",
    "64:ff9b::192.0.2.1", "64:ff9b:1::7f00:1", "100::1",
  ].compactMap { IPv6Address($0) }.map { IPAddress($0) }

  @Test func `the tables are read as they are written`() {
    #expect((Self.forbidden.count, Self.permitted.count) == (27, 12))
  }

  @Test(arguments: forbidden)
  func `nothing to a forbidden address reaches the host`(address: IPv6Address) {
    withLab { lab in
      lab.host.defaultService = RemoteService()
      let datagram = PlainUDP(sourcePort: 5000, destinationPort: 80, payload: [1])
      let payloads: [PlainPayload] = [
        .tcp(.synchronize(to: 80)), .udp(datagram), .icmp(PlainICMP(type: 128, rest: 1)),
      ]
      for payload in payloads { lab.guest.send(PlainIPv6(from: lab.guest.ipv6Address, to: address, payload)) }
      lab.settle()
      #expect(lab.host.calls.connects == 0)
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.sentEchoes.isEmpty)
      #expect(lab.openSocketCount == 0)
      // The gateway itself answers a ping to a group that it is in.
      let isPinged = address == .everybody || address == .everyRouter
      #expect(lab.drops(.forbiddenDestination) == (isPinged ? 2 : 3))
      #expect(lab.guest.inbox.count == (isPinged ? 1 : 0))
    }
  }

  @Test(arguments: forbidden)
  func `nobody answers a segment of no connection to a forbidden address`(address: IPv6Address) {
    withLab { lab in
      var segment = PlainTCP.synchronize(to: 80)
      segment.flags = .ack
      lab.guest.send(PlainIPv6(from: lab.guest.ipv6Address, to: address, .tcp(segment)))
      lab.settle()
      #expect(lab.guest.inbox.isEmpty)
      #expect(lab.drops(.noFlow) + lab.drops(.forbiddenDestination) == 1)
    }
  }

  @Test(arguments: permitted)
  func `every other address is reached as it is`(address: IPAddress) {
    withLab { lab in
      let remote = Endpoint(address, port: 443)
      lab.host.services[remote] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: remote)
      connection.write([1, 2, 3])
      lab.guest.sendUDP([1], from: 5000, to: remote)
      lab.guest.ping(address)
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1, 2, 3])
      #expect(lab.sentDatagrams.map(\.destination) == [remote])
      #expect(lab.sentEchoes.map(\.destination.address) == [address])
    }
  }

  @Test func `the gateway's address is the host's ::1, for TCP and UDP`() {
    withLab { lab in
      let local = Endpoint(IPAddress(.loopback as IPv6Address), port: 8000)
      lab.host.services[local] = RemoteService(echoes: true)
      lab.host.datagramServices[local] = .echoes
      let connection = lab.guest.connect(to: Endpoint(.gateway(.ipv6), port: 8000))
      connection.write([1, 2, 3])
      lab.guest.sendUDP([4], from: 5000, to: Endpoint(.gateway(.ipv6), port: 8000))
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1, 2, 3])
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 8000, destinationPort: 5000, payload: [4])])
    }
  }

  @Test(arguments: [IPv6Address.gateway, .router])
  func `without host loopback the gateway refuses, as its link-local address always does`(address: IPv6Address) {
    var options = Lab.Options()
    options.settings.allowsHostLoopback = address == .router
    withLab(options) { lab in
      lab.host.defaultService = RemoteService()
      let connection = lab.guest.connect(to: Endpoint(IPAddress(address), port: 8000))
      lab.guest.sendUDP([4], from: 5000, to: Endpoint(IPAddress(address), port: 8000))
      lab.settle()
      #expect(connection.wasReset)
      // RFC 4443 section 3.1: port unreachable.
      #expect(lab.guest.icmpMessages.map { [$0.type, $0.code] } == [[1, 4]])
      #expect(lab.host.calls.connects == 0)
      #expect(lab.sentDatagrams.isEmpty)
    }
  }

  @Test(arguments: [
    "fec0::2", "fec0::3", "fe80::2", "fec0::", "::1", "::ffff:10.0.2.15", "::10.0.2.15", "2001:db8::9", "ff02::1",
  ])
  func `a packet from an address that is not a guest's opens nothing`(text: String) throws {
    let source = try #require(IPv6Address(text))
    withLab { lab in
      lab.host.services[.server(.ipv6)] = RemoteService()
      lab.guest.ipv6Address = source
      _ = lab.guest.connect(to: .server(.ipv6))
      lab.guest.sendUDP([1], from: 5000, to: .server(.ipv6, port: 7))
      lab.guest.ping(.gateway(.ipv6))
      lab.settle()
      #expect(lab.openSocketCount == 0)
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.guest.inbox.isEmpty)
      #expect(lab.drops(.badSource) == 3)
    }
  }

  @Test func `a link-local address leads to the gateway and no further (RFC 4291 section 2.5.6)`() {
    withLab { lab in
      lab.host.defaultService = RemoteService(echoes: true)
      lab.guest.ipv6Address = lab.guest.ipv6LinkLocal
      let near = lab.guest.connect(to: Endpoint(.gateway(.ipv6), port: 80))
      near.write([1, 2, 3])
      lab.advance(by: .seconds(1))
      #expect(near.received == [1, 2, 3])
      let far = lab.guest.connect(to: .server(.ipv6))
      lab.guest.sendUDP([1], from: 5000, to: .server(.ipv6, port: 7))
      lab.guest.ping(IPAddress(.outside))
      lab.settle()
      // RFC 4443 section 3.1: beyond scope of source address.
      #expect(lab.guest.icmpMessages.map { [$0.type, $0.code] } == [[1, 2], [1, 2], [1, 2]])
      #expect(far.unreachableCode == 2)
      #expect(lab.host.calls.connects == 1)
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.sentEchoes.isEmpty)
    }
  }
}
