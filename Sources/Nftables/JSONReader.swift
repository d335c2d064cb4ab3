/// Reads JSON (RFC 8259) from the front of a text.
///
/// Of its own, since Foundation finds out by trying and failing what a value is: a packet filter of 2,000 rules, a
/// megabyte, took it 13 seconds.
struct JSONReader {
  private let bytes: [UInt8]
  private var position = 0

  /// The most levels of lists and objects in each other.
  private static let mostLevels = 128

  init(_ text: String) { bytes = Array(text.utf8) }

  /// Whether nothing but space is left.
  var isAtEnd: Bool {
    mutating get {
      skipSpace()
      return position == bytes.count
    }
  }

  /// Takes the next value; nil where there is none.
  mutating func value(level: Int) -> JSONValue? {
    skipSpace()
    guard level <= Self.mostLevels, position < bytes.count else { return nil }
    switch bytes[position] {
    case UInt8(ascii: "{"): return object(level)
    case UInt8(ascii: "["): return array(level)
    case UInt8(ascii: "\""): return string().map(JSONValue.string)
    case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
    case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
    case UInt8(ascii: "n"): return take("null") ? .null : nil
    default: return integer()
    }
  }

  private mutating func object(_ level: Int) -> JSONValue? {
    var members: [String: JSONValue] = [:]
    position += 1
    guard !take("}", skippingSpace: true) else { return .object([:]) }
    repeat {
      skipSpace()
      guard let name = string(), take(":", skippingSpace: true), let value = value(level: level + 1) else { return nil }
      members[name] = value
    } while take(",", skippingSpace: true)
    return take("}", skippingSpace: true) ? .object(members) : nil
  }

  private mutating func array(_ level: Int) -> JSONValue? {
    var values: [JSONValue] = []
    position += 1
    guard !take("]", skippingSpace: true) else { return .array([]) }
    repeat {
      guard let value = value(level: level + 1) else { return nil }
      values.append(value)
    } while take(",", skippingSpace: true)
    return take("]", skippingSpace: true) ? .array(values) : nil
  }

  private mutating func integer() -> JSONValue? {
    let start = position
    let isPart = { (byte: UInt8) in
      (0x30...0x39).contains(byte) || [0x2b, 0x2d, 0x2e, 0x45, 0x65].contains(byte)
    }
    while position < bytes.count, isPart(bytes[position]) { position += 1 }
    let digits = bytes[start..<position]
    guard digits.first != UInt8(ascii: "+") else { return nil }
    return Int64(String(decoding: digits, as: UTF8.self)).map(JSONValue.integer)
  }

  /// A text in quotation marks.
  private mutating func string() -> String? {
    guard take("\"") else { return nil }
    var content: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: content, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let scalar = escaped() else { return nil }
        content += Array(String(scalar).utf8)
      case 0..<0x20: return nil
      default: content.append(byte)
      }
    }
    return nil
  }

  /// What stands behind a backslash.
  private mutating func escaped() -> Unicode.Scalar? {
    guard position < bytes.count else { return nil }
    position += 1
    switch bytes[position - 1] {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      guard let first = unit() else { return nil }
      guard first & 0xfc00 == 0xd800 else { return Unicode.Scalar(first) }
      // The first half of a pair of surrogates.
      guard take("\\u"), let second = unit(), second & 0xfc00 == 0xdc00 else { return nil }
      return Unicode.Scalar(0x1_0000 + (first & 0x3ff) << 10 + (second & 0x3ff))
    default: return nil
    }
  }

  /// Four hexadecimal digits.
  private mutating func unit() -> UInt32? {
    guard position + 4 <= bytes.count else { return nil }
    let digits = String(decoding: bytes[position..<(position + 4)], as: UTF8.self)
    position += 4
    return digits.first == "+" || digits.first == "-" ? nil : UInt32(digits, radix: 16)
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
  }

  /// Takes these characters, if they are the next.
  private mutating func take(_ text: StaticString, skippingSpace: Bool = false) -> Bool {
    if skippingSpace { skipSpace() }
    let count = text.utf8CodeUnitCount
    guard position + count <= bytes.count else { return false }
    let expected = text.description.utf8
    guard bytes[position..<(position + count)].elementsEqual(expected) else { return false }
    position += count
    return true
  }
}
