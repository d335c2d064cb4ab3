public import Configuration
import LinuxSystem
import Nftables
import Primitives
import RouteNetlink

/// What came of an attempt to set a bridge up. The one who serves it is who holds this value.
public struct BridgeUp: ~Copyable, Sendable {
  /// What was changed, in its order.
  public let changes: [BridgeChange]
  /// The interface that leads outside, nil for none.
  public let uplink: String?
  /// The process that has set it up as it was asked for, and serves it; nil where this one has.
  public let otherServer: Int32?
  private let lock: FileLock?

  /// Whether there is something to serve, and this process is to do it.
  public var isServer: Bool { lock != nil }

  fileprivate init(
    changes: [BridgeChange] = [], uplink: String? = nil, otherServer: Int32? = nil, lock: consuming FileLock? = nil
  ) {
    self.changes = changes
    self.uplink = uplink
    self.otherServer = otherServer
    self.lock = lock
  }
}

/// Sets bridges up and takes them down.
public enum BridgeSetup {
  // MARK: Up

  /// What would be changed so that the bridge is up.
  public static func plan(_ options: BridgeOptions) throws(BridgeError) -> BridgePlan {
    try BridgeError.wrapping {
      var host = try BridgeHost()
      return try plan(options, on: &host).plan
    }
  }

  /// What is to be changed, with the rules that were found.
  private static func plan(
    _ options: BridgeOptions, on host: inout BridgeHost
  ) throws -> (plan: BridgePlan, found: Ruleset) {
    try BridgeError.checkPrivilege()
    var plan = try BridgePlan(BridgeNetwork(options), on: &host)
    let found = try host.ruleset()
    let obstacles = try obstacles(to: plan.firewall, in: found)
    if let chain = options.allowIn, !obstacles.isEmpty { plan.admit(in: chain) } else { try refuse(obstacles) }
    return (plan, found)
  }

  /// What of somebody else's is known to drop the bridge's packets.
  private static func obstacles(to firewall: BridgeFirewall, in found: Ruleset) throws -> [FirewallObstacle] {
    firewall.obstacles(in: found, of: try HostFilters.current()).filter(\.isCertain)
  }

  private static func refuse(_ obstacles: [FirewallObstacle]) throws(BridgeError) {
    guard !obstacles.isEmpty else { return }
    let lines = obstacles.flatMap { obstacle in
      let allowance = obstacle.allowance.map { ["or give --allow-in '\($0)'"] } ?? []
      return ["\(obstacle.summary); what would help:"] + (obstacle.remedies + allowance).map { "  \($0)" }
    }
    throw BridgeError(lines.joined(separator: "\n"), isObstruction: true)
  }

  /// Sets the bridge up. Where a step fails, all that were made are taken back.
  ///
  /// A bridge whose server was killed is taken over: what it had changed is known from its journal, and only what is
  /// missing is made.
  /// - Parameter isAttended: whether this process stays with the bridge, as a server or only to look after it. Where it
  ///   does not, the bridge stays up without one.
  public static func bringUp(
    _ options: BridgeOptions, state: borrowing BridgeState, isAttended hasService: Bool
  ) throws(BridgeError) -> BridgeUp {
    try state.whileLocked {
      var journal = try state.read() ?? BridgeJournal(options: options)
      let service = hasService ? try state.lockForService() : nil
      if hasService && service == nil || !hasService, let server = journal.server, try state.isServed {
        guard journal.options == options else { throw otherOptions(options.bridge, "is served by process \(server)") }
        return BridgeUp(otherServer: server)
      }
      guard !hasService || service != nil else {
        throw BridgeError("\(options.bridge) is just being taken down by another process; try again")
      }
      guard journal.changes.isEmpty || journal.options == options else {
        throw otherOptions(options.bridge, "was set up")
      }
      var host = try BridgeHost()
      let plan = try plan(options, on: &host).plan
      journal.server = hasService ? ProcessControl.processID : nil
      journal.options = options
      try state.write(journal)
      do {
        try make(plan.changes, on: &host, &journal, state)
        // Whether the rule that was allowed is enough.
        if options.allowIn != nil { try refuse(try obstacles(to: plan.firewall, in: host.ruleset())) }
      } catch {
        let failures = takeBack(&journal, on: &host, state)
        let rest = failures.isEmpty ? "everything is as it was" : "not everything is as it was:"
        let isObstruction = (error as? BridgeError)?.isObstruction == true
        throw BridgeError((["\(error); \(rest)"] + failures).joined(separator: "\n"), isObstruction: isObstruction)
      }
      return BridgeUp(changes: plan.changes, uplink: plan.uplink, lock: service)
    }
  }

