extension String {
  /// The text with everything escaped that would not stand as itself in one line: control characters, line
  /// separators, and marks that change the direction of writing.
  package var printable: String {
    guard !utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else { return self }
    var result = ""
    for scalar in unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
