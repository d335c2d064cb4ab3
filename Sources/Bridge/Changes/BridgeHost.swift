public import LinuxSystem
import Nftables
import Primitives
import RouteNetlink

/// The host whose network is changed: that of the network namespace in which it was made.
public struct BridgeHost: ~Copyable {
  var routes: RouteSocket

  /// Opens what is needed to look and to change.
  public init() throws(SystemError) { routes = try RouteSocket() }

  /// Makes a change, or what is missing of it.
  mutating func make(_ change: BridgeChange) throws {
    switch change {
    case .makeBridge(let name, let hardware):
      guard try routes.interface(named: name) == nil else { return }
      try routes.makeBridge(name, hardware: MACAddress(hardware))
    case .addAddress(let address, let name):
      guard try !routes.addresses(of: name).contains(address) else { return }
      try routes.add(address, to: name)
    case .bringUp(let name): try routes.change(name, InterfaceChange(isUp: true))
    case .set(let parameter, let value, _): try parameter.set(value)
    case .keep: break
    case .loadTable(let firewall): try withRules { rules in try rules.apply(firewall.installation) }
    case .admit(let firewall, let chain): try admit(firewall, in: chain)
    case .grantAccess(let grant): try grant.make()
    case .attach(let port, let bridge): try routes.attach(port, to: bridge, InterfaceChange(isUp: true))
    }
  }

  /// Takes a change back, as far as it was made and is still as it was made: what somebody has changed since then, or
  /// has removed, stays so.
  mutating func takeBack(_ change: BridgeChange) throws {
    switch change {
    case .makeBridge(let name, let hardware):
      guard let state = try routes.interface(named: name), state.isBridge, state.hardware == MACAddress(hardware)
      else { return }
      try routes.removeInterface(name)
    case .addAddress(let address, let name):
      guard let state = try routes.interface(named: name), try routes.addresses(of: state.name).contains(address)
      else { return }
      try routes.remove(address, from: name)
    case .bringUp(let name):
      guard try routes.interface(named: name) != nil else { return }
      try routes.change(name, InterfaceChange(isUp: false))
    case .set(let parameter, let value, let previous):
      guard let previous, try parameter.value() == value else { return }
      try parameter.set(previous)
    case .keep(let parameter, let value):
      if let present = try parameter.value(), present != value { try parameter.set(value) }
    case .loadTable(let firewall): try withRules { rules in try rules.apply(firewall.removal(from: rules.ruleset())) }
    case .admit(let firewall, _):
      try withRules { rules in try rules.apply(firewall.withdrawal(from: rules.ruleset())) }
    case .grantAccess(let grant): try grant.takeBack()
    case .attach(let port, let bridge):
      guard let state = try routes.interface(named: port), let master = state.master,
        try routes.interface(named: bridge)?.index == master
      else { return }
      try routes.release(port)
    }
  }

  /// Puts a rule into somebody else's chain, where it is not there.
  private func admit(_ firewall: BridgeFirewall, in chain: String) throws {
    try withRules { rules in
      let ruleset = try rules.ruleset()
      guard firewall.withdrawal(from: ruleset).isEmpty else { return }
      try rules.apply(try firewall.allowance(in: chain, of: ruleset, filters: HostFilters.current()))
    }
  }

  /// All rules of the namespace.
  func ruleset() throws -> Ruleset { try withRules { rules in try rules.ruleset() } }

  /// Does `body` with the rules of the namespace.
  func withRules<Result>(_ body: (inout NftablesSession) throws -> Result) throws -> Result {
    var session = try NftablesSession()
    return try body(&session)
  }
}
