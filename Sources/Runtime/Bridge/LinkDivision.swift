import Bridge
import Configuration
import Primitives
import RouteNetlink

/// Which links of an instance end in our stack, and which are left to a bridge of the kernel's.
struct LinkDivision {
  /// Those that end in our stack.
  private(set) var links: [LinkAddress] = []
  /// The TAP devices that are left to the bridge.
  private(set) var ports: [String] = []
  /// Those of them that are no port of it yet.
  private(set) var newPorts: [String] = []
  /// The bridge; nil where there is to be none.
  private(set) var bridge: String?
  /// Why devices are left to the bridge that could be served otherwise, a line each.
  private(set) var reasons: [String] = []

  /// The first device that is a port already.
  private var firstPort: (name: String, bridge: String)?

  /// Divides links, with what is known of the devices among them.
  /// - Parameter given: the bridge that was asked for, nil for none.
  init(
    _ links: [LinkAddress], _ mode: LinkMode, devices: [String: DeviceState], given: BridgeOptions?
  ) throws(ServiceError) {
    for link in links {
      guard case .device(let name) = link else {
        self.links.append(link)
        continue
      }
      switch DeviceChoice(mode, name: name, devices[name]) {
      case .user: self.links.append(link)
      case .refused(let reason): throw ServiceError(reason)
      case .bridge(let reason):
        if let reason { reasons.append(reason) }
        try addPort(name, of: devices[name]?.master)
      }
    }
    bridge = firstPort?.bridge ?? given?.bridge ?? (ports.isEmpty ? nil : BridgeOptions().bridge)
    if let given, let port = firstPort, port.bridge != given.bridge {
      throw ServiceError(
        "tap:\(port.name) is a port of \(port.bridge), and --bridge-config is of \(given.bridge); "
          + "say 'bridge = \"\(port.bridge)\"' there, or take the device off")
    }
  }

  private mutating func addPort(_ name: String, of bridge: String?) throws(ServiceError) {
    guard !ports.contains(name) else { return }
    ports.append(name)
    guard let bridge else { return newPorts.append(name) }
    guard let first = firstPort else {
      firstPort = (name, bridge)
      return
    }
    guard first.bridge == bridge else {
      throw ServiceError(
        "tap:\(first.name) is a port of \(first.bridge) and tap:\(name) one of \(bridge), and an instance serves one bridge; "
          + "start another for the other")
    }
  }

  /// What the bridge is set up with; nil where there is to be none.
  /// - Parameters:
  ///   - given: what was asked for, nil for the recipe's.
  ///   - addresses: what the bridge has already.
  ///   - server: the process that serves it already, and with what.
  func options(
    given: BridgeOptions?, addresses: [InterfaceAddress], server: (process: Int32, options: BridgeOptions)?
  ) throws(ServiceError) -> BridgeOptions? {
    guard let bridge else { return nil }
    var options = given ?? BridgeOptions()
    options.bridge = bridge
    let own = addresses.filter { $0.address.family == .ipv4 }.map(\.description)
    // Whoever made the bridge has chosen its network, unless another one was asked for.
    if firstPort != nil, options.address == BridgeOptions().address, !own.contains(options.address) {
      options.address = own.first ?? options.address
    }
    if let server, given.map({ _ in options.isServed(by: server.options) }) ?? true {
      guard let port = newPorts.first(where: { !server.options.ports.contains($0) }) else { return server.options }
      throw ServiceError(
        "tap:\(port) is no port of \(bridge), which process \(server.process) serves; "
          + "'ip link set \(port) master \(bridge)' makes it one")
    }
    options.ports += newPorts.filter { !options.ports.contains($0) }
    return options
  }
}

extension BridgeOptions {
  /// Whether a bridge that was set up with other options is what these ask for: it may have more ports.
  fileprivate func isServed(by other: BridgeOptions) -> Bool {
    var (own, others) = (self, other)
    guard own.ports.allSatisfy(others.ports.contains) else { return false }
    (own.ports, others.ports) = ([], [])
    return own == others
  }
}

extension LinkDivision {
  /// Divides the links of an instance by what the host has.
  init(_ links: [LinkAddress], _ options: ServiceOptions) throws {
    let names = links.compactMap { if case .device(let name) = $0 { name } else { nil } }
    var devices: [String: DeviceState] = [:]
    if !names.isEmpty {
      var routes = try RouteSocket()
      let interfaces = try routes.interfaces()
      for interface in interfaces where names.contains(interface.name) {
        devices[interface.name] = DeviceState(interface, among: interfaces)
      }
    }
    try self.init(links, options.mode, devices: devices, given: options.bridge)
  }

  /// What the bridge is set up with, by what the host has; nil where there is to be none.
  func bridgeOptions(given: BridgeOptions?) throws -> BridgeOptions? {
    guard let bridge else { return nil }
    try BridgeError.checkPrivilege()
    var routes = try RouteSocket()
    let addresses = try routes.interface(named: bridge) == nil ? [] : routes.addresses(of: bridge)
    let server = try BridgeSetup.server(of: try BridgeState(of: bridge))
    return try options(given: given, addresses: addresses, server: server)
  }
}
