import Netstack
import Primitives
import Simulation
import Testing

/// How a guest's station is found, kept and forgotten: the same by ARP (RFC 826, RFC 1122 section 2.3.2) and by neighbor
/// discovery (RFC 4861 sections 7.2 and 7.3).
@Suite struct ResolutionTests {
  /// A question of the stack's for the guest's station.
  private struct Question: Equatable {
    /// The hardware address it went to: everybody's, or a station's.
    let destination: MACAddress
    let target: IPAddress
  }

  /// The questions that the guest has heard, the oldest first.
  private func questions(_ lab: Lab, _ family: IPAddress.Family) -> [Question] {
    guard family == .ipv4 else {
      return lab.guest.discovery.compactMap { frame, message in
        guard message.type == 135, let target = message.target else { return nil }
        return Question(destination: frame.destination, target: IPAddress(target))
      }
    }
    return lab.guest.inbox.compactMap { frame in
      guard case .arp(let message) = frame.body, message.operation == 1 else { return nil }
      return Question(destination: frame.destination, target: IPAddress(message.targetAddress))
    }
  }

  /// The question for the guest's address to everybody: to the broadcast address, or to the group of RFC 4291 section
  /// 2.7.1.
  private func questionToEverybody(_ lab: Lab, _ family: IPAddress.Family) -> Question {
    let everybody = family == .ipv4 ? .broadcast : lab.guest.ipv6Address.solicitedGroup.groupStation
    return Question(destination: everybody, target: lab.guest.address(in: family))
  }

  /// A forward to a guest that nothing was heard from and that does not answer; returns where clients connect to.
  private func forward(_ lab: Lab, _ transport: Transport, _ family: IPAddress.Family) throws -> Endpoint {
    let listener = Endpoint(.any(family), port: 8080)
    let guest = Endpoint(lab.guest.address(in: family), port: 80)
    try lab.apply(.addForward(PortForward(transport: transport, host: listener, guest: guest)))
    lab.guest.listen(on: 80)
    lab.guest.answersARP = false
    return listener
  }

  // MARK: Finding

