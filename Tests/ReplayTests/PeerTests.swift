import Simulation
import Testing

/// The same guest behind Culvert and behind QEMU's own network: what differs is explained.
@Suite struct PeerTests {
  /// The sessions that were recorded behind both, but for one in which what is said when is chance.
  static let scripts = SessionTests.sessions.map(\.name).filter { name in
    name != "tcp-loss-iperf3" && SessionTests.sessions.contains { $0.name == name + "-libslirp" }
  }

  private static func outline(of name: String) throws -> [String] {
    let session = try #require(SessionTests.sessions.first { $0.name == name })
    return try PeerOutline(try session.frames()).lines
  }

  /// The outline behind libslirp, with the words that differ everywhere as Culvert has them.
  private static func translated(_ lines: [String], used: inout Set<String>) throws -> [String] {
    let rules = try PeerDifferences.everywhere()
    return lines.map { line in
      guard line.hasPrefix("<") else { return line }
      let translated = rules.reduce(line) { line, rule in
        guard line.contains(rule.libslirp) else { return line }
        used.insert(rule.libslirp)
        return line.replacing(rule.libslirp, with: rule.culvert)
      }
      return String(translated.reversed().drop { $0 == " " }.reversed())
    }
  }

  private static func places(of script: String, used: inout Set<String>) throws -> [[String]] {
    let theirs = try translated(try outline(of: script + "-libslirp"), used: &used)
    return LineDifference(expected: theirs, actual: try outline(of: script)).hunks.map(\.lines)
  }

  @Test(arguments: scripts)
  func `every difference between two networks is explained, and every explanation needed`(script: String) throws {
    var used: Set<String> = []
    let places = try Self.places(of: script, used: &used)
    let differences = try PeerDifferences(of: script)
    let new = places.filter { !differences.explained.contains($0) }.map {
      "```diff\n\($0.joined(separator: "\n"))\n```"
    }
    #expect(
      new.isEmpty,
      "\(script) differs where Captures/Peers/\(script).md says nothing:\n\n\(new.joined(separator: "\n\n"))")
    let stale = differences.explained.filter { !places.contains($0) }
    #expect(stale == [], "Captures/Peers/\(script).md explains what does not differ")
    #expect(differences.unexplained == [], "Captures/Peers/\(script).md shows these without a reason")
  }

  @Test func `what differs everywhere does differ somewhere`() throws {
    var used: Set<String> = []
    for script in Self.scripts { _ = try Self.places(of: script, used: &used) }
    let rules = Set(try PeerDifferences.everywhere().map(\.libslirp))
    #expect(rules.subtracting(used) == [])
    #expect(!Self.scripts.isEmpty)
  }
}
