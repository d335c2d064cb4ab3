import FoundationEssentials

/// A value of JSON (RFC 8259).
enum JSONValue: Hashable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// Reads a text; nil where it is not JSON.
  init?(_ text: String) {
    do {
      self = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    } catch {
      // Whoever the text is for says what is wrong with it.
      return nil
    }
  }

  /// The value as items of a `key=value` list of QEMU's.
  func properties(of key: String) -> [(key: String, value: String)] {
    switch self {
    case .null: []
    case .bool(let value): [(key, value ? "on" : "off")]
    case .number(let value): [(key, Int64(exactly: value).map { String($0) } ?? String(value))]
    case .string(let value): [(key, value)]
    case .array(let values): values.flatMap { $0.properties(of: key) }
    // QEMU's `String` has one member, `str`, and stands in lists of strings.
    case .object(let members) where members.keys.elementsEqual(["str"]):
      members.values.flatMap { $0.properties(of: key) }
    // The order of members means nothing; one is as good as another, but it is always the same.
    case .object(let members): members.sorted { $0.key < $1.key }.flatMap { $1.properties(of: $0) }
    }
  }
}

extension JSONValue: Decodable {
  init(from decoder: any Decoder) throws {
    // What kind of value it is, is found out by trying; what is none of them fails at the last.
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }
}
