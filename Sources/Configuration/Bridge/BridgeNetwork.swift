public import Primitives

/// The network of a bridge, checked.
public struct BridgeNetwork: Hashable, Sendable {
  /// Where packets to the outside go.
  public enum Uplink: Hashable, Sendable {
    /// By the interface of the host's default route.
    case automatic
    /// By the interface of a name.
    case interface(String)
    /// Nowhere.
    case none
  }

  /// The bridge's name.
  public var bridge: String
  /// The host's address on it, which is the guests' gateway.
  public var address: IPv4Address
  /// The guests' network.
  public var prefix: IPv4Prefix
  /// Where packets to the outside go.
  public var uplink: Uplink
  /// The addresses that DHCP gives out; nil where it is not served.
  public var leases: ClosedRange<IPv4Address>?
  /// The domain that DHCP gives to guests, to be searched, too; nil for none.
  public var domain: String?
  /// The name servers that DHCP gives to guests, in their order.
  public var nameServers: [IPv4Address]
  /// How long a lease lasts unless a guest asks for another time, in seconds.
  public var leaseTime: UInt32
  /// How long a lease lasts at most, in seconds.
  public var maximumLeaseTime: UInt32
  /// The bridge's IPv6 network; nil for none.
  public var ipv6Prefix: IPv6Prefix?
  /// Whether packets are forwarded between all interfaces of the host.
  public var forwardsGlobally: Bool
  /// Interfaces that become ports of the bridge.
  public var ports: [String]

  /// The host's IPv6 address on the bridge: the first of its network (`::1`).
  public var ipv6Address: IPv6Address? {
    ipv6Prefix.map { IPv6Address(high: $0.network.high, low: $0.network.low | 1) }
  }

  /// Whether guests are served something: DHCP, or the advertisements of a router.
  public var needsServer: Bool { leases != nil || ipv6Prefix != nil }

  /// Checks `options` and fills in what they leave open.
  public init(_ options: BridgeOptions) throws(ConfigurationError) {
    bridge = try Self.interface(options.bridge, "bridge")
    (address, prefix) = try Self.address(options.address)
    uplink = try Self.uplink(options.uplink, bridge: bridge)
    leases = try Self.leases(options.dhcp, address, prefix)
    domain = options.domain == "none" ? nil : options.domain
    if let domain, !domain.isDomainName {
      throw ConfigurationError("domain", "'\(domain)' is no domain's name, as mylan or home.arpa")
    }
    nameServers = try Self.nameServers(options.dns)
    leaseTime = try Self.seconds(options.lease, "lease")
    maximumLeaseTime = try Self.seconds(options.maximumLease, "max-lease")
    guard leaseTime <= maximumLeaseTime else {
      throw ConfigurationError("lease", "\(leaseTime) s are more than the \(maximumLeaseTime) s of max-lease")
    }
    ipv6Prefix = try options.ipv6.map { text throws(ConfigurationError) in try Self.ipv6Prefix(text) }
    forwardsGlobally = options.forwardsGlobally
    ports = []
    for port in options.ports { ports.append(try Self.interface(port, "port")) }
    guard !ports.contains(bridge) else { throw ConfigurationError("port", "\(bridge) cannot be a port of itself") }
  }

  // MARK: Reading

