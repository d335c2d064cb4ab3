import Foundation
import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// One TCP flow over a path of 40 ms and 200 Mbit/s, through culvert and by a plain socket.
  @Suite(.serialized, Requirement.root)
  struct LongPathTests {
    /// The way of the bytes, as the guest sees it.
    enum Direction: String, CaseIterable {
      case up, down
    }

    @Test(arguments: Direction.allCases)
    func `a flow reaches at least 0.8 of a plain socket's throughput`(direction: Direction) throws {
      let network = try Network()
      var plain: [Double] = []
      var through: [Double] = []
      for _ in 0..<3 {
        plain.append(try network.megabitsPerSecond(from: network.near, direction))
        through.append(try network.megabitsPerSecond(from: network.guest, direction))
      }
      try network.stop()
      let ratio = through.sorted()[1] / plain.sorted()[1]
      print("\(direction): \(through.sorted()[1]) of \(plain.sorted()[1]) Mbit/s, \(ratio)")
      #expect(plain.sorted()[1] > 50, "the path itself is too slow to tell: \(plain)")
      #expect(ratio >= 0.8, "through culvert \(through), plain \(plain) Mbit/s")
    }

    /// A guest's namespace, culvert's own at the near end of the path, and a server's at the far end.
    final class Network {
      let guest: NetworkNamespace
      let near: NetworkNamespace
      private let far: NetworkNamespace
      private let path: DelayedPath
      private let culvert: Culvert
      private let pump: FramePump
      private let server: Program

      init() throws {
        (guest, near, far) = (try NetworkNamespace(), try NetworkNamespace(), try NetworkNamespace())
        for namespace in [guest, near, far] { try namespace.chooseCongestionControl() }
        let suffix = ProcessControl.processID % 100_000
        let taps = try ["near", "far", "guest"].map { try TAP(name: "\($0)\(suffix)") }
        try near.adopt(taps[0], address: "10.9.0.1/24")
        try far.adopt(taps[1], address: "10.9.0.2/24")
        try guest.adopt(taps[2], address: "10.0.2.15/24")
        try guest.run("ip route add default via 10.0.2.2")
        path = try DelayedPath(between: taps[0], and: taps[1], delay: .milliseconds(20), bitsPerSecond: 200_000_000)
        culvert = try Culvert(launcher: near.launcher)
        pump = try FramePump(between: taps[2], and: culvert.socketPath)
        server = try Program(far.launcher + ["iperf3", "--server", "--forceflush"])
        try server.output.wait(seconds: 10, "iperf3's start") { $0.contains("Server listening") ? () : nil }
      }

      /// The throughput of one flow from a namespace to the far end, or back, over four seconds.
      func megabitsPerSecond(from client: NetworkNamespace, _ direction: Direction) throws -> Double {
        let way = direction == .up ? "" : "--reverse"
        let report = try client.run("iperf3 --client 10.9.0.2 --time 4 --json \(way)", seconds: 30)
        let figures = try JSONDecoder().decode(Report.self, from: Data(report.utf8))
        return figures.end.sum_received.bits_per_second / 1e6
      }

      func stop() throws {
        pump.stop()
        path.stop()
        try culvert.stop()
      }
    }

    /// What is of interest in iperf3's report.
    private struct Report: Decodable {
      struct End: Decodable {
        struct Sum: Decodable { let bits_per_second: Double }
        let sum_received: Sum
      }
      let end: End
    }
  }
}
