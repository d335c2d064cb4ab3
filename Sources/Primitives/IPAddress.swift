/// An Internet address of either family in sixteen bytes.
///
/// An IPv4 address is held as its IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), so that flow keys are compact
/// and a mapped address that the host's sockets report is the IPv4 address it stands for. A mapped address on the
/// wire of an IPv6 packet is never legitimate and is refused before it becomes an `IPAddress`.
public struct IPAddress: Hashable, Sendable {
  /// Which Internet protocol the address belongs to.
  public enum Family: Sendable { case ipv4, ipv6 }

  /// The address in its IPv6 form.
  public let mapped: IPv6Address

  /// An IPv4 address.
  @inlinable
  public init(_ address: IPv4Address) { mapped = IPv6Address(high: 0, low: 0xffff_0000_0000 | UInt64(address.bits)) }

  /// An IPv6 address; a mapped one becomes the IPv4 address it stands for.
  @inlinable
  public init(_ address: IPv6Address) { mapped = address }

  /// The unspecified address of a family.
  @inlinable
  public static func any(_ family: Family) -> IPAddress {
    switch family {
    case .ipv4: IPAddress(.any as IPv4Address)
    case .ipv6: IPAddress(.any as IPv6Address)
    }
  }

  /// The family of the address.
  @inlinable
  public var family: Family { mapped.isMapped ? .ipv4 : .ipv6 }

  /// The IPv4 address, nil in the other family.
  @inlinable
  public var ipv4: IPv4Address? { mapped.isMapped ? IPv4Address(bits: UInt32(truncatingIfNeeded: mapped.low)) : nil }

  /// The IPv6 address, nil in the other family.
  @inlinable
  public var ipv6: IPv6Address? { mapped.isMapped ? nil : mapped }

  /// Whether it is the family's loopback (127.0.0.0/8 or ::1).
  @inlinable
  public var isLoopback: Bool { ipv4?.isLoopback ?? (mapped == .loopback) }

  /// Whether it is link-local in its family.
  @inlinable
  public var isLinkLocal: Bool { ipv4?.isLinkLocal ?? mapped.isLinkLocal }

  /// Whether it is the family's unspecified address.
  @inlinable
  public var isAny: Bool { ipv4.map { $0 == .any } ?? (mapped == .any) }
}

extension IPAddress: CustomStringConvertible {
  /// Parses either family's text form.
  public init?(_ text: some StringProtocol) {
    if let address = IPv4Address(text) {
      self.init(address)
    } else if let address = IPv6Address(text) {
      self.init(address)
    } else {
      return nil
    }
  }

  /// The family's text form.
  public var description: String { ipv4?.description ?? mapped.description }
}

/// An address and a transport port.
public struct Endpoint: Hashable, Sendable {
  /// The Internet address.
  public var address: IPAddress
  /// The port in host byte order.
  public var port: UInt16

  /// Makes an endpoint of its parts.
  @inlinable
  public init(_ address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// Makes an IPv4 endpoint of its parts.
  @inlinable
  public init(_ address: IPv4Address, port: UInt16) { self.init(IPAddress(address), port: port) }
}

extension Endpoint: CustomStringConvertible {
  /// `10.0.2.15:80` or `[fec0::2]:80`.
  public var description: String {
    switch address.family {
    case .ipv4: "\(address):\(port)"
    case .ipv6: "[\(address)]:\(port)"
    }
  }
}
