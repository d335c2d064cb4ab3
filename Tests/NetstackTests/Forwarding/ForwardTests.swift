import Netstack
import Primitives
import Simulation
import Testing

/// Port forwards: clients of the host's side reach a guest, under addresses that it can answer.
@Suite struct ForwardTests {
  private static let gateway = IPv4Address(10, 0, 2, 2)
  private static let listener = Endpoint(IPv4Address.any, port: 8080)

  private func forward(_ lab: Lab, _ transport: Transport) throws {
    let guest = Endpoint(lab.guest.address, port: 80)
    try lab.apply(.addForward(PortForward(transport: transport, host: Self.listener, guest: guest)))
    // The guest has been heard of.
    lab.guest.requestARP(for: Self.gateway)
    lab.settle()
    lab.guest.clearInbox()
  }

  @Test func `a client's bytes reach the guest and the guest's answer the client`() throws {
    try withLab { lab in
      try forward(lab, .tcp)
      lab.guest.listen(on: 80)
      let client = try #require(
        lab.connectClient(from: Endpoint(IPv4Address(203, 0, 113, 9), port: 40_000), to: Self.listener))
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

  /// The address under which a client appears to the guest.
  @Test(arguments: [
    (IPv4Address(203, 0, 113, 9), IPv4Address(203, 0, 113, 9)),
    (IPv4Address(192, 168, 1, 5), IPv4Address(192, 168, 1, 5)),
    (IPv4Address(127, 0, 0, 1), gateway), (IPv4Address(127, 0, 1, 1), gateway), (IPv4Address(169, 254, 3, 4), gateway),
    (IPv4Address(10, 0, 2, 15), gateway), (IPv4Address(10, 0, 2, 77), gateway),
  ])
  func `a client appears as itself, or as the gateway where the guest could not answer it`(
    client: IPv4Address, appearance: IPv4Address
  ) throws {
    for transport in [Transport.tcp, .udp] {
      try withLab { lab in
        try forward(lab, transport)
        lab.guest.listen(on: 80)
        let source = Endpoint(client, port: 40_000)
        switch transport {
        case .tcp:
          _ = lab.connectClient(from: source, to: Self.listener)
          lab.settle()
          #expect(lab.guest.accepted(on: 80).map(\.remote) == [Endpoint(appearance, port: 40_000)])
        case .udp:
          let flow = try #require(lab.datagramFlow(onPort: 8080))
          lab.host.deliver([1], from: source, to: flow)
          lab.settle()
          #expect(lab.guest.inbox.compactMap { $0.ipv4?.source } == [appearance])
          #expect(lab.guest.datagrams.map(\.sourcePort) == [40_000])
        }
      }
    }
  }

  @Test func `two clients that look alike get different ports`() throws {
    try withLab { lab in
      try forward(lab, .tcp)
      lab.guest.listen(on: 80)
      let first = lab.connectClient(from: Endpoint(.loopback, port: 40_000), to: Self.listener)
      let second = lab.connectClient(from: Endpoint(IPv4Address(127, 0, 0, 2), port: 40_000), to: Self.listener)
      first?.write("first")
      second?.write("second")
      lab.advance(by: .seconds(1))
      let accepted = lab.guest.accepted(on: 80)
      #expect(accepted.map(\.received) == [Array("first".utf8), Array("second".utf8)])
      #expect(accepted.map(\.remote.address) == [IPAddress(Self.gateway), IPAddress(Self.gateway)])
      #expect(Set(accepted.map(\.remote.port)).count == 2)
    }
  }

  @Test func `the answer to a forwarded datagram comes from the address that was asked`() throws {
    try withLab { lab in
      try forward(lab, .udp)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      let asked = IPAddress(IPv4Address(192, 0, 2, 80))
      let client = Endpoint(.loopback, port: 40_000)
      lab.host.deliver([1], from: client, to: flow, sentTo: asked)
      lab.settle()
      lab.guest.sendUDP([2], from: 80, to: Self.gateway, port: 40_000)
      lab.settle()
      let answer = try #require(lab.sentDatagrams.last)
      #expect(answer.destination == client)
      #expect(answer.source == asked)
      #expect(answer.local.port == 8080)
      #expect(answer.payload == [2])
    }
  }

  @Test func `a host that the guest speaks to and that becomes a forward's client is answered by the forward`() throws {
    try withLab { lab in
      try forward(lab, .udp)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      let client = Endpoint(IPv4Address(192, 0, 2, 7), port: 40_000)
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

  @Test func `two datagram clients that look alike get their own answers`() throws {
    try withLab { lab in
      try forward(lab, .udp)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      let clients = [Endpoint(.loopback, port: 40_000), Endpoint(IPv4Address(127, 0, 0, 2), port: 40_000)]
      for (number, client) in clients.enumerated() { lab.host.deliver([UInt8(number)], from: client, to: flow) }
      lab.settle()
      for datagram in lab.guest.datagrams {
        lab.guest.sendUDP(datagram.payload + [9], from: 80, to: Self.gateway, port: datagram.sourcePort)
      }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.destination) == clients)
      #expect(lab.sentDatagrams.map(\.payload) == [[0, 9], [1, 9]])
    }
  }

  @Test func `a guest that refuses resets the client`() throws {
    try withLab { lab in
      try forward(lab, .tcp)
      let client = try #require(lab.connectClient(from: Endpoint(.loopback, port: 40_000), to: Self.listener))
      let raw = lab.rawConnection(to: Endpoint(Self.gateway, port: 40_000), port: 80)
      let (_, syn) = try #require(raw.takeSegment())
      #expect(syn.flags == .syn)
      raw.guest(.rst(seq: 0, ack: 1))
      lab.settle()
      #expect(client.sawReset)
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test func `a guest that does not answer is asked for a minute, then the client is reset`() throws {
    try withLab { lab in
      try forward(lab, .tcp)
      let client = try #require(lab.connectClient(from: Endpoint(.loopback, port: 40_000), to: Self.listener))
      let raw = lab.rawConnection(to: Endpoint(Self.gateway, port: 40_000), port: 80)
      lab.advance(by: .seconds(20))
      #expect(raw.takeSegments().count == 5)
      lab.advance(by: .seconds(180))
      #expect(client.sawReset)
    }
  }

  @Test func `a removed forward takes no more clients and leaves its connections alone`() throws {
    try withLab { lab in
      try forward(lab, .tcp)
      lab.guest.listen(on: 80)
      let client = try #require(lab.connectClient(from: Endpoint(.loopback, port: 40_000), to: Self.listener))
      lab.settle()
      try lab.apply(.removeForward(.tcp, host: Self.listener))
      let late = lab.connectClient(from: Endpoint(.loopback, port: 40_001), to: Self.listener)
      #expect(late == nil)
      client.write("still here")
      lab.advance(by: .seconds(1))
      #expect(lab.guest.accepted(on: 80).map(\.received) == [Array("still here".utf8)])
    }
  }

  @Test func `commands that cannot be carried out say why`() throws {
    try withLab { lab in
      try forward(lab, .tcp)
      let forward = PortForward(transport: .tcp, host: Self.listener, guest: Endpoint(lab.guest.address, port: 81))
      #expect(throws: CommandError.cannotListen(forward, .addressInUse)) { try lab.apply(.addForward(forward)) }
      #expect(throws: CommandError.noSuchForward(.udp, Self.listener)) {
        try lab.apply(.removeForward(.udp, host: Self.listener))
      }
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test func `want of descriptors refuses the client and keeps the listener`() throws {
    try withLab { lab in
      try forward(lab, .tcp)
      lab.guest.listen(on: 80)
      lab.host.descriptorsLeft = 0
      let refused = try #require(lab.connectClient(from: Endpoint(.loopback, port: 40_000), to: Self.listener))
      lab.settle()
      #expect(refused.sawReset)
      #expect(lab.drops(.exhausted) == 1)
      lab.host.descriptorsLeft = 1
      _ = lab.connectClient(from: Endpoint(.loopback, port: 40_001), to: Self.listener)
      lab.advance(by: .seconds(1))
      #expect(lab.guest.accepted(on: 80).count == 1)
    }
  }
}
