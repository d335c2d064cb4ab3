import Netstack
import Primitives
import Simulation
import Testing

/// The sockets of a replay.
@Suite struct ReplayHostTests {
  private static let server = Endpoint(IPv4Address(192, 0, 2, 1), port: 80)
  private static let flows = (0..<3).map { FlowID(index: $0, generation: 1) }

  @Test func `each flow that has changed is told of once, the first first`() {
    var host = ReplayHost(.echo)
    for flow in Self.flows {
      let opened = host.connect(flow, to: Self.server, marks: PacketMarks())
      #expect(opened == .ready)
    }
    var told: [FlowID] = []
    while host.hasEvents {
      guard let (flow, readiness) = host.takeEvent() else { break }
      #expect(readiness == .writable)
      told.append(flow)
    }
    #expect(told == Self.flows)
  }

  @Test func `a flow that has ended is told of no more`() {
    var host = ReplayHost(.echo)
    for flow in Self.flows { _ = host.connect(flow, to: Self.server, marks: PacketMarks()) }
    host.close(Self.flows[1], abortively: false)
    var told: [FlowID] = []
    while let (flow, _) = host.takeEvent() { told.append(flow) }
    #expect(told == [Self.flows[0], Self.flows[2]])
  }
}
