public import Configuration
import LinuxSystem
import Primitives
import RouteNetlink

/// What is to be changed so that a bridge is up, found out by looking at the host: only what is not so already.
///
/// Nothing is changed by planning. The order is that in which nothing is cut off: a bridge that nobody uses yet first,
/// forwarding behind it, and rules before the first guest.
public struct BridgePlan {
  /// The network.
  public let network: BridgeNetwork
  /// The interface that leads to the outside, nil for none.
  public let uplink: String?
  /// The changes in their order.
  public private(set) var changes: [BridgeChange] = []
  /// The rules of our own.
  let firewall: BridgeFirewall

  private let interfaces: [InterfaceState]
  private let addresses: [AssignedAddress]

  /// Looks at what the host has, and refuses what does not go together with it.
  public init(_ network: BridgeNetwork, on host: inout BridgeHost) throws(BridgeError) {
    self.network = network
    (interfaces, addresses, uplink) = try BridgeError.wrapping {
      let (interfaces, addresses) = (try host.routes.interfaces(), try host.routes.addresses())
      try Self.checkOutside(network, interfaces, &host.routes)
      return (interfaces, addresses, try Self.findUplink(network, interfaces, &host.routes))
    }
    firewall = try BridgeError.wrapping { [uplink] in
      try BridgeFirewall(
        bridge: network.bridge, subnet: network.prefix, uplink: uplink, ipv6Prefix: network.ipv6Prefix)
    }
    try checkBridge()
    try checkAddress()
    try checkPorts()
    try BridgeError.wrapping {
      try planBridge()
      try planForwarding()
      if uplink != nil { changes.append(.loadTable(firewall)) }
      if let grant = try AccessGrant(of: network.bridge) { changes.append(.grantAccess(grant)) }
      for port in network.ports { planPort(port) }
    }
  }

  /// Adds a rule in somebody else's chain, without which the bridge's packets do not pass.
  mutating func admit(in chain: String) {
    let index = changes.firstIndex { if case .loadTable = $0 { true } else { false } }
    changes.insert(.admit(firewall, in: chain), at: index.map { $0 + 1 } ?? changes.endIndex)
  }

  // MARK: Looking

  private static func findUplink(
    _ network: BridgeNetwork, _ interfaces: [InterfaceState], _ routes: inout RouteSocket
  ) throws -> String? {
    switch network.uplink {
    case .none: return nil
    case .interface(let name):
      guard let state = interfaces.first(where: { $0.name == name }) else {
        throw BridgeError("uplink: there is no interface '\(name)'; give one of \(names(interfaces)), auto or none")
      }
      guard !state.isLoopback else {
        throw BridgeError("uplink: \(name) leads nowhere; give the one that leads outside")
      }
      return name
    case .automatic:
      let index = try routes.defaultRoute(.ipv4)?.interface ?? routes.defaultRoute(.ipv6)?.interface
      guard let index, let state = interfaces.first(where: { $0.index == index && $0.name != network.bridge }) else {
        throw BridgeError("uplink: the host has no default route; name the interface that leads outside, or give none")
      }
      return state.name
    }
  }

  private static func names(_ interfaces: [InterfaceState]) -> String {
    let names = interfaces.filter { !$0.isLoopback }.map(\.name)
    return names.isEmpty ? "none, for there are none" : names.joined(separator: ", ")
  }

  /// The bridge, where there is one.
  private var found: InterfaceState? { interfaces.first { $0.name == network.bridge } }

  private func addresses(of state: InterfaceState) -> [InterfaceAddress] {
    addresses.filter { $0.interface == state.index }.map(\.address)
  }

  private var ownAddress: InterfaceAddress {
    InterfaceAddress(IPAddress(network.address), prefixLength: network.prefix.length)
  }

  private var ownIPv6Address: InterfaceAddress? {
    network.ipv6Address.map { InterfaceAddress(IPAddress($0), prefixLength: 64) }
  }

  // MARK: Refusing

  /// A bridge by which the host itself reaches the outside is somebody's network, where a second server of addresses does
  /// harm: guests on it have what they need.
  private static func checkOutside(
    _ network: BridgeNetwork, _ interfaces: [InterfaceState], _ routes: inout RouteSocket
  ) throws {
    guard network.needsServer || network.uplink == .automatic,
      let found = interfaces.first(where: { $0.name == network.bridge }),
      try routes.routes().contains(where: { $0.destination == nil && $0.interface == found.index })
    else { return }
    throw BridgeError(
      "the host's own way outside leads through \(found.name): its guests have their network from there already, which no "
        + "second DHCP server is to disturb; 'culvert serve --mode user' gives a guest one of its own")
  }

  /// An existing bridge is taken if nothing of it would have to be changed that somebody has set.
  private func checkBridge() throws(BridgeError) {
    guard let found else { return }
    let name = network.bridge
    guard found.isBridge else {
      throw BridgeError("\(name) is there and no bridge (\(found.kind ?? "hardware")); give another name by --bridge")
    }
    guard found.master == nil else {
      throw BridgeError("\(name) is part of another interface; give another by --bridge")
    }
    let others = addresses(of: found).filter { $0.address.family == .ipv4 && $0 != ownAddress }
    guard others.isEmpty || addresses(of: found).contains(ownAddress) else {
      let list = others.map(\.description).joined(separator: ", ")
      throw BridgeError(
        "\(name) is there with the address \(list), not \(ownAddress); give that by --address, or another --bridge")
    }
    guard let uplink, let state = interfaces.first(where: { $0.name == uplink }), state.master == found.index else {
      return
    }
    throw BridgeError(
      "\(uplink) is a port of \(name): its guests are in the uplink's own network, and need no translation; give --uplink none"
    )
  }

