import Bridge
import Configuration
import LinuxSystem
import Logging
import Synchronization

/// A bridge that this process has set up and looks after, until everything is taken back.
///
///     let bridge = try ServedBridge(options, up, state, logger)  // up
///     try bridge.start()                                         // its guests are served, on a thread of its own
///     ...
///     try bridge.end()                                           // as it was before
///
/// Where somebody removes the bridge, the thread ends by itself and takes back what is left.
final class ServedBridge: Sendable {
  /// What came of an attempt to set a bridge up.
  enum Outcome {
    /// It is up, and this process looks after it.
    case own(ServedBridge)
    /// It was up already as it was asked for, and this process serves it.
    case others(Int32)
    /// It is up, and stays so without anybody.
    case unattended
  }

  private let service: Service
  private let thread = Mutex<Thread?>(nil)

  /// Sets a bridge up.
  ///
  /// Whoever calls this has blocked the signals that end the process: none may come between a change and its being taken
  /// back.
  /// - Parameter isAttended: whether this process stays with the bridge.
  static func bringUp(_ options: BridgeOptions, isAttended: Bool, logger: Logger) throws -> Outcome {
    let network = try BridgeNetwork(options)
    let state = try BridgeState(of: network.bridge)
    let up = try BridgeSetup.bringUp(options, state: state, isAttended: isAttended)
    if let server = up.otherServer {
      logger.info("\(network.bridge) is up already, and served by process \(server)")
      return .others(server)
    }
    for change in up.changes { logger.debug("\(change.words)") }
    logger.info("\(network.bridge) is up: \(network.words(uplink: up.uplink))")
    guard up.isServer else { return .unattended }
    return .own(try ServedBridge(network, options, up, state, logger: logger))
  }

  private init(
    _ network: BridgeNetwork, _ options: BridgeOptions, _ up: consuming BridgeUp, _ state: consuming BridgeState,
    logger: Logger
  ) throws {
    let stopping = try StopSignal()
    let ended = try StopSignal()
    let loop: BridgeLoop
    do {
      loop = try BridgeLoop(network, options, uplink: up.uplink, state: state, stopping: stopping, logger: logger)
    } catch {
      try BridgeSetup.takeOwnDown(state)
      throw error
    }
    service = Service(loop, up, state, stopping: stopping, ended: ended, logger: logger)
  }

  /// Readable once the service has ended, by itself or because it was told to.
  var ended: Int32 { service.ended.counter.descriptor.rawValue }

  /// Begins to serve guests.
  /// - Parameter logsFailure: whether an end of the service by itself is told at once, since everything else goes on;
  ///   otherwise `end` throws it.
  func start(logsFailure: Bool) throws(SystemError) {
    let service = service
    try thread.withLock { thread throws(SystemError) in
      thread = try Thread { service.run(logsFailure: logsFailure) }
    }
  }

  /// Ends the service, and takes everything back that is not yet. Done once more it does nothing.
  /// - Throws: why the service has ended by itself, or what could not be taken back.
  func end() throws {
    switch thread.withLock({ $0.take() }) {
    case .some(let thread):
      service.stopping.give()
      thread.join()
      try service.throwFailure()
    case .none: try service.takeDown()
    }
  }

  /// What the thread does, and those who end it look at.
  private final class Service: @unchecked Sendable {
    let stopping: StopSignal
    let ended: StopSignal
    // Used by one thread at a time: its maker, then the service's own, then who has waited for the end of that.
    private var loop: BridgeLoop
    private var isDown = false
    private var failure: (any Error)?
    private let state: BridgeState
    /// This process serves the bridge as long as it holds this.
    private let up: BridgeUp
    private let logger: Logger

    init(
      _ loop: consuming BridgeLoop, _ up: consuming BridgeUp, _ state: consuming BridgeState, stopping: StopSignal,
      ended: StopSignal, logger: Logger
    ) {
      self.loop = loop
      self.up = up
      self.state = state
      self.stopping = stopping
      self.ended = ended
      self.logger = logger
    }

    func run(logsFailure: Bool) {
      do { try loop.run(state) } catch { fail(error, logged: logsFailure) }
      do { try takeDown() } catch { fail(error, logged: logsFailure) }
      ended.give()
    }

    private func fail(_ error: any Error, logged: Bool) {
      if logged { logger.error("\(error)") } else { failure = failure ?? error }
    }

    func takeDown() throws {
      guard !isDown else { return }
      isDown = true
      try BridgeSetup.takeOwnDown(state)
      logger.info("\(state.bridge) is down")
    }

    func throwFailure() throws {
      if let failure { throw failure }
    }
  }
}

extension BridgeNetwork {
  /// What its guests find, for the log.
  fileprivate func words(uplink: String?) -> String {
    let way = uplink.map { "\(prefix) goes out by \($0)" } ?? "\(prefix), without a way outside"
    let leases = leases.map { ", DHCP from \($0.lowerBound) to \($0.upperBound)" } ?? ", no DHCP"
    return way + leases + (ipv6Prefix.map { ", \($0)" } ?? "")
  }
}
