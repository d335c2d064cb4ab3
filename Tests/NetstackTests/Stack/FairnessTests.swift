import Netstack
import Primitives
import Simulation
import Testing

/// What one flow has in plenty does not keep another waiting for all of it.
@Suite struct FairnessTests {
  /// A round of a flow's reading; the next one waits for the next turn.
  private static let bound = 64

  @Test(arguments: families)
  func `between two events of other flows a flood of datagrams has one round at most`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let server = Endpoint.server(family, port: 7)
      let ports: [UInt16] = [5000, 5001, 5002]
      for port in ports { lab.guest.sendUDP([1], from: port, to: server) }
      lab.settle()
      let flows = try ports.map { try #require(lab.datagramFlow(onPort: $0)) }
      // As many as the host's socket holds, and then one each for the others.
      for number in 0..<256 { lab.host.deliver([0, UInt8(number)], from: server, to: flows[0]) }
      for (index, flow) in flows.enumerated().dropFirst() {
        lab.host.deliver([UInt8(index)], from: server, to: flow)
      }
      lab.settle()
      let order = lab.guest.datagrams.map(\.payload)
      #expect(order.count == 258)
      let first = try #require(order.firstIndex(of: [1]))
      let second = try #require(order.firstIndex(of: [2]))
      #expect(first <= Self.bound)
      #expect(second == first + 1)
      #expect(order.filter { $0.count == 2 }.map { $0[1] } == (0..<256).map { UInt8($0) })
    }
  }

  @Test(arguments: families)
  func `while the link is known to be full datagrams and echoes wait in the host's sockets`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let server = Endpoint.server(family, port: 7)
      let place = Endpoint(.loopback(family), port: 2053)
      let guest = Endpoint(lab.guest.address(in: family), port: 53)
      try lab.apply(.addForward(PortForward(transport: .udp, host: place, guest: guest)))
      lab.host.echoResponders = [server.address]
      lab.guest.sendUDP([0], from: 5000, to: server)
      lab.settle()
      let mapping = try #require(lab.datagramFlow(onPort: 5000))
      let forward = try #require(lab.datagramFlow(onPort: 2053))
      lab.openLink(room: 0)
      // Its refusal tells that the link is full.
      lab.host.deliver([1], from: server, to: mapping)
      lab.settle()
      #expect(lab.drops(.linkFull) == 1)
      for number in 2...4 {
        lab.host.deliver([UInt8(number)], from: server, to: mapping)
        lab.host.deliver([UInt8(10 * number)], from: Endpoint(.loopback(family), port: 999), to: forward)
        lab.guest.ping(server.address, sequence: UInt16(number))
        lab.settle()
      }
      #expect(lab.guest.datagrams.isEmpty && lab.guest.icmpMessages.isEmpty)
      lab.openLink()
      lab.settle()
      #expect(lab.guest.datagrams.map(\.payload) == [[2], [3], [4], [20], [30], [40]])
      #expect(lab.guest.icmpMessages.map { UInt16(truncatingIfNeeded: $0.rest) } == [2, 3, 4])
      #expect(lab.drops(.linkFull) == 1)
    }
  }
}
