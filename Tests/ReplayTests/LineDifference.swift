/// Where two texts differ, to be read by people: each place once, with the lines around it.
struct LineDifference: CustomStringConvertible {
  /// A place: the lines of one text and those of the other in their stead.
  struct Hunk: Hashable {
    /// The number of the first line in either text, counted from 0.
    let place: (expected: Int, actual: Int)
    let missing: [String]
    let added: [String]

    static func == (left: Hunk, right: Hunk) -> Bool { left.missing == right.missing && left.added == right.added }
    func hash(into hasher: inout Hasher) {
      hasher.combine(missing)
      hasher.combine(added)
    }

    /// The lines as `diff` has them.
    var lines: [String] { missing.map { "-" + $0 } + added.map { "+" + $0 } }
  }

  let hunks: [Hunk]
  private let expected: [String]
  /// Lines of context before and behind a place, and places that are shown.
  private static let (context, mostHunks) = (3, 5)

  init(expected: [String], actual: [String]) {
    self.expected = expected
    // The standard library's difference is that of Myers, which is the shortest.
    let changes = actual.difference(from: expected)
    var removed: Set<Int> = []
    var inserted: Set<Int> = []
    for change in changes {
      switch change {
      case .remove(let offset, _, _): removed.insert(offset)
      case .insert(let offset, _, _): inserted.insert(offset)
      }
    }
    var hunks: [Hunk] = []
    var (left, right) = (0, 0)
    while left < expected.count || right < actual.count {
      let place = (left, right)
      while removed.contains(left) { left += 1 }
      while inserted.contains(right) { right += 1 }
      if place != (left, right) {
        hunks.append(
          Hunk(place: place, missing: Array(expected[place.0..<left]), added: Array(actual[place.1..<right])))
      } else {
        left += 1
        right += 1
      }
    }
    self.hunks = hunks
  }

  var isEmpty: Bool { hunks.isEmpty }

  /// A unified difference of the first places.
  var description: String {
    let shown = hunks.prefix(Self.mostHunks).map { hunk in
      let (before, behind) = (hunk.place.expected, hunk.place.expected + hunk.missing.count)
      let lines =
        expected[max(0, before - Self.context)..<before].map { " " + $0 } + hunk.lines
        + expected[behind..<min(expected.count, behind + Self.context)].map { " " + $0 }
      return "@@ line \(before + 1) of what is expected, line \(hunk.place.actual + 1) of what came @@\n"
        + lines.joined(separator: "\n")
    }
    let rest = hunks.count > Self.mostHunks ? "\n... and \(hunks.count - Self.mostHunks) places more" : ""
    return shown.joined(separator: "\n") + rest
  }
}
