public import Primitives
public import RouteNetlink

/// What a helper process is asked for: a TAP device in a network namespace, one that there is or a new one, and in a new
/// one a command that uses it.
///
/// Who makes or enters a user namespace must have one thread, which this process has no more once it serves. So another
/// copy of the program does it, started for this alone, and hands the device over.
public struct NamespaceRequest: Hashable, Sendable {
  /// The number of the socket in the helper by which it answers. It is that of the socket here, which is none that the
  /// command was to inherit from whoever started us.
  public var socket: Int32 = -1
  /// The interface, whose addresses are told when it is there.
  public var interface: InterfaceSettings
  /// The file of the namespace to enter; nil for a new one.
  public var target: String?
  /// How many queues the device has.
  public var queues: Int
  /// In a new namespace: the name servers of its programs.
  public var nameServers: [IPAddress] = []
  /// In a new namespace: the domains that they search.
  public var searchDomains: [String] = []
  /// In a new namespace: the command to become once the network is there.
  public var command: [String] = []

  /// Makes a request for an interface, whose device has `queues` queues.
  public init(interface: InterfaceSettings, queues: Int) { (self.interface, self.queues) = (interface, queues) }

  /// The name of the hidden command that carries a request out.
  public static let commandName = "namespace-helper"

  /// The command line of a helper.
  var commandLine: [String] {
    var words = ["/proc/self/exe", Self.commandName, "--socket", "\(socket)", "--interface", interface.name]
    words += ["--mtu", "\(interface.mtu)", "--queues", "\(queues)"]
    for gateway in interface.gateways { words += ["--gateway", "\(gateway)"] }
    if let target { words += ["--target", target] }
    for server in nameServers { words += ["--name-server", "\(server)"] }
    for domain in searchDomains { words += ["--search", domain] }
    return command.isEmpty ? words : words + ["--"] + command
  }

  /// `resolv.conf` of a new namespace.
  var resolverConfiguration: String {
    nameServers.map { "nameserver \($0)\n" }.joined()
      + (searchDomains.isEmpty ? "" : "search \(searchDomains.joined(separator: " "))\n")
  }
}
