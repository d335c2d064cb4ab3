import BasicContainers
import Buffers
import Configuration
import HostSockets
import Links
import LinuxSystem
import Logging
import Netstack
import Primitives

/// The steps in which an instance is set up.
struct Setup: ~Copyable {
  let network: VirtualNetwork
  let options: ServiceOptions
  private let configuration: ReloadableConfiguration?
  let logger: Logger
  private let ready: FileDescriptor?
  private let control: ControlAddress?

  /// Checks the options of the network, or of the network `index` of an attachment, and that there is a descriptor to
  /// report to.
  init(_ all: ServiceOptions, for attachment: QEMUAttachment? = nil, _ index: Int = 0, logger: Logger) throws {
    let options = all.serving(attachment, index)
    let network = try options.checkedNetwork
    let control = try options.control.map { try ControlAddress($0) }
    let ready = try Self.takeDescriptor(options.readyDescriptor)
    self.logger = logger
    self.control = control
    self.options = options
    self.network = network
    self.ready = ready
    configuration = ReloadableConfiguration(all, attachment, index, network: network)
  }

  private static func takeDescriptor(_ number: Int32?) throws(ServiceError) -> FileDescriptor? {
    guard let number else { return nil }
    let descriptor = FileDescriptor(owning: number)
    do {
      try descriptor.setCloseOnExec()
    } catch {
      throw ServiceError("cannot report on descriptor \(number) (--ready-fd): \(error.reason)")
    }
    return descriptor
  }

  /// Makes the network with its links, forwards and name servers; one loop of a process takes its signals.
  func makeLoop(
    links addresses: [LinkAddress], takingSignals: Bool = true
  ) throws -> NetworkLoop<KernelSockets> {
    for forward in network.forwards { try ownSockets(links: addresses).check(forward) }
    // Before all that starts threads: threads that are started later block what this thread blocks.
    let signals = try SignalQueue(takingSignals ? Signals.all : [])
    let queue = try EventQueue()
    var helpers = UniqueArray<NamespaceChild>()
    let links = try openLinks(addresses, registrar: queue.registrar, &helpers)
    let samba = try network.smbShare.map { try SambaServer(sharing: $0.folder) }
    let services = GuestServices(network, smbCommand: samba?.command ?? [])
    var settings = NetworkSettings(network)
    settings.guestForwards = services.forwards
    let host = try KernelSockets(
      registrar: queue.registrar, maximumFlows: settings.maximumFlows, peekMode: PeekMode(options.peek),
      services: services.addresses, files: try openFiles(), commandData: LoopSource.command.data)
    let stack = Stack(
      settings: settings, host: host,
      observer: LogObserver(logger: logger), seed: try ProcessControl.randomSeed())
    var loop = try NetworkLoop(
      stack: stack, links: links, queue: queue, signals: signals, mailbox: try Mailbox(), logger: logger)
    for forward in network.forwards.flatMap(\.ports) { try loop.open(forward, firstLease: network.ipv4?.firstLease) }
    if let path = options.leaseFile { try loop.keepLeases(in: path) }
    for index in 0..<helpers.count {
      try configure(&helpers[index], on: &loop)
      try helpers[index].finish()
    }
    if network.upstreamResolvers.isEmpty {
      try loop.followHostResolvers()
    } else {
      loop.setResolvers(network.upstreamResolvers)
    }
    if let ipv4 = network.ipv4 {
      logger.info("network \(ipv4.prefix), gateway \(ipv4.gateway), name server \(ipv4.resolver)")
    }
    if let ipv6 = network.ipv6 {
      logger.info("network \(ipv6.prefix), gateway \(ipv6.gateway), name server \(ipv6.resolver)")
    }
    loop.busyPoll = .microseconds(Int64(options.busyPoll))
    loop.samba = samba
    loop.configuration = configuration
    loop.configuration?.ownSockets = ownSockets(links: addresses)
    if let share = network.smbShare { logger.info("guests find \(share.folder) at \\\\\(share.server)\\qemu") }
    for rule in network.guestForwards { logger.info("guests find \(rule.target) at \(rule.endpoint)") }
    return loop
  }

  /// Runs a command in the place of this process: there is no network to serve it.
  consuming func replaceProcess(with command: QEMUCommandLine) throws -> Never {
    logger.warning("the command wants no network, and is run as it is")
    reportReady()
    try ProcessControl.replace(with: command.words)
  }

