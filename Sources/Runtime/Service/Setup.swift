import BasicContainers
import Buffers
import Configuration
import HostSockets
import Links
import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording

/// The steps in which an instance is set up.
struct Setup: ~Copyable {
  let network: VirtualNetwork
  let options: ServiceOptions
  let configuration: ReloadableConfiguration?
  let logger: Logger
  private let ready: ReadyReport
  private let capture: CapturePlan?
  private let hostCapture: CapturePlan?
  private let control: ControlAddress?
  /// What the network is called in the names of files.
  let networkName: String

  /// Checks the options of the network, or of the network `index` of an attachment, and that there is a descriptor to
  /// report to.
  init(_ all: ServiceOptions, for attachment: QEMUAttachment? = nil, _ index: Int = 0, logger: Logger) throws {
    let options = try all.serving(attachment, index)
    let network = try options.checkedNetwork
    let control = try options.control.map { try ControlAddress($0) }
    try options.capture.check()
    let ready = try ReadyReport(options.readyDescriptor)
    // Before anything is written to the standard output, or started that could.
    let name = attachment.flatMap { index < $0.names.count ? $0.names[index] : nil } ?? "net0"
    let plan = try CapturePlan(options.captureBesideRecording(of: name))
    let hostPlan = try CapturePlan(options.capture.ofHost ?? CaptureOptions())
    (capture, hostCapture) = (plan, hostPlan)
    self.logger = logger
    self.control = control
    self.options = options
    self.network = network
    self.ready = ready
    networkName = name
    configuration = ReloadableConfiguration(all, attachment, index, network: network)
  }

  /// Runs a command in the place of this process: there is no network to serve it.
  consuming func replaceProcess(with command: QEMUCommandLine) throws -> Never {
    reportReady()
    try ProcessControl.replace(with: command.words)
  }

  /// The operator's way to this network, under a name.
  func controlled(
    _ name: String, _ loops: borrowing NetworkLoops, _ capture: NetworkCapture, links: [LinkAddress] = []
  ) -> ControlledNetwork {
    ControlledNetwork(
      name: name, loops: loops.directory, firstLease: network.ipv4?.firstLease, capture: capture,
      ownSockets: ownSockets(links: links))
  }

  /// Captures the network's frames, and those that pass `ports` of a bridge, if that was asked for, and lets it be asked
  /// for later.
  func startCapture(of loops: inout NetworkLoops, ports: [String] = []) throws(ServiceError) -> NetworkCapture {
    let mailboxes = loops.directory.mailboxes
    // What belongs to a recording is the network's alone.
    let isForRecording = options.capture.file == nil && options.record != nil
    let interfaces = isForRecording ? [] : ports.map { CapturedInterface.port($0) }
    let live = LiveCapture(capture, loops: mailboxes, interfaces: interfaces, logger: logger)
    if let capture { try live.start(capture) }
    loops[0].capture = live
    guard let hostCapture else { return NetworkCapture(link: live, host: nil) }
    let host = LiveCapture(nil, loops: [], logger: logger)
    for (index, feed) in try host.open(hostCapture, loops: mailboxes.count).enumerated() {
      let scribe = HostScribe(feed, at: loops[index].now)
      loops[index].scribe = scribe
      loops[index].stack.core.host.base.witness = scribe
    }
    return NetworkCapture(link: live, host: host)
  }

  func ownSockets(links: [LinkAddress]) -> OwnSockets { OwnSockets(links: links, control: control) }

  /// Listens for an operator, where that was asked for.
  func openControl() throws -> ControlSocket? {
    guard let address = control else { return nil }
    // To the socket a guest's connection would come from the user whose instance it is.
    guard !network.guestForwards.contains(where: { $0.target == .unix(path: address.path) }) else {
      throw ConfigurationError("guestfwd", "\(address) is the control socket, which guests may not reach")
    }
    return try ControlSocket(address)
  }

  /// Gives up what is not needed to carry flows, and takes what is.
  static func harden() throws {
    ProcessControl.ignoreBrokenPipes()
    try ProcessControl.raiseDescriptorLimit()
    try ProcessControl.forbidNewPrivileges()
    try ProcessControl.forbidDumps()
  }

  /// Writes the file with the process's number, where one was asked for.
  func writePIDFile() throws -> ProcessIDFile? { try options.pidFile.map { try ProcessIDFile(path: $0) } }

  /// Tells whoever asked that everything is set up.
  consuming func reportReady() {
    // Reading command lines and setting up takes more code than all that follows.
    ProcessControl.releaseCode()
    let logger = logger
    ready.tell(logger)
  }

  /// Opens the folder whose files guests may fetch, nil where there is none to.
  func openFiles() throws(ServiceError) -> FileTree? {
    guard !network.tftpFolder.isEmpty else { return nil }
    do throws(SystemError) {
      return try FileTree(path: network.tftpFolder)
    } catch {
      throw ServiceError("tftp '\(network.tftpFolder)': \(error.reason); give a folder that can be read")
    }
  }
}

extension NetworkLoop where Host: ~Copyable {
  /// Begins to forward a port of the host, by a rule.
  mutating func open(_ forward: PortForward, by rule: HostForward) throws(ServiceError) {
    let command = Command.addForward(forward)
    do throws(CommandError) {
      try stack.apply(command, at: now, into: &links)
    } catch {
      throw ServiceError(error, rule: rule.description)
    }
    logger.info("\(command.words)")
  }

  /// Has the network ask the host's name servers, now and after each change of them.
  mutating func followHostResolvers(path: String = "/etc/resolv.conf") throws(SystemError) {
    let watch = try ResolverWatch(path: path, registrar: queue.registrar, data: LoopSource.resolver.data)
    setResolvers(watch.servers)
    resolver = consume watch
  }

  /// Makes the loop end with `child`.
  mutating func adopt(_ child: consuming Child) throws(SystemError) {
    try queue.registrar.add(child.descriptor, for: .readable, data: LoopSource.child.data)
    self.child = consume child
  }
}
