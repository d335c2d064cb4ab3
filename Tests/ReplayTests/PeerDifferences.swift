import Foundation

/// Where two networks treat the same guest otherwise, and why, as people have written it down.
///
/// A file of `Captures/Peers` has a block of `diff` for each place where the outlines differ, the lines of libslirp with
/// `-` and those of Culvert with `+`, and behind it a sentence that says why. `Everywhere.md` has a table of words that
/// differ in all sessions.
struct PeerDifferences {
  /// The explained places, each as its lines.
  let explained: [[String]]
  /// The explained places behind which nothing is said.
  let unexplained: [[String]]

  static let folder = Session.captures.appending(path: "Peers")

  /// Reads the file of a session; one that is not there explains nothing.
  init(of session: String) throws {
    let file = Self.folder.appending(path: session + ".md")
    let text =
      FileManager.default.fileExists(atPath: file.path()) ? try String(contentsOf: file, encoding: .utf8) : ""
    var (explained, unexplained): ([[String]], [[String]]) = ([], [])
    for part in text.components(separatedBy: "```diff\n").dropFirst() {
      let halves = part.components(separatedBy: "\n```\n")
      let lines = halves[0].split(separator: "\n").map(String.init)
      explained.append(lines)
      let reason = halves.count > 1 ? halves[1].trimmingCharacters(in: .whitespacesAndNewlines) : ""
      if reason.isEmpty || reason.hasPrefix("#") { unexplained.append(lines) }
    }
    (self.explained, self.unexplained) = (explained, unexplained)
  }

  /// Words of libslirp's and Culvert's in their place, for frames to the guest of all sessions.
  static func everywhere() throws -> [(libslirp: String, culvert: String)] {
    let text = try String(contentsOf: folder.appending(path: "Everywhere.md"), encoding: .utf8)
    return try text.split(separator: "\n").filter { $0.hasPrefix("|") }.dropFirst(2).map { line in
      let cells = line.dropFirst().split(separator: "|", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: CharacterSet(charactersIn: " `"))
      }
      guard cells.count == 4, !cells[2].isEmpty else { throw PeerTableError(line: String(line)) }
      return (cells[0], cells[1])
    }
  }
}

/// A row that does not say two things and why.
struct PeerTableError: Error {
  let line: String
}
