/// What an Ethernet frame carries (RFC 9542 appendix B.1).
public struct EtherType: RawRepresentable, Hashable, Sendable {
  /// The number, in host byte order.
  public let rawValue: UInt16

  /// Makes an EtherType of its number in host byte order.
  @inlinable
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// IPv4 (RFC 894).
  public static let ipv4 = EtherType(rawValue: 0x0800)
  /// ARP (RFC 826).
  public static let arp = EtherType(rawValue: 0x0806)
  /// IPv6 (RFC 2464).
  public static let ipv6 = EtherType(rawValue: 0x86dd)
}
