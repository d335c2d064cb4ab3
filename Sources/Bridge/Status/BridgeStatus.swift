import BridgeHelper
import Configuration
import LinuxSystem
import Nftables
import Primitives
import RouteNetlink

/// What there is of a bridge, and what is wrong with it.
public struct BridgeStatus: Codable, Hashable, Sendable {
  /// An interface: the bridge, or the uplink.
  public struct Interface: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Whether it is up.
    public var isUp: Bool
    /// Whether it is up and something is at its other end.
    public var isRunning: Bool
    /// Its hardware address; nil where it has none.
    public var hardware: String?
    /// Its addresses, with the lengths of their networks' prefixes.
    public var addresses: [String]
  }

  /// A port of the bridge.
  public struct Port: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Whether it is up.
    public var isUp: Bool
    /// Whether something is at its other end.
    public var isRunning: Bool
    /// The process that holds the TAP device; nil where none does, or it is no such device.
    public var holder: DeviceHolder?
    /// The hardware addresses that were seen to send behind it in the last minutes.
    public var guests: [String]
  }

  /// A lease of DHCP.
  public struct Lease: Codable, Hashable, Sendable {
    /// The address.
    public var address: String
    /// The guest's hardware address.
    public var hardware: String
    /// What the guest calls itself; nil where it does not.
    public var hostname: String?
    /// When it ends, in seconds from now.
    public var secondsLeft: Int64

    /// Makes a lease of its parts.
    public init(address: String, hardware: String, hostname: String?, secondsLeft: Int64) {
      self.address = address
      self.hardware = hardware
      self.hostname = hostname
      self.secondsLeft = secondsLeft
    }
  }

  /// A rule, and what it has seen.
  public struct Rule: Codable, Hashable, Sendable {
    /// What it is about.
    public var name: String
    /// Its chain, with family and table.
    public var chain: String
    /// Packets that it was for.
    public var packets: Int64
    /// Their bytes.
    public var bytes: Int64
  }

  /// The bridge; nil where there is none.
  public var bridge: Interface?
  /// Whether `up` has set it up, and `down` has not taken it down.
  public var isSetUp: Bool
  /// The process that serves it; nil where none does.
  public var server: Int32?
  /// The file with the messages of the latest server that was in the background; nil where none was.
  public var log: String?
  /// The interface that leads outside; nil for none.
  public var uplink: Interface?
  /// The ports.
  public var ports: [Port] = []
  /// The leases of DHCP that have not ended.
  public var leases: [Lease]
  /// What its rules have counted, in the order of the rules.
  public var rules: [Rule] = []
  /// What is wrong, a line each.
  public var problems: [String] = []

  /// Looks at the bridge that a state belongs to; what its server has leased is known from elsewhere.
  public init(of state: borrowing BridgeState, leases: [Lease]) throws(BridgeError) {
    self = try BridgeError.wrapping {
      var look = try BridgeLook(state)
      return try look.status(leases)
    }
  }

  fileprivate init(isSetUp: Bool, server: Int32?, log: String?, leases: [Lease]) {
    (self.isSetUp, self.server, self.log, self.leases) = (isSetUp, server, log, leases)
  }
}

/// One look at everything that a bridge's status is made of.
struct BridgeLook: ~Copyable {
  private let bridge: String
  private let journal: BridgeJournal?
  private let network: BridgeNetwork?
  private let isServed: Bool
  private let log: String
  private var host: BridgeHost
  private let interfaces: [InterfaceState]
  private let addresses: [AssignedAddress]

  init(_ state: borrowing BridgeState) throws {
    var host = try BridgeHost()
    let (interfaces, addresses) = (try host.routes.interfaces(), try host.routes.addresses())
    let (journal, isServed) = (try state.read(), try state.isServed)
    let network = try journal.map { journal throws(ConfigurationError) in try BridgeNetwork(journal.options) }
    (self.interfaces, self.addresses, self.journal, self.isServed) = (interfaces, addresses, journal, isServed)
    (bridge, log, self.network) = (state.bridge, state.log(ofServer: true), network)
    self.host = host
  }

  mutating func status(_ leases: [BridgeStatus.Lease]) throws -> BridgeStatus {
    var status = BridgeStatus(
      isSetUp: journal != nil, server: isServed ? journal?.server : nil, log: FileSystem.exists(log) ? log : nil,
      leases: leases)
    guard let found = interfaces.first(where: { $0.name == bridge }) else {
      status.problems = [
        journal == nil
          ? "there is no bridge '\(bridge)'" : "\(bridge) is gone; 'culvert bridge down \(bridge)' clears up"
      ]
      return status
    }
    status.bridge = interface(found)
    status.uplink = uplink.flatMap { name in interfaces.first { $0.name == name } }.map { interface($0) }
    status.ports = try ports(of: found)
    if let firewall { status.rules = try rules(of: firewall) }
    status.problems = try problems(status)
    return status
  }

