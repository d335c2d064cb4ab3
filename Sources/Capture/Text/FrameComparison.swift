/// Two frames side by side, field by field: what was expected and what came.
///
///       byte  field                     expected          got
///          0  Ethernet destination      52:54:00:12:34:56 52:54:00:12:34:56
///     *   38  TCP sequence number       1000              2000
///     *   54  TCP payload               3 bytes 41 42 43  - (byte 0 of it)
///
/// A star marks what differs. A field of which one frame has no counterpart is `-` there.
public struct FrameComparison: Sendable {
  /// A field as both frames have it.
  public struct Row: Hashable, Sendable {
    /// What was expected, nil where that frame has no such field.
    public var expected: DecodedField?
    /// What came, likewise.
    public var got: DecodedField?
    /// The first byte of the field, counted from its own first, in which the two differ; nil where they are equal, or
    /// where only one has it.
    public var firstDifference: Int?

    /// Whether the two frames differ here.
    public var isDifferent: Bool { expected == nil || got == nil || firstDifference != nil }
  }

  /// The fields, those of the frame that was expected in their order, each other where it belongs.
  public let rows: [Row]
  /// Whether the frames are the same in every byte.
  public let isEqual: Bool

  /// Compares two frames of any bytes.
  public init(expected: Span<UInt8>, got: Span<UInt8>) {
    let text = FrameText()
    var rows = Self.pair(text.fields(of: expected), text.fields(of: got)).map { Row(expected: $0.0, got: $0.1) }
    for index in rows.indices { rows[index].findDifference(expected, got) }
    // Of several fields in one byte, only those differ that say something else, if there is one.
    let told = rows.filter { $0.isDifferent && $0.expected?.value != $0.got?.value }.compactMap(\.expected?.range)
    for index in rows.indices where rows[index].saysTheSame {
      guard let range = rows[index].expected?.range, told.contains(where: { $0.overlaps(range) }) else { continue }
      rows[index].firstDifference = nil
    }
    self.rows = rows
    isEqual = expected.count == got.count && rows.allSatisfy { !$0.isDifferent }
  }

  /// The table, a field on each line, without an end of line behind the last.
  public func table(onlyDifferences: Bool = false) -> String {
    let cells = rows.filter { $0.isDifferent || !onlyDifferences }.map { row in
      let field = row.expected ?? row.got
      var got = row.got?.value ?? "-"
      // What is cut in the middle may look the same.
      if let byte = row.firstDifference, row.expected?.value == row.got?.value { got += " (byte \(byte) of it)" }
      return (
        mark: row.isDifferent ? "*" : " ", byte: "\(field?.range.lowerBound ?? 0)",
        name: "\(field?.layer ?? "") \(field?.name ?? "")", expected: row.expected?.value ?? "-", got: got
      )
    }
    let head = (mark: " ", byte: "byte", name: "field", expected: "expected", got: "got")
    let all = [head] + cells
    let (nameWidth, expectedWidth) = (all.map(\.name.utf8.count).max() ?? 0, all.map(\.expected.utf8.count).max() ?? 0)
    return all.map { cell in
      let byte = String(repeating: " ", count: max(0, 6 - cell.byte.utf8.count)) + cell.byte
      return
        "\(cell.mark) \(byte)  \(Self.pad(cell.name, nameWidth))  \(Self.pad(cell.expected, expectedWidth))  \(cell.got)"
    }.joined(separator: "\n")
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }

  /// Puts fields of one layer and name together, those that stand several times in their order.
  private static func pair(
    _ expected: [DecodedField], _ got: [DecodedField]
  ) -> [(DecodedField?, DecodedField?)] {
    var pairs: [(DecodedField?, DecodedField?)] = []
    var next = 0
    for field in expected {
      // Everything before the counterpart has none.
      if let place = got[next...].firstIndex(where: { $0.isNamesake(of: field) }) {
        pairs += got[next..<place].map { (nil, $0) }
        pairs.append((field, got[place]))
        next = place + 1
      } else {
        pairs.append((field, nil))
      }
    }
    return pairs + got[next...].map { (nil, $0) }
  }
}

extension FrameComparison.Row {
  /// Whether both frames have the field, with one value.
  fileprivate var saysTheSame: Bool { expected != nil && expected?.value == got?.value }

  fileprivate mutating func findDifference(_ expectedFrame: Span<UInt8>, _ gotFrame: Span<UInt8>) {
    guard let left = expected?.range, let right = got?.range else { return }
    firstDifference = (0..<min(left.count, right.count)).first {
      expectedFrame[left.lowerBound + $0] != gotFrame[right.lowerBound + $0]
    }
    if firstDifference == nil && left.count != right.count { firstDifference = min(left.count, right.count) }
    // A problem may be of a field with others.
    if firstDifference == nil && !saysTheSame { firstDifference = 0 }
  }
}

extension DecodedField {
  /// Whether the two are the same field of two frames.
  fileprivate func isNamesake(of other: DecodedField) -> Bool { layer == other.layer && name == other.name }
}
