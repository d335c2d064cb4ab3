public import Bridge
public import Configuration
import LinuxSystem
import Logging
import Netstack
import Primitives

/// What `culvert bridge up` is asked for.
public struct BridgeServiceOptions: Hashable, Sendable {
  /// The bridge.
  public var bridge: BridgeOptions
  /// The descriptor on which to report that it is up.
  public var readyDescriptor: Int32?
  /// Whether it leaves its standard streams once it is up.
  public var isInBackground = false
  /// What is captured of the frames on it.
  public var capture = CaptureOptions()
  /// How much to log.
  public var logLevel = LogLevel.info

  /// A bridge, with the defaults of the rest.
  public init(bridge: BridgeOptions) { self.bridge = bridge }
}

/// Sets a bridge up and serves its guests, until a signal ends it: what `culvert bridge up` does.
public enum BridgeService {
  /// Sets the bridge up, serves DHCP and router advertisements on it, and takes everything back at the end. Where there
  /// is nothing to serve, or somebody serves it already, it returns at once, unless frames are captured.
  public static func run(_ options: BridgeServiceOptions) throws {
    let network = try BridgeNetwork(options.bridge)
    let log = BackgroundLog()
    let logger = Logger.standardError(LogThreshold(Logger.Level(options.logLevel)), by: log.write)
    let ready = try ReadyReport(options.readyDescriptor)
    try options.capture.check()
    let plan = try CapturePlan(options.capture)
    // Before anything is changed: what ends this process must not come between a change and its being taken back.
    var signals = try SignalLoop(logger: logger)
    ProcessControl.ignoreBrokenPipes()
    let isAttended = network.needsServer || plan != nil
    let outcome = try ServedBridge.bringUp(options.bridge, isAttended: isAttended, logger: logger)
    var served: ServedBridge?
    if case .own(let bridge) = outcome { served = bridge }
    // Of what somebody else serves frames are captured all the same.
    guard served != nil || plan != nil else { return ready.tell(logger) }
    do {
      let capture = try LiveCapture.start(plan, of: [.bridge(network.bridge)], logger: logger)
      signals.capture = capture
      try served?.start(logsFailure: false)
      if options.isInBackground {
        let path = try BridgeState(of: network.bridge).log(ofServer: served != nil)
        logger.info("further messages go to \(path)")
        try log.begin(at: path)
      }
      ready.tell(logger)
      try signals.run(beside: served)
      capture.finish()
    } catch {
      try served?.end()
      throw error
    }
    try served?.end()
  }

  /// Runs a command in the background, as the first of a session of its own, and waits until it tells that it is set
  /// up, by `--ready-fd`, or ends.
  /// - Parameter command: the program and its words; until it is set up its messages come here.
  /// - Returns: the status to exit with.
  public static func runInBackground(_ command: [String]) throws -> Int32 {
    let (near, far) = try FileDescriptor.pipe().take()
    let reading = FileDescriptor(owning: near)
    let writing = FileDescriptor(owning: far)
    let number: Int32 = 3
    let child = try ChildProcess(
      command + ["--ready-fd", "\(number)"], inheriting: [.init(writing.rawValue, as: number)], inNewSession: true)
    _ = consume writing
    var byte: [UInt8] = [0]
    var span = byte.mutableSpan
    // The pipe's end without a byte: it could not be set up, and says why.
    return try reading.read(into: &span) == 1 ? 0 : try child.waitUntilExit().shellStatus
  }

  // MARK: Status

  /// What there is of a bridge, its leases included.
  public static func status(of bridge: String) throws -> BridgeStatus {
    let state = try BridgeState(of: bridge)
    let now = MonotonicClock.now
    let leases = try LeaseFile(path: state.leases).read(at: now).filter { $0.expiry > now }.map { lease in
      BridgeStatus.Lease(
        address: "\(lease.address)", hardware: "\(lease.hardware)",
        hostname: lease.hostname.isEmpty ? nil : lease.hostname,
        secondsLeft: (lease.expiry - now).nanoseconds / 1_000_000_000)
    }
    return try BridgeStatus(of: state, leases: leases)
  }
}
