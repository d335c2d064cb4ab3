import Netstack
import Primitives
import Simulation
import Testing

/// Neighbor discovery (RFC 4861, RFC 4862): for whom the stack answers, and what it believes.
@Suite struct NeighborDiscoveryTests {
  private static let resolver = IPv6Address(high: 0xfec0 << 48, low: 3)

  @Test(arguments: [IPv6Address.gateway, .router, resolver])
  func `the stack's own addresses are answered for, solicited and overriding (RFC 4861 section 7.2.4)`(
    address: IPv6Address
  ) throws {
    try withLab { lab in
      lab.guest.solicit(address)
      lab.settle()
      let (frame, answer) = try #require(lab.guest.discovery.first)
      #expect(frame.ipv6?.source == address)
      #expect(answer.type == 136)
      #expect(answer.rest == 0xe000_0000)
      #expect(answer.target == address)
      #expect(answer.linkLayer(2) == frame.source)
    }
  }

  @Test func `a probe for one of them is answered to everybody (RFC 4862 section 5.4.3)`() throws {
    try withLab { lab in
      lab.guest.send(
        PlainDiscovery(type: 135, target: .gateway), from: .any, to: IPv6Address.gateway.solicitedGroup)
      lab.settle()
      let (frame, answer) = try #require(lab.guest.discovery.first)
      #expect(frame.ipv6?.destination == .everybody)
      #expect(answer.rest == 0xa000_0000)
    }
  }

  @Test(arguments: [IPv6Address.gateway, .router, resolver])
  func `a unicast probe of reachability is answered to the station that asks (RFC 4861 section 7.3.3)`(
    address: IPv6Address
  ) throws {
    try withLab { lab in
      // Section 7.2.2: without the option, since the stack has the guest's hardware address.
      lab.guest.send(PlainDiscovery(type: 135, target: address), to: address)
      lab.settle()
      let (frame, answer) = try #require(lab.guest.discovery.first)
      #expect(frame.destination == lab.guest.mac)
      #expect(frame.ipv6?.destination == lab.guest.ipv6Address)
      #expect(answer.rest == 0xe000_0000)
    }
  }

  @Test(arguments: [
    IPv6Address(high: 0xfec0 << 48, low: 77), IPv6Address(high: 0xfe80 << 48, low: 77), .outside, .loopback, .any,
  ])
  func `nobody answers for other addresses, which are free for guests (RFC 4861 section 7.2.3)`(target: IPv6Address) {
    withLab { lab in
      lab.guest.solicit(target)
      lab.guest.send(PlainDiscovery(type: 135, target: target), from: .any, to: target.solicitedGroup)
      lab.settle()
      #expect(lab.guest.discovery.isEmpty)
    }
  }

  @Test func `a probe of a guest's own address is no use of it, and teaches nothing (RFC 4862 section 5.4)`() {
    withLab { lab in
      let own = lab.guest.ipv6Address
      lab.guest.send(PlainDiscovery(type: 135, target: own), from: .any, to: own.solicitedGroup)
      lab.settle()
      #expect(lab.guest.discovery.isEmpty)
      #expect(lab.stack.observer.stations.isEmpty)
    }
  }

  /// What RFC 4861 sections 6.1.1, 7.1.1 and 7.1.2 want of a message, each broken once.
  enum Flaw: CaseIterable {
    case hopLimit, code, checksum, cutTarget, cutOption, optionOfLengthZero, optionBeyondTheEnd, groupAsTarget
    /// Of a probe alone.
    case probeWithHardwareAddress, probeToOneStation
    /// Of an advertisement alone.
    case solicitedToEverybody, advertisementWithoutSource
  }

