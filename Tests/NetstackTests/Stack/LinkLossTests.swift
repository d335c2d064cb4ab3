import Netstack
import Primitives
import Simulation
import Testing

/// A link whose peer goes away: QEMU that ends, or is started anew.
@Suite struct LinkLossTests {
  @Test(arguments: families)
  func `connections of a link without a peer are kept, and go on with the next`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(over: family)
      lab.detach()
      server.write("kept")
      tcp.silence(for: .seconds(59))
      #expect(lab.flowStates == [.established])
      lab.attach()
      tcp.stack(.data("kept", seq: 1, ack: 1))
      tcp.guest(.ack(5, seq: 1))
      #expect(server.unreadByteCount == 0)
    }
  }

  @Test(arguments: families)
  func `after a minute they are given up, and the host's peers are reset`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (_, server) = try lab.established(over: family)
      lab.detach()
      lab.advance(by: .seconds(61))
      #expect(lab.flowEnds == [.evicted])
      #expect(lab.openSocketCount == 0)
      #expect(server.sawReset)
    }
  }
}