  private static func otherOptions(_ bridge: String, _ what: String) -> BridgeError {
    BridgeError("\(bridge) \(what) with other options; take it down by 'culvert bridge down \(bridge)' first")
  }

  /// Makes what is missing of a bridge that this process serves: its uplink has come back, or is another one now, or
  /// somebody has flushed its rules.
  /// - Returns: what was made, and the uplink.
  public static func repair(
    _ options: BridgeOptions, state: borrowing BridgeState
  ) throws(BridgeError) -> (changes: [BridgeChange], uplink: String?) {
    try state.whileLocked {
      guard var journal = try state.read() else {
        throw BridgeError("\(options.bridge) was taken down by somebody else")
      }
      var host = try BridgeHost()
      var options = options
      let names = Set(try host.routes.interfaces().map(\.name))
      // A port may go with its guest; it is made one again when it comes back.
      options.ports.removeAll { !names.contains($0) }
      let (plan, found) = try plan(options, on: &host)
      let isLoaded = plan.firewall.isLoaded(in: found)
      let changes = plan.changes.filter { change in
        // A table that is there is loaded anew only for another uplink.
        if case .loadTable = change { !isLoaded || !journal.changes.contains(change) } else { true }
      }
      try make(changes, on: &host, &journal, state)
      return (changes, plan.uplink)
    }
  }

  /// Makes changes, each of which is written down first, and once: one that was written down before keeps what it has
  /// to say of the time before it.
  private static func make(
    _ changes: [BridgeChange], on host: inout BridgeHost, _ journal: inout BridgeJournal, _ state: borrowing BridgeState
  ) throws {
    for change in changes {
      if !journal.changes.contains(change) {
        journal.changes.append(change)
        try state.write(journal)
      }
      try host.make(change)
    }
  }

  /// The process that serves a bridge, and what it has set it up with; nil where none does.
  public static func server(
    of state: borrowing BridgeState
  ) throws(BridgeError) -> (process: Int32, options: BridgeOptions)? {
    try BridgeError.wrapping {
      guard try state.isServed, let journal = try state.read(), let server = journal.server else { return nil }
      return (server, journal.options)
    }
  }

  // MARK: Down

  /// Takes the bridge down: has its server end, and takes back what is still as it was set. Done again, or where there
  /// is none, it changes nothing.
  /// - Returns: whether there was anything to take down.
  public static func takeDown(_ state: borrowing BridgeState) throws(BridgeError) -> Bool {
    guard let first = try state.read() else { return false }
    try BridgeError.checkPrivilege()
    try BridgeError.wrapping {
      if let server = first.server { try end(server, state) }
    }
    // The server has taken down what it could.
    do {
      try takeOwnDown(state)
    } catch {
      throw BridgeError("\(state.bridge) could not be taken down wholly; try again:\n\(error)")
    }
    return true
  }

  /// What a server does at its end: as `takeDown`, but for itself.
  public static func takeOwnDown(_ state: borrowing BridgeState) throws(BridgeError) {
    try state.whileLocked {
      guard var journal = try state.read() else { return }
      var host = try BridgeHost()
      let failures = takeBack(&journal, on: &host, state)
      guard failures.isEmpty else { throw BridgeError(failures.joined(separator: "\n")) }
    }
  }

  /// Takes everything back, the last change first; what fails stays in the journal.
  /// - Returns: what failed, a line each.
  private static func takeBack(
    _ journal: inout BridgeJournal, on host: inout BridgeHost, _ state: borrowing BridgeState
  ) -> [String] {
    var (failures, left): ([String], [BridgeChange]) = ([], [])
    while let change = journal.changes.popLast() {
      do {
        try host.takeBack(change)
        var rest = journal
        rest.changes += left
        try state.write(rest)
      } catch {
        failures.append("\(change.words): \(error)")
        left.insert(change, at: 0)
      }
    }
    journal.changes = left
    guard left.isEmpty else { return failures }
    do throws(SystemError) { try state.removeFiles() } catch { failures.append("\(error)") }
    return failures
  }

  /// How long a server may take to end.
  private static let patience = Interval.seconds(10)

  private static func end(_ server: Int32, _ state: borrowing BridgeState) throws {
    // What it wrote down is its number where it runs, which may be somebody else's here.
    guard let process = try RunningProcess(server), try state.isServed(by: process) else {
      guard try state.isServed else { return }
      throw BridgeError("\(state.bridge) is served from another PID namespace; take it down there")
    }
    try process.send(signal: 15)
    guard try !process.waitUntilEnd(atMost: patience) else { return }
    throw BridgeError(
      "process \(server), which serves \(state.bridge), does not end; stop it by 'kill -9 \(server)' and try again")
  }
}