  /// The packet, and from it the type of message that the flaw is of.
  private func packet(_ type: UInt8, _ flaw: Flaw, _ lab: Lab) -> PlainIPv6 {
    let station = PlainDiscovery.Option.linkLayer(type == 136 ? 2 : 1, MACAddress(0x52, 0x54, 0, 1, 1, 1))
    var target: IPv6Address? = type == 133 ? nil : type == 136 ? lab.guest.ipv6Address : .gateway
    if flaw == .groupAsTarget { target = .everybody }
    let flags: UInt32 = type == 136 ? flaw == .solicitedToEverybody ? 0x6000_0000 : 0x2000_0000 : 0
    var message = PlainDiscovery(type: type, rest: flags, target: target, options: [station]).message
    var source = lab.guest.ipv6Address
    var destination = type == 135 ? IPv6Address.gateway.solicitedGroup : .everyRouter
    switch flaw {
    case .code: message.code = 1
    case .cutTarget: message.payload.removeLast(type == 133 ? 7 : 9)
    case .cutOption: message.payload.removeLast()
    case .optionOfLengthZero: message.payload += [14, 0, 0, 0, 0, 0, 0, 0]
    case .optionBeyondTheEnd: message.payload += [14, 2, 0, 0, 0, 0, 0, 0]
    case .probeWithHardwareAddress, .advertisementWithoutSource: source = .any
    case .probeToOneStation:
      source = .any
      destination = .gateway
      message.payload.removeLast(8)
    case .hopLimit, .checksum, .groupAsTarget, .solicitedToEverybody: break
    }
    var packet = PlainIPv6(from: source, to: destination, .icmp(message))
    packet.hopLimit = flaw == .hopLimit ? 254 : 255
    guard flaw == .checksum else { return packet }
    var bytes = packet.payloadBytes
    bytes[2] ^= 1
    packet.payload = .raw(bytes)
    packet.proto = 58
    return packet
  }

  @Test(arguments: [133, 135, 136] as [UInt8], Flaw.allCases)
  func `a message that breaks a rule is dropped and believed in nothing (RFC 4861 sections 6.1.1, 7.1.1, 7.1.2)`(
    type: UInt8, flaw: Flaw
  ) {
    switch flaw {
    case .groupAsTarget where type == 133, .probeToOneStation where type != 135: return
    case .probeWithHardwareAddress where type == 136: return
    case .solicitedToEverybody where type != 136, .advertisementWithoutSource where type != 136: return
    default: break
    }
    withLab { lab in
      lab.guest.ping(.gateway(.ipv6))
      lab.settle()
      let known = lab.stack.observer.stations.count
      lab.guest.send(packet(type, flaw, lab))
      lab.advance(by: .seconds(1))
      #expect(lab.guest.discovery.isEmpty)
      #expect(lab.stack.observer.stations.count == known)
      let reason: DropReason =
        flaw == .checksum ? .badChecksum : flaw == .advertisementWithoutSource ? .badSource : .malformed
      #expect(lab.stack.observer.drops == [reason])
    }
  }

