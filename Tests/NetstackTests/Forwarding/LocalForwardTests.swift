import Netstack
import Primitives
import Simulation
import Testing

/// Forwards of a socket of the host's own, whose clients have no endpoints.
@Suite struct LocalForwardTests {
  private static let place = ListeningPlace.local("/run/guest.sock")

  private func forward(_ lab: Lab, _ family: IPAddress.Family = .ipv4) throws {
    try lab.apply(.addForward(PortForward(from: Self.place, to: Endpoint(lab.guest.address(in: family), port: 80))))
    // The guest has been heard of.
    lab.guest.ping(.gateway(family))
    lab.settle()
    lab.guest.clearInbox()
  }

  private func connect(_ lab: Lab, _ service: RemoteService = RemoteService()) throws -> Peer {
    try #require(lab.connectClient(toLocal: "/run/guest.sock", service: service))
  }

  @Test(arguments: families)
  func `a client appears as the gateway, and each half of its connection ends by itself`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      try forward(lab, family)
      lab.guest.listen(on: 80)
      let client = try connect(lab)
      client.write("a request")
      client.finish()
      lab.settle()
      let connection = try #require(lab.guest.accepted(on: 80).first)
      #expect(connection.remote.address == .gateway(family))
      #expect((49_152...65_535).contains(connection.remote.port))
      #expect(connection.received == Array("a request".utf8))
      #expect(connection.isReadClosed && !client.sawEnd)
      // RFC 9293 section 3.6: the client is done, and may still be answered.
      connection.write(Array("an answer".utf8))
      connection.finish()
      lab.advance(by: .seconds(1))
      #expect(client.text == "an answer")
      #expect(client.sawEnd && !client.sawReset)
    }
  }

  @Test func `clients get ports of their own, and the table of flows says where they came`() throws {
    try withLab { lab in
      try forward(lab)
      lab.guest.listen(on: 80)
      let clients = try (0..<200).map { _ in try connect(lab) }
      for (index, client) in clients.enumerated() { client.write([UInt8(index)]) }
      lab.advance(by: .seconds(1))
      let accepted = lab.guest.accepted(on: 80)
      #expect(Set(accepted.map(\.remote.port)).count == 200)
      #expect(Set(accepted.flatMap(\.received)).count == 200)
      #expect(lab.flows.count == 200 && lab.flows.allSatisfy { $0.localPlace == "/run/guest.sock" && $0.isInbound })
      try lab.apply(.removeForward(Self.place))
      #expect(lab.flows.allSatisfy { $0.localPlace == "/run/guest.sock" })
      // What takes the place of the listener does not lend its name to them.
      let other = Endpoint(lab.guest.address, port: 81)
      try lab.apply(.addForward(PortForward(from: .local("/run/other.sock"), to: other)))
      #expect(lab.flows.allSatisfy { $0.localPlace == "" })
    }
  }

  @Test(arguments: families)
  func `a guest that refuses ends the client's connection abortively`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, family)
      let client = try connect(lab)
      lab.settle()
      let raw = lab.rawConnection(to: try #require(lab.flows.first).remote, port: 80)
      // The SYN once more.
      lab.advance(by: .seconds(2))
      #expect(try #require(raw.takeSegment()).1.flags == .syn)
      raw.guest(.rst(seq: 0, ack: 1))
      lab.settle()
      #expect(client.sawReset)
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test(arguments: families)
  func `a guest that resets ends the client's connection abortively`(family: IPAddress.Family) throws {
    try withLab { lab in
      try forward(lab, family)
      lab.guest.listen(on: 80)
      let client = try connect(lab)
      lab.settle()
      try #require(lab.guest.accepted(on: 80).first).reset()
      lab.settle()
      #expect(client.sawReset)
      #expect(lab.openSocketCount == 1)
    }
  }

  @Test func `a client that reads nothing stops the guest, and loses nothing`() throws {
    try withLab { lab in
      try forward(lab)
      lab.guest.listen(on: 80)
      var service = RemoteService(readsAtOnce: false)
      service.sendBufferSize = 20_000
      let client = try connect(lab, service)
      lab.settle()
      let connection = try #require(lab.guest.accepted(on: 80).first)
      let bytes = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      connection.write(bytes)
      lab.advance(by: .seconds(5))
      #expect(client.queuedByteCount <= 20_000 && client.bytes.isEmpty)
      client.setReadsAtOnce(true)
      lab.advance(by: .seconds(60))
      #expect(client.bytes == bytes)
    }
  }

  @Test func `a removed forward takes no more clients, and its connections go on`() throws {
    try withLab { lab in
      try forward(lab)
      lab.guest.listen(on: 80)
      let client = try connect(lab)
      lab.settle()
      try lab.apply(.removeForward(Self.place))
      #expect(lab.connectClient(toLocal: "/run/guest.sock") == nil)
      client.write("still here")
      lab.advance(by: .seconds(1))
      #expect(lab.guest.accepted(on: 80).map(\.received) == [Array("still here".utf8)])
      #expect(throws: CommandError.noSuchForward(Self.place)) { try lab.apply(.removeForward(Self.place)) }
    }
  }

  @Test func `a place that cannot be listened on is told with its reason`() {
    withLab { lab in
      let forward = PortForward(from: Self.place, to: Endpoint(lab.guest.address, port: 80))
      lab.host.listenFailures[Self.place] = .notASocket
      #expect(throws: CommandError.cannotListen(forward, .notASocket)) { try lab.apply(.addForward(forward)) }
      #expect(lab.openSocketCount == 0)
    }
  }
}
