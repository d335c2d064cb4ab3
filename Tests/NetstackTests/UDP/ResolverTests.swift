import Netstack
import Primitives
import Simulation
import Testing

/// The virtual resolver: port 53 of 10.0.2.3 is the host's first resolver, over UDP and TCP.
@Suite struct ResolverTests {
  private static let resolver = IPv4Address(10, 0, 2, 3)
  private static let upstream = Endpoint(IPv4Address(192, 0, 2, 53), port: 53)

  @Test func `a query goes to the host's resolver and its answer comes from the virtual one`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([Self.upstream]))
      lab.host.datagramServices[Self.upstream] = .answers(Array("answer".utf8))
      lab.guest.sendUDP(Array("query".utf8), from: 5000, to: Self.resolver, port: 53)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [Self.upstream])
      let packet = try #require(lab.guest.inbox.first?.ipv4)
      #expect(packet.source == Self.resolver)
      #expect(packet.payload == .udp(PlainUDP(sourcePort: 53, destinationPort: 5000, payload: Array("answer".utf8))))
    }
  }

  @Test func `the resolver on the host's own loopback may be used`() throws {
    try withLab { lab in
      let local = Endpoint(IPv4Address(127, 0, 0, 53), port: 5353)
      try lab.apply(.setResolvers([local]))
      lab.guest.sendUDP([1], from: 5000, to: Self.resolver, port: 53)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [local])
    }
  }

  @Test func `queries over TCP go the same way`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([Self.upstream]))
      lab.host.services[Self.upstream] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: Endpoint(Self.resolver, port: 53))
      connection.write(Array("query".utf8))
      lab.advance(by: .seconds(1))
      #expect(connection.received == Array("query".utf8))
    }
  }

  @Test func `another server is asked as soon as the resolvers change`() throws {
    try withLab { lab in
      let other = Endpoint(IPv4Address(192, 0, 2, 54), port: 53)
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([1], from: 5000, to: Self.resolver, port: 53)
      lab.settle()
      try lab.apply(.setResolvers([other]))
      lab.guest.sendUDP([2], from: 5000, to: Self.resolver, port: 53)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [Self.upstream, other])
    }
  }

  @Test
  func `a server of the virtual one's own address, as in a network within such a network, is left like any other`()
    throws
  {
    try withLab { lab in
      try lab.apply(.setResolvers([Endpoint(Self.resolver, port: 53)]))
      lab.guest.sendUDP([1], from: 5000, to: Self.resolver, port: 53)
      lab.settle()
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([2], from: 5000, to: Self.resolver, port: 53)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [Endpoint(Self.resolver, port: 53), Self.upstream])
    }
  }

  @Test func `without a resolver, and on other ports, the virtual one refuses`() throws {
    try withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: Self.resolver, port: 53)
      lab.settle()
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([1], from: 5000, to: Self.resolver, port: 54)
      lab.settle()
      let connection = lab.guest.connect(to: Endpoint(Self.resolver, port: 80))
      lab.settle()
      #expect(lab.guest.icmpMessages.map(\.code) == [3, 3])
      #expect(connection.wasReset)
      #expect(lab.openSocketCount == 0)
      #expect(lab.sentDatagrams.isEmpty)
    }
  }

  @Test func `a query's flow ends after ten seconds`() throws {
    try withLab { lab in
      try lab.apply(.setResolvers([Self.upstream]))
      lab.guest.sendUDP([1], from: 5000, to: Self.resolver, port: 53)
      lab.advance(by: .seconds(11))
      #expect(lab.openSocketCount == 0)
    }
  }
}
