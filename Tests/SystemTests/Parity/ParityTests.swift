import Foundation
import Simulation
import Testing

extension SystemTests {
  /// Culvert and QEMU's own user network, asked the same.
  @Suite(.serialized, Requirement.guest, Requirement.root)
  struct ParityTests {
    @Test func `it answers as QEMU's own network does, but for what the table of differences says`() throws {
      let folder = URL(filePath: #filePath).deletingLastPathComponent()
      let table = try DifferenceTable(path: folder.appending(path: "Differences.md").path())
      var used: Set<DifferenceTable.Row> = []
      var unexplained: [String] = []
      for network in ProbedNetwork.all {
        let (theirHost, ourHost) = (try ParityHost(), try ParityHost())
        var libslirp = try Conversation(try theirHost.libslirp(network.options), on: theirHost)
        var culvert = try Conversation(try ourHost.culvert(network.options), on: ourHost)
        for probe in network.probes {
          let theirs = try Self.answers(to: probe, by: &libslirp)
          let ours = try Self.answers(to: probe, by: &culvert)
          for difference in Difference.between(libslirp: theirs, culvert: ours) {
            let rows = table.rows.filter { $0.covers(probe.name, difference) }
            if rows.isEmpty { unexplained.append("| `\(probe.name)` \(difference)") }
            used.formUnion(rows)
          }
        }
      }
      let stale = table.rows.filter { !used.contains($0) }
      #expect(unexplained.isEmpty, "differences that the table does not have:\n\(unexplained.joined(separator: "\n"))")
      #expect(stale.isEmpty, "the table has differences that there are not")
    }

    private static func answers(to probe: Probe, by network: inout Conversation) throws -> [PlainFrame] {
      network.begin()
      try probe.ask(&network)
      return network.answers
    }
  }
}
