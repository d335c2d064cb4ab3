import Foundation
import Simulation
import Testing

/// The stack answers to the guests of all recorded sessions as it is expected to.
@Suite struct SessionTests {
  /// The sessions whose expectations are to be written down (`Scripts/record --update`); nil for none.
  private static let accepted = ProcessInfo.processInfo.environment["CULVERT_EXPECT"]

  private static func isAccepted(_ session: Session) -> Bool {
    guard let accepted else { return false }
    return accepted == "all" || accepted.split(separator: " ").contains { $0 == session.scriptName }
  }

  static let sessions = Session.all(in: "Sessions")
  static let regressions = Session.all(in: "Regressions")

  @Test func `there are sessions`() {
    #expect(Self.sessions.count > 30)
  }

  @Test(arguments: sessions + regressions)
  func `a replayed session is answered as expected`(session: Session) throws {
    let replay = try session.replay()
    #expect(replay.problems == [])
    let lines = SessionText.lines(of: replay.frames) + replay.notes.map { "# " + $0 }
    if Self.isAccepted(session) { return try session.expect(lines) }
    guard let expected = try session.expectation() else {
      Issue.record("\(session.name) has no expectation: see what it does, and run 'Scripts/record --update'")
      return
    }
    let difference = LineDifference(expected: expected, actual: lines)
    #expect(
      difference.isEmpty,
      """
      \(session.name) is answered otherwise; if that is right, run 'Scripts/record --update \(session.scriptName)'
      \(difference)
      """)
  }

  @Test func `a session has the same replay twice`() throws {
    let session = try #require(Self.sessions.first)
    let first = SessionText.lines(of: try session.replay().frames)
    #expect(LineDifference(expected: first, actual: SessionText.lines(of: try session.replay().frames)).isEmpty)
  }

  @Test func `every capture stands in the table, and everything in the table is there`() throws {
    let table = try String(contentsOf: Session.captures.appending(path: "README.md"), encoding: .utf8)
    let named = table.split(separator: "\n").compactMap { row -> String? in
      guard row.hasPrefix("| `Sessions/") || row.hasPrefix("| `Regressions/") else { return nil }
      return row.split(separator: "`").dropFirst().first.map(String.init)
    }.filter { $0.hasSuffix(".pcap") }
    let there = ["Sessions", "Regressions"].flatMap { folder in
      Session.all(in: folder).map { "\(folder)/\($0.name).pcap" }
    }
    #expect(Set(there).subtracting(named) == [], "captures that the table does not have")
    #expect(Set(named).subtracting(there) == [], "captures that are not there")
    #expect(Set(named).count == named.count, "a file stands in the table twice")
  }

  @Test func `no expectation is of a capture that is not there`() throws {
    for folder in ["Sessions", "Regressions"] {
      let path = Session.captures.appending(path: folder).path()
      guard FileManager.default.fileExists(atPath: path) else { continue }
      let names = try FileManager.default.contentsOfDirectory(atPath: path)
      for name in names where name.hasSuffix(".expected") || name.hasSuffix(".network") {
        let capture = name.prefix { $0 != "." } + ".pcap"
        #expect(names.contains(String(capture)), "\(folder)/\(name) is of no capture")
      }
    }
  }

  @Test func `all captures together take less than five megabytes`() throws {
    let files = try #require(FileManager.default.enumerator(at: Session.captures, includingPropertiesForKeys: nil))
    var bytes = 0
    for case let file as URL in files {
      let attributes = try FileManager.default.attributesOfItem(atPath: file.path())
      if attributes[.type] as? FileAttributeType == .typeRegular { bytes += (attributes[.size] as? Int) ?? 0 }
    }
    #expect(bytes < 5_000_000)
    #expect(bytes > 0)
  }
}