  @Test(arguments: families)
  func `who is not known is asked for three times, a second apart, then the client is reset (RFC 4861 section 7.2.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let listener = try forward(lab, .tcp, family)
      let client = try #require(lab.connectClient(from: .server(family), to: listener))
      let question = questionToEverybody(lab, family)
      lab.advance(by: .milliseconds(900))
      #expect(questions(lab, family) == [question])
      lab.advance(by: .milliseconds(2000))
      #expect(questions(lab, family) == [question, question, question])
      #expect(!client.sawReset)
      lab.advance(by: .milliseconds(200))
      #expect(client.sawReset)
      #expect(lab.flowEnds == [.failed(.hostUnreachable)])
      lab.advance(by: .seconds(10))
      #expect(questions(lab, family).count == 3)
    }
  }

  @Test(arguments: families)
  func `datagrams wait for the guest's answer, and arrive in order (RFC 4861 section 7.2.2, RFC 1122 section 2.3.2.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      _ = try forward(lab, .udp, family)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      for number in UInt8(0)..<100 { lab.host.deliver([number], from: .server(family), to: flow) }
      lab.advance(by: .milliseconds(500))
      #expect(lab.guest.datagrams.isEmpty)
      lab.guest.answersARP = true
      lab.advance(by: .seconds(1))
      #expect(lab.guest.datagrams.map(\.payload) == (0..<100).map { [UInt8($0)] })
    }
  }

  @Test(arguments: families)
  func `datagrams for a guest that nobody finds are dropped, and later ones ask again (RFC 4861 section 7.2.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      _ = try forward(lab, .udp, family)
      let flow = try #require(lab.datagramFlow(onPort: 8080))
      for number in UInt8(0)..<100 { lab.host.deliver([number], from: .server(family), to: flow) }
      lab.advance(by: .seconds(4))
      #expect(questions(lab, family).count == 3)
      #expect(lab.drops(.unresolvedNeighbor) == 100)
      lab.guest.answersARP = true
      lab.host.deliver([200], from: .server(family), to: flow)
      lab.settle()
      #expect(questions(lab, family).count == 4)
      #expect(lab.guest.datagrams.map(\.payload) == [[200]])
    }
  }

  // MARK: Keeping and forgetting

  @Test(arguments: families)
  func `a guest silent for long is asked whether it is still there, five seconds after something was sent to it`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      // RFC 4861 section 7.3.3 and section 10: REACHABLE_TIME, DELAY_FIRST_PROBE_TIME.
      let (tcp, server) = try lab.established(over: family)
      lab.advance(by: .seconds(30))
      server.write("are you there")
      tcp.stack(.data("are you there", seq: 1, ack: 1))
      lab.advance(by: .milliseconds(4900))
      #expect(questions(lab, family).isEmpty)
      lab.advance(by: .milliseconds(200))
      let question = Question(destination: lab.guest.mac, target: lab.guest.address(in: family))
      #expect(questions(lab, family) == [question])
      // It has answered: the next thirty seconds are quiet.
      lab.advance(by: .seconds(20))
      #expect(questions(lab, family) == [question])
      _ = tcp.takeSegments()
    }
  }

  @Test(arguments: families)
  func `a guest that answers what it is sent is not asked (RFC 4861 section 7.3.1)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      for number in 0..<10 {
        lab.advance(by: .seconds(31))
        server.write("x")
        tcp.stack(.data("x", seq: 1 + number, ack: 1))
        tcp.guest(.ack(2 + number, seq: 1))
      }
      lab.advance(by: .seconds(10))
      #expect(questions(lab, family).isEmpty)
    }
  }

  @Test(arguments: families)
  func `a guest that went to another station without a word is found again (RFC 4861 section 7.3.3)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      lab.advance(by: .seconds(31))
      lab.guest.mac = MACAddress(0x52, 0x54, 0, 0xaa, 0xbb, 0xcc)
      server.write("where are you")
      lab.settle()
      // Five seconds of patience and three questions to the old station.
      lab.advance(by: .milliseconds(7900))
      #expect(questions(lab, family).isEmpty)
      // Then the next retransmission asks everybody.
      lab.run(for: .seconds(10)) { !questions(lab, family).isEmpty }
      #expect(questions(lab, family) == [questionToEverybody(lab, family)])
      lab.settle()
      #expect(tcp.takeSegments().map(\.payload) == [Array("where are you".utf8)])
      #expect(lab.stack.observer.stations.last?.hardware == lab.guest.mac)
    }
  }

  @Test(arguments: families)
  func `a connection outlives a pause of its guest, who answers no question meanwhile (RFC 9293 section 3.9.2.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      lab.advance(by: .seconds(31))
      lab.guest.answersARP = false
      server.write("hello")
      lab.advance(by: .seconds(60))
      #expect(questions(lab, family).contains(questionToEverybody(lab, family)))
      #expect(lab.flowStates == [.established])
      _ = tcp.takeSegments()
      lab.guest.answersARP = true
      lab.run(for: .seconds(70)) { tcp.pendingCount > 0 }
      #expect(tcp.takeSegments().map(\.payload) == [Array("hello".utf8)])
    }
  }

  @Test(arguments: families)
  func `frames follow a guest that speaks from another station`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      lab.guest.mac = MACAddress(0x52, 0x54, 0, 0xaa, 0xbb, 0xcc)
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      server.write("to the new card")
      tcp.stack(.data("to the new card", seq: 1, ack: 6))
      #expect(lab.stack.observer.stations.map(\.hardware).last == lab.guest.mac)
      #expect(questions(lab, family).isEmpty)
    }
  }

  // MARK: Many

  @Test func `a flood of sources makes the table forget the idlest address, which is asked for when it is needed`() {
    withLab { lab in
      lab.host.datagramServices[.server(.ipv6, port: 7)] = .echoes
      let address = lab.guest.ipv6Address
      lab.guest.sendUDP([1], from: 5000, to: .server(.ipv6, port: 7))
      lab.advance(by: .seconds(1))
      #expect(lab.guest.datagrams.map(\.payload) == [[1]])
      flood(lab, 0..<1500)
      guard let flow = lab.datagramFlow(onPort: 5000) else { return }
      lab.guest.clearInbox()
      lab.host.deliver([2], from: .server(.ipv6, port: 7), to: flow)
      lab.settle()
      #expect(questions(lab, .ipv6).map(\.target) == [IPAddress(address)])
      #expect(lab.guest.datagrams.map(\.payload) == [[2]])
    }
  }

  @Test func `a flood of sources leaves an address that is in use its place`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: .ipv6)
      for round in 0..<5 {
        flood(lab, UInt64(round) * 500..<UInt64(round + 1) * 500)
        server.write("x")
        tcp.stack(.data("x", seq: 1 + round, ack: 1))
        tcp.guest(.ack(2 + round, seq: 1))
      }
      #expect(questions(lab, .ipv6).isEmpty)
    }
  }

  /// A packet from each of so many addresses of the network, a millisecond apart.
  private func flood(_ lab: Lab, _ numbers: Range<UInt64>) {
    for number in numbers {
      let source = IPv6Address(high: lab.guest.ipv6Address.high, low: 0x1_0000_0000 + number)
      let request = PlainICMP(type: 128, rest: UInt32(number))
      lab.guest.send(.icmp(request), from: IPAddress(source), to: .gateway(.ipv6))
      lab.advance(by: .milliseconds(1))
    }
    lab.guest.clearInbox()
  }
}
