import ArgumentParser
import Configuration
import Runtime

/// The options of a bridge's network.
struct BridgeArguments: ParsableArguments {
  @Option(
    name: .customLong("config"),
    help: ArgumentHelp(
      "A file with options by the names that they have here, in TOML, as 'uplink = \"wlo1\"'; options here come in their "
        + "place (default: none).", valueName: "file"),
    completion: .file(extensions: ["toml"]))
  var configurationFile: String?

  @Option(name: .customLong("bridge"), help: ArgumentHelp("The bridge (default: bridge0).", valueName: "name"))
  var bridge: String?

  @Option(
    name: .customLong("address"),
    help: ArgumentHelp(
      "The host's address on it, which is the guests' gateway (default: 192.168.1.101/24).", valueName: "address/length"
    ))
  var address: String?

  @Option(
    name: .customLong("uplink"),
    help: ArgumentHelp(
      "The interface that leads outside; 'auto' is that of the default route, and with 'none' guests stay among "
        + "themselves (default: auto).", valueName: "name|auto|none"))
  var uplink: String?

  @Option(
    name: .customLong("dhcp"),
    help: ArgumentHelp(
      "The addresses that DHCP gives out, or 'none' (default: the last 54 of the network).",
      valueName: "first-last|none"))
  var dhcp: String?

  @Option(
    name: .customLong("domain"),
    help: ArgumentHelp("The domain that DHCP gives to guests (default: mylan).", valueName: "name|none"))
  var domain: String?

  @Option(
    name: .customLong("dns"),
    help: ArgumentHelp(
      "A name server that DHCP gives to guests; may be repeated (default: 8.8.8.8).", valueName: "address|none"))
  var dns: [String] = []

  @Option(
    name: .customLong("lease"),
    help: ArgumentHelp(
      "How long a lease lasts unless a guest wants another time (default: 3600).", valueName: "seconds"))
  var lease: Int?

  @Option(
    name: .customLong("max-lease"),
    help: ArgumentHelp("How long a lease lasts at most (default: 7200).", valueName: "seconds"))
  var maximumLease: Int?

  @Option(
    name: .customLong("ipv6"),
    help: ArgumentHelp(
      "The bridge's IPv6 network, which guests learn by router advertisements (default: none).", valueName: "prefix/64")
  )
  var ipv6: String?

  @Option(
    name: .customLong("port"),
    help: ArgumentHelp("An interface that becomes a port of the bridge; may be repeated.", valueName: "name"))
  var ports: [String] = []

  @Flag(
    name: .customLong("global-forward"),
    help: "Forward between all interfaces of the host, instead of the bridge and the uplink alone.")
  var forwardsGlobally = false

  @Option(
    name: .customLong("allow-in"),
    help: ArgumentHelp(
      "Where rules of somebody else's would drop the bridge's packets, put one that lets them pass into this chain, "
        + "which 'down' removes (default: none is touched).", valueName: "family table chain"))
  var allowIn: String?

  /// The options as plain values, over those of the configuration file.
  func options() throws(ConfigurationError) -> BridgeOptions {
    var options = BridgeOptions()
    if let configurationFile { options = try BridgeConfigurationFile(path: configurationFile).options }
    options.bridge = bridge ?? options.bridge
    options.address = address ?? options.address
    options.uplink = uplink ?? options.uplink
    options.dhcp = dhcp ?? options.dhcp
    options.domain = domain ?? options.domain
    if !dns.isEmpty { options.dns = dns }
    options.lease = lease ?? options.lease
    options.maximumLease = maximumLease ?? options.maximumLease
    options.ipv6 = ipv6 ?? options.ipv6
    if !ports.isEmpty { options.ports = ports }
    options.forwardsGlobally = forwardsGlobally || options.forwardsGlobally
    options.allowIn = allowIn ?? options.allowIn
    return options
  }
}
