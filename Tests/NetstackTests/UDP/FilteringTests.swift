import Netstack
import Primitives
import Simulation
import Testing

/// Who may send to a guest's mapping (RFC 4787 section 5).
@Suite struct FilteringTests {
  /// The behaviours, and who of these is let in: the peer itself, its address with another port, somebody else.
  private static let behaviours: [(UDPFiltering, [UInt8])] = [
    (.endpointIndependent, [1, 2, 3]), (.address, [1, 2]), (.addressAndPort, [1]),
  ]

  @Test(arguments: families, behaviours)
  func `each behaviour lets in whom it says, and counts the others`(
    family: IPAddress.Family, behaviour: (filtering: UDPFiltering, admitted: [UInt8])
  ) throws {
    var options = Lab.Options()
    options.settings.udpFiltering = behaviour.filtering
    try withLab(options) { lab in
      let world = OutsideWorld(family)
      lab.guest.sendUDP([0], from: 5000, to: Endpoint(world.server, port: 7))
      // Somebody newer must not take the place of an older peer.
      lab.guest.sendUDP([0], from: 5000, to: Endpoint(world.routers[1], port: 9))
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      lab.host.deliver([1], from: Endpoint(world.server, port: 7), to: flow)
      lab.host.deliver([2], from: Endpoint(world.server, port: 8), to: flow)
      lab.host.deliver([3], from: Endpoint(world.routers[0], port: 7), to: flow)
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == behaviour.admitted.map { [$0] })
      #expect(lab.drops(.filtered) == 3 - behaviour.admitted.count)
    }
  }

  @Test(arguments: families, UDPFiltering.allCases)
  func `nobody who claims to be inside, or on the host's loopback, is let in`(
    family: IPAddress.Family, filtering: UDPFiltering
  ) throws {
    var options = Lab.Options()
    options.settings.udpFiltering = filtering
    try withLab(options) { lab in
      let world = OutsideWorld(family)
      lab.guest.sendUDP([0], from: 5000, to: Endpoint(world.server, port: 7))
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      let forged =
        family == .ipv4
        ? [IPv4Address(127, 0, 0, 1), IPv4Address(127, 9, 9, 9), IPv4Address(10, 0, 2, 3), IPv4Address(10, 0, 2, 16)]
          .map { IPAddress($0) }
        : [IPv6Address.loopback, IPv6Address(high: 0xfec0 << 48, low: 3), IPv6Address(high: 0xfec0 << 48, low: 9)]
          .map { IPAddress($0) }
      for address in forged { lab.host.deliver([1], from: Endpoint(address, port: 7), to: flow) }
      lab.settle()
      #expect(lab.guest.datagrams.isEmpty)
      #expect(lab.drops(.filtered) == forged.count)
    }
  }

  @Test func `very many peers of one mapping do not cost another mapping its peer`() throws {
    try withLab { lab in
      lab.host.keepsDatagrams = false
      lab.guest.keepsFrames = true
      let quiet = Endpoint(IPv4Address(192, 0, 2, 1), port: 7)
      lab.guest.sendUDP([0], from: 6000, to: quiet)
      lab.settle()
      for number in 0..<40_000 {
        let address = IPv4Address(bits: 0xc633_0000 + UInt32(number))
        lab.guest.sendUDP([0], from: 5000, to: Endpoint(address, port: 7))
        if number % 1000 == 0 { lab.settle() }
      }
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 6000))
      lab.host.deliver([5], from: quiet, to: flow)
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [[5]])
    }
  }

  @Test(arguments: families)
  func `a guest reaches its own forward by the host's outside address, and sees itself from outside (RFC 4787 REQ-9)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let host = OutsideWorld(family).server
      lab.host.hostAddresses = [host]
      let listener = Endpoint(.any(family), port: 5353)
      let inside = Endpoint(lab.guest.address(in: family), port: 53)
      try lab.apply(.addForward(PortForward(transport: .udp, host: listener, guest: inside)))
      lab.guest.sendUDP(Array("ask".utf8), from: 5000, to: Endpoint(host, port: 5353))
      lab.settle()
      #expect(
        lab.guest.datagrams == [PlainUDP(sourcePort: 5000, destinationPort: 53, payload: Array("ask".utf8))])
      lab.guest.sendUDP(Array("answer".utf8), from: 53, to: Endpoint(host, port: 5000))
      lab.settle()
      #expect(
        lab.guest.datagrams.last
          == PlainUDP(sourcePort: 5353, destinationPort: 5000, payload: Array("answer".utf8)))
    }
  }

  @Test func `a port that a forward has, or that is privileged, is not taken for a mapping`() throws {
    try withLab { lab in
      let inside = Endpoint(lab.guest.address, port: 53)
      let listener = Endpoint(IPv4Address.any, port: 5353)
      try lab.apply(.addForward(PortForward(transport: .udp, host: listener, guest: inside)))
      for port: UInt16 in [5353, 500, 5000] { lab.guest.sendUDP([1], from: port, to: .server) }
      lab.settle()
      let ports = lab.sentDatagrams.map(\.local.port)
      #expect(ports[0] != 5353 && ports[1] >= 1024 && ports[2] == 5000)
    }
  }

  @Test(arguments: families)
  func `a forward takes a port that a mapping has, and the guest goes on by another`(family: IPAddress.Family) throws {
    try withLab { lab in
      let server = OutsideWorld(family).server
      for port: UInt16 in [5353, 5000] { lab.guest.sendUDP([1], from: port, to: Endpoint(server, port: 7)) }
      lab.settle()
      let inside = Endpoint(lab.guest.address(in: family), port: 53)
      let listener = Endpoint(.loopback(family), port: 5353)
      try lab.apply(.addForward(PortForward(transport: .udp, host: listener, guest: inside)))
      // The other mapping keeps its socket, and a forward never takes another forward's port.
      #expect(lab.openSocketCount == 2)
      #expect(throws: CommandError.self) {
        try lab.apply(.addForward(PortForward(transport: .udp, host: listener, guest: inside)))
      }
      lab.guest.sendUDP([2], from: 5353, to: Endpoint(server, port: 7))
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [[1], [1], [2]])
      #expect(lab.sentDatagrams[2].local.port != 5353)
    }
  }

  @Test(arguments: families)
  func `traffic from outside keeps a mapping too (RFC 4787 REQ-6)`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.guest.sendUDP([0], from: 5000, to: .server(family))
      lab.settle()
      let flow = try #require(lab.datagramFlow(onPort: 5000))
      for _ in 1...3 {
        lab.advance(by: .seconds(299))
        lab.host.deliver([1], from: .server(family), to: flow)
        lab.settle()
      }
      lab.advance(by: .seconds(299))
      #expect(lab.openSocketCount == 1)
      lab.advance(by: .seconds(2))
      #expect(lab.openSocketCount == 0)
    }
  }
}
