public import Primitives

/// A domain name in the form of RFC 1035 section 3.1, without compression, its letters in lower case: one that is
/// compared with names in messages, which may have theirs in any case (RFC 4343).
public struct DNSName: Hashable, Sendable {
  /// The longest name in bytes, the lengths of its labels and the empty one included (RFC 1035 section 2.3.4).
  public static var longest: Int { 255 }
  /// The longest label in bytes.
  public static var longestLabel: Int { 63 }

  /// The labels, each behind its length, and the empty one of the root.
  public let bytes: [UInt8]

  /// Reads a name's text, a dot at its end allowed; nil where it is not a domain name.
  public init?(_ text: some StringProtocol) {
    guard let labels = Self.labels(of: text) else { return nil }
    self.init(labels: labels[...])
  }

  /// Makes a name of its labels.
  /// - Precondition: they are such as `labels(of:)` gives.
  init(labels: ArraySlice<ArraySlice<UInt8>>) {
    var bytes: [UInt8] = []
    for label in labels {
      bytes.append(UInt8(label.count))
      bytes += label.map(Self.lowercase)
    }
    self.bytes = bytes + [0]
  }

  /// A name of labels that are known to be such.
  fileprivate init(_ labels: [String]) { self.init(labels: labels.map { ArraySlice($0.utf8) }[...]) }

  /// The name under which the name of an address is asked for: `15.2.0.10.in-addr.arpa` (RFC 1035 section 3.5), or
  /// nibbles in `ip6.arpa` (RFC 3596 section 2.5).
  public init(reverse address: IPAddress) {
    if let address = address.ipv4 {
      let octets = (0..<4).map { "\(address.bits >> UInt32(8 * $0) & 0xff)" }
      self.init(octets + ["in-addr", "arpa"])
    } else {
      let nibbles = (0..<32).map { place in
        let half = place < 16 ? address.mapped.low : address.mapped.high
        return String(half >> UInt64(4 * (place % 16)) & 0x0f, radix: 16)
      }
      self.init(nibbles + ["ip6", "arpa"])
    }
  }

  /// The labels of a name's text (RFC 1035 section 2.3.4: labels of 1 to 63 bytes, 255 bytes in all), nil where it is
  /// not a domain name. A label is bytes, whatever characters they make (RFC 2181 section 11).
  static func labels(of name: some StringProtocol) -> [ArraySlice<UInt8>]? {
    let dot = UInt8(ascii: ".")
    let text = Array(name.utf8)
    let labels = (text.last == dot ? text.dropLast() : text[...]).split(
      separator: dot, omittingEmptySubsequences: false)
    // A length byte before each label, and the empty label at the end.
    guard labels.allSatisfy({ (1...longestLabel).contains($0.count) }),
      labels.reduce(1, { $0 + $1.count + 1 }) <= longest
    else { return nil }
    return labels
  }

  @inline(__always)
  private static func lowercase(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

  /// Whether `name`, as it stands in a message, is this name.
  public func matches(_ name: Span<UInt8>) -> Bool {
    guard name.count == bytes.count else { return false }
    for index in bytes.indices where bytes[index] != Self.lowercase(name[index]) { return false }
    return true
  }

  /// Whether `name`, as it stands in a message, is this name or one below it.
  public func contains(_ name: Span<UInt8>) -> Bool { suffix(of: name) != nil }

  /// Where this name begins in `name`, of which it is the end; nil where it is not.
  func suffix(of name: Span<UInt8>) -> Int? {
    var offset = 0
    while name.count - offset > bytes.count { offset += 1 + Int(name[offset]) }
    guard name.count - offset == bytes.count, matches(name.extracting(droppingFirst: offset)) else { return nil }
    return offset
  }

  /// Whether two names, as they stand in messages, are the same.
  public static func isSame(_ name: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard name.count == other.count else { return false }
    for index in 0..<name.count where lowercase(name[index]) != lowercase(other[index]) { return false }
    return true
  }
}

extension DNSName: CustomStringConvertible {
  /// The labels with dots between them.
  public var description: String {
    var labels: [String] = []
    var offset = 0
    while bytes[offset] > 0 {
      let end = offset + 1 + Int(bytes[offset])
      labels.append(String(decoding: bytes[(offset + 1)..<end], as: UTF8.self))
      offset = end
    }
    return labels.joined(separator: ".")
  }
}

/// A name in `in-addr.arpa` or `ip6.arpa`, read as the address, or the beginning of addresses, that it stands for.
public struct DNSReverseName: Hashable, Sendable {
  /// The address, its unknown bits zero.
  public var address: IPAddress
  /// How many of its bits the name tells, from the first on.
  public var length: Int
  /// Whether there is something else before that, so that the name stands for no address.
  public var hasMore: Bool

  private static let inAddrArpa = DNSName(["in-addr", "arpa"])
  private static let ip6Arpa = DNSName(["ip6", "arpa"])

  /// Reads a name as it stands in a message; nil where it is in neither domain.
  public init?(_ name: Span<UInt8>) {
    if let end = Self.inAddrArpa.suffix(of: name) {
      self.init(name.extracting(..<end), parts: 4, bits: 8, Self.octet)
      address = IPAddress(IPv4Address(bits: UInt32(truncatingIfNeeded: address.mapped.high >> 32)))
    } else if let end = Self.ip6Arpa.suffix(of: name) {
      self.init(name.extracting(..<end), parts: 32, bits: 4, Self.nibble)
    } else {
      return nil
    }
  }

  /// Reads labels from the least to the most significant: the last stands for an address's first bits.
  private init(_ labels: Span<UInt8>, parts: Int, bits: Int, _ value: (Span<UInt8>) -> UInt64?) {
    var count = 0
    var offset = 0
    while offset < labels.count {
      offset += 1 + Int(labels[offset])
      count += 1
    }
    var (high, low): (UInt64, UInt64) = (0, 0)
    (length, hasMore) = (min(count, parts) * bits, count > parts)
    offset = 0
    for place in (0..<count).reversed() {
      let label = labels.extracting((offset + 1)..<(offset + 1 + Int(labels[offset])))
      offset += 1 + label.count
      guard place < parts else { continue }
      if let part = value(label) {
        let first = place * bits
        if first < 64 { high |= part << UInt64(64 - bits - first) } else { low |= part << UInt64(128 - bits - first) }
      } else {
        // What stands before such a label says nothing of an address.
        (high, low, length, hasMore) = (0, 0, place * bits, true)
      }
    }
    address = IPAddress(IPv6Address(high: high, low: low))
  }

  private static func octet(_ label: Span<UInt8>) -> UInt64? {
    guard (1...3).contains(label.count) else { return nil }
    var value: UInt64 = 0
    for index in label.indices {
      guard (0x30...0x39).contains(label[index]) else { return nil }
      // No other way to write a number: a zero only alone.
      guard value > 0 || index == 0 else { return nil }
      value = value * 10 + UInt64(label[index] - 0x30)
    }
    return value <= 255 ? value : nil
  }

  private static func nibble(_ label: Span<UInt8>) -> UInt64? {
    guard label.count == 1 else { return nil }
    switch label[0] {
    case 0x30...0x39: return UInt64(label[0] - 0x30)
    case 0x41...0x46, 0x61...0x66: return UInt64(label[0] & 0x0f) + 9
    default: return nil
    }
  }
}
