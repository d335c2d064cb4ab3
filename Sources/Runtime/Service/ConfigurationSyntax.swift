import Configuration

/// What a configuration file may be made of: names, `=`, and texts, whole numbers, `true` and `false` or arrays of them,
/// all as in TOML 1.0.
///
/// TOML has more: tables, dotted names, dates, fractions. No option has such a value, and where they are written wrongly
/// the library that reads the file (toml++ 3.4) does not throw, but ends the process: at what cannot begin a key behind
/// `[`, or a value in an array; at a date with half a time; at a number with more `_` than it remembers. A name with
/// thousands of `.` takes all of the stack, and a zero byte is the end for it. So a text is looked at before the library
/// gets it, and what is beyond the options' part of TOML is refused, which leaves it nothing of that kind. Whatever
/// else is wrong, as a `=` that is missing, is the library's to tell.
///
/// Both must see the same texts and comments for that. They do up to the first thing that the library refuses: in what
/// it has taken until then, a quotation mark outside of texts and comments begins a text, and `#` a comment.
struct ConfigurationSyntax {
  private let bytes: [UInt8]
  private let path: String
  private var offset = 0
  private var line = 1
  /// How many arrays are open.
  private var depth = 0
  /// Whether what comes is behind the `=` of its name.
  private var isValue = false

  /// Throws where a text goes beyond what options need; `path` is what errors call it.
  static func check(_ text: String, path: String) throws(ConfigurationError) {
    var syntax = ConfigurationSyntax(bytes: Array(text.utf8), path: path)
    while let byte = syntax.next { try syntax.take(byte) }
  }

  private init(bytes: [UInt8], path: String) { (self.bytes, self.path) = (bytes, path) }

  private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private func mistake(_ words: String) -> ConfigurationError { ConfigurationError("\(path):\(line)", words) }

  /// Takes what begins with a byte.
  private mutating func take(_ byte: UInt8) throws(ConfigurationError) {
    switch byte {
    case UInt8(ascii: "#"): try takeComment()
    case UInt8(ascii: "\""), UInt8(ascii: "'"): try takeText(byte)
    case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"): try takeBracket(byte)
    case _ where isValue && !Self.endsWord(byte): try takeWord()
    case UInt8(ascii: "."): throw mistake("a '.' in a name makes a table, which options do not stand in")
    default:
      if byte == UInt8(ascii: "=") { isValue = true }
      try advance()
    }
  }

  /// Passes over a byte.
  private mutating func advance() throws(ConfigurationError) {
    guard bytes[offset] != 0 else { throw mistake("there is a zero byte, which no text has") }
    if bytes[offset] == UInt8(ascii: "\n") {
      line += 1
      // In an array, lines do not matter.
      if depth == 0 { isValue = false }
    }
    offset += 1
  }

  private mutating func takeComment() throws(ConfigurationError) {
    while let byte = next, byte != UInt8(ascii: "\n") { try advance() }
  }

  private mutating func takeBracket(_ bracket: UInt8) throws(ConfigurationError) {
    switch bracket {
    case UInt8(ascii: "["):
      guard isValue else { throw mistake("'[' begins a table, which options do not stand in") }
      depth += 1
    case UInt8(ascii: "]"): depth = max(0, depth - 1)
    case UInt8(ascii: "{"): throw mistake("'{' begins a table, which options do not stand in")
    default: throw mistake("'}' ends nothing")
    }
    try advance()
  }

  // MARK: Texts

  /// Takes a text in quotation marks: of one line, or of several between three of them.
  private mutating func takeText(_ mark: UInt8) throws(ConfigurationError) {
    let firstLine = line
    let count = try takeMarks(mark, atMost: 3)
    // Two are a text of nothing.
    guard count != 2 else { return }
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\\") where mark == UInt8(ascii: "\""):
        try advance()
        if next != nil { try advance() }
      case mark where count == 1: return try advance()
      case mark:
        // Three end it, before which two more may stand.
        if try takeMarks(mark, atMost: 5) >= 3 { return }
      default:
        guard count == 3 || byte != UInt8(ascii: "\n") else { throw mistake("a text has no end on its line") }
        try advance()
      }
    }
    line = firstLine
    throw mistake("a text has no end")
  }

  /// Passes over marks that follow each other.
  private mutating func takeMarks(_ mark: UInt8, atMost limit: Int) throws(ConfigurationError) -> Int {
    var count = 0
    while count < limit, next == mark {
      try advance()
      count += 1
    }
    return count
  }

  // MARK: Numbers

  /// Takes a value that stands in no quotation marks: a whole number, `true` or `false`.
  private mutating func takeWord() throws(ConfigurationError) {
    let start = offset
    while let byte = next, !Self.endsWord(byte) { try advance() }
    let word = bytes[start..<offset]
    guard Self.isNumber(word) || word.elementsEqual("true".utf8) || word.elementsEqual("false".utf8) else {
      let words = String(decoding: word, as: UTF8.self)
      throw mistake("'\(words)' is neither a whole number nor true or false; put a text into quotation marks")
    }
  }

  /// Whether a word ends before a byte: at a blank, or where something else begins.
  private static func endsWord(_ byte: UInt8) -> Bool { " \t\r\n,#[]{}\"'".utf8.contains(byte) }

  /// Whether a word is of digits, with `_` between them and with a sign or the prefix of a base in front.
  private static func isNumber(_ word: ArraySlice<UInt8>) -> Bool {
    var digits = word
    if let sign = digits.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { digits.removeFirst() }
    let prefixes = ["0x", "0o", "0b"]
    let hasPrefix = prefixes.contains { digits.starts(with: $0.utf8) }
    guard let first = digits.first, isDigit(first), word.count <= mostDigits else { return false }
    return digits.dropFirst(hasPrefix ? 2 : 0).allSatisfy { byte in
      isDigit(byte) || byte == UInt8(ascii: "_") || hasPrefix && isHexadecimalLetter(byte)
    }
  }

  /// The longest number in bytes: 64 binary digits with a `_` behind each, and what is in front of them.
  private static let mostDigits = 120

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func isHexadecimalLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
  }
}
