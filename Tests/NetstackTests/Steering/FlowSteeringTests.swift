import Netstack
import Primitives
import Simulation
import Testing

/// Flows of a network that several loops serve: each is one loop's, to whichever its frames come.
@Suite struct FlowSteeringTests {
  @Test(arguments: families, [1, 2] as [UInt64])
  func `connections are whole and in order`(family: IPAddress.Family, seed: UInt64) {
    withLoops(seed: seed) { lab in
      lab.setWorld { $0.defaultService = RemoteService(echoes: true) }
      let connections = (1...40).map { number in
        let connection = lab.guest.connect(to: outside(number, family))
        connection.write(pattern(10_000, from: number))
        return connection
      }
      lab.run(for: .seconds(5)) { connections.allSatisfy { $0.received.count == 10_000 } }
      for (index, connection) in connections.enumerated() {
        #expect(connection.received == pattern(10_000, from: index + 1))
      }
      #expect(lab.isEachFlowWithItsOwner)
      #expect(lab.loops.allSatisfy { !lab.flows(of: $0).isEmpty })
      #expect(lab.flows.count == 40)
      #expect(lab.handedOverCount > 100)
      // Out of order, they would have been dropped or kept aside, and the guest would have sent again.
      #expect(lab.allDrops == [])
      for (index, connection) in connections.enumerated() {
        #expect(lab.peers(at: outside(index + 1, family)).map(\.bytes) == [pattern(10_000, from: index + 1)])
        connection.finish()
      }
      lab.run(for: .seconds(5)) { connections.allSatisfy(\.isFinished) }
      let areFinished = connections.allSatisfy(\.isFinished)
      #expect(areFinished)
    }
  }

  /// RFC 4787 section 4.1: the socket is the same whoever is sent to, and whichever loop the datagram came to.
  @Test(arguments: families)
  func `one socket is the mapping of an endpoint`(family: IPAddress.Family) {
    withLoops { lab in
      lab.setWorld { host in
        for number in 1...50 { host.datagramServices[outside(number, family)] = .echoes }
      }
      for number in 1...50 {
        for port in 5000...5003 as ClosedRange<UInt16> {
          lab.guest.sendUDP(pattern(100, from: number), from: port, to: outside(number, family))
        }
        lab.settle()
      }
      let sent = lab.sentDatagrams
      #expect(sent.count == 200)
      // The simulated host grants the port that is asked for: the guest's own.
      #expect(Set(sent.map(\.local.port)) == [5000, 5001, 5002, 5003])
      #expect(lab.flows.count == 4)
      #expect(lab.isEachFlowWithItsOwner)
      for port in 5000...5003 as ClosedRange<UInt16> {
        let expected = (1...50).map { pattern(100, from: $0) }
        #expect(sent.filter { $0.local.port == port }.map(\.payload) == expected, "in the order of sending")
        #expect(lab.guest.datagrams.filter { $0.destinationPort == port }.map(\.payload) == expected)
      }
      #expect(lab.handedOverCount > 20)
    }
  }

  /// Fragments are put together by one loop, and the datagram is sent by its owner.
  @Test(arguments: families)
  func `a datagram in fragments takes the socket of the others`(family: IPAddress.Family) {
    withLoops { lab in
      for number in 1...12 {
        let remote = outside(number, family)
        let source = lab.guest.address(in: family)
        let datagram = PlainUDP(sourcePort: 5000, destinationPort: 80, payload: pattern(4000, from: number))
        var packet = DividedPacket(
          source: source, destination: remote.address, proto: 17,
          bytes: PlainPayload.udp(datagram).encoded(from: source, to: remote.address))
        packet.identification = UInt32(number)
        for range in [0..<1400, 1400..<2800, 2800..<4008] { packet.send(range, by: lab) }
        lab.guest.sendUDP([UInt8(number)], from: 5000, to: remote)
        lab.settle()
      }
      #expect(lab.flows.count == 1)
      let expected = (1...12).flatMap { [pattern(4000, from: $0), [UInt8($0)]] }
      #expect(lab.sentDatagrams.map(\.payload) == expected)
      // What came in fragments may leave in fragments, and the others were sent as not to be fragmented.
      #expect(lab.sentDatagrams.map(\.marks.mayFragment) == (0..<24).map { $0 % 2 == 0 })
      #expect(lab.isEachFlowWithItsOwner)
    }
  }

  @Test(arguments: families)
  func `pings are answered once`(family: IPAddress.Family) {
    withLoops { lab in
      let outside = outside(7, family).address
      lab.setWorld { $0.echoResponders = [outside] }
      for sequence in 1...30 as ClosedRange<UInt16> {
        lab.guest.ping(.gateway(family), sequence: sequence)
        lab.guest.ping(outside, sequence: sequence)
        lab.settle()
      }
      let replies = lab.guest.icmpMessages.filter { [0, 129].contains($0.type) }
      #expect(replies.map { UInt16(truncatingIfNeeded: $0.rest) } == (1...30).flatMap { [$0, $0] })
      #expect(lab.flows.count == 1)
    }
  }

