import Netstack
import Primitives
import Simulation
import Testing

/// Port forwards: clients of the host's side reach a guest, under addresses that it can answer.
@Suite struct ForwardTests {
  private func listener(_ family: IPAddress.Family) -> Endpoint { Endpoint(.any(family), port: 8080) }

  private func forward(_ lab: Lab, _ transport: Transport, _ family: IPAddress.Family) throws {
    let guest = Endpoint(lab.guest.address(in: family), port: 80)
    try lab.apply(.addForward(PortForward(transport: transport, host: listener(family), guest: guest)))
    // The guest has been heard of.
    lab.guest.ping(.gateway(family))
    lab.settle()
    lab.guest.clearInbox()
  }

  /// Clients that the guest could not answer, who so appear as the gateway both.
  private func alike(_ family: IPAddress.Family) -> [Endpoint] {
    let other =
      family == .ipv4 ? IPAddress(IPv4Address(127, 0, 0, 2)) : IPAddress(IPv6Address(high: 0xfe80 << 48, low: 9))
    return [.loopback(family), other].map { Endpoint($0, port: 40_000) }
  }

  @Test(arguments: families)
  func `a client's bytes reach the guest and the guest's answer the client`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .tcp, family)
      lab.guest.listen(on: 80)
      let client = try #require(
        lab.connectClient(from: .server(family, port: 40_000), to: listener(family)))
      client.write("a request")
      lab.settle()
      let connection = try #require(lab.guest.accepted(on: 80).first)
      #expect(connection.received == Array("a request".utf8))
      connection.write(Array("an answer".utf8))
      connection.finish()
      client.finish()
      lab.advance(by: .seconds(1))
      #expect(client.text == "an answer")
      #expect(client.sawEnd)
      #expect(connection.isFinished)
    }
  }

  /// Clients that appear to the guest as themselves.
  private static let plain = ["203.0.113.9", "192.168.1.5", "2001:db8::9", "fd00::5", "fec0:0:0:1::9"]
    .compactMap { IPAddress($0) }
  /// Clients that the guest could not answer.
  private static let strange = [
    "127.0.0.1", "127.0.1.1", "169.254.3.4", "10.0.2.15", "10.0.2.77", "::1", "fe80::9", "fec0::77", "fec0::2",
  ].compactMap { IPAddress($0) }

  @Test(arguments: plain + strange, [Transport.tcp, .udp])
  func `a client appears as itself, or as the gateway where the guest could not answer it`(
    client: IPAddress, transport: Transport
  ) throws {
    let isPlain = Self.plain.contains(client)
    try expectAppearance(isPlain ? client : .gateway(client.family), of: client, transport, toGuestOf: client.family)
  }

  @Test(arguments: families, [Transport.tcp, .udp])
  func `a client of the other family appears as the gateway`(family: IPAddress.Family, transport: Transport) throws {
    let client: IPAddress.Family = family == .ipv4 ? .ipv6 : .ipv4
    try expectAppearance(.gateway(family), of: Endpoint.server(client).address, transport, toGuestOf: family)
  }

  private func expectAppearance(
    _ appearance: IPAddress, of client: IPAddress, _ transport: Transport, toGuestOf family: IPAddress.Family
  ) throws {
    try withLab { lab in
      try forward(lab, transport, family)
      lab.guest.listen(on: 80)
      let source = Endpoint(client, port: 40_000)
      switch transport {
      case .tcp:
        _ = lab.connectClient(from: source, to: listener(family))
        lab.settle()
        #expect(lab.guest.accepted(on: 80).map(\.remote) == [Endpoint(appearance, port: 40_000)])
      case .udp:
        let flow = try #require(lab.datagramFlow(onPort: 8080))
        lab.host.deliver([1], from: source, to: flow)
        lab.settle()
        #expect(lab.guest.inbox.map(\.packetSource) == [appearance])
        #expect(lab.guest.datagrams.map(\.sourcePort) == [40_000])
      }
    }
  }

  @Test(arguments: families)
  func `two clients that look alike get different ports`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .tcp, family)
      lab.guest.listen(on: 80)
      let clients = alike(family).map { lab.connectClient(from: $0, to: listener(family)) }
      for (client, text) in zip(clients, ["first", "second"]) { client?.write(text) }
      lab.advance(by: .seconds(1))
      let accepted = lab.guest.accepted(on: 80)
      #expect(accepted.map(\.received) == [Array("first".utf8), Array("second".utf8)])
      #expect(accepted.map(\.remote.address) == [.gateway(family), .gateway(family)])
      #expect(Set(accepted.map(\.remote.port)).count == 2)
    }
  }

  @Test(arguments: families)
  func `the answer to a forwarded datagram comes from the address that was asked`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .udp, family)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      let asked = OutsideWorld(family).server
      let client = Endpoint(.loopback(family), port: 40_000)
      lab.host.deliver([1], from: client, to: flow, sentTo: asked)
      lab.settle()
      lab.guest.sendUDP([2], from: 80, to: Endpoint(.gateway(family), port: 40_000))
      lab.settle()
      let answer = try #require(lab.sentDatagrams.last)
      #expect(answer.destination == client)
      #expect(answer.source == asked)
      #expect(answer.local.port == 8080)
      #expect(answer.payload == [2])
    }
  }

  @Test(arguments: families)
  func `a host that the guest speaks to and that becomes a forward's client is answered by the forward`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      try forward(lab, .udp, family)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      let client = Endpoint.server(family, port: 40_000)
      func isSentThroughForward() -> Bool {
        lab.guest.sendUDP([9], from: 80, to: client)
        lab.settle()
        return lab.sentDatagrams.last?.local.port == 8080
      }
      // RFC 4787 REQ-1: the guest's own mapping, until the client asks through the forward.
      #expect(!isSentThroughForward())
      #expect(!isSentThroughForward())
      lab.host.deliver([1], from: client, to: flow)
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [[1]])
      #expect(isSentThroughForward())
      #expect(lab.sentDatagrams.allSatisfy { $0.destination == client })
      // When the client has not come back for five minutes, it is a host like others again.
      lab.advance(by: .seconds(301))
      #expect(!isSentThroughForward())
      #expect(lab.sentDatagrams.count == 4)
    }
  }

  @Test(arguments: families)
  func `two datagram clients that look alike get their own answers`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .udp, family)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      let clients = alike(family)
      for (number, client) in clients.enumerated() { lab.host.deliver([UInt8(number)], from: client, to: flow) }
      lab.settle()
      for datagram in lab.guest.datagrams {
        lab.guest.sendUDP(datagram.payload + [9], from: 80, to: Endpoint(.gateway(family), port: datagram.sourcePort))
      }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == clients)
      #expect(lab.sentDatagrams.map(\.payload) == [[0, 9], [1, 9]])
    }
  }

  @Test(arguments: families)
  func `a guest that refuses resets the client`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .tcp, family)
      let client = try #require(
        lab.connectClient(from: Endpoint(.loopback(family), port: 40_000), to: listener(family)))
      let raw = lab.rawConnection(to: Endpoint(.gateway(family), port: 40_000), port: 80)
      let (_, syn) = try #require(raw.takeSegment())
      #expect(syn.flags == .syn)
      raw.guest(.rst(seq: 0, ack: 1))
      lab.settle()
      #expect(client.sawReset)
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test(arguments: families)
  func `a guest that does not answer is asked for a minute, then the client is reset`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .tcp, family)
      let client = try #require(
        lab.connectClient(from: Endpoint(.loopback(family), port: 40_000), to: listener(family)))
      let raw = lab.rawConnection(to: Endpoint(.gateway(family), port: 40_000), port: 80)
      lab.advance(by: .seconds(20))
      #expect(raw.takeSegments().count == 5)
      lab.advance(by: .seconds(180))
      #expect(client.sawReset)
    }
  }

  @Test(arguments: families)
  func `a removed forward takes no more clients and leaves its connections alone`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .tcp, family)
      lab.guest.listen(on: 80)
      let client = try #require(
        lab.connectClient(from: Endpoint(.loopback(family), port: 40_000), to: listener(family)))
      lab.settle()
      try lab.apply(.removeForward(.port(.tcp, listener(family))))
      let late = lab.connectClient(from: Endpoint(.loopback(family), port: 40_001), to: listener(family))
      #expect(late == nil)
      client.write("still here")
      lab.advance(by: .seconds(1))
      #expect(lab.guest.accepted(on: 80).map(\.received) == [Array("still here".utf8)])
    }
  }

  @Test(arguments: families)
  func `with a forward go its clients by UDP, and the guest reaches them as it does others`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      try forward(lab, .udp, family)
      let client = Endpoint(OutsideWorld(family).server, port: 40_000)
      lab.host.deliver([1], from: client, to: try #require(lab.datagramFlow(onPort: 8080)))
      lab.settle()
      try lab.apply(.removeForward(.port(.udp, listener(family))))
      #expect(lab.openSocketCount == 0)
      lab.stack.forEachFlow { Issue.record("\($0)") }
      lab.guest.sendUDP([2], from: 80, to: client)
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == [client] && lab.sentDatagrams.map(\.payload) == [[2]])
    }
  }

  @Test(arguments: families)
  func `commands that cannot be carried out say why`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .tcp, family)
      let forward = PortForward(
        transport: .tcp, host: listener(family), guest: Endpoint(lab.guest.address(in: family), port: 81))
      #expect(throws: CommandError.cannotListen(forward, .addressInUse)) { try lab.apply(.addForward(forward)) }
      #expect(throws: CommandError.noSuchForward(.port(.udp, listener(family)))) {
        try lab.apply(.removeForward(.port(.udp, listener(family))))
      }
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test(arguments: families)
  func `want of descriptors refuses the client and keeps the listener`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, .tcp, family)
      lab.guest.listen(on: 80)
      lab.host.descriptorsLeft = 0
      let refused = try #require(
        lab.connectClient(from: Endpoint(.loopback(family), port: 40_000), to: listener(family)))
      lab.settle()
      #expect(refused.sawReset)
      #expect(lab.drops(.exhausted) == 1)
      lab.host.descriptorsLeft = 1
      _ = lab.connectClient(from: Endpoint(.loopback(family), port: 40_001), to: listener(family))
      lab.advance(by: .seconds(1))
      #expect(lab.guest.accepted(on: 80).count == 1)
    }
  }
}
