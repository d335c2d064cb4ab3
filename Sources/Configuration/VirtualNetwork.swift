public import Primitives

/// A virtual network whose options have been checked and whose defaults are filled in.
public struct VirtualNetwork: Hashable, Sendable {
  /// What guests have of IPv4, nil for nothing.
  public var ipv4: VirtualIPv4Network?
  /// What guests have of IPv6, nil for nothing.
  public var ipv6: VirtualIPv6Network?
  /// The name that DHCP gives to guests, empty for none.
  public var hostname: String
  /// The domain that DHCP gives to guests, empty for none.
  public var domainName: String
  /// The domains to search that DHCP gives to guests.
  public var searchDomains: [String]
  /// The file to boot that DHCP names, empty for none.
  public var bootFile: String
  /// What DHCPv6 gives out for that file to be told.
  public var bootFileParameters: [String]
  /// The folder whose files guests may fetch by TFTP, empty for none.
  public var tftpFolder: String
  /// The name of the TFTP server that DHCP gives to guests, empty for none.
  public var tftpServerName: String
  /// The longest IP packet that guests are advised to send, in bytes.
  public var mtu: Int
  /// Ports and UNIX sockets of the host that lead to a guest.
  public var forwards: [HostForward]
  /// Ports in the guests' network that lead to something of the host's.
  public var guestForwards: [GuestForwardRule]
  /// A folder that guests find on an SMB server, nil for none.
  public var smbShare: SMBShare?
  /// The servers that the virtual resolver asks, best first; none for the host's own.
  public var upstreamResolvers: [Endpoint]
  /// Names that the virtual resolver knows.
  public var hostNames: [HostName]
  /// Whether guests reach nothing but the gateway's own services, and answer only those who come by forwards.
  public var isRestricted: Bool
  /// Whether the gateway's address leads to the host's loopback.
  public var allowsHostLoopback: Bool
  /// Whether guests reach link-local addresses.
  public var allowsLinkLocal: Bool
  /// From whom datagrams reach a guest's port that has sent some.
  public var udpFiltering: UDPFilteringOption

  /// The domains that a resolver searches which is told all that DHCP tells: the guests' own, then the others. What is no
  /// domain name, as an option of DHCP may be, is left out.
  public var resolverDomains: [String] {
    ([domainName] + searchDomains.filter { $0 != domainName }).filter { domain in
      domain.isDomainName && !domain.contains { $0.isWhitespace }
    }
  }

  /// What may be asked for as the MTU: from what every IPv4 host must accept (RFC 791 section 3.1) to what fits one
  /// frame of every link.
  public static let mtuRange = 576...65_520

  /// Checks `options` and fills in what they leave open, by QEMU's rules and with QEMU's messages.
  public init(_ options: NetworkOptions, defaultMTU: Int = 65_520) throws(ConfigurationError) {
    mtu = options.mtu ?? defaultMTU
    guard Self.mtuRange.contains(mtu) else {
      let range = "\(Self.mtuRange.lowerBound) to \(Self.mtuRange.upperBound)"
      throw ConfigurationError("mtu", "\(mtu) is out of range; give \(range) bytes")
    }
    (ipv4, ipv6) = try Self.families(options, mtu: mtu)
    (hostname, domainName, searchDomains) = try Self.names(options)
    (bootFile, tftpServerName) = try Self.bootNames(options)
    bootFileParameters = try Self.bootFileParameters(options)
    tftpFolder = options.tftp ?? ""
    forwards = try Self.forwards(options.hostfwd)
    guestForwards = try Self.guestForwards(options.guestfwd, ipv4, ipv6)
    smbShare = try SMBShare(options, ipv4, beside: guestForwards)
    upstreamResolvers = try Self.upstreamResolvers(options.dnsUpstream)
    hostNames = try Self.hostNames(options.dnsHost)
    isRestricted = options.restrict ?? false
    allowsHostLoopback = !(options.noHostLoopback ?? false)
    allowsLinkLocal = options.allowLinkLocal ?? false
    let filtering = options.udpFiltering ?? UDPFilteringOption.address.rawValue
    guard let option = UDPFilteringOption(rawValue: filtering) else {
      throw ConfigurationError("udp-filtering", "'\(filtering)' is not endpoint, address or port")
    }
    udpFiltering = option
  }

  /// The shortest MTU that IPv6 works with (RFC 8200 section 5).
  static let minimumIPv6MTU = 1280

  /// The families that guests have. By QEMU's rule a family that alone is asked for is the only one.
  private static func families(
    _ options: NetworkOptions, mtu: Int
  ) throws(ConfigurationError) -> (VirtualIPv4Network?, VirtualIPv6Network?) {
    let hasIPv4 = options.ipv4 ?? (options.ipv6 != true)
    let hasIPv6 = options.ipv6 ?? (options.ipv4 != true)
    guard hasIPv4 || hasIPv6 else { throw ConfigurationError("ipv4, ipv6", "IPv4 and IPv6 disabled") }
    if !hasIPv4, let name = options.firstIPv4Option {
      throw ConfigurationError(name, "IPv4 disabled but netmask/host/dns provided")
    }
    if !hasIPv6, let name = options.firstIPv6Option {
      throw ConfigurationError(name, "IPv6 disabled but prefix/host6/dns6 provided")
    }
    // A small MTU quietly costs IPv6 only those who have not asked for it.
    guard mtu >= minimumIPv6MTU || !hasIPv6 || hasIPv4 && options.ipv6 == nil && options.firstIPv6Option == nil else {
      throw ConfigurationError("mtu", "\(mtu) is too small for IPv6; give \(minimumIPv6MTU) or more, or ipv6=off")
    }
    let ipv4 = hasIPv4 ? try VirtualIPv4Network(options) : nil
    return (ipv4, hasIPv6 && mtu >= minimumIPv6MTU ? try VirtualIPv6Network(options) : nil)
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
      guard domain.isDomainName else {
        throw ConfigurationError("dnssearch[\(index)]", "'\(domain)' is not a domain name")
      }
    }
    return (hostname, options.domainname ?? "", options.dnssearch)
  }

  /// Checks what DHCP says of booting.
  private static func bootNames(_ options: NetworkOptions) throws(ConfigurationError) -> (String, String) {
    let (file, server) = (options.bootfile ?? "", options.tftpServerName ?? "")
    guard server.utf8.count <= 255 else {
      throw ConfigurationError("tftp-server-name", "'tftp-server-name' parameter cannot exceed 255 bytes")
    }
    // The longest that one option holds.
    guard file.utf8.count <= 255 else { throw ConfigurationError("bootfile", "'bootfile' cannot exceed 255 bytes") }
    return (file, server)
  }

  /// The most parameters of a file to boot, and the longest one in bytes: all of them are in one message.
  private static let (maximumBootParameters, longestBootParameter) = (16, 255)

  private static func bootFileParameters(_ options: NetworkOptions) throws(ConfigurationError) -> [String] {
    let (key, texts) = ("bootfile-param", options.bootfileParam)
    guard texts.count <= maximumBootParameters else {
      throw ConfigurationError(key, "\(texts.count) are too many; give \(maximumBootParameters) at most")
    }
    for (index, text) in texts.enumerated() where !(1...longestBootParameter).contains(text.utf8.count) {
      throw ConfigurationError(
        "\(key)[\(index)]", "a parameter has 1 to \(longestBootParameter) bytes, not \(text.utf8.count)")
    }
    guard texts.isEmpty || options.bootfile?.isEmpty == false else {
      throw ConfigurationError(key, "there is no file to boot that could be told; give 'bootfile' as well")
    }
    return texts
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
