import Netstack
import Primitives
import Simulation
import Testing

/// What the network says of a guest's datagrams (RFC 4787 section 11, RFC 5508 section 4.2).
@Suite struct NetworkErrorTests {
  private static let reports: [NetworkReport] = [
    .networkUnreachable, .hostUnreachable, .protocolUnreachable, .portUnreachable, .prohibited,
    .reassemblyTimeExceeded, .parameterProblem,
  ]

  @Test(arguments: families, reports)
  func `an error about a mapping's datagram reaches the guest from who reported it, with what the guest had sent`(
    family: IPAddress.Family, report: NetworkReport
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      world.build(in: lab, refusal: report)
      let datagram = PlainPayload.udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: pattern(100)))
      lab.guestSends(datagram, to: world.server)
      #expect(lab.receivedErrors.map(\.from) == [world.routers[1]])
      #expect(lab.receivedErrors.map(\.message) == [world.message(report)])
      // The checksum of the datagram is not known any more.
      var expected = lab.encoded(datagram, to: world.server)
      (expected[6], expected[7]) = (0, 0)
      #expect(lab.receivedErrors.map(\.quoted) == [expected])
    }
  }

  @Test(arguments: families)
  func `traceroute by datagrams sees each router by its own address (RFC 1393 section 1)`(family: IPAddress.Family) {
    withLab { lab in
      let world = OutsideWorld(family)
      world.build(in: lab)
      lab.host.datagramServices[Endpoint(world.server, port: 33_437)] = .fails(.refused)
      for hop: UInt8 in 1...4 {
        let probe = PlainUDP(sourcePort: 40_000, destinationPort: 33_433 + UInt16(hop), payload: pattern(32))
        lab.guestSends(.udp(probe), to: world.server, hopLimit: hop)
      }
      let exceeded = world.message(.timeExceeded)
      #expect(lab.receivedErrors.map(\.from) == [.gateway(family)] + world.routers + [.gateway(family)])
      #expect(
        lab.receivedErrors.map(\.message) == [exceeded, exceeded, exceeded, world.message(.portUnreachable)])
      #expect(lab.sentDatagrams.map(\.marks.hopLimit) == [1, 2, 3])
    }
  }

  @Test(arguments: families)
  func `a datagram too long for the way is answered with the way's MTU (RFC 1191, RFC 8201)`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      world.build(in: lab, mtu: 1400)
      let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: pattern(1440))
      lab.guestSends(.udp(datagram), to: world.server)
      #expect(lab.receivedErrors.map(\.from) == [world.routers[1]])
      #expect(lab.receivedErrors.map(\.message) == [world.message(.tooBig(mtu: 1400))])
      #expect(lab.receivedErrors.map(\.rest) == [1400])
    }
  }

  @Test(arguments: families)
  func `a datagram too long for the host's own interface is answered by the gateway, and the next one goes`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      lab.host.interfaceMTU = 1300
      let long = PlainPayload.udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: pattern(1400)))
      lab.guestSends(long, to: world.server)
      lab.guestSends(.udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1])), to: world.server)
      #expect(lab.receivedErrors.map(\.from) == [.gateway(family)])
      #expect(lab.receivedErrors.map(\.message) == [world.message(.tooBig(mtu: 1300))])
      #expect(lab.receivedErrors.map(\.rest) == [1300])
      #expect(lab.sentDatagrams.map(\.payload) == [[1]])
      #expect(lab.drops(.hostRefused) == 1)
    }
  }

  @Test func `behind one that goes, a datagram too long is told once`() {
    withLab { lab in
      let world = OutsideWorld(.ipv4)
      lab.host.interfaceMTU = 1300
      for payload in [[1], pattern(1400), [2]] {
        lab.guest.sendUDP(payload, from: 5000, to: Endpoint(world.server, port: 7))
      }
      lab.settle()
      #expect(lab.receivedErrors.map(\.message) == [[3, 4]])
      #expect(lab.sentDatagrams.map(\.payload) == [[1], [2]])
    }
  }

  @Test(arguments: [1, 2, 5])
  func `pending errors of some peers cost a datagram to another nothing`(count: Int) throws {
    try withLab { lab in
      let world = OutsideWorld(.ipv4)
      lab.guest.sendUDP([0], from: 5000, to: Endpoint(world.server, port: 7))
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      for number in 0..<count {
        let target = Endpoint(world.server, port: 100 + UInt16(number))
        lab.guest.sendUDP([9], from: 5000, to: target)
        lab.settle()
        lab.host.fail(
          flow, HostFailure(.refused, report: .portUnreachable, reporter: world.server, destination: target))
      }
      // The errors and the datagram come in one turn: sending meets them first.
      lab.guest.sendUDP([1], from: 5000, to: Endpoint(world.server, port: 7))
      lab.settle()
      #expect(lab.sentDatagrams.last?.payload == [1])
      #expect(lab.drops(.hostRefused) == 0)
      #expect(lab.receivedErrors.count == count)
      #expect(lab.receivedErrors.allSatisfy { $0.from == world.server && $0.message == [3, 3] })
    }
  }

  @Test(arguments: families)
  func `nobody is told of the host's own addresses (never 127.0.0.0 in an error)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let world = OutsideWorld(family)
      lab.guestSends(.udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1])), to: world.server)
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      let target = Endpoint(world.server, port: 7)
      let inside = lab.guest.address(in: family)
      let loopback =
        family == .ipv4 ? IPAddress(IPv4Address.loopback) : IPAddress(IPv6Address.loopback)
      for reporter in [loopback, inside] {
        lab.host.fail(
          flow, HostFailure(.hostUnreachable, report: .hostUnreachable, reporter: reporter, destination: target))
      }
      lab.settle()
      #expect(lab.receivedErrors.map(\.from) == [.gateway(family), .gateway(family)])
    }
  }

  @Test(arguments: families)
  func `a refusal on the host's loopback comes from the address that the guest asked`(family: IPAddress.Family) {
    withLab { lab in
      let world = OutsideWorld(family)
      let loopback = family == .ipv4 ? IPAddress(IPv4Address.loopback) : IPAddress(IPv6Address.loopback)
      lab.host.datagramServices[Endpoint(loopback, port: 7)] = .fails(.refused)
      lab.guestSends(
        .udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1])), to: .gateway(family), hopLimit: 1)
      #expect(lab.receivedErrors.map(\.from) == [.gateway(family)])
      #expect(lab.receivedErrors.map(\.message) == [world.message(.portUnreachable)])
      // TTL 1 is enough for the gateway, and no way to the loopback counts hops.
      #expect(lab.sentDatagrams.map(\.marks) == [PacketMarks()])
    }
  }

  @Test func `a client of a forward that is gone is reported to the guest that answers it`() throws {
    try withLab { lab in
      let listener = Endpoint(IPv4Address.any, port: 5353)
      let guest = Endpoint(lab.guest.address, port: 53)
      try lab.apply(.addForward(PortForward(transport: .udp, host: listener, guest: guest)))
      lab.guest.requestARP(for: IPv4Address(10, 0, 2, 2))
      let client = Endpoint(OutsideWorld(.ipv4).server, port: 999)
      let flow = try #require(lab.datagramFlow(onPort: 5353))
      lab.host.deliver([1], from: client, to: flow)
      lab.settle()
      lab.host.datagramServices[client] = .fails(.refused)
      lab.guest.sendUDP([2], from: 53, to: client)
      lab.settle()
      #expect(lab.receivedErrors.map(\.message) == [[3, 3]])
      #expect(lab.receivedErrors.first?.quoted.prefix(4) == [0, 53, 3, 231])
    }
  }
}
