public import Primitives

/// The IPv4 side of a virtual network, checked.
public struct VirtualIPv4Network: Hashable, Sendable {
  /// The guests' network.
  public var prefix: IPv4Prefix
  /// The gateway's address, which leads to the host's loopback.
  public var gateway: IPv4Address
  /// The virtual resolver's address.
  public var resolver: IPv4Address
  /// The first address that DHCP leases.
  public var firstLease: IPv4Address
  /// Addresses that DHCP keeps for one guest each.
  public var staticLeases: [LeaseOption]
  /// Routes that DHCP gives to guests, besides the default one.
  public var routes: [RouteOption]

  /// Checks `options` and fills in what they leave open, by QEMU's rules and with QEMU's messages.
  init(_ options: NetworkOptions) throws(ConfigurationError) {
    prefix = try Self.network(options.net)
    let (network, mask) = (prefix.network.bits, prefix.mask.bits)
    func address(
      _ text: String?, default low: UInt32, _ path: String, _ failure: String
    ) throws(ConfigurationError)
      -> IPv4Address
    {
      guard let text else { return IPv4Address(bits: network | low & ~mask) }
      guard let address = IPv4Address(inetAton: text) else { throw ConfigurationError(path, failure) }
      return address
    }
    gateway = try address(options.host, default: 0x0202, "host", "Failed to parse host")
    guard prefix.contains(gateway) else { throw ConfigurationError("host", "Host doesn't belong to network") }
    resolver = try address(options.dns, default: 0x0203, "dns", "Failed to parse DNS")
    guard options.restrict != true || prefix.contains(resolver) else {
      throw ConfigurationError("dns", "DNS doesn't belong to network")
    }
    guard resolver != gateway else { throw ConfigurationError("dns", "DNS must be different from host") }
    firstLease = try address(options.dhcpstart, default: 0x020f, "dhcpstart", "Failed to parse DHCP start address")
    guard prefix.contains(firstLease) else {
      throw ConfigurationError("dhcpstart", "DHCP doesn't belong to network")
    }
    guard firstLease != gateway, firstLease != resolver else {
      throw ConfigurationError("dhcpstart", "DHCP must be different from host and DNS")
    }
    (staticLeases, routes) = ([], [])
    for (index, text) in options.lease.enumerated() { staticLeases.append(try lease(text, "lease[\(index)]")) }
    guard options.route.count <= Self.maximumRoutes else {
      throw ConfigurationError("route", "\(options.route.count) are too many; give \(Self.maximumRoutes) at most")
    }
    for (index, text) in options.route.enumerated() { routes.append(try route(text, "route[\(index)]")) }
  }

  /// The most routes: a message of the length that every client takes has room for them.
  private static let maximumRoutes = 16

  /// The address at which guests find what has no address of its own: QEMU's x.x.2.4.
  var serviceAddress: IPv4Address { IPv4Address(bits: prefix.network.bits | 0x0204 & ~prefix.mask.bits) }

  /// Whether something of the host's may be at `address`: one of the network that is nobody's and not a guest's first.
  func mayServe(_ address: IPv4Address) -> Bool {
    isHost(address) && ![gateway, resolver, firstLease].contains(address)
      && !staticLeases.contains { $0.address == address }
  }

  /// Whether `address` is one of the network that a host can have.
  private func isHost(_ address: IPv4Address) -> Bool {
    prefix.contains(address) && (prefix.length > 30 || ![prefix.network, prefix.broadcast].contains(address))
  }

  /// Reads a static lease, which takes nothing from the network or from those before it.
  private func lease(_ text: String, _ path: String) throws(ConfigurationError) -> LeaseOption {
    guard let lease = LeaseOption(text) else {
      throw ConfigurationError(path, "'\(text)' is not MAC=ADDRESS[,HOSTNAME], as 52:54:00:12:34:56=10.0.2.20,web")
    }
    guard isHost(lease.address), lease.address != gateway, lease.address != resolver else {
      throw ConfigurationError(path, "\(lease.address) is not for a guest of \(prefix)")
    }
    guard !staticLeases.contains(where: { $0.address == lease.address || $0.hardware == lease.hardware }) else {
      throw ConfigurationError(path, "'\(text)' has the address or the guest of another lease")
    }
    return lease
  }

  /// Reads a route, to where none of those before it leads.
  private func route(_ text: String, _ path: String) throws(ConfigurationError) -> RouteOption {
    guard let route = RouteOption(text) else {
      throw ConfigurationError(
        path, "'\(text)' is not NETWORK/LENGTH[,GATEWAY] with a network's first address, as 192.0.2.0/24,10.0.2.20")
    }
    if let gateway = route.gateway, !isHost(gateway) {
      throw ConfigurationError(path, "the gateway \(gateway) is not a host of \(prefix)")
    }
    guard !routes.contains(where: { $0.destination == route.destination }) else {
      throw ConfigurationError(path, "another route leads to \(route.destination)")
    }
    return route
  }

  /// Reads `net=`, without a mask by QEMU's table of defaults.
  private static func network(_ text: String?) throws(ConfigurationError) -> IPv4Prefix {
    guard let text else { return IPv4Prefix(containing: IPv4Address(10, 0, 2, 0), length: 24) }
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPv4Address(inetAton: parts[0]) else {
      throw ConfigurationError("net", "Failed to parse netmask")
    }
    guard parts.count == 2 else {
      return IPv4Prefix(containing: address, length: defaultLength(of: address.bits))
    }
    let outOfRange = ConfigurationError("net", "Invalid netmask provided (must be in range 4-32)")
    if let length = Int(parts[1]) {
      guard (4...32).contains(length) else { throw outOfRange }
      return IPv4Prefix(containing: address, length: length)
    }
    guard let mask = IPv4Address(inetAton: parts[1]) else {
      throw ConfigurationError("net", "Failed to parse netmask (trailing chars)")
    }
    // QEMU takes a mask with holes, too; no route to such a network could be described to a guest.
    let length = (~mask.bits).leadingZeroBitCount
    guard (4...32).contains(length), mask.bits.trailingZeroBitCount == 32 - length else { throw outOfRange }
    return IPv4Prefix(containing: address, length: length)
  }

  /// The prefix length that QEMU gives a network without one. The order of the tests is QEMU's, and so is the range
  /// of the one for "class C", which leaves 192/3 but for 192.168/16 and 198.18/15 with 28 bits.
  private static func defaultLength(of bits: UInt32) -> Int {
    switch bits {
    case let bits where bits & 0x8000_0000 == 0: 8
    case let bits where bits & 0xfff0_0000 == 0xac10_0000: 12
    case let bits where bits & 0xc000_0000 == 0x8000_0000: 16
    case let bits where bits & 0xffff_0000 == 0xc0a8_0000: 16
    case let bits where bits & 0xfffe_0000 == 0xc612_0000: 15
    case let bits where bits & 0xe000_0000 == 0xe000_0000: 24
    default: 28
    }
  }
}
