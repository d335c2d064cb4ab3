public import Configuration
import LinuxSystem
import Logging
import RouteNetlink

extension Service {
  /// Runs a command in a new network namespace, and serves that until the command ends and what it has sent is
  /// delivered.
  /// - Returns: the status to exit with.
  public static func execute(_ command: [String], options: ServiceOptions) throws(ServiceError) -> Int32 {
    try ServiceError.wrapping {
      let threshold = LogThreshold(Logger.Level(options.logLevel))
      let logger = Logger.standardError(threshold)
      var options = options
      options.adoptDeviceDefaults()
      let setup = try Setup(options, logger: logger)
      var helper = try NamespaceChild(setup.namespaceRequest(for: command))
      var links: [[LinkAddress]] = []
      for _ in 0..<options.queues { links.append([.descriptor(try helper.takeDevice().take())]) }
      var loops = try setup.makeLoops(links: links)
      let capture = try setup.startCapture(of: &loops)
      try setup.configure(&helper, on: &loops[0])
      var control = try setup.openControl()
      let pidFile = try setup.writePIDFile()
      loops[0].namespace = helper.takeSockets()
      try loops[0].adopt(Child(helper.takeProcess(), daemonizes: false))
      try Setup.harden()
      try loops.startOthers()
      let networks = [setup.controlled("net0", loops, capture)]
      var server = try ControlServer.start(control.take(), networks, threshold, logger)
      setup.reportReady()
      try helper.start()
      let end = try loops.run()
      server.take()?.stop()
      loops.stopOthers()
      capture.finish()
      _ = consume pidFile
      guard case .child(let exit) = end else { return 0 }
      return exit.shellStatus
    }
  }
}
