import Netstack
import Primitives
import Simulation
import Testing

/// Ports in the guests' network that lead to something of the host's: `guestfwd` of QEMU's.
@Suite struct GuestForwardTests {
  private static let service = HostService(0, name: "a printer")

  /// Where guests find it, in each family: 10.0.2.100 and fec0::100.
  private static func printer(_ family: IPAddress.Family, port: UInt16 = 9100) -> Endpoint {
    let address =
      family == .ipv4
      ? IPAddress(IPv4Address(10, 0, 2, 100)) : IPAddress(IPv6Address(high: 0xfec0 << 48, low: 0x100))
    return Endpoint(address, port: port)
  }

  private static func options(
    to target: StreamTarget = .service(service), _ change: (inout NetworkSettings) -> Void = { _ in }
  ) -> Lab.Options {
    var options = Lab.Options()
    options.settings.guestForwards = families.map { GuestForward(printer($0), to: target) }
    change(&options.settings)
    return options
  }

  @Test(arguments: families)
  func `a connection is carried both ways, and each half ends by itself`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      lab.host.hostServices[0] = RemoteService()
      let tcp = lab.rawConnection(to: Self.printer(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.synAck())
      tcp.guest(.ack(1, seq: 1))
      tcp.discardWindowUpdates()
      let peer = try #require(lab.peers(at: Self.service).first)
      tcp.guest(.data("a page", seq: 1, ack: 1))
      #expect(peer.text == "a page")
      tcp.stack(.ack(7, seq: 1))
      // RFC 9293 section 3.6: the guest is done, and may still be answered.
      tcp.guest(.fin(seq: 7, ack: 1))
      tcp.stack(.ack(8, seq: 1))
      #expect(peer.sawEnd)
      peer.write("printed")
      tcp.stack(.data("printed", seq: 1, ack: 8))
      peer.finish()
      tcp.stack(.fin(seq: 8, ack: 8))
      tcp.guest(.ack(9, seq: 8))
      #expect(peer.isClosed && !peer.sawReset)
    }
  }

  @Test(arguments: families)
  func `each connection has its own, and the table of flows calls it by its name`(family: IPAddress.Family) {
    withLab(Self.options()) { lab in
      lab.host.hostServices[0] = RemoteService(echoes: true)
      let connections = (0..<2).map { _ in lab.guest.connect(to: Self.printer(family)) }
      for (index, connection) in connections.enumerated() { connection.write([UInt8(index)]) }
      lab.advance(by: .seconds(1))
      #expect(connections.map(\.received) == [[0], [1]])
      #expect(lab.peers(at: Self.service).count == 2)
      #expect(lab.flows.map(\.service) == [Self.service, Self.service])
      #expect(lab.flows.map(\.remote) == [Self.printer(family), Self.printer(family)])
    }
  }

  @Test func `a connection may lead to an endpoint, even to the loopback that guests are kept from`() throws {
    let local = Endpoint(.loopback, port: 631)
    try withLab(Self.options(to: .endpoint(local)) { $0.allowsHostLoopback = false }) { lab in
      lab.host.services[local] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: Self.printer(.ipv4))
      connection.write([1, 2, 3])
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1, 2, 3])
      #expect(lab.flows.map(\.host) == [local])
      // The way ends here: nothing of the guest's hop limit goes further.
      let peer = try #require(lab.peers(at: local).first)
      #expect(lab.host.marks(of: peer.id).hopLimit == 0)
    }
  }

  @Test(
    arguments: families,
    [
      // Nobody listens, no such path, no room in the queue of clients, no descriptors.
      .refused, .other(2), .other(11), .exhausted,
    ] as [HostError])
  func `what cannot be reached resets the guest's connection (RFC 9293 section 3.10.7.1)`(
    family: IPAddress.Family, error: HostError
  ) {
    withLab(Self.options()) { lab in
      lab.host.hostServices[0] = RemoteService(.fails(error))
      let tcp = lab.rawConnection(to: Self.printer(family))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.rst(seq: 0, ack: 1))
      #expect(lab.flowEnds == [.failed(error)])
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test func `a peer that resets does so to the guest, behind what it has sent`() throws {
    try withLab(Self.options()) { lab in
      lab.host.hostServices[0] = RemoteService()
      let tcp = lab.rawConnection(to: Self.printer(.ipv4))
      tcp.guest(.syn(.mss(1460)))
      tcp.stack(.synAck())
      tcp.guest(.ack(1, seq: 1))
      tcp.discardWindowUpdates()
      let peer = try #require(lab.peers(at: Self.service).first)
      peer.write("out of paper")
      peer.reset()
      tcp.stack(.data("out of paper", seq: 1, ack: 1))
      tcp.guest(.ack(13, seq: 1))
      tcp.stack(.rst(seq: 13, ack: 1))
    }
  }

  @Test(arguments: families)
  func `a restricted guest reaches it, and nothing else there`(family: IPAddress.Family) {
    withLab(Self.options { $0.isRestricted = true }) { lab in
      lab.host.hostServices[0] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: Self.printer(family))
      connection.write([7])
      let other = lab.guest.connect(to: Self.printer(family, port: 9101))
      lab.guest.sendUDP([1], from: 5000, to: Self.printer(family))
      lab.advance(by: .seconds(1))
      #expect(connection.received == [7])
      #expect(other.wasReset)
      #expect(lab.drops(.forbiddenDestination) == 2)
      #expect(lab.guest.icmpMessages.isEmpty)
    }
  }

  @Test(arguments: families)
  func `its other ports are closed: TCP is reset, UDP unreachable (RFC 1122 section 4.1.3.1)`(
    family: IPAddress.Family
  ) {
    withLab(Self.options()) { lab in
      lab.host.defaultService = RemoteService()
      let other = lab.guest.connect(to: Self.printer(family, port: 80))
      lab.guest.sendUDP([1], from: 5000, to: Self.printer(family))
      lab.settle()
      #expect(other.wasReset)
      #expect(lab.guest.icmpMessages.map(\.type) == [family == .ipv4 ? 3 : 1])
      #expect(lab.guest.icmpMessages.map(\.code) == [family == .ipv4 ? 3 : 4])
      #expect(lab.host.calls.connects == 0 && lab.sentDatagrams.isEmpty)
    }
  }

  @Test(arguments: families)
  func `its address answers a ping`(family: IPAddress.Family) {
    withLab(Self.options()) { lab in
      lab.guest.ping(Self.printer(family).address)
      lab.settle()
      #expect(lab.echoReplies(family).count == 1)
    }
  }

  @Test func `ARP finds it at a station of its own (RFC 826), which takes frames`() {
    withLab(Self.options()) { lab in
      lab.host.hostServices[0] = RemoteService(echoes: true)
      lab.guest.requestARP(for: IPv4Address(10, 0, 2, 100))
      lab.settle()
      #expect(lab.guest.arpMessages.map(\.senderMAC) == [MACAddress("52:55:0a:00:02:64")])
      lab.guest.gatewayMAC = MACAddress(0x52, 0x55, 10, 0, 2, 100)
      let connection = lab.guest.connect(to: Self.printer(.ipv4))
      connection.write([1])
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1])
    }
  }

  @Test func `neighbor discovery finds it at a station of its own (RFC 4861 section 7.2.4), which takes frames`() throws
  {
    try withLab(Self.options()) { lab in
      lab.host.hostServices[0] = RemoteService(echoes: true)
      let address = Self.printer(.ipv6).address.mapped
      lab.guest.solicit(address)
      lab.settle()
      let (frame, answer) = try #require(lab.guest.discovery.first)
      #expect(answer.target == address)
      #expect(answer.linkLayer(2) == frame.source)
      #expect(frame.source == MACAddress("52:56:00:00:01:00"))
      lab.guest.ipv6GatewayMAC = frame.source
      let connection = lab.guest.connect(to: Self.printer(.ipv6))
      connection.write([1])
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1])
    }
  }

  @Test func `a guest cannot claim its address (RFC 826), and DHCP leases it to nobody`() throws {
    let taken = IPv4Address(10, 0, 2, 16)
    let forward = GuestForward(Endpoint(taken, port: 7), to: .service(Self.service))
    let options = Self.options { $0.guestForwards.append(forward) }
    withLab(options) { lab in
      let claim = PlainARP(operation: 2, senderMAC: lab.guest.mac, senderAddress: taken, targetAddress: taken)
      lab.guest.send(PlainFrame(destination: .broadcast, source: lab.guest.mac, .arp(claim)))
      lab.settle()
      #expect(lab.drops(.badSource) == 1)
    }
    var bench = DHCPBench { $0.guestForwards = options.settings.guestForwards }
    let leases = try (1...16).map { try bench.lease(DHCPBench.client($0)) }
    #expect(Set(leases).count == 16 && !leases.contains(taken))
  }
}
