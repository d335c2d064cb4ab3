public import RouteNetlink

/// One thing of the host's that bridge mode changes, and what is needed to change it back.
///
/// Changes are written down before they are made (`BridgeJournal`), so that each can be taken back although it was not
/// made, or not wholly: to make and to take back are done as often as one likes.
public enum BridgeChange: Codable, Hashable, Sendable {
  /// Make a bridge of a name and a hardware address, by which it is known again.
  case makeBridge(String, hardware: String)
  /// Give an interface an address.
  case addAddress(InterfaceAddress, to: String)
  /// Bring an interface up that was down.
  case bringUp(String)
  /// Set a parameter of the kernel; `previous` is nil where it comes and goes with an interface that we make.
  case set(KernelParameter, to: String, previous: String?)
  /// Leave a parameter as it is: what follows changes it, and what is behind it does not take that back.
  case keep(KernelParameter, value: String)
  /// Load a table of rules of our own.
  case loadTable(BridgeFirewall)
  /// Let the bridge's packets pass in somebody else's chain, which is named as `--allow-in` has it.
  case admit(BridgeFirewall, in: String)
  /// Let QEMU's helper make ports.
  case grantAccess(AccessGrant)
  /// Make an interface a port of the bridge.
  case attach(String, to: String)
}

extension BridgeChange {
  /// What the change does, for an operator.
  public var words: String {
    switch self {
    case .makeBridge(let name, _): "make the bridge \(name)"
    case .addAddress(let address, let name): "give \(name) the address \(address)"
    case .bringUp(let name): "bring \(name) up"
    case .set(let parameter, let value, let previous):
      "set \(parameter) to \(value)" + (previous.map { ", which is \($0)" } ?? "")
    case .keep(let parameter, let value): "remember that \(parameter) is \(value)"
    case .loadTable(let firewall): "load the table inet \(firewall.table)"
    case .admit(let firewall, let chain): "let \(firewall.bridge)'s packets pass in the chain \(chain)"
    case .grantAccess(let grant): "allow \(grant.bridge) to QEMU's helper in \(grant.path)"
    case .attach(let port, let bridge): "make \(port) a port of \(bridge)"
    }
  }

  /// The commands that would do the same, one a line.
  public var commands: [String] {
    switch self {
    case .makeBridge(let name, let hardware): ["ip link add \(name) address \(hardware) type bridge"]
    case .addAddress(let address, let name): ["ip address add \(address) dev \(name)"]
    case .bringUp(let name): ["ip link set \(name) up"]
    case .set(let parameter, let value, _): ["sysctl -w \(parameter)=\(value)"]
    case .keep: []
    case .loadTable(let firewall):
      ["nft -f - <<'RULES'"] + firewall.script.split(separator: "\n").map(String.init) + ["RULES"]
    case .admit(let firewall, let chain): ["# one rule with the comment '\(firewall.comment)' at the head of \(chain)"]
    case .grantAccess(let grant): ["echo 'allow \(grant.bridge)' >> \(grant.path)"]
    case .attach(let port, let bridge): ["ip link set \(port) master \(bridge)"]
    }
  }
}

extension InterfaceAddress: Codable {
  /// As text: "10.0.2.15/24".
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let address = InterfaceAddress(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no address of an interface")
    }
    self = address
  }

  /// As text: "10.0.2.15/24".
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
