public import Primitives

/// A virtual network whose options have been checked and whose defaults are filled in.
public struct VirtualNetwork: Hashable, Sendable {
  /// The guests' IPv4 network.
  public var prefix: IPv4Prefix
  /// The gateway's address, which leads to the host's loopback.
  public var gateway: IPv4Address
  /// The virtual resolver's address.
  public var resolver: IPv4Address
  /// The first address that DHCP leases.
  public var firstLease: IPv4Address
  /// The name that DHCP gives to guests, empty for none.
  public var hostname: String
  /// The domain that DHCP gives to guests, empty for none.
  public var domainName: String
  /// The domains to search that DHCP gives to guests.
  public var searchDomains: [String]
  /// The longest IP packet that guests are advised to send, in bytes.
  public var mtu: Int
  /// Ports of the host that lead to a guest.
  public var forwards: [HostForward]
  /// The server that the virtual resolver asks, nil for the host's own.
  public var upstreamResolver: Endpoint?
  /// Whether the gateway's address leads to the host's loopback.
  public var allowsHostLoopback: Bool
  /// Whether guests reach link-local addresses.
  public var allowsLinkLocal: Bool
  /// From whom datagrams reach a guest's port that has sent some.
  public var udpFiltering: UDPFilteringOption

  /// What may be asked for as the MTU: from what every IPv4 host must accept (RFC 791 section 3.1) to what fits one
  /// frame of every link.
  public static let mtuRange = 576...65_520

  /// Checks `options` and fills in what they leave open, by QEMU's rules and with QEMU's messages.
  public init(_ options: NetworkOptions, defaultMTU: Int = 65_520) throws(ConfigurationError) {
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
    guard resolver != gateway else { throw ConfigurationError("dns", "DNS must be different from host") }
    firstLease = try address(options.dhcpstart, default: 0x020f, "dhcpstart", "Failed to parse DHCP start address")
    guard prefix.contains(firstLease) else {
      throw ConfigurationError("dhcpstart", "DHCP doesn't belong to network")
    }
    guard firstLease != gateway, firstLease != resolver else {
      throw ConfigurationError("dhcpstart", "DHCP must be different from host and DNS")
    }
    (hostname, domainName, searchDomains) = try Self.names(options)
    mtu = options.mtu ?? defaultMTU
    guard Self.mtuRange.contains(mtu) else {
      let range = "\(Self.mtuRange.lowerBound) to \(Self.mtuRange.upperBound)"
      throw ConfigurationError("mtu", "\(mtu) is out of range; give \(range) bytes")
    }
    forwards = try Self.forwards(options.hostfwd)
    upstreamResolver = try options.dnsUpstream.map { text throws(ConfigurationError) in
      guard let server = Endpoint(text, defaultPort: 53), server.port > 0 else {
        throw ConfigurationError("dns-upstream", "'\(text)' is not ADDRESS[:PORT]; write IPv6 with a port as [::1]:53")
      }
      return server
    }
    allowsHostLoopback = !options.noHostLoopback
    allowsLinkLocal = options.allowLinkLocal
    let filtering = options.udpFiltering ?? UDPFilteringOption.address.rawValue
    guard let option = UDPFilteringOption(rawValue: filtering) else {
      throw ConfigurationError("udp-filtering", "'\(filtering)' is not endpoint, address or port")
    }
    udpFiltering = option
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

  /// Checks the names that DHCP gives out.
  private static func names(_ options: NetworkOptions) throws(ConfigurationError) -> (String, String, [String]) {
    let hostname = options.hostname ?? ""
    guard hostname.utf8.count <= 255 else {
      throw ConfigurationError("hostname", "'vhostname' parameter cannot exceed 255 bytes")
    }
    if let domain = options.domainname {
      guard !domain.isEmpty else {
        throw ConfigurationError("domainname", "'domainname' parameter cannot be empty")
      }
      guard domain.utf8.count <= 255 else {
        throw ConfigurationError("domainname", "'domainname' parameter cannot exceed 255 bytes")
      }
    }
    for (index, domain) in options.dnssearch.enumerated() {
      // RFC 1035 (2.3.4): labels of 1 to 63 bytes, 255 bytes in all with each label's length and the root.
      let labels = (domain.hasSuffix(".") ? domain.dropLast() : Substring(domain))
        .split(separator: ".", omittingEmptySubsequences: false)
      guard labels.allSatisfy({ (1...63).contains($0.utf8.count) }), domain.utf8.count <= 253 else {
        throw ConfigurationError("dnssearch[\(index)]", "'\(domain)' is not a domain name")
      }
    }
    return (hostname, options.domainname ?? "", options.dnssearch)
  }

  private static func forwards(_ rules: [String]) throws(ConfigurationError) -> [HostForward] {
    var forwards: [HostForward] = []
    for (index, rule) in rules.enumerated() {
      do throws(HostForward.SyntaxError) {
        forwards.append(try HostForward(rule: rule))
      } catch {
        throw ConfigurationError("hostfwd[\(index)]", error.description)
      }
    }
    return forwards
  }
}
