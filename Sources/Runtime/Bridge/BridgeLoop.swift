import Bridge
import Configuration
import LinuxSystem
import Logging
import Netstack
import Nftables
import Primitives
import RouteNetlink

/// Serves the guests of a bridge that is up, and looks after it: one thread, which sleeps until a guest asks for
/// something, an interface changes or it is to end.
struct BridgeLoop: ~Copyable {
  private let network: BridgeNetwork
  private let options: BridgeOptions
  private let logger: Logger
  private let queue: EventQueue
  private var buffer = EventBuffer(capacity: 8)
  private let stopping: StopSignal
  private let monitor: RouteMonitor
  private let filterMonitor: FilterMonitor
  private var service: BridgeDHCPService
  private var leaseFile: LeaseFile
  private var uplink: String?
  /// When to look whether everything is as it should be; an interface that changes tells of it several times.
  private var repairDue = Instant.never
  /// Until when nothing more is said of guests.
  private var quietUntil = Instant.zero
  /// What was wrong when it was looked the last time: said once.
  private var lastComplaint = ""

  /// How long after a change of an interface is looked whether something is to be done.
  private static let settling = Interval.milliseconds(200)
  /// How long after a change of rules: those of a busy host change often, and all of them are read for that.
  private static let filterSettling = Interval.seconds(1)

  /// The time between two messages about guests.
  private static let pause = Interval.seconds(10)

  private enum Source: UInt64 { case stopping, monitor, filterMonitor, service }

  /// Opens what is needed to serve the bridge, which must be there.
  init(
    _ network: BridgeNetwork, _ options: BridgeOptions, uplink: String?, state: borrowing BridgeState,
    stopping: StopSignal, logger: Logger
  ) throws {
    let now = MonotonicClock.now
    let queue = try EventQueue()
    let monitor = try RouteMonitor()
    let filterMonitor = try FilterMonitor()
    var service = try Self.openService(network, isRouter: uplink != nil, at: now)
    let leaseFile = LeaseFile(path: state.leases, revision: service.revision)
    for lease in try leaseFile.read(at: now) {
      // One that does not fit any more is its guest's loss, who asks for another.
      do throws(DHCPLease.Refusal) {
        try service.restore(lease, at: now)
      } catch {
        logger.warning("\(CommandError.leaseRefused(lease, error).words)")
      }
    }
    if service.hasRival { logger.warning("another program has the port of DHCP servers, and may answer guests, too") }
    let registrar = queue.registrar
    try registrar.add(stopping.counter.descriptor.rawValue, for: .readable, data: Source.stopping.rawValue)
    try registrar.add(monitor.descriptor.rawValue, for: .readable, data: Source.monitor.rawValue)
    try registrar.add(filterMonitor.descriptor.rawValue, for: .readable, data: Source.filterMonitor.rawValue)
    try registrar.add(service.descriptor, for: .readable, data: Source.service.rawValue)
    (self.network, self.options, self.uplink, self.logger) = (network, options, uplink, logger)
    self.leaseFile = leaseFile
    self.queue = queue
    self.monitor = monitor
    self.filterMonitor = filterMonitor
    self.service = service
    self.stopping = stopping
  }

  /// Serves until it is told to stop; throws where the bridge goes before that.
  mutating func run(_ state: borrowing BridgeState) throws {
    while true {
      try queue.wait(into: &buffer, until: min(service.nextDeadline, repairDue, leaseFile.due))
      let now = MonotonicClock.now
      for index in 0..<buffer.count {
        switch Source(rawValue: buffer[index].data) {
        case .stopping: return try service.retire()
        case .monitor: try takeChanges(at: now)
        case .filterMonitor:
          if try filterMonitor.takeChanges() { repairDue = min(repairDue, now + Self.filterSettling) }
        case .service, nil: break
        }
      }
      for event in try service.step(at: now) { log(event, at: now) }
      leaseFile.note(service.revision, at: now)
      if leaseFile.due <= now { writeLeases(at: now) }
      if repairDue <= now { try repair(state) }
    }
  }

