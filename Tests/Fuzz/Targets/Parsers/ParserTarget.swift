import Primitives
import RouteNetlink
import Wire

/// Any bytes as each format of `Wire`, and as what rtnetlink tells: the first byte chooses the format, the rest is taken
/// for a message of it. All of its fields are read; what can be written is written, and must be read as the same again.
enum ParserTarget {
  /// A format: reads bytes as it and says what is wrong beyond what is malformed.
  struct Parser: Sendable {
    let name: String
    let check: @Sendable ([UInt8]) throws(WireError) -> [String]
  }

  static let parsers: [Parser] =
    link + internet + transport + application + [
      Parser(name: "checksum", check: checkChecksum), Parser(name: "address", check: checkAddresses),
      Parser(name: "rtnetlink") { bytes throws(WireError) in
        _ = RouteEvent.events(in: bytes)
        return []
      },
    ]

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let parser = input.choice(of: parsers)
    do throws(WireError) {
      return try parser.check(input.rest()).map { "\(parser.name): \($0)" }
    } catch {
      // Malformed, and found to be: as it must be.
      return []
    }
  }

  /// Says that two values differ which ought not to.
  static func compare<Value: Equatable>(_ value: Value, _ other: Value, _ what: String) -> [String] {
    value == other ? [] : ["\(what): \(value) became \(other)"]
  }

  /// `count` bytes that `body` writes.
  static func written(_ count: Int, _ body: (inout MutableSpan<UInt8>) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xee, count: count)
    var span = bytes.mutableSpan
    body(&span)
    return bytes
  }

  /// The bytes of a span.
  static func copy(_ span: Span<UInt8>) -> [UInt8] { span.indices.map { span[$0] } }

  // MARK: Checksum and addresses

  /// The sum in parts is that of the whole, and that of a loop of our own (RFC 1071 section 1).
  private static func checkChecksum(_ bytes: [UInt8]) throws(WireError) -> [String] {
    var input = FuzzInput(bytes)
    let cut = Int(input.word())
    let content = input.rest()
    var whole = InternetChecksum()
    whole.add(content.span)
    var parts = InternetChecksum()
    let middle = min(cut, content.count)
    parts.add(content.span.extracting(..<middle))
    parts.add(content.span.extracting(middle...))
    var sum: UInt64 = 0
    for (index, byte) in content.enumerated() { sum += index % 2 == 0 ? UInt64(byte) << 8 : UInt64(byte) }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    return compare(UInt16(sum), whole.folded, "sum of \(content.count) bytes")
      + compare(whole.folded, parts.folded, "sum in parts of \(middle) and \(content.count - middle) bytes")
      + compare(sum == 0xffff, InternetChecksum.verify(content.span), "verified")
  }

  /// Texts as addresses: what is read is written as the same address.
  private static func checkAddresses(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let text = String(decoding: bytes, as: UTF8.self)
    var faults: [String] = []
    if let address = IPv4Address(text) { faults += compare(address, IPv4Address(address.description) ?? .any, text) }
    if let address = IPv6Address(text) {
      faults += compare(address, IPv6Address(address.description) ?? .any, text)
    }
    if let address = IPAddress(text) {
      faults += compare(address, IPAddress(address.description) ?? .any(.ipv4), text)
    }
    if let address = MACAddress(text) {
      faults += compare(address, MACAddress(address.description) ?? MACAddress(bits: 0), text)
    }
    if let name = DNSName(text) { faults += compare(name, DNSName(name.description) ?? name, text) }
    return faults
  }
}
