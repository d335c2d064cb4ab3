public import Configuration
import LinuxSystem
import Logging

extension Service {
  /// Serves a network on links until a signal, or the end of the last link, ends it. Beside it, or where every link is
  /// left to that instead of it, serves a bridge of the kernel's.
  ///
  /// What is needed to attach QEMU is written to standard output once everything is set up.
  public static func serve(_ options: ServiceOptions) throws(ServiceError) {
    try ServiceError.wrapping {
      let threshold = LogThreshold(Logger.Level(options.logLevel))
      let logger = Logger.standardError(threshold)
      let inherited = try ServiceManager.takeDescriptors().map { LinkAddress.descriptor($0) }
      let division = try LinkDivision(try options.links.map { try LinkAddress($0) } + inherited, options)
      for reason in division.reasons { logger.info("\(reason)") }
      guard !division.links.isEmpty || division.bridge == nil else {
        return try serveBridge(division, options, logger: logger)
      }
      var options = options
      options.adoptDefaults(of: division.links)
      let setup = try Setup(options, logger: logger)
      guard !division.links.isEmpty else { throw ServiceError("there is no link to serve; give \(LinkAddress.syntax)") }
      try options.checkQueues(of: division.links)
      let bridge = try bringUp(division, options, logger: logger)
      do {
        try serve(division, setup, beside: bridge, threshold)
      } catch {
        try bridge?.end()
        throw error
      }
      try bridge?.end()
    }
  }

  /// Serves the links of a network, once it is set up together with the bridge, if there is one.
  private static func serve(
    _ division: LinkDivision, _ setup: consuming Setup, beside bridge: ServedBridge?, _ threshold: LogThreshold
  ) throws {
    let (links, logger) = (division.links, setup.logger)
    var loops = try setup.makeLoops(links: Array(repeating: links, count: setup.options.queues))
    let capture = try setup.startCapture(of: &loops, ports: division.ports)
    var control = try setup.openControl()
    try Setup.harden()
    let pidFile = try setup.writePIDFile()
    printOptions(of: division)
    try loops.startOthers()
    try bridge?.start(logsFailure: true)
    let networks = [setup.controlled("net0", loops, capture, links: links)]
    var server = try ControlServer.start(control.take(), networks, threshold, logger)
    setup.reportReady()
    _ = try loops.run()
    server.take()?.stop()
    loops.stopOthers()
    capture.finish()
    _ = consume pidFile
  }

  // MARK: Bridges

  /// Serves a bridge until a signal ends it, or somebody removes the bridge: there is no link for a network of ours.
  private static func serveBridge(_ division: LinkDivision, _ options: ServiceOptions, logger: Logger) throws {
    try options.checkIsForBridge()
    if options.network != NetworkOptions() {
      logger.warning("every link is left to the bridge: options of the user-mode network mean nothing here")
    }
    let ready = try ReadyReport(options.readyDescriptor)
    try options.capture.check()
    let plan = try CapturePlan(options.capture)
    var signals = try SignalLoop(logger: logger)
    signals.hasConfiguration = options.configurationFile != nil
    let bridge = try bringUp(division, options, logger: logger)
    do {
      try Setup.harden()
      let pidFile = try options.pidFile.map { try ProcessIDFile(path: $0) }
      let capture = try LiveCapture.start(plan, of: interfaces(of: division), logger: logger)
      signals.capture = capture
      printOptions(of: division)
      try bridge?.start(logsFailure: false)
      ready.tell(logger)
      try signals.run(beside: bridge)
      capture.finish()
      _ = consume pidFile
    } catch {
      try bridge?.end()
      throw error
    }
    try bridge?.end()
  }

  /// What is captured where there is a bridge alone: its ports that were named, or else all that it forwards.
  private static func interfaces(of division: LinkDivision) -> [CapturedInterface] {
    guard division.ports.isEmpty, let bridge = division.bridge else { return division.ports.map { .port($0) } }
    return [.bridge(bridge)]
  }

  /// Sets the bridge up that links are left to, or that was asked for; nil where there is to be none, or another process
  /// serves it.
  private static func bringUp(
    _ division: LinkDivision, _ options: ServiceOptions, logger: Logger
  ) throws -> ServedBridge? {
    guard let bridge = try division.bridgeOptions(given: options.bridge) else { return nil }
    // Before anything is changed: what ends this process must not come between a change and its being taken back. Signals
    // wait for whoever takes them later.
    _ = try SignalQueue(Signals.all)
    guard case .own(let served) = try ServedBridge.bringUp(bridge, isAttended: true, logger: logger) else { return nil }
    return served
  }

  // MARK: QEMU

  /// Prints the options that attach QEMU to the links, and to the ports of the bridge.
  private static func printOptions(of division: LinkDivision) {
    let ports = division.ports.map { ("tap:\($0)", LinkAddress.qemuOptions(forPort: $0)) }
    for (name, words) in division.links.map({ ($0.description, $0.qemuOptions()) }) + ports {
      guard let words else { continue }
      let line = words.map(\.shellQuoted).joined(separator: " ")
      StandardStream.output.write("QEMU's options for \(name):\n  \(line)\n")
    }
  }
}
