extension NetworkOptions {
  /// Reads the value of QEMU's `-netdev user,...`, with or without `user` at its start: `key=value` items between
  /// commas, a doubled comma for a comma, or a JSON object.
  ///
  /// What is said of the network device beside it (`id`) is left out.
  public init(user text: String) throws(ConfigurationError) {
    try self.init(userPairs: QEMUProperties(text).pairs)
  }

  /// The same of a value that was taken apart.
  init(userPairs pairs: [(key: String, value: String)]) throws(ConfigurationError) {
    self.init()
    for (key, value) in pairs where key != "type" && key != "id" {
      if !key.isEmpty {
        try take(key, value)
      } else if value != "user" && !value.isEmpty {
        // A word alone at the start that is not the kind of network is a switch.
        try take(value, "on")
      }
    }
  }

  /// Takes one option of QEMU's, by QEMU's name. An option that may be repeated is added to those before.
  mutating func take(_ key: String, _ value: String) throws(ConfigurationError) {
    switch key {
    case "ipv4": ipv4 = try Self.switched(value, key)
    case "ipv6": ipv6 = try Self.switched(value, key)
    case "net": net = value
    case "ip": net = value + "/24"  // From before `net`.
    case "host": host = value
    case "dns": dns = value
    case "dhcpstart": dhcpstart = value
    case "ipv6-prefix": ipv6Prefix = value
    case "ipv6-prefixlen": ipv6Prefixlen = try Self.number(value, key)
    case "ipv6-net":
      let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      ipv6Prefix = String(parts[0])
      if parts.count == 2 { ipv6Prefixlen = try Self.number(parts[1], key) }
    case "ipv6-host": ipv6Host = value
    case "ipv6-dns": ipv6Dns = value
    case "restrict": restrict = try Self.switched(value, key)
    case "hostname": hostname = value
    case "domainname": domainname = value
    case "dnssearch": dnssearch.append(value)
    case "hostfwd": hostfwd.append(value)
    case "bootfile": bootfile = value
    case "tftp-server-name": tftpServerName = value
    default:
      guard !Self.unserved.contains(key) else {
        throw ConfigurationError("user.\(key)", "'\(value)' is a service that Culvert does not have yet; leave it out")
      }
      throw ConfigurationError("user.\(key)", "there is no such option; give \(Self.served.joined(separator: ", "))")
    }
  }

  /// The names that QEMU documents, of those that `take` takes.
  static let served = [
    "ipv4", "ipv6", "net", "host", "dns", "dhcpstart", "ipv6-prefix", "ipv6-prefixlen", "ipv6-host", "ipv6-dns",
    "restrict", "hostname", "domainname", "dnssearch", "bootfile", "tftp-server-name",
    "hostfwd",
  ]

  /// Options of QEMU's that there is nothing behind yet.
  private static let unserved: Set = [
    "tftp", "guestfwd", "smb", "smbserver",
  ]

  /// These options with those of the command line beside them: what stands there once comes in the place of what is
  /// here, what may be repeated behind it.
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
    options.bootfile = others.bootfile ?? bootfile
    options.tftpServerName = others.tftpServerName ?? tftpServerName
    options.lease = lease + others.lease
    options.dnssearch = dnssearch + others.dnssearch
    options.hostfwd = hostfwd + others.hostfwd
    return options
  }

  private static func switched(_ text: String, _ key: String) throws(ConfigurationError) -> Bool {
    guard let value = Bool(qemuSwitch: text) else {
      throw ConfigurationError("user.\(key)", "'\(text)' is not on or off")
    }
    return value
  }

  private static func number(_ text: some StringProtocol, _ key: String) throws(ConfigurationError) -> Int {
    guard let number = Int(text), number >= 0 else {
      throw ConfigurationError("user.\(key)", "'\(text)' is not a number")
    }
    return number
  }
}

extension Bool {
  /// Reads a switch as QEMU writes them: `on`, `yes`, `true` or `y`, and their opposites.
  public init?(qemuSwitch text: String) {
    switch text {
    case "on", "yes", "true", "y": self = true
    case "off", "no", "false", "n": self = false
    default: return nil
    }
  }
}
