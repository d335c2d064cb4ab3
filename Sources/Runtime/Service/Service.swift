import BasicContainers
public import Configuration
import HostSockets
import Links
import LinuxSystem
import Logging
import Netstack
import Primitives

/// Running instances: what the commands `serve`, `run` and `exec` do.
public enum Service {
  /// Starts QEMU with its networks attached, and serves them until QEMU ends. A command that wants no network is run
  /// as it is, in the place of this process.
  ///
  /// What `options` say of the network holds for each of them; forwards, domains to search, leases, their file and
  /// routes are the first one's. With a `guest` the machine becomes a port of a bridge as well, and has no network of
  /// Culvert's unless the command line asks for one.
  /// - Returns: the status to exit with.
  public static func run(
    _ command: QEMUCommandLine, netdev: String = "net0", nic: String? = nil, guest: BridgedGuest? = nil,
    options: ServiceOptions
  ) throws(ServiceError) -> Int32 {
    let command = try guest?.attached(to: command) ?? command
    return try ServiceError.wrapping {
      let attachment = try command.attachment(netdev: netdev, nic: guest == nil ? nic : nil, addsNetwork: guest == nil)
      var ends = UniqueArray<DescriptorPair>()
      for _ in attachment.networks { ends.append(try Socket.pair(.stream)) }
      let names = attachment.names
      let threshold = LogThreshold(Logger.Level(options.logLevel))
      let logger = Logger.standardError(threshold, network: names.count > 1 ? names[0] : nil)
      let setup = try Setup(options, for: attachment, logger: logger)
      guard !attachment.networks.isEmpty else {
        if guest == nil { logger.warning("the command wants no network, and is run as it is") }
        try setup.replaceProcess(with: command)
      }
      guard options.queues == 1 else { throw ServiceError("the link of 'run' has one queue; leave --queues out") }
      var loops = try setup.makeLoop(links: [.descriptor(try ends[0].first.duplicate().take())])
      let capture = try setup.startCapture(of: &loops)
      var networks = [setup.controlled(names[0], loops, capture)]
      for index in 1..<max(ends.count, 1) {
        let link = LinkAddress.descriptor(try ends[index].first.duplicate().take())
        let setup = try Setup(
          options, for: attachment, index, logger: Logger.standardError(threshold, network: names[index]))
        var other = try setup.makeLoop(links: [link], takingSignals: false)
        let capture = try setup.startCapture(of: &other)
        networks.append(setup.controlled(names[index], other, capture))
        loops.adopt(other)
      }
      var control = try setup.openControl()
      let pidFile = try setup.writePIDFile()
      let child = try start(attachment, ends, daemonizes: command.daemonizes)
      try loops[0].adopt(child)
      do {
        try Setup.harden()
        try loops.startOthers()
      } catch {
        try loops[0].child?.pass(Signals.end)
        throw error
      }
      var server = try ControlServer.start(control.take(), networks, threshold, logger)
      setup.reportReady()
      let end = try loops.run()
      server.take()?.stop()
      loops.stopOthers()
      for network in networks { network.capture.finish() }
      _ = consume pidFile
      guard case .child(let exit) = end else { return 0 }
      return exit.shellStatus
    }
  }

  /// Starts QEMU with the second of each of `ends`. Before the privileges go: QEMU may start helpers of its own that
  /// need them.
  private static func start(
    _ attachment: QEMUAttachment, _ ends: consuming UniqueArray<DescriptorPair>, daemonizes: Bool
  ) throws(SystemError) -> Child {
    var descriptors: [Int32] = []
    for index in 0..<ends.count { descriptors.append(ends[index].second.rawValue) }
    let words = attachment.words(descriptors: descriptors)
    return Child(try ChildProcess(words, inheriting: descriptors.map { .init($0) }), daemonizes: daemonizes)
  }
}

extension ServiceOptions {
  /// These options for one network of a command line: with what it says of that, and without what is not of this
  /// network but of the process, or of the first one.
  func serving(_ attachment: QEMUAttachment?, _ index: Int) throws(ConfigurationError) -> ServiceOptions {
    var options = self
    guard let attachment, index < attachment.networks.count else { return options }
    if attachment.networks.count > 1 {
      options.capture = try options.capture.named(for: attachment.names[index])
    }
    if index > 0 {
      (options.readyDescriptor, options.leaseFile) = (nil, nil)
      options.network.hostfwd = []
      options.network.guestfwd = []
      options.network.dnssearch = []
      options.network.lease = []
      options.network.route = []
    }
    options.network = attachment.networks[index].overlaid(by: options.network)
    return options
  }
}

extension String {
  /// The text as one word of a POSIX shell.
  var shellQuoted: String {
    let isPlain = utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "-_=,./:@%+".utf8.contains(byte)
      }
    }
    guard !isPlain || isEmpty else { return self }
    return "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}
