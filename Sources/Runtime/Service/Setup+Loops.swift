import BasicContainers
import Configuration
import HostSockets
import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording

extension Setup {
  /// Makes the network with its links, forwards and name servers, and as many loops as `links` has lists of them: the
  /// list of each loop has a queue of the same devices. One loop of a process takes its signals.
  func makeLoops(links: [[LinkAddress]], takingSignals: Bool = true) throws -> NetworkLoops {
    for forward in network.forwards { try ownSockets(links: links[0]).check(forward) }
    // Before all that starts threads: threads that are started later block what this thread blocks.
    var signals: SignalQueue? = try SignalQueue(takingSignals ? Signals.all : [])
    let samba = try network.smbShare.map { try SambaServer(sharing: $0.folder) }
    let services = GuestServices(network, smbCommand: samba?.command ?? [])
    let random = try ProcessControl.randomSeed()
    let secret = (random.0, random.1)
    try makeRecordingFolder()
    var helpers = UniqueArray<NamespaceChild>()
    var loops = NetworkLoops()
    for (index, addresses) in links.enumerated() {
      let steering = PacketSteering(loop: index, of: links.count, secret: secret)
      loops.append(
        try makeLoop(addresses, services, steering, secret, try signals.take() ?? SignalQueue([]), &helpers))
    }
    try loops.connect()
    for forward in network.forwards.flatMap(\.ports) {
      try loops.open(forward, firstLease: network.ipv4?.firstLease)
    }
    loops[0].samba = samba
    try configureNetwork(of: &loops[0], &helpers)
    loops[0].configuration?.ownSockets = ownSockets(links: links[0])
    logNetwork()
    return loops
  }

  /// The loop of a network that has but one.
  func makeLoop(links: [LinkAddress], takingSignals: Bool = true) throws -> NetworkLoops {
    try makeLoops(links: [links], takingSignals: takingSignals)
  }

  private func makeLoop(
    _ addresses: [LinkAddress], _ services: GuestServices, _ steering: PacketSteering, _ secret: (UInt64, UInt64),
    _ signals: consuming SignalQueue, _ helpers: inout UniqueArray<NamespaceChild>
  ) throws -> NetworkLoop<KernelSockets> {
    let queue = try EventQueue()
    let links = try openLinks(addresses, queue: steering.loop, registrar: queue.registrar, &helpers)
    var settings = NetworkSettings(network)
    settings.guestForwards = services.forwards
    settings.shareBounds(among: steering.count)
    let host = try KernelSockets(
      registrar: queue.registrar, maximumFlows: settings.maximumFlows, peekMode: PeekMode(options.peek),
      services: services.addresses, files: try openFiles(), commandData: LoopSource.command.data)
    var logger = logger
    if steering.loop > 0 { logger[metadataKey: StandardErrorLogHandler.networkKey] = "loop \(steering.loop)" }
    let seed = try ProcessControl.randomSeed()
    // Behind the links, whose helpers are started without threads beside them.
    let recording = try record(
      settings, seed: seed, loop: steering.loop, of: steering.count, secret: secret, logger: logger)
    let stack = RecordedStack(
      settings: settings, host: host, observer: LogObserver(logger: logger), seed: seed, steering: steering,
      recorder: recording?.recorder)
    var loop = try NetworkLoop(
      stack: stack, links: links, queue: queue, signals: signals, mailbox: try Mailbox(), recording: recording,
      logger: logger)
    loop.busyPoll = busyPoll
    return loop
  }

  /// A loop that looks for events where there is one processor keeps everybody from it who could bring some.
  private var busyPoll: BusyPoll {
    let isAlone = ProcessControl.processorCount < 2
    return BusyPoll(.microseconds(Int64(options.busyPoll ?? (isAlone ? 0 : options.defaultBusyPoll))))
  }

  /// What the network has but once is the first loop's.
  private func configureNetwork(
    of loop: inout NetworkLoop<KernelSockets>, _ helpers: inout UniqueArray<NamespaceChild>
  ) throws {
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
    loop.configuration = configuration
  }

  private func logNetwork() {
    if let ipv4 = network.ipv4 {
      logger.info("network \(ipv4.prefix), gateway \(ipv4.gateway), name server \(ipv4.resolver)")
    }
    if let ipv6 = network.ipv6 {
      logger.info("network \(ipv6.prefix), gateway \(ipv6.gateway), name server \(ipv6.resolver)")
    }
    if let share = network.smbShare { logger.info("guests find \(share.folder) at \\\\\(share.server)\\qemu") }
    for rule in network.guestForwards { logger.info("guests find \(rule.target) at \(rule.endpoint)") }
  }
}

extension NetworkSettings {
  /// Gives each of `count` loops its part of what the network bounds.
  fileprivate mutating func shareBounds(among count: Int) {
    maximumFlows = max(maximumFlows / count, 1)
    maximumUDPFlows = max(maximumUDPFlows / count, 1)
    maximumEchoFlows = max(maximumEchoFlows / count, 1)
  }
}
