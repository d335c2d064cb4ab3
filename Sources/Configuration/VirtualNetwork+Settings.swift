import Primitives

extension VirtualNetwork {
  /// What the network is, setting by setting, by the names of the options: as a configuration file it makes the same
  /// network again.
  public var settings: [(name: String, value: SettingValue)] {
    var settings: [(name: String, value: SettingValue)] = [("ipv4", .flag(ipv4 != nil)), ("ipv6", .flag(ipv6 != nil))]
    if let ipv4 {
      settings += [
        ("net", .text("\(ipv4.prefix)")), ("host", .text("\(ipv4.gateway)")), ("dns", .text("\(ipv4.resolver)")),
        ("dhcpstart", .text("\(ipv4.firstLease)")), ("lease", .list(ipv4.staticLeases.map(\.description))),
        ("route", .list(ipv4.routes.map(\.description))),
      ]
    }
    if let ipv6 {
      settings += [
        ("ipv6-prefix", .text("\(ipv6.prefix.network)")), ("ipv6-prefixlen", .number(ipv6.prefix.length)),
        ("ipv6-host", .text("\(ipv6.gateway)")), ("ipv6-dns", .text("\(ipv6.resolver)")),
      ]
    }
    let names = [
      ("hostname", hostname), ("domainname", domainName), ("bootfile", bootFile), ("tftp", tftpFolder),
      ("tftp-server-name", tftpServerName),
    ]
    settings += names.filter { !$0.1.isEmpty }.map { ($0, .text($1)) }
    if !bootFileParameters.isEmpty { settings.append(("bootfile-param", .list(bootFileParameters))) }
    settings += [
      ("dnssearch", .list(searchDomains)), ("mtu", .number(mtu)), ("restrict", .flag(isRestricted)),
      ("hostfwd", .list(forwards.map(\.description))), ("guestfwd", .list(guestForwards.map(\.description))),
    ]
    if let smbShare {
      settings += [("smb", .text(smbShare.folder)), ("smbserver", .text("\(smbShare.server)"))]
    }
    settings += [
      ("dns-upstream", .list(upstreamResolvers.map(\.description))), ("dns-host", .list(hostNames.map(\.description))),
    ]
    return settings + [
      ("no-host-loopback", .flag(!allowsHostLoopback)), ("allow-link-local", .flag(allowsLinkLocal)),
      ("udp-filtering", .text(udpFiltering.rawValue)),
    ]
  }

  /// The names of the settings that are not those of another network.
  public func namesOfSettings(unlike other: VirtualNetwork) -> [String] {
    func values(_ network: VirtualNetwork) -> [String: SettingValue] {
      Dictionary(network.settings.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
    let (own, others) = (values(self), values(other))
    return Set(own.keys).union(others.keys).filter { own[$0] != others[$0] }.sorted()
  }
}