  /// RFC 1122 section 4.2.3.9: what a guest, or a router behind it, says of a segment reaches the segment's flow.
  @Test(arguments: families)
  func `an error of the guest reaches the flow that it quotes`(family: IPAddress.Family) throws {
    for seed in 1...6 as ClosedRange<UInt64> {
      try withLoops(seed: seed) { lab in
        lab.setWorld { $0.services[.server(family)] = RemoteService() }
        let tcp = lab.rawConnection(to: .server(family))
        let server = try tcp.establish([.mss(1400)])
        server.write(pattern(2800))
        #expect(tcp.takeSegments().map(\.payload.count) == [1400, 1400])
        let isV4 = family == .ipv4
        try tcp.reports(isV4 ? 3 : 2, isV4 ? 4 : 0, rest: 1300, at: 1)
        #expect(tcp.takeSegments().first?.payload.count == 1300 - (isV4 ? 40 : 60))
      }
    }
  }

  @Test(arguments: families, [Transport.tcp, .udp])
  func `forwards are where their flows are`(family: IPAddress.Family, transport: Transport) throws {
    try withLoops { lab in
      let client = Endpoint(outside(9, family).address, port: 40_000)
      for port in 1...6 as ClosedRange<UInt16> {
        let listener = Endpoint(.any(family), port: 8000 + port)
        let guest = Endpoint(lab.guest.address(in: family), port: port)
        try lab.apply(.addForward(PortForward(transport: transport, host: listener, guest: guest)))
        lab.guest.listen(on: port)
        lab.guest.bind(port) { bytes, source in lab.guest.sendUDP(bytes, from: port, to: source) }
        switch transport {
        case .tcp:
          let peer = try #require(lab.connectClient(from: client, to: listener))
          peer.write("hello")
          lab.settle()
          #expect(lab.guest.accepted(on: port).map(\.received) == [Array("hello".utf8)])
          lab.guest.accepted(on: port)[0].write(Array("welcome".utf8))
          lab.settle()
          #expect(peer.text == "welcome")
        case .udp:
          lab.deliver(Array("hello".utf8), from: client, toPort: listener.port)
          lab.settle()
          let answers = lab.sentDatagrams.filter { $0.local.port == listener.port }
          #expect(answers.map(\.payload) == [Array("hello".utf8)])
          #expect(answers.map(\.destination) == [client])
        }
      }
      #expect(lab.flows.count == 6)
      #expect(lab.isEachFlowWithItsOwner)
      #expect(lab.loops.count { !lab.flows(of: $0).isEmpty } > 1)
      for port in 1...6 as ClosedRange<UInt16> {
        try lab.apply(.removeForward(.port(transport, Endpoint(.any(family), port: 8000 + port))))
      }
    }
  }

  /// A way between loops that is full costs frames, which are counted; TCP sends them again.
  @Test func `a full loop loses frames and says so`() {
    withLoops { lab in
      lab.setWorld { $0.defaultService = RemoteService(echoes: true) }
      let connections = (1...10).map { lab.guest.connect(to: outside($0, .ipv4)) }
      lab.settle()
      lab.sink.loopRoom = 1
      for connection in connections { connection.write(pattern(60_000)) }
      lab.run(for: .seconds(60)) { connections.allSatisfy { $0.received.count == 60_000 } }
      #expect(connections.allSatisfy { $0.received == pattern(60_000) })
      #expect(lab.drops(.loopFull) > 0)
      #expect(lab.allDrops.allSatisfy { $0 == .loopFull })
    }
  }

  @Test func `the rule is the same for all loops and spreads the load`() {
    let rules = (0..<4).map { PacketSteering(loop: $0, of: 4, secret: (1, 2)) }
    let other = PacketSteering(loop: 0, of: 4, secret: (3, 4))
    var counts = [0, 0, 0, 0]
    var isElsewhere = false
    for port in 0..<4000 as Range<UInt16> {
      let guest = Endpoint(IPv4Address(10, 0, 2, 15), port: port)
      let owners = Set(rules.map { $0.owner(of: guest, .tcp) })
      #expect(owners.count == 1)
      for owner in owners { counts[owner] += 1 }
      if !owners.contains(other.owner(of: guest, .tcp)) { isElsewhere = true }
    }
    #expect(counts.allSatisfy { (800...1200).contains($0) })
    #expect(isElsewhere, "the secret matters")
    #expect(PacketSteering.alone.owner(of: .server, .udp) == 0)
  }
}