  /// What an advertisement says, and whether the frames to the guest follow it: RFC 4861 section 7.2.5.
  @Test(arguments: [
    (rest: UInt32(0x2000_0000), tells: true, moves: true), (0x6000_0000, true, true), (0, true, false),
    (0x4000_0000, true, false), (0x6000_0000, false, false),
  ])
  func `an advertisement moves a guest that is known only with the override flag (RFC 4861 section 7.2.5)`(
    rest: UInt32, tells: Bool, moves: Bool
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: .ipv6)
      let (old, new) = (lab.guest.mac, MACAddress(0x52, 0x54, 0, 0xaa, 0xbb, 0xcc))
      let message = PlainDiscovery(
        type: 136, rest: rest, target: lab.guest.ipv6Address, options: tells ? [.linkLayer(2, new)] : [])
      lab.guest.send(message, to: .gateway)
      lab.settle()
      lab.guest.mac = moves ? new : old
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 1))
    }
  }

  @Test func `an advertisement that may not override makes the stack ask the station that it knows`() throws {
    try withLab { lab in
      // RFC 4861 section 7.2.5, I (a): REACHABLE becomes STALE.
      let (tcp, server) = try lab.established(over: .ipv6)
      let other = PlainDiscovery.Option.linkLayer(2, MACAddress(0x52, 0x54, 0, 0xaa, 0xbb, 0xcc))
      lab.guest.send(PlainDiscovery(type: 136, target: lab.guest.ipv6Address, options: [other]), to: .gateway)
      server.write("hello")
      tcp.stack(.data("hello", seq: 1, ack: 1))
      lab.advance(by: .milliseconds(5100))
      #expect(lab.guest.discovery.map(\.frame.destination) == [lab.guest.mac])
      #expect(lab.guest.discovery.map(\.message.type) == [135])
      _ = tcp.takeSegments()
    }
  }

  @Test func `an advertisement for an address that nobody asked for is forgotten (RFC 4861 section 7.2.5)`() {
    withLab { lab in
      let stranger = IPv6Address(high: 0xfec0 << 48, low: 77)
      let message = PlainDiscovery(
        type: 136, rest: 0x2000_0000, target: stranger, options: [.linkLayer(2, lab.guest.mac)])
      lab.guest.send(message, to: .everybody)
      lab.settle()
      #expect(lab.stack.observer.stations.isEmpty)
    }
  }

  @Test func `an answer without a hardware address answers nothing (RFC 4861 section 7.2.5)`() throws {
    try withLab { lab in
      let listener = Endpoint(.any(.ipv6), port: 8080)
      let guest = Endpoint(IPAddress(lab.guest.ipv6Address), port: 80)
      try lab.apply(.addForward(PortForward(transport: .tcp, host: listener, guest: guest)))
      lab.guest.answersARP = false
      _ = lab.connectClient(from: .server(.ipv6), to: listener)
      lab.settle()
      lab.guest.send(PlainDiscovery(type: 136, rest: 0x6000_0000, target: lab.guest.ipv6Address), to: .gateway)
      lab.advance(by: .milliseconds(1500))
      #expect(lab.stack.observer.stations.isEmpty)
      #expect(lab.guest.discovery.count == 2)
    }
  }

  @Test(arguments: [IPv6Address.gateway, .router, resolver, .outside])
  func `a guest cannot claim an address that is not a guest's`(address: IPv6Address) {
    withLab { lab in
      let claim = PlainDiscovery(
        type: 136, rest: 0x2000_0000, target: address, options: [.linkLayer(2, lab.guest.mac)])
      lab.guest.send(claim, to: .everybody)
      lab.settle()
      #expect(lab.stack.observer.stations.isEmpty)
      #expect(lab.drops(.badSource) == 1)
    }
  }

  @Test(arguments: [134, 137] as [UInt8])
  func `advertisements of routers and redirects are nothing that a guest may send (RFC 4861 sections 6.2.7, 8.2)`(
    type: UInt8
  ) {
    withLab { lab in
      lab.guest.send(PlainDiscovery(type: type, target: .outside), from: lab.guest.ipv6LinkLocal, to: .everybody)
      lab.settle()
      #expect(lab.guest.inbox.isEmpty)
      #expect(lab.stack.observer.stations.isEmpty)
      #expect(lab.drops(.unknownProtocol) == 1)
    }
  }

  @Test func `a guest has many addresses at once, and each has its own flows (RFC 4291 section 2.8)`() {
    withLab { lab in
      lab.host.services[.server(.ipv6)] = RemoteService(echoes: true)
      lab.host.datagramServices[.server(.ipv6, port: 7)] = .echoes
      let first = lab.guest.ipv6Address
      let addresses = (0..<20).map { IPv6Address(high: first.high, low: first.low + UInt64($0)) }
      var connections: [GuestTCP] = []
      for address in addresses {
        lab.guest.ipv6Address = address
        let connection = lab.guest.connect(to: .server(.ipv6))
        connection.write(Array("\(address)".utf8))
        connections.append(connection)
        lab.guest.sendUDP(Array("\(address)".utf8), from: 5000, to: .server(.ipv6, port: 7))
        lab.advance(by: .milliseconds(10))
      }
      #expect(connections.map(\.received) == addresses.map { Array("\($0)".utf8) })
      let answers = lab.guest.inbox.compactMap(\.ipv6)
      #expect(answers.map(\.destination) == addresses)
      #expect(lab.guest.datagrams.map(\.payload) == addresses.map { Array("\($0)".utf8) })
    }
  }

  @Test func `connections and datagrams are carried over IPv6`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: .ipv6)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      #expect(server.text == "hello")
      lab.host.datagramServices[.server(.ipv6, port: 7)] = .echoes
      lab.guest.sendUDP([1, 2, 3], from: 5000, to: .server(.ipv6, port: 7))
      lab.settle()
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 7, destinationPort: 5000, payload: [1, 2, 3])])
    }
  }

  @Test(arguments: [0, 1452, 1453, 8000])
  func `the gateway answers a ping over IPv6 (RFC 4443 section 4.2)`(length: Int) {
    withLab { lab in
      lab.guest.ping(.gateway(.ipv6), payload: pattern(length))
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.payload) == [pattern(length)])
    }
  }

  @Test func `a hop limit that ends here is answered with time exceeded (RFC 4443 section 3.3)`() {
    withLab { lab in
      let datagram = PlainUDP(sourcePort: 40_000, destinationPort: 33_434, payload: pattern(1400))
      var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .outside, .udp(datagram))
      packet.hopLimit = 1
      lab.guest.send(packet)
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.type) == [3])
      #expect(lab.guest.icmpMessages.map(\.payload) == [Array(packet.encoded.prefix(1232))])
    }
  }
}
