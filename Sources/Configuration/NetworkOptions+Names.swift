extension NetworkOptions {
  /// Where an option is kept, by the kind of its value.
  private enum Place {
    case flag(WritableKeyPath<NetworkOptions, Bool?>)
    case number(WritableKeyPath<NetworkOptions, Int?>)
    case text(WritableKeyPath<NetworkOptions, String?>)
    case list(WritableKeyPath<NetworkOptions, [String]>)
  }

  /// Every option under its one name: QEMU's of `-netdev user`, and those that QEMU does not have.
  private static var places: [(name: String, place: Place)] {
    [
      ("ipv4", .flag(\.ipv4)), ("ipv6", .flag(\.ipv6)),
      ("net", .text(\.net)), ("host", .text(\.host)), ("dns", .text(\.dns)), ("dhcpstart", .text(\.dhcpstart)),
      ("ipv6-prefix", .text(\.ipv6Prefix)), ("ipv6-prefixlen", .number(\.ipv6Prefixlen)),
      ("ipv6-host", .text(\.ipv6Host)), ("ipv6-dns", .text(\.ipv6Dns)),
      ("restrict", .flag(\.restrict)), ("hostname", .text(\.hostname)), ("domainname", .text(\.domainname)),
      ("dnssearch", .list(\.dnssearch)), ("bootfile", .text(\.bootfile)),
      ("bootfile-param", .list(\.bootfileParam)),
      ("tftp-server-name", .text(\.tftpServerName)), ("tftp", .text(\.tftp)), ("lease", .list(\.lease)),
      ("route", .list(\.route)),
      ("mtu", .number(\.mtu)), ("hostfwd", .list(\.hostfwd)), ("guestfwd", .list(\.guestfwd)),
      ("smb", .text(\.smb)), ("smbserver", .text(\.smbserver)), ("dns-upstream", .list(\.dnsUpstream)),
      ("dns-host", .list(\.dnsHost)),
      ("no-host-loopback", .flag(\.noHostLoopback)), ("allow-link-local", .flag(\.allowLinkLocal)),
      ("udp-filtering", .text(\.udpFiltering)),
    ]
  }

  /// The names of the options.
  public static var names: [String] { places.map(\.name) }

  /// Takes one option by its name; one that may be repeated is added to those before. `path` is what an error calls it.
  public mutating func take(_ name: String, _ value: String, path: String) throws(ConfigurationError) {
    if name == "ip" { return try take("net", value + "/24", path: path) }  // QEMU's, from before `net`.
    if name == "ipv6-net" { return try takeIPv6Network(value, path) }
    guard let place = Self.places.first(where: { $0.name == name })?.place else {
      throw ConfigurationError(path, "there is no such option; give \(Self.names.joined(separator: ", "))")
    }
    switch place {
    case .flag(let option):
      guard let flag = Bool(qemuSwitch: value) else { throw ConfigurationError(path, "'\(value)' is not on or off") }
      self[keyPath: option] = flag
    case .number(let option):
      guard let number = Int(value), number >= 0 else {
        throw ConfigurationError(path, "'\(value)' is not a number")
      }
      self[keyPath: option] = number
    case .text(let option): self[keyPath: option] = value
    case .list(let option): self[keyPath: option].append(value)
    }
  }

  /// QEMU's `ipv6-net=ADDRESS[/LENGTH]`, two options in one.
  private mutating func takeIPv6Network(_ value: String, _ path: String) throws(ConfigurationError) {
    let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    try take("ipv6-prefix", String(parts[0]), path: path)
    if parts.count == 2 { try take("ipv6-prefixlen", String(parts[1]), path: path) }
  }

  /// These options with others over them: what those say once comes in the place of what is here, what may be repeated
  /// behind it.
  public func overlaid(by others: NetworkOptions) -> NetworkOptions {
    var options = self
    for (_, place) in Self.places {
      switch place {
      case .flag(let option): options[keyPath: option] = others[keyPath: option] ?? self[keyPath: option]
      case .number(let option): options[keyPath: option] = others[keyPath: option] ?? self[keyPath: option]
      case .text(let option): options[keyPath: option] = others[keyPath: option] ?? self[keyPath: option]
      case .list(let option): options[keyPath: option] += others[keyPath: option]
      }
    }
    return options
  }
}
