internal import Primitives

/// A command line that starts QEMU, to be read and to have a network added.
public struct QEMUCommandLine: Hashable, Sendable {
  /// The words, the program first.
  public let words: [String]

  /// Takes the words of a command line.
  public init(_ words: [String]) throws(ConfigurationError) {
    guard let program = words.first, !program.isEmpty else {
      throw ConfigurationError("run", "the command that starts QEMU is missing; put it behind '--'")
    }
    self.words = words
  }

  /// The program, as it is looked up in PATH.
  public var program: String { words[0] }

  /// Whether QEMU goes to the background, so that the end of the process that was started is not the guest's.
  public var daemonizes: Bool { options.contains { $0.name == "daemonize" } }

  /// How the guest is attached to Culvert: in place of the user networks that the command line asks for, or else by
  /// one more network at its end, called `netdev`.
  ///
  /// For the latter a device is added unless the words refer to `netdev` already: of the model `nic` if given, else
  /// virtio in the kind that the machine takes, else the board's own. A command line that wants no network
  /// (`-nic none`) gets none.
  /// - Parameter addsNetwork: whether one is added where none is asked for.
  public func attachment(
    netdev: String = "net0", nic: String? = nil, addsNetwork: Bool = true
  ) throws(ConfigurationError) -> QEMUAttachment {
    let options = options
    var attachment = QEMUAttachment(program: program)
    for option in options {
      guard try !attachment.replace(option) else { continue }
      if option.defines(netdev: netdev) {
        throw ConfigurationError(
          "-\(option.name) \(option.value)",
          "the guest's network '\(netdev)' is Culvert's; leave this option out, or name another with --netdev-id")
      }
      attachment.keep(option)
    }
    guard nic == nil || attachment.networks.isEmpty else {
      throw ConfigurationError("--nic", "the command has network devices of its own; leave --nic out")
    }
    if options.contains(where: { $0.uses(netdev: netdev) }) {
      if !attachment.contains(netdev) { attachment.attach(netdev) }
    } else if addsNetwork, attachment.networks.isEmpty, nic != nil || !options.contains(where: \.wantsNoNetwork) {
      attachment.attach(netdev, with: device(for: netdev, model: nic, among: options))
    }
    return attachment
  }

  /// The words that add a device to the network `netdev`.
  func device(for netdev: String, model: String?, among options: [QEMUOption]) -> [String] {
    let reference = "netdev=\(netdev.qemuEscaped)"
    if let model { return ["-device", "\(model),\(reference)"] }
    let machine = QEMUProperties(merging: options.filter { $0.name == "machine" || $0.name == "M" })
    guard machine.implied("type") != "none" else { return [] }
    let file = program.split(separator: "/").last.map(String.init) ?? program
    switch QEMUNetworkDevice(program: file, machine: machine) {
    case .model(let name): return ["-device", "\(name),\(reference)"]
    case .onBoard: return ["-net", "nic,\(reference)"]
    }
  }

  var options: [QEMUOption] { QEMUOption.options(in: Array(words.dropFirst())) }
}

extension QEMUOption {
  /// Whether the option makes a network called `netdev`.
  func defines(netdev: String) -> Bool {
    switch name {
    case "netdev", "nic": QEMUProperties(value)["id"] == netdev
    default: false
    }
  }

  /// Whether the option says that the guest has no network.
  fileprivate var wantsNoNetwork: Bool { (name == "nic" || name == "net") && value == "none" }

  /// Whether the option connects a device to the network `netdev`.
  fileprivate func uses(netdev: String) -> Bool {
    switch name {
    case "device", "net", "netdev": QEMUProperties(value)["netdev"] == netdev
    case "set", "global": value.hasSuffix(".netdev=\(netdev)")
    default: false
    }
  }
}

extension LinkAddress {
  /// The options of QEMU that attach a guest to this link, nil where it depends on the descriptor's other end,
  /// or no QEMU is meant.
  ///
  /// Where Culvert listens QEMU connects, and the other way about. A path is absolute or relative to where QEMU runs.
  public func qemuOptions(netdev: String = "net0") -> [String]? {
    let (server, address) =
      switch self {
      case .listenUnix(let path): ("off", "addr.type=unix,addr.path=\(path.qemuEscaped)")
      case .connectUnix(let path): ("on", "addr.type=unix,addr.path=\(path.qemuEscaped)")
      case .listenTCP(let endpoint):
        ("off", "addr.type=inet,addr.host=\(endpoint.reachableHost),addr.port=\(endpoint.port)")
      case .connectTCP(let endpoint): ("on", "addr.type=inet,addr.host=\(endpoint.address),addr.port=\(endpoint.port)")
      case .descriptor, .device, .namespace: ("", "")
      }
    guard !address.isEmpty else { return nil }
    return [
      "-netdev", "stream,id=\(netdev),server=\(server),\(address)", "-device", "virtio-net-pci,netdev=\(netdev)",
    ]
  }

  /// QEMU's options for a guest behind a TAP device that is there, as the ports of bridges are.
  public static func qemuOptions(forPort name: String, netdev: String = "net0") -> [String]? {
    [
      "-netdev", "tap,id=\(netdev),ifname=\(name.qemuEscaped),script=no,downscript=no",
      "-device", "virtio-net-pci,netdev=\(netdev)",
    ]
  }
}

extension Endpoint {
  /// An address under which a local client reaches a listener on this one.
  fileprivate var reachableHost: IPAddress {
    guard address.isAny else { return address }
    return address.family == .ipv4 ? IPAddress(IPv4Address.loopback) : IPAddress(IPv6Address.loopback)
  }
}