  private static func openService(
    _ network: BridgeNetwork, isRouter: Bool, at now: Instant
  ) throws -> BridgeDHCPService {
    var routes = try RouteSocket()
    let bridge = try routes.require(network.bridge)
    guard let hardware = bridge.hardware else { throw ServiceError("\(network.bridge) has no hardware address") }
    return try BridgeDHCPService(
      BridgeDHCPSettings(network, isRouter: isRouter, mtu: Int(bridge.mtu)), interface: bridge.index,
      name: network.bridge, hardware: hardware, seed: ProcessControl.randomSeed().0, at: now)
  }

  /// Logs what has happened. Guests can make anything happen as often as they like: what an operator wants to know of it
  /// is not said twice within some seconds.
  private mutating func log(_ event: AddressServer.Event, at now: Instant) {
    var level = event.level
    if level != .debug {
      if now < quietUntil { level = .debug } else { quietUntil = now + Self.pause }
    }
    logger.log(level: level, "\(event.words)")
  }

  private mutating func writeLeases(at now: Instant) {
    do throws(SystemError) {
      try leaseFile.write(service.leases(at: now), at: now)
    } catch {
      logger.warning("the leases are not kept: \(error)")
    }
  }

  // MARK: Looking after it

  private mutating func takeChanges(at now: Instant) throws {
    while let events = try monitor.events() {
      if !events.isEmpty { repairDue = min(repairDue, now + Self.settling) }
    }
  }

  /// Makes what is missing: of an uplink that went and has come back, or that is another one now, or of rules that
  /// somebody has flushed.
  private mutating func repair(_ state: borrowing BridgeState) throws {
    repairDue = .never
    var routes = try RouteSocket()
    guard try routes.interface(named: network.bridge) != nil else {
      throw ServiceError("\(network.bridge) was removed by somebody else")
    }
    do {
      let (changes, uplink) = try BridgeSetup.repair(options, state: state)
      for change in changes { logger.info("\(change.words)") }
      if uplink != self.uplink { logger.info("\(network.prefix) goes out by \(uplink ?? "nothing") now") }
      (self.uplink, lastComplaint) = (uplink, "")
    } catch {
      // The guests have each other, and the outside again when this is mended.
      if error.description != lastComplaint { logger.warning("\(error)") }
      lastComplaint = error.description
    }
  }
}

extension BridgeDHCPSettings {
  /// What the guests of a bridge are told.
  init(_ network: BridgeNetwork, isRouter: Bool, mtu: Int) {
    let range = network.leases ?? network.address...network.address
    self.init(address: network.address, subnet: network.prefix, first: range.lowerBound, last: range.upperBound)
    givesAddresses = network.leases != nil
    domainName = network.domain ?? ""
    searchDomains = network.domain.map { [$0] } ?? []
    nameServers = network.nameServers
    self.isRouter = isRouter
    leaseTime = .seconds(Int64(network.leaseTime))
    maximumLeaseTime = .seconds(Int64(network.maximumLeaseTime))
    self.mtu = mtu
    ipv6Prefix = network.ipv6Prefix
  }
}

extension AddressServer.Event {
  /// How much an operator wants to know of it.
  fileprivate var level: Logger.Level {
    switch self {
    case .leased, .released, .refused, .otherServer: .debug
    case .inUse: .info
    case .exhausted: .warning
    }
  }

  /// What has happened, for the log.
  fileprivate var words: String {
    switch self {
    case .leased(let lease):
      "leased \(lease.address) to \(lease.hardware)" + (lease.hostname.isEmpty ? "" : " (\(lease.hostname))")
    case .released(let address, let guest): "\(guest) gave \(address) back"
    case .inUse(let address, let user?): "\(address) is used by \(user), who has no lease"
    case .inUse(let address, nil): "\(address) is used by somebody who has no lease"
    case .refused(let guest): "\(guest) wants an address that is not for it"
    case .exhausted(let guest): "there is no address left for \(guest); give more by --dhcp, or a shorter --lease"
    case .otherServer(let server): "a guest takes its address from another server, \(server)"
    }
  }
}
