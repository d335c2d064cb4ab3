public import Primitives

// A router advertisement (RFC 4861 section 4.2). The first word lies in the second word of the ICMPv6 header.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------+-+-+-----------+-------------------------------+
//    | cur hop limit |M|O|  reserved |        router lifetime        |
//    +---------------+-+-+-----------+-------------------------------+
//    |                        reachable time                         |
//    +---------------------------------------------------------------+
//    |                         retrans timer                         |
//    +---------------------------------------------------------------+
//    |   options ...

/// What a router says of itself and of the link.
public struct RouterAdvertisement: Hashable, Sendable {
  /// The hop limit that hosts shall use.
  public var hopLimit: UInt8 = 64
  /// Whether addresses are to be had by DHCPv6.
  public var isManaged = false
  /// Whether other things are to be had by DHCPv6.
  public var hasOtherConfiguration = false
  /// How long the sender is a default router, in seconds.
  public var lifetime: UInt16
  /// The router's hardware address.
  public var sourceLinkLayer: MACAddress
  /// The longest packet on the link, in bytes.
  public var mtu: UInt32
  /// The link's prefix, of which hosts make addresses.
  public var prefix: IPv6Prefix
  /// How long addresses of the prefix are valid, in seconds.
  public var validLifetime: UInt32
  /// How long they are preferred, in seconds.
  public var preferredLifetime: UInt32
  /// The resolvers.
  public var resolvers: [IPv6Address] = []
  /// The domains to search.
  public var searchDomains: [String] = []
  /// How long resolvers and domains may be used, in seconds.
  public var resolverLifetime: UInt32 = 0

  /// Makes an advertisement without resolvers.
  public init(
    lifetime: UInt16, sourceLinkLayer: MACAddress, mtu: UInt32, prefix: IPv6Prefix, validLifetime: UInt32,
    preferredLifetime: UInt32
  ) {
    self.lifetime = lifetime
    self.sourceLinkLayer = sourceLinkLayer
    self.mtu = mtu
    self.prefix = prefix
    self.validLifetime = validLifetime
    self.preferredLifetime = preferredLifetime
  }

  /// The second word of the ICMPv6 header.
  public var restOfHeader: UInt32 {
    let flags: UInt32 = (isManaged ? 0x80 : 0) | (hasOtherConfiguration ? 0x40 : 0)
    return UInt32(hopLimit) << 24 | flags << 16 | UInt32(lifetime)
  }

  /// What follows the ICMPv6 header.
  public var body: [UInt8] {
    // RFC 4861 section 4.2: reachable time and retrans timer of 0 are "unspecified by this router".
    var bytes = [UInt8](repeating: 0, count: 8)
    bytes += [NeighborOption.sourceLinkLayer.rawValue, 1] + Self.bytes(sourceLinkLayer.bits, count: 6)
    bytes += [NeighborOption.mtu.rawValue, 1, 0, 0] + Self.bytes(UInt64(mtu), count: 4)
    bytes += prefixOption
    if !resolvers.isEmpty { bytes += resolverOption }
    let names = searchNames
    if !names.isEmpty {
      bytes += [NeighborOption.searchList.rawValue, UInt8(1 + names.count / 8), 0, 0]
      bytes += Self.bytes(UInt64(resolverLifetime), count: 4) + names
    }
    return bytes
  }

  /// RFC 4861 section 4.6.2: on-link, and for addresses that hosts make themselves where the prefix leaves 64 bits for
  /// an interface's identifier (RFC 4862 section 5.5.3 (d), RFC 2464 section 4).
  private var prefixOption: [UInt8] {
    let flags: UInt8 = prefix.length == 64 ? 0xc0 : 0x80
    return [NeighborOption.prefixInformation.rawValue, 4, UInt8(prefix.length), flags]
      + Self.bytes(UInt64(validLifetime), count: 4) + Self.bytes(UInt64(preferredLifetime), count: 4) + [0, 0, 0, 0]
      + Self.bytes(prefix.network)
  }

  private var resolverOption: [UInt8] {
    [NeighborOption.resolvers.rawValue, UInt8(1 + resolvers.count * 2), 0, 0]
      + Self.bytes(UInt64(resolverLifetime), count: 4) + resolvers.flatMap(Self.bytes)
  }

  /// RFC 8106 section 5.2: names in the form of RFC 1035 without compression, padded with zeroes to a multiple of 8
  /// bytes. What would make the packet longer than every link takes is left out.
  private var searchNames: [UInt8] {
    var names = DomainSearchList.uncompressed(searchDomains, limit: Self.maximumSearchLength)
    while names.count % 8 != 0 { names.append(0) }
    return names
  }

  private static let maximumSearchLength = 1024

  private static func bytes(_ value: UInt64, count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
  }

  private static func bytes(_ address: IPv6Address) -> [UInt8] {
    bytes(address.high, count: 8) + bytes(address.low, count: 8)
  }
}
