/// What an IP packet carries: the protocol field of IPv4, the next-header field of IPv6.
public struct IPProtocol: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a protocol of its number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The hop-by-hop options header (RFC 8200 section 4.3).
  @inlinable
  public static var hopByHopOptions: IPProtocol { IPProtocol(rawValue: 0) }
  /// ICMP for IPv4 (RFC 792).
  @inlinable
  public static var icmp: IPProtocol { IPProtocol(rawValue: 1) }
  /// TCP (RFC 9293).
  @inlinable
  public static var tcp: IPProtocol { IPProtocol(rawValue: 6) }
  /// UDP (RFC 768).
  @inlinable
  public static var udp: IPProtocol { IPProtocol(rawValue: 17) }
  /// The routing header (RFC 8200 section 4.4).
  @inlinable
  public static var routingHeader: IPProtocol { IPProtocol(rawValue: 43) }
  /// The fragment header (RFC 8200 section 4.5).
  @inlinable
  public static var fragmentHeader: IPProtocol { IPProtocol(rawValue: 44) }
  /// ICMP for IPv6 (RFC 4443).
  @inlinable
  public static var icmpv6: IPProtocol { IPProtocol(rawValue: 58) }
  /// Nothing follows (RFC 8200 section 4.7).
  @inlinable
  public static var noNextHeader: IPProtocol { IPProtocol(rawValue: 59) }
  /// The destination options header (RFC 8200 section 4.6).
  @inlinable
  public static var destinationOptions: IPProtocol { IPProtocol(rawValue: 60) }
}
