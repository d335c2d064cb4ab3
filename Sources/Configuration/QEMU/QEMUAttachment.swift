/// What becomes of a command line of QEMU's so that its networks are Culvert's.
///
/// Each network is a stream on a descriptor that QEMU inherits (QEMU 7.2 and later). What QEMU would have served
/// itself, `-netdev user`, `-nic user` or `-net user`, becomes such a stream under the same name, with its options
/// handed to Culvert; devices are left as they are.
public struct QEMUAttachment: Hashable, Sendable {
  /// The options of each network, as the command line has them.
  public private(set) var networks: [NetworkOptions] = []
  private var pieces: [Piece]

  /// A part of the new command line.
  private enum Piece: Hashable {
    case words([String])
    /// The stream of the network with this index.
    case stream(id: String, network: Int)
  }

  /// What the command line calls each network.
  public var names: [String] {
    pieces.compactMap { piece in
      guard case .stream(let id, _) = piece else { return nil }
      return id
    }
  }

  init(program: String) { pieces = [.words([program])] }

  /// The command line with the streams on `descriptors`, one for each network.
  public func words(descriptors: [Int32]) -> [String] {
    precondition(descriptors.count == networks.count, "each network has a descriptor")
    return pieces.flatMap { piece in
      switch piece {
      case .words(let words): words
      case .stream(let id, let network):
        ["-netdev", "stream,id=\(id.qemuEscaped),server=off,addr.type=fd,addr.str=\(descriptors[network])"]
      }
    }
  }

  /// Leaves an option as it is.
  mutating func keep(_ option: QEMUOption) { pieces.append(.words(option.words)) }

  /// Adds a network at the end, with the words of its device.
  mutating func attach(_ id: String, with device: [String] = []) {
    addStream(id, NetworkOptions())
    pieces.append(.words(device))
  }

  /// Replaces an option that asks for a user network; false where it does not.
  mutating func replace(_ option: QEMUOption) throws(ConfigurationError) -> Bool {
    guard ["netdev", "nic", "net"].contains(option.name) else { return false }
    let properties = QEMUProperties(option.value)
    // Without a kind `-nic` means a user network.
    let kind = properties.implied("type") ?? (option.name == "nic" ? "user" : "")
    guard kind == "user" || option.name == "nic" && kind.isEmpty, properties["model"] != "help" else { return false }
    switch option.name {
    case "netdev":
      guard let id = properties["id"] else { throw ConfigurationError("-netdev \(option.value)", "'id' is missing") }
      addStream(id, try NetworkOptions(userPairs: properties.pairs))
    case "nic": try replaceNIC(properties)
    default: try replaceHubPort(properties)
    }
    return true
  }

  /// `-nic user`: a network and a device in one. `-net nic` takes the same models, the board's own included.
  private mutating func replaceNIC(_ properties: QEMUProperties) throws(ConfigurationError) {
    let id = properties["id"] ?? unusedID
    let isOfDevice = { (pair: (key: String, value: String)) in ["model", "mac"].contains(pair.key) }
    addStream(id, try NetworkOptions(userPairs: properties.pairs.filter { !isOfDevice($0) }))
    let device = properties.pairs.filter(isOfDevice).map { key, value in
      ",\(key == "mac" ? "macaddr" : key)=\(value.qemuEscaped)"
    }
    pieces.append(.words(["-net", "nic,netdev=\(id.qemuEscaped)" + device.joined()]))
  }

  /// `-net user`: a network on the hub that `-net nic` puts its devices on.
  private mutating func replaceHubPort(_ properties: QEMUProperties) throws(ConfigurationError) {
    let id = properties["id"] ?? properties["name"] ?? unusedID
    addStream(id, try NetworkOptions(userPairs: properties.pairs.filter { $0.key != "name" }))
    let name = id.qemuEscaped
    pieces.append(.words(["-netdev", "hubport,id=\(name)-hub,hubid=0,netdev=\(name)"]))
  }

  /// Whether a network is called `id`.
  func contains(_ id: String) -> Bool {
    pieces.contains { piece in
      guard case .stream(id, _) = piece else { return false }
      return true
    }
  }

  private mutating func addStream(_ id: String, _ options: NetworkOptions) {
    pieces.append(.stream(id: id, network: networks.count))
    networks.append(options)
  }

  /// A name for a network that has none.
  private var unusedID: String { "culvert\(networks.count)" }
}
