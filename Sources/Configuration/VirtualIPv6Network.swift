public import Primitives

/// The IPv6 side of a virtual network, checked.
public struct VirtualIPv6Network: Hashable, Sendable {
  /// The guests' network.
  public var prefix: IPv6Prefix
  /// The gateway's address, which leads to the host's loopback.
  public var gateway: IPv6Address
  /// The virtual resolver's address.
  public var resolver: IPv6Address

  /// Whether something of the host's may be at `address`: one of the network that is nobody's. The network's own address
  /// is every router's (RFC 4291 section 2.6.1).
  func mayServe(_ address: IPv6Address) -> Bool {
    prefix.contains(address) && ![gateway, resolver, prefix.network].contains(address)
  }

  /// Checks `options` and fills in what they leave open, by QEMU's rules and with QEMU's messages.
  init(_ options: NetworkOptions) throws(ConfigurationError) {
    func address(
      _ text: String?, default standard: IPv6Address, _ path: String, _ name: String
    )
      throws(ConfigurationError) -> IPv6Address
    {
      guard let text else { return standard }
      guard let address = IPv6Address(text) else { throw ConfigurationError(path, "Failed to parse \(name)") }
      return address
    }
    let network = try address(
      options.ipv6Prefix, default: IPv6Address(high: 0xfec0 << 48, low: 0), "ipv6-prefix", "IPv6 prefix")
    let length = options.ipv6Prefixlen ?? 64
    guard (0...126).contains(length) else {
      throw ConfigurationError(
        "ipv6-prefixlen", "Invalid IPv6 prefix provided (IPv6 prefix length must be between 0 and 126)")
    }
    prefix = IPv6Prefix(containing: network, length: length)
    let (high, low) = (prefix.network.high, prefix.network.low)
    gateway = try address(options.ipv6Host, default: IPv6Address(high: high, low: low | 2), "ipv6-host", "IPv6 host")
    guard prefix.contains(gateway) else {
      throw ConfigurationError("ipv6-host", "IPv6 Host doesn't belong to network")
    }
    resolver = try address(options.ipv6Dns, default: IPv6Address(high: high, low: low | 3), "ipv6-dns", "IPv6 DNS")
    guard options.restrict != true || prefix.contains(resolver) else {
      throw ConfigurationError("ipv6-dns", "IPv6 DNS doesn't belong to network")
    }
    // QEMU lets it pass, and then answers for neither as it should.
    guard resolver != gateway else {
      throw ConfigurationError("ipv6-dns", "IPv6 DNS must be different from IPv6 host")
    }
  }
}