  /// No other interface may be in the guests' network: the host would look for guests there.
  private func checkAddress() throws(BridgeError) {
    let clash = addresses.first { $0.interface != found?.index && $0.address.meets(network.prefix) }
    guard let clash else { return }
    let name = interfaces.first { $0.index == clash.interface }?.name ?? "an interface"
    throw BridgeError(
      "\(network.prefix) is a part of the network of \(name) (\(clash.address)), or the other way round; "
        + "give another by --address")
  }

  private func checkPorts() throws(BridgeError) {
    for port in network.ports {
      guard let state = interfaces.first(where: { $0.name == port }) else {
        throw BridgeError("port: there is no interface '\(port)'; 'culvert tap create \(port)' makes a TAP device")
      }
      guard port != uplink else { throw BridgeError("port: \(port) is the uplink, whose network stays apart") }
      guard state.master == nil || state.master == found?.index else {
        throw BridgeError("port: \(port) is part of another interface; 'ip link set \(port) nomaster' sets it free")
      }
    }
  }

  // MARK: Planning

  private mutating func planBridge() throws {
    let name = network.bridge
    // A hardware address that stays: of those of its ports a bridge takes the least, which changes with the guests.
    if found == nil { changes.append(.makeBridge(name, hardware: MACAddress(ofBridge: name).description)) }
    let present = found.map { addresses(of: $0) } ?? []
    if !present.contains(ownAddress) { changes.append(.addAddress(ownAddress, to: name)) }
    if let address = ownIPv6Address {
      // It may be off for interfaces that come later.
      try planParameter(.ofInterface(name, "ipv6", "disable_ipv6"), to: "0")
      try planParameter(.ofInterface(name, "ipv6", "accept_ra"), to: "0")
      if !present.contains(address) { changes.append(.addAddress(address, to: name)) }
    }
    if found?.isUp != true { changes.append(.bringUp(name)) }
  }

  private mutating func planPort(_ port: String) {
    guard let state = interfaces.first(where: { $0.name == port }) else { return }
    if state.master == nil { changes.append(.attach(port, to: network.bridge)) }
    if !state.isUp { changes.append(.bringUp(port)) }
  }

  /// Plans to set a parameter of the kernel. One of an interface that is still to be made has no value to go back to.
  private mutating func planParameter(_ parameter: KernelParameter, to value: String) throws(SystemError) {
    let present = try parameter.value()
    if present != value { changes.append(.set(parameter, to: value, previous: present)) }
  }
}

// MARK: - Forwarding

extension BridgePlan {
  private mutating func planForwarding() throws {
    guard let uplink else { return }
    if network.forwardsGlobally {
      try planGlobalForwarding("ipv4")
    } else {
      for name in [network.bridge, uplink] { try planParameter(.ofInterface(name, "ipv4", "forwarding"), to: "1") }
    }
    guard network.ipv6Prefix != nil else { return }
    // A host that forwards takes no more routers' advertisements, and would lose its own way outside, unless told that
    // it is to take them all the same (Documentation/networking/ip-sysctl.rst, accept_ra).
    for name in try acceptingInterfaces() { try planParameter(.ofInterface(name, "ipv6", "accept_ra"), to: "2") }
    try planGlobalForwarding("ipv6")
  }

  /// Interfaces that take their addresses and routes from routers, as long as the host does not forward.
  private func acceptingInterfaces() throws(SystemError) -> [String] {
    var names: [String] = []
    for name in interfaces.map(\.name) where name != network.bridge {
      if try KernelParameter.ofInterface(name, "ipv6", "accept_ra").value() == "1" { names.append(name) }
    }
    return names
  }

  /// Forwards between all interfaces. For IPv6 there is nothing else: what an interface says there is whether it is a
  /// router's. The switch sets that of each interface, and more: what differs from that is put down first, and so
  /// restored last.
  private mutating func planGlobalForwarding(_ family: String) throws(SystemError) {
    let all = KernelParameter.ofInterface("all", family, "forwarding")
    guard let present = try all.value(), present != "1" else {
      // The bridge may have been made while the default was another.
      return try planParameter(.ofInterface(network.bridge, family, "forwarding"), to: "1")
    }
    for name in interfaces.map(\.name) + ["default"] {
      let parameter = KernelParameter.ofInterface(name, family, "forwarding")
      if let value = try parameter.value(), value != present { changes.append(.keep(parameter, value: value)) }
    }
    // A router listens to no redirects (RFC 1812 section 5.2.7.2): the switch of IPv4 sets this, too.
    let redirects = KernelParameter.ofInterface("all", "ipv4", "accept_redirects")
    if family == "ipv4", let value = try redirects.value() { changes.append(.keep(redirects, value: value)) }
    changes.append(.set(all, to: "1", previous: present))
  }
}

extension InterfaceAddress {
  /// Whether its network and another have addresses in common: one is a part of the other.
  func meets(_ other: IPv4Prefix) -> Bool {
    guard let ipv4 = address.ipv4 else { return false }
    return IPv4Prefix(containing: ipv4, length: min(prefixLength, other.length)).contains(other.network)
  }
}

extension InterfaceState {
  /// Whether it leads back to the host itself (IFF_LOOPBACK).
  fileprivate var isLoopback: Bool { flags & 8 != 0 }
}