  /// The operator's way to a loop of this network, under a name.
  func controlled(_ name: String, _ mailbox: Mailbox, links: [LinkAddress] = []) -> ControlledNetwork {
    ControlledNetwork(
      name: name, mailbox: mailbox, firstLease: network.ipv4?.firstLease, ownSockets: ownSockets(links: links))
  }

  private func ownSockets(links: [LinkAddress]) -> OwnSockets { OwnSockets(links: links, control: control) }

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

  /// Tells whoever asked that everything is set up. One who has gone meanwhile is no reason to stop.
  consuming func reportReady() {
    // Reading command lines and setting up takes more code than all that follows.
    ProcessControl.releaseCode()
    do throws(SystemError) {
      switch consume ready {
      case .none: break
      // The byte that slirp4netns writes, too.
      case .some(let descriptor): try descriptor.write("1")
      }
    } catch {
      logger.warning("nobody was told that everything is set up: \(error)")
    }
    ServiceManager.tell("READY=1", logger)
  }

  /// Opens the folder whose files guests may fetch, nil where there is none to.
  private func openFiles() throws(ServiceError) -> FileTree? {
    guard !network.tftpFolder.isEmpty else { return nil }
    do throws(SystemError) {
      return try FileTree(path: network.tftpFolder)
    } catch {
      throw ServiceError("tftp '\(network.tftpFolder)': \(error.reason); give a folder that can be read")
    }
  }
}

extension NetworkLoop where Host: ~Copyable {
  /// Begins to forward a port of the host; a guest address left open is the first lease.
  mutating func open(_ forward: HostForward, firstLease: IPv4Address?) throws(ServiceError) {
    let command = Command.addForward(try forward.portForward(firstLease: firstLease))
    do throws(CommandError) {
      try stack.apply(command, at: now, into: &links)
    } catch {
      throw ServiceError(error, rule: forward.description)
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

extension PeekMode {
  /// The mode of an option.
  init(_ option: PeekOption) {
    switch option {
    case .automatic: self = .automatic
    case .offset: self = .offset
    case .skip: self = .skip
    }
  }
}

extension NetworkSettings {
  /// The settings of a checked network.
  init(_ network: VirtualNetwork) {
    self.init()
    isIPv4Enabled = network.ipv4 != nil
    if let ipv4 = network.ipv4 {
      (ipv4Prefix, ipv4Gateway, ipv4Resolver) = (ipv4.prefix, ipv4.gateway, ipv4.resolver)
      ipv4FirstLease = ipv4.firstLease
      staticLeases = ipv4.staticLeases.map { StaticLease($0) }
      staticRoutes = ipv4.routes.map { StaticRoute(to: $0.destination, via: $0.gateway ?? ipv4.gateway) }
    }
    isIPv6Enabled = network.ipv6 != nil
    if let ipv6 = network.ipv6 {
      (ipv6Prefix, ipv6Gateway, ipv6Resolver) = (ipv6.prefix, ipv6.gateway, ipv6.resolver)
    }
    mtu = network.mtu
    hostname = network.hostname
    (bootFile, tftpServerName) = (network.bootFile, network.tftpServerName)
    bootFileParameters = network.bootFileParameters
    servesFiles = !network.tftpFolder.isEmpty
    domainName = network.domainName
    searchDomains = network.searchDomains
    localNames = network.hostNames.map { LocalName($0) }
    isRestricted = network.isRestricted
    allowsHostLoopback = network.allowsHostLoopback
    allowsLinkLocal = network.allowsLinkLocal
    udpFiltering = UDPFiltering(network.udpFiltering)
  }
}

extension StaticLease {
  /// The lease of an option.
  init(_ option: LeaseOption) {
    self.init(hardware: option.hardware, address: option.address, hostname: option.hostname)
  }
}

extension LocalName {
  /// The name of an option.
  init(_ option: HostName) { self.init(name: option.name, address: option.address) }
}

extension UDPFiltering {
  /// The filtering of an option.
  init(_ option: UDPFilteringOption) {
    switch option {
    case .endpoint: self = .endpointIndependent
    case .address: self = .address
    case .port: self = .addressAndPort
    }
  }
}
