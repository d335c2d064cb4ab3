/// Rows of texts whose columns stand below each other.
struct TextTable {
  private let rows: [[String]]
  private let right: Set<Int>

  /// A table without a head.
  init(_ rows: [[String]]) { (self.rows, right) = (rows, []) }

  /// A table with a head; the columns of `right` end below each other.
  init(_ head: [String], _ rows: [[String]], right: Set<Int> = []) { (self.rows, self.right) = ([head] + rows, right) }

  /// The rows as lines.
  var text: String {
    let widths = rows.reduce(into: [Int]()) { widths, row in
      for (column, cell) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], cell.count)
      }
    }
    return rows.map { line($0, widths) + "\n" }.joined()
  }

  private func line(_ row: [String], _ widths: [Int]) -> String {
    let cells = row.enumerated().map { column, cell in
      let space = String(repeating: " ", count: widths[column] - cell.count)
      return right.contains(column) ? space + cell : cell + space
    }
    let line = cells.joined(separator: "  ")
    return String(line[..<(line.lastIndex { $0 != " " }.map { line.index(after: $0) } ?? line.startIndex)])
  }
}
