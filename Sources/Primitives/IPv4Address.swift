/// A 32-bit Internet address (RFC 791).
public struct IPv4Address: Hashable, Sendable {
  /// The address as an integer in host byte order: 10.0.2.15 is 0x0a00020f.
  public let bits: UInt32

  /// Makes an address of an integer in host byte order.
  @inlinable
  public init(bits: UInt32) { self.bits = bits }

  /// Makes an address of its four decimal parts.
  @inlinable
  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
    bits = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
  }

  /// Reads the four bytes at `offset`.
  /// - Precondition: `offset + 4 <= bytes.count`.
  @inlinable
  public init(_ bytes: Span<UInt8>, at offset: Int) { bits = bytes.bigEndian32(at: offset) }

  /// 0.0.0.0.
  public static let any = IPv4Address(bits: 0)
  /// 127.0.0.1.
  public static let loopback = IPv4Address(127, 0, 0, 1)
  /// 255.255.255.255.
  public static let broadcast = IPv4Address(bits: 0xffff_ffff)

  /// Whether the address lies in 127.0.0.0/8.
  @inlinable
  public var isLoopback: Bool { bits >> 24 == 127 }
  /// Whether the address lies in 169.254.0.0/16 (RFC 3927).
  @inlinable
  public var isLinkLocal: Bool { bits >> 16 == 0xa9fe }
  /// Whether the address lies in 224.0.0.0/4 (RFC 5771).
  @inlinable
  public var isMulticast: Bool { bits >> 28 == 0xe }
  /// Whether the address lies in 240.0.0.0/4 (RFC 1112 section 4), limited broadcast included.
  @inlinable
  public var isReserved: Bool { bits >> 28 == 0xf }
  /// Whether the address lies in 0.0.0.0/8, "this network" (RFC 1122 section 3.2.1.3).
  @inlinable
  public var isThisNetwork: Bool { bits >> 24 == 0 }
}

extension IPv4Address: CustomStringConvertible {
  /// Parses exactly four decimal parts without leading zeroes or signs.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bits: UInt32 = 0
    for part in parts {
      guard part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let byte = UInt8(part) else { return nil }
      guard part.utf8.count == 1 || part.first != "0" else { return nil }
      bits = bits << 8 | UInt32(byte)
    }
    self.init(bits: bits)
  }

  /// The dotted-decimal form.
  public var description: String {
    "\(bits >> 24).\(bits >> 16 & 0xff).\(bits >> 8 & 0xff).\(bits & 0xff)"
  }
}

extension IPv4Address: Comparable {
  /// Orders by numeric value.
  @inlinable
  public static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.bits < right.bits }
}

/// An IPv4 network: an address and the number of leading bits that matter.
public struct IPv4Prefix: Hashable, Sendable {
  /// The network's lowest address; host bits are zero.
  public let network: IPv4Address
  /// The number of network bits, 0 to 32.
  public let length: Int

  /// The network of the given length that contains `address`.
  /// - Precondition: `length` is 0 to 32.
  public init(containing address: IPv4Address, length: Int) {
    precondition((0...32).contains(length), "an IPv4 prefix has 0 to 32 bits")
    self.length = length
    network = IPv4Address(bits: address.bits & Self.mask(length))
  }

  /// The netmask, for example 255.255.255.0.
  @inlinable
  public var mask: IPv4Address { IPv4Address(bits: Self.mask(length)) }

  /// The directed broadcast address: all host bits one.
  @inlinable @inline(__always)
  public var broadcast: IPv4Address { IPv4Address(bits: network.bits | ~Self.mask(length)) }

  /// Whether `address` lies in the network.
  @inlinable
  public func contains(_ address: IPv4Address) -> Bool { (address.bits ^ network.bits) & Self.mask(length) == 0 }

  @inlinable
  static func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : ~0 &<< UInt32(truncatingIfNeeded: 32 &- length) }
}

extension IPv4Prefix: CustomStringConvertible {
  /// `network/length`.
  public var description: String { "\(network)/\(length)" }
}
