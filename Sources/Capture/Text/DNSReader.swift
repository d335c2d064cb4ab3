import Primitives
import Wire

/// Goes through the questions and records of a DNS message (RFC 1035 section 4.1).
///
/// A record has eleven bytes at least, so that no count, however false, makes the way long.
struct DNSReader {
  /// Where the message lies in the frame.
  let message: Range<Int>
  /// Where the next question or record begins.
  private(set) var offset: Int
  /// Whether something was none.
  private(set) var hasFailed = false

  init(message: Range<Int>, offset: Int) {
    self.message = message
    self.offset = offset
  }

  /// What was not read.
  var rest: Range<Int> { offset..<message.upperBound }

  /// What is asked.
  struct Question {
    let words: String
    let range: Range<Int>
  }

  /// What is known.
  struct Record {
    let name: String
    /// The type and the data.
    let words: String
    /// How long it may be remembered, with a space before it; empty for EDNS.
    let lifetime: String
    let range: Range<Int>
  }

  /// The next question; nil where it is none.
  mutating func question(_ frame: Span<UInt8>) -> Question? {
    guard !hasFailed, let (name, end) = NameReader.read(frame, at: offset, in: message), end + 4 <= message.upperBound
    else { return fail() }
    let type = DNSRecordType(rawValue: frame.bigEndian16(at: end))
    let words = "\(type.words)? \(name)" + Self.classWords(frame.bigEndian16(at: end + 2))
    defer { offset = end + 4 }
    return Question(words: words, range: offset..<end + 4)
  }

  /// The next record; nil where it is none.
  mutating func record(_ frame: Span<UInt8>) -> Record? {
    guard !hasFailed, let (name, fields) = NameReader.read(frame, at: offset, in: message),
      fields + 10 <= message.upperBound
    else { return fail() }
    let data = fields + 10..<fields + 10 + Int(frame.bigEndian16(at: fields + 8))
    guard data.upperBound <= message.upperBound else { return fail() }
    let type = DNSRecordType(rawValue: frame.bigEndian16(at: fields))
    defer { offset = data.upperBound }
    let whole = offset..<data.upperBound
    if type == .opt { return Record(name: name, words: edns(frame, fields, data), lifetime: "", range: whole) }
    let value = dataWords(type, data, frame) ?? frame.hexadecimal(data, limit: 16)
    return Record(
      name: name, words: "\(type.words) \(value)" + Self.classWords(frame.bigEndian16(at: fields + 2)),
      lifetime: " for \(frame.bigEndian32(at: fields + 4))", range: whole)
  }

  private mutating func fail<Value>() -> Value? {
    hasFailed = true
    return nil
  }

  /// A class other than the Internet's.
  private static func classWords(_ value: UInt16) -> String {
    DNSClass(rawValue: value) == .internet ? "" : " class \(value)"
  }

  private func edns(_ frame: Span<UInt8>, _ fields: Int, _ data: Range<Int>) -> String {
    var words = "EDNS \(frame.bigEndian16(at: fields + 2))"
    if frame[fields + 4] != 0 { words += " upper code \(frame[fields + 4])" }
    if frame[fields + 5] != 0 { words += " version \(frame[fields + 5])" }
    if frame[fields + 6] & 0x80 != 0 { words += " DO" }
    for option in frame.options(in: data, .edns).found { words += " option \(option.code)" }
    return words
  }

  /// What a record's data says; nil where it is not as its type has it.
  private func dataWords(_ type: DNSRecordType, _ data: Range<Int>, _ frame: Span<UInt8>) -> String? {
    let start = data.lowerBound
    switch type {
    case .a: return data.count == 4 ? "\(IPv4Address(frame, at: start))" : nil
    case .aaaa: return data.count == 16 ? "\(IPv6Address(frame, at: start))" : nil
    case .ptr, .nameServer, .alias: return name(frame, at: start, to: data.upperBound)
    case .mailExchange:
      guard data.count > 2, let name = name(frame, at: start + 2, to: data.upperBound) else { return nil }
      return "\(frame.bigEndian16(at: start)) \(name)"
    case .service:
      guard data.count > 6, let name = name(frame, at: start + 6, to: data.upperBound) else { return nil }
      let numbers = (0..<3).map { "\(frame.bigEndian16(at: start + 2 * $0))" }
      return numbers.joined(separator: " ") + " \(name)"
    case .soa:
      guard let (server, mailbox) = NameReader.read(frame, at: start, in: message),
        let (person, numbers) = NameReader.read(frame, at: mailbox, in: message), numbers + 20 == data.upperBound
      else { return nil }
      let values = (0..<5).map { "\(frame.bigEndian32(at: numbers + 4 * $0))" }
      return "\(server) \(person) \(values.joined(separator: " "))"
    case .text: return text(data, frame)
    default: return nil
    }
  }

  private func name(_ frame: Span<UInt8>, at offset: Int, to end: Int) -> String? {
    guard let (name, found) = NameReader.read(frame, at: offset, in: message), found == end else { return nil }
    return name
  }

  /// Strings behind their lengths.
  private func text(_ data: Range<Int>, _ frame: Span<UInt8>) -> String? {
    var strings: [String] = []
    var offset = data.lowerBound
    while offset < data.upperBound {
      let end = offset + 1 + Int(frame[offset])
      guard end <= data.upperBound else { return nil }
      strings.append("\"\(frame.text(offset + 1..<end))\"")
      offset = end
    }
    return strings.joined(separator: " ")
  }
}

extension DNSRecordType {
  /// The name of a server (RFC 1035 section 3.3.11).
  static var nameServer: DNSRecordType { DNSRecordType(rawValue: 2) }
  /// Another name for the same (RFC 1035 section 3.3.1).
  static var alias: DNSRecordType { DNSRecordType(rawValue: 5) }
  /// Who takes mail (RFC 1035 section 3.3.9).
  static var mailExchange: DNSRecordType { DNSRecordType(rawValue: 15) }
  /// Any text (RFC 1035 section 3.3.14).
  static var text: DNSRecordType { DNSRecordType(rawValue: 16) }
  /// Where a service is (RFC 2782).
  static var service: DNSRecordType { DNSRecordType(rawValue: 33) }

  /// The type's name, or its number.
  var words: String {
    switch self {
    case .a: "A"
    case .nameServer: "NS"
    case .alias: "CNAME"
    case .soa: "SOA"
    case .ptr: "PTR"
    case .mailExchange: "MX"
    case .text: "TXT"
    case .aaaa: "AAAA"
    case .service: "SRV"
    case .opt: "OPT"
    case .incrementalTransfer: "IXFR"
    case .transfer: "AXFR"
    case .any: "ANY"
    default: "TYPE\(rawValue)"
    }
  }
}
