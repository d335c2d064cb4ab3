import Netstack
import Primitives
import Simulation
import Testing

/// How fast data reaches a guest over a bad link, as a table: loss by round trip by window. Virtual time and seeded
/// chance make the figures exact; a change that moves them is to be looked at, and then written down here.
@Suite struct GoodputTests {
  /// Kilobytes a second, for each loss in permille, round trip in milliseconds and window in kilobytes.
  private static let expected = """
    loss 0 rtt 1: 28571 80000
    loss 0 rtt 50: 571 1600
    loss 10 rtt 1: 19047 66666
    loss 10 rtt 50: 380 1333
    loss 50 rtt 1: 890 7692
    loss 50 rtt 50: 145 153
    """

  @Test func `goodput towards the guest is as it was measured`() {
    var lines: [String] = []
    for loss in [0, 10, 50] {
      for roundTrip in [1, 50] {
        let figures = [32, 256].map { goodput(loss: loss, roundTrip: roundTrip, window: $0) }
        lines.append("loss \(loss) rtt \(roundTrip): " + figures.map(String.init).joined(separator: " "))
      }
    }
    #expect(lines.joined(separator: "\n") == Self.expected)
  }

  private func goodput(loss: Int, roundTrip: Int, window: Int) -> Int {
    var options = Lab.Options()
    options.seed = 7
    options.downLink = LinkModel(delay: .microseconds(Int64(roundTrip * 500)), lossPermille: loss)
    options.upLink = LinkModel(delay: .microseconds(Int64(roundTrip * 500)))
    let lab = Lab(options)
    lab.host.services[.server] = RemoteService()
    var guest = GuestTCP.Options()
    guest.receiveBufferSize = window * 1024
    let connection = lab.guest.connect(to: .server, options: guest)
    lab.run(for: .seconds(60)) { connection.isEstablished }
    guard let server = lab.peers(at: .server).first else { return 0 }
    let bytes = pattern(400_000)
    server.write(bytes)
    server.finish()
    let begin = lab.now
    guard lab.run(for: .seconds(600), until: { connection.isReadClosed }), connection.received == bytes else {
      return 0
    }
    let elapsed = max((lab.now - begin).nanoseconds / 1000, 1)
    return Int(Int64(bytes.count) * 1000 / elapsed)
  }
}