  private func interface(_ state: InterfaceState) -> BridgeStatus.Interface {
    BridgeStatus.Interface(
      name: state.name, isUp: state.isUp, isRunning: state.isRunning, hardware: state.hardware?.description,
      addresses: addresses.filter { $0.interface == state.index }.map(\.address.description))
  }

  private mutating func ports(of found: InterfaceState) throws -> [BridgeStatus.Port] {
    let holders = try DeviceHolder.all()
    let seen = try host.routes.forwardingEntries(of: bridge).filter { !$0.isOwn }
    return interfaces.filter { $0.master == found.index }.map { port in
      BridgeStatus.Port(
        name: port.name, isUp: port.isUp, isRunning: port.isRunning, holder: holders[port.name],
        guests: seen.filter { $0.port == port.index }.map(\.hardware.description).sorted())
    }
  }

  private func rules(of firewall: BridgeFirewall) throws -> [BridgeStatus.Rule] {
    firewall.counts(in: try host.ruleset()).map { count in
      BridgeStatus.Rule(name: count.name, chain: "\(count.chain)", packets: count.packets, bytes: count.bytes)
    }
  }

  /// The rules that were loaded last.
  private var firewall: BridgeFirewall? {
    journal?.changes.reversed().lazy.compactMap { change in
      if case .loadTable(let firewall) = change { firewall } else { nil }
    }.first
  }

  private var uplink: String? { firewall?.uplink }

  // MARK: Problems

  private mutating func problems(_ status: BridgeStatus) throws -> [String] {
    guard let network else { return [] }
    var problems: [String] = []
    if status.bridge?.isUp != true { problems.append("\(bridge) is down; 'ip link set \(bridge) up' brings it up") }
    if network.needsServer && !isServed {
      problems.append("nobody serves \(bridge): its process has ended; 'culvert bridge up' goes on with it")
    }
    problems += try forwardingProblems(network) + addressProblems(network)
    if let firewall, status.rules.isEmpty {
      problems.append("the table inet \(firewall.table) is gone: guests do not get outside")
    }
    if let uplink, status.uplink?.isRunning != true {
      problems.append("the uplink \(uplink) is \(status.uplink == nil ? "gone" : "down"): guests do not get outside")
    }
    switch try AccessGrant.verdict(on: bridge) {
    case .allowed: break
    case .denied(let line): problems.append("QEMU's helper may not make ports: \(line) denies it")
    case .unmentioned:
      problems.append("QEMU's helper may not make ports: 'allow \(bridge)' is missing in \(AccessGrant.usualPath)")
    }
    return problems + hardwareProblems(status.ports)
  }

  private func forwardingProblems(_ network: BridgeNetwork) throws -> [String] {
    guard let uplink else { return [] }
    var parameters = [bridge, uplink].map { KernelParameter.ofInterface($0, "ipv4", "forwarding") }
    // For IPv6 there is one switch, of all interfaces.
    if network.ipv6Prefix != nil { parameters.append(.ofInterface("all", "ipv6", "forwarding")) }
    return try parameters.compactMap { parameter in
      guard let value = try parameter.value(), value != "1" else { return nil }
      return "forwarding is off: \(parameter) is \(value); 'sysctl -w \(parameter)=1' switches it on"
    }
  }

  /// Other interfaces that are in the guests' network: an uplink may get such an address at any time.
  private func addressProblems(_ network: BridgeNetwork) -> [String] {
    addresses.compactMap { assigned in
      guard let state = interfaces.first(where: { $0.index == assigned.interface }), state.name != bridge,
        assigned.address.meets(network.prefix)
      else { return nil }
      return "\(state.name) has the address \(assigned.address), whose network meets the guests' \(network.prefix)"
    }
  }

  /// Guests with one hardware address take each other's packets, and are easily made: it is QEMU's unless told.
  private func hardwareProblems(_ ports: [BridgeStatus.Port]) -> [String] {
    var problems: [String] = []
    var holders: [MACAddress: [DeviceHolder]] = [:]
    for holder in Set(ports.compactMap(\.holder)) {
      for hardware in Set(holder.guestHardware) { holders[hardware, default: []].append(holder) }
    }
    for (hardware, holders) in holders.sorted(by: { $0.key.bits < $1.key.bits }) where holders.count > 1 {
      let list = holders.map { "\($0.process)" }.sorted().joined(separator: " and ")
      problems.append("processes \(list) have guests with one hardware address, \(hardware); give each its own")
    }
    for port in ports where port.holder != nil {
      for guest in port.guests where !guest.hasPrefix("52:54:00:") {
        problems.append(
          "the guest behind \(port.name) has the hardware address \(guest), which may be somebody's: QEMU's begin with 52:54:00"
        )
      }
    }
    return problems
  }
}
