import Netstack
import Primitives
import Simulation
import Testing

/// Whole transfers between the guest's own TCP and the world, over links that misbehave: bytes out are bytes in, and
/// every flow ends.
@Suite struct TransferTests {
  @Test func `a clean link carries a megabyte each way without a retransmission`() throws {
    try withLab { lab in
      lab.host.services[.server] = RemoteService(echoes: true)
      let bytes = pattern(1 << 20)
      let connection = lab.guest.connect(to: .server)
      connection.write(bytes)
      connection.finish()
      #expect(lab.run(for: .seconds(60)) { connection.isFinished })
      #expect(connection.received == bytes)
      #expect(connection.retransmissions == 0)
      let server = try #require(lab.peers(at: .server).first)
      #expect(server.bytes == bytes)
      lab.advance(by: .seconds(61))
      #expect(lab.openSocketCount == 0)
    }
  }
}
