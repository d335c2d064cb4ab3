/// What there is to read at a path.
public enum AccessFile: Hashable, Sendable {
  /// A file with these bytes.
  case contents([UInt8])
  /// Nothing.
  case missing
  /// Something that the user who started the program may not read.
  case forbidden
}

extension AccessList {
  /// The files that are read, each of which may be missing: QEMU's, and Culvert's own.
  public static let paths = ["/etc/qemu/bridge.conf", "/etc/culvert/bridge.conf"]

  /// Reads lists and what they include.
  ///
  /// ```
  /// # a comment, on a line of its own
  /// allow NAME|all
  /// deny NAME|all
  /// include /PATH
  /// ```
  /// A file of `paths` that is missing has no lines; one that the user may not read is an error, for it might deny. An
  /// included file that is missing or may not be read has no lines: so an administrator gives to the members of a group
  /// what stands in a file that only they may read, as QEMU's documentation has it.
  ///
  /// Where QEMU's helper guesses, this one refuses: a line that is none of these is an error with its number, in included
  /// files too, and so is a path that would begin wherever the user stands.
  /// - Parameter read: tells what is at a path.
  public init(
    paths: [String] = AccessList.paths, reading read: (String) throws(HelperError) -> AccessFile
  ) throws(HelperError) {
    var reader = AccessListReader()
    for path in paths {
      switch try read(path) {
      case .contents(let bytes): try reader.take(bytes, of: path, depth: 0, read)
      case .missing: continue
      case .forbidden: throw HelperError("\(path) may not be read: it might deny what is asked for")
      }
    }
    self = reader.list
  }
}

/// The state of reading lists.
private struct AccessListReader {
  var list = AccessList()

  /// How deep files include others.
  static let deepest = 8
  /// How many files there are, the same one counted as often as it is included.
  static let mostFiles = 64
  /// How many rules there are.
  static let mostRules = 4096

  mutating func take(
    _ bytes: [UInt8], of path: String, depth: Int, _ read: (String) throws(HelperError) -> AccessFile
  ) throws(HelperError) {
    guard list.files.count < Self.mostFiles else { throw HelperError("access lists have over \(Self.mostFiles) files") }
    list.files.append(path)
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let words = line.trimmed
      guard let first = words.first, first != UInt8(ascii: "#") else { continue }
      guard let text = String(validating: words, as: UTF8.self),
        words.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0.isBlank })
      else { throw HelperError("line \(index + 1) of \(path) has bytes that are no text") }
      let place = AccessList.Line(file: path, number: index + 1, text: text)
      let keyword = words.prefix { !$0.isBlank }
      try take(
        String(decoding: keyword, as: UTF8.self), words.dropFirst(keyword.count).trimmed, at: place, depth, read)
    }
  }

  /// Takes a line of two parts.
  private mutating func take(
    _ keyword: String, _ argument: ArraySlice<UInt8>, at place: AccessList.Line, _ depth: Int,
    _ read: (String) throws(HelperError) -> AccessFile
  ) throws(HelperError) {
    let text = String(decoding: argument, as: UTF8.self)
    switch keyword {
    case "allow", "deny":
      guard HelperRequest.isInterfaceName(text) else {
        throw HelperError("\(place) is wrong: behind '\(keyword)' stands one bridge's name, or 'all'")
      }
      guard list.rules.count < Self.mostRules else { throw HelperError("\(place) is one rule too many") }
      list.rules.append(.init(isAllowed: keyword == "allow", bridge: text == "all" ? nil : text, line: place))
    case "include":
      guard argument.first == UInt8(ascii: "/") else {
        throw HelperError("\(place) is wrong: behind 'include' stands a path that begins with '/'")
      }
      guard depth < Self.deepest else { throw HelperError("\(place) includes deeper than \(Self.deepest) files") }
      if case .contents(let bytes) = try read(text) { try take(bytes, of: text, depth: depth + 1, read) }
    default:
      throw HelperError("\(place) is wrong: a line begins with 'allow', 'deny', 'include' or '#'")
    }
  }
}

extension UInt8 {
  /// What isspace(3) knows, but for the end of a line.
  fileprivate var isBlank: Bool { self == 0x20 || self == 0x09 || (0x0b...0x0d).contains(self) }
}

extension ArraySlice<UInt8> {
  /// Without blanks at either end.
  fileprivate var trimmed: ArraySlice<UInt8> {
    var rest = drop { $0.isBlank }
    while let last = rest.last, last.isBlank { rest.removeLast() }
    return rest
  }
}
