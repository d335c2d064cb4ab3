/// A 128-bit Internet address (RFC 4291).
public struct IPv6Address: Hashable, Sendable {
  /// The first 64 bits on the wire, as an integer in host byte order.
  public let high: UInt64
  /// The last 64 bits on the wire, as an integer in host byte order.
  public let low: UInt64

  /// Makes an address of its two halves in host byte order.
  @inlinable
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Reads the sixteen bytes at `offset`.
  /// - Precondition: `offset + 16 <= bytes.count`.
  @inlinable
  public init(_ bytes: Span<UInt8>, at offset: Int) {
    high = bytes.bigEndian64(at: offset)
    low = bytes.bigEndian64(at: offset + 8)
  }

  /// Writes the sixteen bytes at `offset`.
  /// - Precondition: `offset + 16 <= bytes.count`.
  @inlinable
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int) {
    bytes.storeBigEndian(high, at: offset)
    bytes.storeBigEndian(low, at: offset + 8)
  }

  /// `::`.
  public static let any = IPv6Address(high: 0, low: 0)
  /// `::1`.
  public static let loopback = IPv6Address(high: 0, low: 1)

  /// Whether the address lies in fe80::/10.
  @inlinable
  public var isLinkLocal: Bool { high >> 54 == 0x3fa }
  /// Whether the address lies in ff00::/8.
  @inlinable
  public var isMulticast: Bool { high >> 56 == 0xff }
  /// Whether the address lies in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2).
  @inlinable
  public var isMapped: Bool { high == 0 && low >> 32 == 0xffff }
  /// Whether the address lies in ::/96, the deprecated IPv4-compatible block; `::` and `::1` are in it.
  @inlinable
  public var isCompatible: Bool { high == 0 && low >> 32 == 0 }
  /// The IPv4 address inside 64:ff9b::/96 (RFC 6052), nil for any other address.
  @inlinable
  public var translatedIPv4: IPv4Address? {
    high == 0x0064_ff9b_0000_0000 && low >> 32 == 0 ? IPv4Address(bits: UInt32(truncatingIfNeeded: low)) : nil
  }
}

extension IPv6Address: CustomStringConvertible {
  /// Parses the text forms of RFC 4291 section 2.2: groups, one `::`, an IPv4 tail. No zone.
  public init?(_ text: some StringProtocol) {
    var groups: [UInt16] = []
    var gap: Int?
    var rest = Substring(text)
    if rest.hasPrefix("::") {
      gap = 0
      rest = rest.dropFirst(2)
    }
    while !rest.isEmpty {
      guard groups.count < 8 else { return nil }
      let group = rest.prefix { $0 != ":" }
      if group.contains("."), group.endIndex == rest.endIndex {
        guard let tail = IPv4Address(group), groups.count <= 6 else { return nil }
        groups.append(UInt16(truncatingIfNeeded: tail.bits >> 16))
        groups.append(UInt16(truncatingIfNeeded: tail.bits))
        break
      }
      guard (1...4).contains(group.utf8.count), group.first != "+", let value = UInt16(group, radix: 16) else {
        return nil
      }
      groups.append(value)
      rest = rest[group.endIndex...]
      guard !rest.isEmpty else { break }
      rest = rest.dropFirst()
      if rest.first == ":" {
        guard gap == nil else { return nil }
        gap = groups.count
        rest = rest.dropFirst()
      } else if rest.isEmpty {
        return nil
      }
    }
    if let gap {
      guard groups.count < 8 else { return nil }
      groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gap)
    }
    guard groups.count == 8 else { return nil }
    let halves = (groups[..<4], groups[4...])
    self.init(
      high: halves.0.reduce(0) { $0 << 16 | UInt64($1) }, low: halves.1.reduce(0) { $0 << 16 | UInt64($1) })
  }

  /// The canonical form of RFC 5952: lower case, the longest run of zero groups shortened.
  public var description: String {
    if isMapped { return "::ffff:\(IPv4Address(bits: UInt32(truncatingIfNeeded: low)))" }
    let groups = (0..<8).map { index in
      UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - 16 * (index % 4)))
    }
    var longest = 0..<0
    var start = 0
    while start < 8 {
      let end = groups[start...].firstIndex { $0 != 0 } ?? 8
      if end - start > longest.count { longest = start..<end }
      start = max(end, start) + 1
    }
    func joined(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
    guard longest.count > 1 else { return joined(groups[...]) }
    return joined(groups[..<longest.lowerBound]) + "::" + joined(groups[longest.upperBound...])
  }
}

/// An IPv6 network: an address and the number of leading bits that matter.
public struct IPv6Prefix: Hashable, Sendable {
  /// The network's lowest address; host bits are zero.
  public let network: IPv6Address
  /// The number of network bits, 0 to 128.
  public let length: Int

  /// The network of the given length that contains `address`.
  /// - Precondition: `length` is 0 to 128.
  public init(containing address: IPv6Address, length: Int) {
    precondition((0...128).contains(length), "an IPv6 prefix has 0 to 128 bits")
    self.length = length
    let mask = Self.mask(length)
    network = IPv6Address(high: address.high & mask.high, low: address.low & mask.low)
  }

  /// Whether `address` lies in the network.
  @inlinable
  public func contains(_ address: IPv6Address) -> Bool {
    let mask = Self.mask(length)
    return (address.high ^ network.high) & mask.high == 0 && (address.low ^ network.low) & mask.low == 0
  }

  @inlinable
  static func mask(_ length: Int) -> (high: UInt64, low: UInt64) {
    let high: UInt64 = length == 0 ? 0 : length >= 64 ? ~0 : ~0 &<< UInt64(truncatingIfNeeded: 64 &- length)
    let low: UInt64 = length <= 64 ? 0 : ~0 &<< UInt64(truncatingIfNeeded: 128 &- length)
    return (high, low)
  }
}

extension IPv6Prefix: CustomStringConvertible {
  /// `network/length`.
  public var description: String { "\(network)/\(length)" }
}
