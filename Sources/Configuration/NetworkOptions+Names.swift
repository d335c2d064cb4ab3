extension NetworkOptions {
  /// The names of the options: QEMU's of `-netdev user`, and those that QEMU does not have.
  public static let names = [
    "ipv4", "ipv6", "net", "host", "dns", "dhcpstart", "ipv6-prefix", "ipv6-prefixlen", "ipv6-host", "ipv6-dns",
    "restrict", "hostname", "domainname", "dnssearch", "bootfile", "tftp-server-name", "lease", "mtu", "hostfwd",
    "dns-upstream", "no-host-loopback", "allow-link-local", "udp-filtering",
  ]

  /// Options of QEMU's that there is nothing behind yet.
  private static let unserved: Set = ["tftp", "guestfwd", "smb", "smbserver"]

  /// Takes one option by its name; one that may be repeated is added to those before. `path` is what an error calls it.
  public mutating func take(_ name: String, _ value: String, path: String) throws(ConfigurationError) {
    switch name {
    case "ipv4": ipv4 = try Self.switched(value, path)
    case "ipv6": ipv6 = try Self.switched(value, path)
    case "net": net = value
    case "ip": net = value + "/24"  // QEMU's, from before `net`.
    case "host": host = value
    case "dns": dns = value
    case "dhcpstart": dhcpstart = value
    case "ipv6-prefix": ipv6Prefix = value
    case "ipv6-prefixlen": ipv6Prefixlen = try Self.number(value, path)
    case "ipv6-net":
      let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      ipv6Prefix = String(parts[0])
      if parts.count == 2 { ipv6Prefixlen = try Self.number(parts[1], path) }
    case "ipv6-host": ipv6Host = value
    case "ipv6-dns": ipv6Dns = value
    case "restrict": restrict = try Self.switched(value, path)
    case "hostname": hostname = value
    case "domainname": domainname = value
    case "dnssearch": dnssearch.append(value)
    case "bootfile": bootfile = value
    case "tftp-server-name": tftpServerName = value
    case "lease": lease.append(value)
    case "mtu": mtu = try Self.number(value, path)
    case "hostfwd": hostfwd.append(value)
    case "dns-upstream": dnsUpstream = value
    case "no-host-loopback": noHostLoopback = try Self.switched(value, path)
    case "allow-link-local": allowLinkLocal = try Self.switched(value, path)
    case "udp-filtering": udpFiltering = value
    default:
      guard !Self.unserved.contains(name) else {
        throw ConfigurationError(path, "'\(value)' is a service that Culvert does not have yet; leave it out")
      }
      throw ConfigurationError(path, "there is no such option; give \(Self.names.joined(separator: ", "))")
    }
  }

  private static func switched(_ text: String, _ path: String) throws(ConfigurationError) -> Bool {
    guard let value = Bool(qemuSwitch: text) else { throw ConfigurationError(path, "'\(text)' is not on or off") }
    return value
  }

  private static func number(_ text: some StringProtocol, _ path: String) throws(ConfigurationError) -> Int {
    guard let number = Int(text), number >= 0 else { throw ConfigurationError(path, "'\(text)' is not a number") }
    return number
  }

  /// These options with others over them: what those say once comes in the place of what is here, what may be repeated
  /// behind it.
  public func overlaid(by others: NetworkOptions) -> NetworkOptions {
    var options = others
    options.ipv4 = others.ipv4 ?? ipv4
    options.ipv6 = others.ipv6 ?? ipv6
    options.net = others.net ?? net
    options.host = others.host ?? host
    options.dns = others.dns ?? dns
    options.dhcpstart = others.dhcpstart ?? dhcpstart
    options.ipv6Prefix = others.ipv6Prefix ?? ipv6Prefix
    options.ipv6Prefixlen = others.ipv6Prefixlen ?? ipv6Prefixlen
    options.ipv6Host = others.ipv6Host ?? ipv6Host
    options.ipv6Dns = others.ipv6Dns ?? ipv6Dns
    options.restrict = others.restrict ?? restrict
    options.hostname = others.hostname ?? hostname
    options.domainname = others.domainname ?? domainname
    options.dnssearch = dnssearch + others.dnssearch
    options.bootfile = others.bootfile ?? bootfile
    options.tftpServerName = others.tftpServerName ?? tftpServerName
    options.lease = lease + others.lease
    options.mtu = others.mtu ?? mtu
    options.hostfwd = hostfwd + others.hostfwd
    options.dnsUpstream = others.dnsUpstream ?? dnsUpstream
    options.noHostLoopback = others.noHostLoopback || noHostLoopback
    options.allowLinkLocal = others.allowLinkLocal || allowLinkLocal
    options.udpFiltering = others.udpFiltering ?? udpFiltering
    return options
  }
}
