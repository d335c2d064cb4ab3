/// What an IP packet carries: the protocol field of IPv4, the next-header field of IPv6.
public struct IPProtocol: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a protocol of its number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The hop-by-hop options header (RFC 8200 section 4.3).
  public static let hopByHopOptions = IPProtocol(rawValue: 0)
  /// ICMP for IPv4 (RFC 792).
  public static let icmp = IPProtocol(rawValue: 1)
  /// TCP (RFC 9293).
  public static let tcp = IPProtocol(rawValue: 6)
  /// UDP (RFC 768).
  public static let udp = IPProtocol(rawValue: 17)
  /// The routing header (RFC 8200 section 4.4).
  public static let routingHeader = IPProtocol(rawValue: 43)
  /// The fragment header (RFC 8200 section 4.5).
  public static let fragmentHeader = IPProtocol(rawValue: 44)
  /// ICMP for IPv6 (RFC 4443).
  public static let icmpv6 = IPProtocol(rawValue: 58)
  /// Nothing follows (RFC 8200 section 4.7).
  public static let noNextHeader = IPProtocol(rawValue: 59)
  /// The destination options header (RFC 8200 section 4.6).
  public static let destinationOptions = IPProtocol(rawValue: 60)
}
