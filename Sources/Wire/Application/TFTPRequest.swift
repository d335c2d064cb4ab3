import Primitives

/// How the bytes of a file are sent (RFC 1350 section 1).
public enum TFTPMode: Hashable, Sendable {
  /// As they are.
  case octet
  /// As text whose lines end with CR LF, whatever ends them here.
  case netascii
}

/// A request for a file, or to write one (RFC 1350 section 5, RFC 2347).
public struct TFTPRequest: Hashable, Sendable {
  /// Where in the message the file's name lies: any bytes but zero, at least one.
  public let fileName: Range<Int>
  /// How the file is to be sent; nil for a mode that is not known here.
  public let mode: TFTPMode?
  /// What the client asks for beyond RFC 1350.
  public let options: TFTPOptions
  /// Whether an option is given twice, or without a value (RFC 2347: each once, in pairs with their values).
  public let hasFaultyOptions: Bool

  /// Reads a message whose opcode is that of a request.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    var reader = TerminatedTextReader(bytes, from: 2)
    let fileName = try reader.next()
    guard !fileName.isEmpty else { throw .badHeaderLength(0) }
    let mode = try reader.next()
    var options = TFTPOptions()
    var known: [TFTPOptionName] = []
    var hasFaultyOptions = false
    while !reader.isAtEnd {
      let name = try reader.next()
      // Some clients fill their requests up with zeroes.
      if name.isEmpty { continue }
      guard !reader.isAtEnd else {
        hasFaultyOptions = true
        break
      }
      let value = try reader.next()
      guard let option = TFTPOptionName.allCases.first(where: { bytes.isText($0.rawValue, in: name) }) else { continue }
      if known.contains(option) { hasFaultyOptions = true }
      known.append(option)
      options.take(option, bytes.decimal(in: value))
    }
    self.fileName = fileName
    self.mode =
      if bytes.isText("octet", in: mode) { .octet } else if bytes.isText("netascii", in: mode) { .netascii } else {
        nil
      }
    self.options = options
    self.hasFaultyOptions = hasFaultyOptions
  }
}

/// Goes through texts that end with a zero each.
private struct TerminatedTextReader: ~Escapable {
  private let bytes: Span<UInt8>
  private var offset: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, from offset: Int) {
    self.bytes = bytes
    self.offset = offset
  }

  var isAtEnd: Bool { offset >= bytes.count }

  /// Where the next text lies, without its end.
  mutating func next() throws(WireError) -> Range<Int> {
    let start = offset
    while offset < bytes.count && bytes[offset] != 0 { offset += 1 }
    guard offset < bytes.count else { throw .truncated(needed: max(offset, bytes.count) + 1, available: bytes.count) }
    defer { offset += 1 }
    return start..<offset
  }
}

extension Span<UInt8> {
  /// Whether `range` holds `text`, in letters of either case; `text` is in small ones.
  fileprivate func isText(_ text: String, in range: Range<Int>) -> Bool {
    guard range.count == text.utf8.count else { return false }
    var index = range.lowerBound
    for byte in text.utf8 {
      guard self[index] == byte || self[index] == byte & ~0x20 else { return false }
      index += 1
    }
    return true
  }

  /// The number that `range` holds in decimal digits, nil where it is none or has more than 18 of them.
  fileprivate func decimal(in range: Range<Int>) -> UInt64? {
    guard (1...18).contains(range.count) else { return nil }
    var number: UInt64 = 0
    for index in range {
      let digit = self[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      number = number * 10 + UInt64(digit)
    }
    return number
  }
}
