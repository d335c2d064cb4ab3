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
}
