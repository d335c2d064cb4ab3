import Primitives

// How bytes and numbers of a frame are written.

/// A number in hexadecimal digits, as many as `width` at least, behind `0x`.
func hexadecimal(_ value: some FixedWidthInteger, width: Int) -> String {
  let digits = String(value, radix: 16)
  return "0x" + String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension Span<UInt8> {
  /// The first `limit` bytes of `range` as hexadecimal digits with spaces between them, and `...` where there are more.
  /// - Precondition: the range lies in the span.
  func hexadecimal(_ range: Range<Int>, limit: Int = 64, separator: String = " ") -> String {
    var text = ""
    for index in range.prefix(limit) {
      if index > range.lowerBound { text += separator }
      text += Self.digits(self[index])
    }
    return range.count > limit ? text + " ..." : text
  }

  /// The first `limit` bytes of `range` as text: printable ASCII but the backslash as it is, all else as `\x00`.
  /// - Precondition: the range lies in the span.
  func text(_ range: Range<Int>, limit: Int = 80) -> String {
    var text = ""
    for index in range.prefix(limit) {
      let byte = self[index]
      if (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\\") {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "\\x" + Self.digits(byte)
      }
    }
    return range.count > limit ? text + "..." : text
  }

  private static func digits(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0" + digits : digits
  }
}

extension Sequence<String> {
  /// The first `limit` with commas between them, and how many more there are.
  func listed(limit: Int = 8) -> String {
    let all = Array(self)
    let shown = all.prefix(limit).joined(separator: ", ")
    return all.count > limit ? "\(shown) and \(all.count - limit) more" : shown
  }
}
