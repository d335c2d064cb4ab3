/// What an Ethernet frame carries (RFC 9542 appendix B.1).
public struct EtherType: RawRepresentable, Hashable, Sendable {
  /// The number, in host byte order.
  public let rawValue: UInt16

  /// Makes an EtherType of its number in host byte order.
  @inlinable
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// IPv4 (RFC 894).
  @inlinable
  public static var ipv4: EtherType { EtherType(rawValue: 0x0800) }
  /// ARP (RFC 826).
  @inlinable
  public static var arp: EtherType { EtherType(rawValue: 0x0806) }
  /// IPv6 (RFC 2464).
  @inlinable
  public static var ipv6: EtherType { EtherType(rawValue: 0x86dd) }
}
