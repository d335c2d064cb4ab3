import Netstack
import Primitives
import Simulation
import Testing

/// The virtual resolver: port 53 of 10.0.2.3 and of fec0::3 is the host's first resolver, over UDP and TCP.
@Suite struct ResolverTests {
  /// 10.0.2.3, or fec0::3.
  private func resolver(_ family: IPAddress.Family, port: UInt16 = 53) -> Endpoint {
    let settings = NetworkSettings()
    let address = family == .ipv4 ? IPAddress(settings.ipv4Resolver) : IPAddress(settings.ipv6Resolver)
    return Endpoint(address, port: port)
  }

  private static let upstream = Endpoint(IPv4Address(192, 0, 2, 53), port: 53)
  private static let upstreamV6 = Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 0x53)), port: 53)

  @Test(arguments: families)
  func `a query goes to the host's resolver and its answer comes from the virtual one`(family: IPAddress.Family) throws
  {
    try withLab { lab in
      try lab.apply(.setResolvers([Self.upstream]))
      lab.host.datagramServices[Self.upstream] = .answers(Array("answer".utf8))
      lab.guest.sendUDP(Array("query".utf8), from: 5000, to: resolver(family))
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [Self.upstream])
      let packet = try #require(lab.guest.inbox.first)
      #expect(packet.packetSource == resolver(family).address)
      #expect(packet.payload == .udp(PlainUDP(sourcePort: 53, destinationPort: 5000, payload: Array("answer".utf8))))
    }
  }

  @Test(arguments: families, [upstream, upstreamV6])
  func `a resolver of either family serves guests of either`(family: IPAddress.Family, upstream: Endpoint) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([upstream]))
      lab.host.datagramServices[upstream] = .answers(pattern(4096))
      lab.host.services[upstream] = RemoteService(echoes: true)
      lab.guest.sendUDP(Array("query".utf8), from: 5000, to: resolver(family))
      let connection = lab.guest.connect(to: resolver(family))
      connection.write(Array("query".utf8))
      lab.advance(by: .seconds(1))
      #expect(lab.guest.datagrams.map(\.payload) == [pattern(4096)])
      #expect(connection.received == Array("query".utf8))
    }
  }

  @Test(arguments: families)
  func `the resolver on the host's own loopback may be used`(family: IPAddress.Family) throws {
    try withLab { lab in
      let local = Endpoint(IPv4Address(127, 0, 0, 53), port: 5353)
      try lab.apply(.setResolvers([local]))
      lab.guest.sendUDP([1], from: 5000, to: resolver(family))
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [local])
    }
  }

  @Test(arguments: families)
  func `queries over TCP go the same way`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([Self.upstream]))
      lab.host.services[Self.upstream] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: resolver(family))
      connection.write(Array("query".utf8))
      lab.advance(by: .seconds(1))
      #expect(connection.received == Array("query".utf8))
    }
  }

  @Test(arguments: families)
  func `another server is asked as soon as the resolvers change`(family: IPAddress.Family) throws {
    try withLab { lab in
      let other = Endpoint(IPv4Address(192, 0, 2, 54), port: 53)
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([1], from: 5000, to: resolver(family))
      lab.settle()
      try lab.apply(.setResolvers([other]))
      lab.guest.sendUDP([2], from: 5000, to: resolver(family))
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [Self.upstream, other])
    }
  }

  @Test(arguments: families)
  func `a server of the virtual one's own address, as in a network within such a network, is left like any other`(
    family: IPAddress.Family
  )
    throws
  {
    try withLab { lab in
      try lab.apply(.setResolvers([resolver(family)]))
      lab.guest.sendUDP([1], from: 5000, to: resolver(family))
      lab.settle()
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([2], from: 5000, to: resolver(family))
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [resolver(family), Self.upstream])
    }
  }

  @Test(arguments: families)
  func `without a resolver, and on other ports, the virtual one refuses`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: resolver(family))
      lab.settle()
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([1], from: 5000, to: resolver(family, port: 54))
      lab.settle()
      let connection = lab.guest.connect(to: resolver(family, port: 80))
      lab.settle()
      let refusal = OutsideWorld(family).message(.portUnreachable)
      #expect(lab.receivedErrors.map(\.message) == [refusal, refusal])
      #expect(connection.wasReset)
      #expect(lab.openSocketCount == 0)
      #expect(lab.sentDatagrams.isEmpty)
    }
  }

  @Test(arguments: families)
  func `a query's flow ends after ten seconds`(family: IPAddress.Family) throws {
    try withLab { lab in
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([1], from: 5000, to: resolver(family))
      lab.advance(by: .seconds(11))
      #expect(lab.openSocketCount == 0)
    }
  }
}