  /// Reads the name of an interface, as the kernel allows it: up to 15 bytes that can stand in a path and in a rule.
  static func interface(_ name: String, _ path: String) throws(ConfigurationError) -> String {
    let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"/:\"'\\%".utf8.contains($0) }
    guard (1...15).contains(name.utf8.count), isPlain, name != ".", name != "..", !name.hasPrefix("-") else {
      throw ConfigurationError(
        path, "'\(name)' is no name of an interface; give 1 to 15 letters and digits, as bridge0")
    }
    // Names that the kernel's parameters have for themselves.
    guard name != "all", name != "default" else {
      throw ConfigurationError(path, "'\(name)' means something else to the kernel; give another name, as bridge0")
    }
    return name
  }

  private static func address(_ text: String) throws(ConfigurationError) -> (IPv4Address, IPv4Prefix) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPv4Address(parts[0]), let length = UInt16(port: parts[1]), length <= 32
    else { throw ConfigurationError("address", "'\(text)' is not ADDRESS/LENGTH, as 192.168.1.101/24") }
    guard (8...30).contains(length) else {
      throw ConfigurationError("address", "a network of /\(length) has no room for guests; give a length of 8 to 30")
    }
    let prefix = IPv4Prefix(containing: address, length: Int(length))
    guard address != prefix.network, address != prefix.broadcast else {
      throw ConfigurationError("address", "\(address) is the address of the network \(prefix) itself; give a host's")
    }
    guard !address.isLoopback, !address.isMulticast, !address.isReserved, !address.isThisNetwork else {
      throw ConfigurationError("address", "\(address) is not for a host; give one as 192.168.1.101/24")
    }
    return (address, prefix)
  }

  private static func uplink(_ text: String, bridge: String) throws(ConfigurationError) -> Uplink {
    switch text {
    case "auto": return .automatic
    case "none": return .none
    case bridge: throw ConfigurationError("uplink", "\(bridge) is the bridge; give the interface that leads outside")
    default: return .interface(try interface(text, "uplink"))
    }
  }

  /// Reads what DHCP gives out: unless told otherwise the last addresses of the network, as many as the recipe's 54
  /// where there is room, but not the host's.
  private static func leases(
    _ text: String?, _ address: IPv4Address, _ prefix: IPv4Prefix
  ) throws(ConfigurationError) -> ClosedRange<IPv4Address>? {
    guard text != "none" else { return nil }
    guard let text else { return defaultLeases(address, prefix) }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { IPv4Address($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1] else {
      throw ConfigurationError("dhcp", "'\(text)' is not FIRST-LAST, as 192.168.1.201-192.168.1.254, or none")
    }
    guard first <= last else { throw ConfigurationError("dhcp", "\(first) is behind \(last)") }
    guard prefix.contains(first), prefix.contains(last), first != prefix.network, last != prefix.broadcast else {
      throw ConfigurationError("dhcp", "\(text) is not all of it for hosts of \(prefix)")
    }
    guard !(first...last).contains(address) else {
      throw ConfigurationError("dhcp", "\(address) is the host's and lies in \(text); leave it out")
    }
    guard last.bits - first.bits < maximumLeases else {
      throw ConfigurationError("dhcp", "\(text) are too many; give \(maximumLeases) addresses at most")
    }
    return first...last
  }

  /// The most addresses that DHCP gives out: each is looked at for each message.
  private static let maximumLeases: UInt32 = 16_384
  private static let usualLeases: UInt32 = 54

  private static func defaultLeases(_ address: IPv4Address, _ prefix: IPv4Prefix) -> ClosedRange<IPv4Address> {
    // From the side of the host's address that has more room.
    let (lowest, highest) = (prefix.network.bits + 1, prefix.broadcast.bits - 1)
    let (below, above) = (address.bits - lowest, highest - address.bits)
    if above >= below {
      return IPv4Address(bits: highest + 1 - min(above, usualLeases))...IPv4Address(bits: highest)
    }
    return IPv4Address(bits: address.bits - min(below, usualLeases))...IPv4Address(bits: address.bits - 1)
  }

  private static func nameServers(_ texts: [String]) throws(ConfigurationError) -> [IPv4Address] {
    guard texts != ["none"] else { return [] }
    guard texts.count <= maximumNameServers else {
      throw ConfigurationError("dns", "\(texts.count) are too many; give \(maximumNameServers) at most")
    }
    var servers: [IPv4Address] = []
    for (index, text) in (texts.isEmpty ? [BridgeOptions.defaultNameServer] : texts).enumerated() {
      guard let server = IPv4Address(text), !server.isThisNetwork, !server.isMulticast, server != .broadcast else {
        throw ConfigurationError("dns[\(index)]", "'\(text)' is no address of a name server, as 8.8.8.8, or none")
      }
      servers.append(server)
    }
    return servers
  }

  private static let maximumNameServers = 8

  /// A minute at least: a guest asks again after half of it. Where a guest may keep an address for ever, no other gets
  /// it.
  private static func seconds(_ count: Int, _ path: String) throws(ConfigurationError) -> UInt32 {
    guard (60...31_536_000).contains(count) else {
      throw ConfigurationError(path, "\(count) s are out of range; give 60 to 31536000 (a year)")
    }
    return UInt32(count)
  }

  private static func ipv6Prefix(_ text: String) throws(ConfigurationError) -> IPv6Prefix {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let network = IPv6Address(parts[0]), let length = UInt16(port: parts[1]) else {
      throw ConfigurationError("ipv6", "'\(text)' is not PREFIX/64, as fd00:6c76:1::/64")
    }
    // RFC 4862 section 5.5.3 (d): guests take no other.
    guard length == 64 else { throw ConfigurationError("ipv6", "guests make their addresses of a /64; give one") }
    guard network.low == 0 else { throw ConfigurationError("ipv6", "\(network) is not the first address of a /64") }
    guard !network.isMulticast, !network.isLinkLocal, network != .any,
      network.high >> 61 == 1 || network.high >> 57 == 0x7e
    else { throw ConfigurationError("ipv6", "\(text) is neither global (2000::/3) nor unique local (fc00::/7)") }
    return IPv6Prefix(containing: network, length: 64)
  }
}

extension BridgeNetwork {
  /// The network setting by setting, by the names of the options.
  public var settings: [(name: String, value: SettingValue)] {
    var settings: [(name: String, value: SettingValue)] = [
      ("bridge", .text(bridge)), ("address", .text("\(address)/\(prefix.length)")),
      ("uplink", .text(uplink.description)),
      ("dhcp", .text(leases.map { "\($0.lowerBound)-\($0.upperBound)" } ?? "none")),
      ("domain", .text(domain ?? "none")),
      ("dns", .list(nameServers.isEmpty ? ["none"] : nameServers.map(\.description))),
      ("lease", .number(Int(leaseTime))), ("max-lease", .number(Int(maximumLeaseTime))),
    ]
    if let ipv6Prefix { settings.append(("ipv6", .text(ipv6Prefix.description))) }
    settings.append(("global-forward", .flag(forwardsGlobally)))
    if !ports.isEmpty { settings.append(("port", .list(ports))) }
    return settings
  }
}

extension BridgeNetwork.Uplink: CustomStringConvertible {
  /// The option's text.
  public var description: String {
    switch self {
    case .automatic: "auto"
    case .interface(let name): name
    case .none: "none"
    }
  }
}
