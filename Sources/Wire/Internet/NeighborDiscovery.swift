public import Primitives

// Neighbor solicitation and advertisement (RFC 4861 sections 4.3 and 4.4), behind the eight bytes of the ICMPv6 header.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------------------------------------------------------+
//    |                   target address, 16 bytes                    |
//    +---------------+---------------+-------------------------------+
//    |  option type  | length, in 8  |  data ...
//    +---------------+---------------+---

/// The hop limit of every message of neighbor discovery: it has passed no router (RFC 4861 section 3.1).
public let neighborDiscoveryHopLimit: UInt8 = 255

/// The kinds of options (RFC 4861 section 4.6, RFC 8106 section 5).
public struct NeighborOption: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a kind of its number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The sender's hardware address.
  @inlinable
  public static var sourceLinkLayer: NeighborOption { NeighborOption(rawValue: 1) }
  /// The target's hardware address.
  @inlinable
  public static var targetLinkLayer: NeighborOption { NeighborOption(rawValue: 2) }
  /// A prefix of the link.
  @inlinable
  public static var prefixInformation: NeighborOption { NeighborOption(rawValue: 3) }
  /// The longest packet on the link.
  @inlinable
  public static var mtu: NeighborOption { NeighborOption(rawValue: 5) }
  /// Resolvers (RFC 8106 section 5.1).
  @inlinable
  public static var resolvers: NeighborOption { NeighborOption(rawValue: 25) }
  /// Domains to search (RFC 8106 section 5.2).
  @inlinable
  public static var searchList: NeighborOption { NeighborOption(rawValue: 31) }

  /// Bytes of an option with a hardware address.
  @inlinable
  public static var linkLayerLength: Int { 8 }
}

/// The options of a message of neighbor discovery that tell hardware addresses.
public struct NeighborOptions: Hashable, Sendable {
  /// The sender's hardware address.
  public var sourceLinkLayer: MACAddress?
  /// The target's hardware address.
  public var targetLinkLayer: MACAddress?

  /// Reads the options that fill `bytes`; those of other kinds are skipped.
  ///
  /// RFC 4861 section 4.6: a message with an option of length zero is discarded whole.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    var offset = 0
    while offset < bytes.count {
      guard offset + 2 <= bytes.count else { throw .truncated(needed: offset + 2, available: bytes.count) }
      let length = Int(bytes[offset + 1]) * 8
      guard length > 0 else { throw .badHeaderLength(0) }
      guard offset + length <= bytes.count else { throw .truncated(needed: offset + length, available: bytes.count) }
      switch NeighborOption(rawValue: bytes[offset]) {
      case .sourceLinkLayer: sourceLinkLayer = MACAddress(bytes, at: offset + 2)
      case .targetLinkLayer: targetLinkLayer = MACAddress(bytes, at: offset + 2)
      default: break
      }
      offset += length
    }
  }
}

/// A neighbor solicitation or advertisement, without its ICMPv6 header.
public struct NeighborMessage: Hashable, Sendable {
  /// Bytes before the options.
  @inlinable
  public static var minimumLength: Int { 16 }

  /// Bits of an advertisement's second word (RFC 4861 section 4.4).
  public struct Flags: OptionSet, Hashable, Sendable {
    /// The bits, in the second word of the ICMPv6 header.
    public let rawValue: UInt32

    /// Makes flags of their bits.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The sender is a router.
    @inlinable
    public static var router: Flags { Flags(rawValue: 1 << 31) }
    /// Answers a solicitation.
    @inlinable
    public static var solicited: Flags { Flags(rawValue: 1 << 30) }
    /// Takes the place of what was known.
    @inlinable
    public static var override: Flags { Flags(rawValue: 1 << 29) }
  }

  /// The address asked for, or spoken for.
  public var target: IPv6Address
  /// The hardware addresses told.
  public var options: NeighborOptions

  /// Reads a message's bytes behind its ICMPv6 header.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Self.minimumLength else {
      throw .truncated(needed: Self.minimumLength, available: bytes.count)
    }
    target = IPv6Address(bytes, at: 0)
    options = try NeighborOptions(bytes.extracting(droppingFirst: Self.minimumLength))
  }

  /// Bytes that `write` writes.
  @inlinable
  public static var writtenLength: Int { minimumLength + NeighborOption.linkLayerLength }

  /// Writes a message with one hardware address, from `offset` on.
  /// - Precondition: `offset + writtenLength <= bytes.count`.
  public static func write(
    target: IPv6Address, _ option: NeighborOption, _ hardware: MACAddress, to bytes: inout MutableSpan<UInt8>,
    at offset: Int
  ) {
    target.write(to: &bytes, at: offset)
    bytes.storeBigEndian(UInt16(option.rawValue) << 8 | 1, at: offset + minimumLength)
    hardware.write(to: &bytes, at: offset + minimumLength + 2)
  }
}

extension IPv6Address {
  /// ff02::1, every node of the link (RFC 4291 section 2.7.1).
  @inlinable
  public static var allNodes: IPv6Address { IPv6Address(high: 0xff02 << 48, low: 1) }
  /// ff02::2, every router of the link.
  @inlinable
  public static var allRouters: IPv6Address { IPv6Address(high: 0xff02 << 48, low: 2) }

  /// The group that everybody listens to who has the address: ff02::1:ff00:0/104 and its last three bytes
  /// (RFC 4291 section 2.7.1).
  @inlinable
  public var solicitedNode: IPv6Address {
    IPv6Address(high: 0xff02 << 48, low: 0x0000_0001_ff00_0000 | low & 0xff_ffff)
  }

  /// The hardware address of a group: 33:33 and its last four bytes (RFC 2464 section 7).
  @inlinable
  public var groupMAC: MACAddress { MACAddress(bits: 0x3333 << 32 | low & 0xffff_ffff) }
}
