/// A command in one text, cut into words as a POSIX shell does (XCU section 2.2), but nothing in it is expanded: QEMU
/// starts commands without a shell, too.
public struct CommandText: Hashable, Sendable {
  /// The text as it was given.
  public let text: String
  /// The program and its arguments, at least one.
  public let words: [String]

  /// Why a text is no command.
  enum SyntaxError: Error, CustomStringConvertible {
    case empty, openQuote(String), zeroByte

    var description: String {
      switch self {
      case .empty: "the command is missing"
      case .openQuote(let text): "a quotation in '\(text)' has no end"
      case .zeroByte: "the command holds a zero byte"
      }
    }
  }

  /// Cuts a text into words: between blanks, but for what stands in quotation marks or behind a backslash.
  init(_ text: String) throws(SyntaxError) {
    guard !text.utf8.contains(0) else { throw .zeroByte }
    var scanner = Scanner(rest: Substring(text))
    guard let words = scanner.words() else { throw .openQuote(text) }
    guard !words.isEmpty else { throw .empty }
    self.text = text
    self.words = words
  }

  private struct Scanner {
    var rest: Substring

    /// The words that are left; nil where a quotation has no end.
    mutating func words() -> [String]? {
      var words: [String] = []
      var word: String?
      while let character = rest.popFirst() {
        switch character {
        case " ", "\t", "\n":
          if let finished = word { words.append(finished) }
          word = nil
        // XCU section 2.3: a comment is to the end of the line.
        case "#" where word == nil: rest = rest.drop { $0 != "\n" }
        case "\\":
          guard let quoted = rest.popFirst() else { return nil }
          if quoted != "\n" { word = (word ?? "") + String(quoted) }
        case "'", "\"":
          guard let quoted = character == "'" ? literal() : quotation() else { return nil }
          word = (word ?? "") + quoted
        default: word = (word ?? "") + String(character)
        }
      }
      return words + (word.map { [$0] } ?? [])
    }

    /// XCU section 2.2.2: every character up to the next single quote.
    private mutating func literal() -> String? {
      guard let end = rest.firstIndex(of: "'") else { return nil }
      defer { rest = rest[rest.index(after: end)...] }
      return String(rest[..<end])
    }

    /// XCU section 2.2.3: up to the next double quote; a backslash stands for itself but before these.
    private mutating func quotation() -> String? {
      var quoted = ""
      while let character = rest.popFirst() {
        switch character {
        case "\"": return quoted
        case "\\":
          guard let next = rest.popFirst() else { return nil }
          if next == "\n" { continue }
          quoted += "$`\"\\".contains(next) ? String(next) : "\\\(next)"
        default: quoted.append(character)
        }
      }
      return nil
    }
  }
}
