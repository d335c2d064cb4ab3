import Foundation
import Simulation

/// The table of the answers in which Culvert deliberately departs from QEMU's own user network.
struct DifferenceTable {
  /// A row: in the answers to these probes this field differs so.
  struct Row: Hashable {
    /// The name of a probe, or its beginning followed by `*`.
    let probe: String
    let field: String
    let libslirp: String
    let culvert: String

    func covers(_ probe: String, _ difference: Difference) -> Bool {
      let isProbe = self.probe.last == "*" ? probe.hasPrefix(self.probe.dropLast()) : probe == self.probe
      return isProbe && field == difference.field && libslirp == difference.libslirp && culvert == difference.culvert
    }
  }

  let rows: [Row]

  /// Reads the rows of a Markdown table: probe, field, libslirp, Culvert, why.
  init(path: String) throws {
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("|") }
    rows = try lines.dropFirst(2).map { line in
      let cells = line.dropFirst().split(separator: "|", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: CharacterSet(charactersIn: " `"))
      }
      guard cells.count == 6, !cells[4].isEmpty else {
        throw Failure("not a row with five cells and a reason: \(line)")
      }
      return Row(probe: cells[0], field: cells[1], libslirp: cells[2], culvert: cells[3])
    }
  }
}

/// A field that differs between the answers of the two networks to one probe.
struct Difference: Hashable, CustomStringConvertible {
  let field: String
  let libslirp: String
  let culvert: String

  var description: String { "| `\(field)` | `\(libslirp)` | `\(culvert)` |" }

  /// What differs between two series of answers. A field of the second answer and those behind it has its number
  /// before its name; what one of the two does not say is `-`.
  static func between(libslirp: [PlainFrame], culvert: [PlainFrame]) -> [Difference] {
    var differences: [Difference] = []
    if libslirp.count != culvert.count {
      differences.append(
        Difference(field: "answers", libslirp: "\(libslirp.count)", culvert: "\(culvert.count)"))
    }
    for (index, (theirs, ours)) in zip(libslirp, culvert).enumerated() {
      let prefix = index == 0 ? "" : "\(index + 1):"
      guard theirs.kind == ours.kind else {
        differences.append(Difference(field: prefix + "kind", libslirp: theirs.kind, culvert: ours.kind))
        continue
      }
      var names: [String] = []
      for field in theirs.fields + ours.fields where !names.contains(field.name) { names.append(field.name) }
      for name in names {
        let (their, our) = (value(of: name, in: theirs.fields), value(of: name, in: ours.fields))
        if their != our { differences.append(Difference(field: prefix + name, libslirp: their, culvert: our)) }
      }
    }
    return differences
  }

  private static func value(of name: String, in fields: [AnswerField]) -> String {
    let values = fields.filter { $0.name == name }.map(\.value)
    return values.isEmpty ? "-" : values.joined(separator: " and ")
  }
}
