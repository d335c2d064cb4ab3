public import Configuration

/// What a bridge's configuration file says: the options of `culvert bridge up` by the names that they have there, in TOML.
public struct BridgeConfigurationFile: Sendable {
  /// The options; what the file does not name is the recipe's.
  public private(set) var options = BridgeOptions()

  /// Reads the file at `path`.
  public init(path: String) throws(ConfigurationError) { try self.init(OptionFile(path: path)) }

  /// Reads a text; `path` is what errors call it.
  package init(text: String, path: String) throws(ConfigurationError) {
    try self.init(OptionFile(text: text, path: path))
  }

  private init(_ file: OptionFile) throws(ConfigurationError) {
    for option in file.options { try take(option.name, option.value, path: option.path) }
  }

  private mutating func take(_ name: String, _ value: String, path: String) throws(ConfigurationError) {
    switch name {
    case "bridge": options.bridge = value
    case "address": options.address = value
    case "uplink": options.uplink = value
    case "dhcp": options.dhcp = value
    case "domain": options.domain = value
    case "dns": options.dns.append(value)
    case "lease": options.lease = try Self.seconds(value, path)
    case "max-lease": options.maximumLease = try Self.seconds(value, path)
    case "ipv6": options.ipv6 = value
    case "port": options.ports.append(value)
    case "global-forward": options.forwardsGlobally = try OptionFile.flag(value, path)
    case "allow-in": options.allowIn = value
    default: throw ConfigurationError(path, "there is no such option; 'culvert help bridge up' lists them")
    }
  }

  private static func seconds(_ value: String, _ path: String) throws(ConfigurationError) -> Int {
    guard let count = Int(value) else { throw ConfigurationError(path, "'\(value)' is not a number of seconds") }
    return count
  }
}
