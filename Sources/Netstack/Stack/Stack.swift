import BasicContainers
public import Buffers
public import Primitives

/// One virtual network: a TCP/IP stack that ends the guests' frames and carries their flows on the host's sockets.
///
/// Sans-I/O: frames, host events, time and commands come in by the verbs below; frames go out through the sink that
/// each verb is given; everything else goes through the `HostNetwork`. Given the same inputs it does the same, byte
/// for byte, in any process.
///
/// Order of use: `attach` a port, then any of the inputs as they come, and after each turn look at `nextDeadline`.
/// Each verb ends with the work that its input made possible, within a budget; what is left makes `nextDeadline` lie
/// in the past, and `advance` goes on with it.
public struct Stack<Host: HostNetwork & ~Copyable, Watcher: Observer & ~Copyable>: ~Copyable {
  /// The network presented to the guests.
  public private(set) var settings: NetworkSettings
  /// The host's sockets.
  public var host: Host
  /// Who watches.
  public var observer: Watcher
  /// What the network has seen.
  public internal(set) var counters = Counters()

  /// Which loop of the network this is.
  public let steering: PacketSteering

  // Who is there
  var ports = UniqueArray<PortState>()
  var neighbors = NeighborTable()
  /// Flows that wait until a guest's hardware address is known.
  var unresolved = UniqueArray<FlowID>()
  /// When a neighbor is asked for again.
  var nextResolution = Instant.never
  var advertiser: RouterAdvertiser
  var policy: ForwardingPolicy
  var dhcp: DHCPServer
  var dhcpv6: DHCPv6Server
  /// The families of which the observer knows that DHCP has no addresses left.
  var exhaustedLeases: [IPAddress.Family] = []
  var dns: DNSForwarder

  // Flows
  var flows: FlowTable
  var timers: TimerQueue
  var tcp: Slab<TCPConnection>
  var udp: DatagramFlows<UDPFlow>
  var echo: DatagramFlows<EchoFlow>
  /// Whether the observer knows that the host has no sockets for echo.
  var hasToldOfEcho = false
  var transfers = TransferTable()
  var listeners: Slab<Listener>
  var reassembler = Reassembler()
  var pool = ReassemblyPool()
  var scoreboard = SACKScoreboard()
  var handshakes = HandshakeTable()
  /// Connections in TIME-WAIT.
  var timeWaits = FlowQueue()
  var peers: PeerFilter

  // The turn
  var work = WorkQueue()
  /// Flows that frames of the current batch brought something for.
  var touched = UniqueArray<FlowID>()
  var payloads = BatchLists<PayloadSlice>()
  var datagrams = BatchLists<OutgoingDatagram>()
  /// Whether the frames of the current batch came by another loop.
  var isHandedOver = false
  var isShuttingDown = false

  // Chance
  let sequenceHash: SipHash
  var generator: SeededGenerator
  var identification: UInt32
  /// RFC 4443 section 2.4 (f), RFC 1812 section 4.3.2.8: errors are rare, whatever a guest sends.
  var errorLimit = TokenBucket(capacity: 64, perSecond: 1000)

  // Memory used again and again
  var slices = UniqueArray<PayloadSlice>()
  var outgoing = UniqueArray<OutgoingDatagram>()
  var sums = UniqueArray<UInt16>()
  var inbox = DatagramBatch(capacity: 64)
  /// What was read from a stream to the resolver or to a name server: a message behind its length.
  var arrival = StreamBuffer(capacity: DNSForwarder.longestArrival)
  /// A message that is being written, as long as fits a packet that every guest takes (RFC 2131 section 2: 576).
  var message: UniqueArray<UInt8>
  /// A message that was copied out of its frame.
  var request = UniqueArray<UInt8>(repeating: 0, count: 2048)

  /// Makes a network without ports.
  ///
  /// `seed` is the only source of chance: initial sequence numbers, identifiers and the flow table's secret come of
  /// it. Give it 256 random bits. Where several loops serve the network, each has a stack of the same settings, and
  /// `steering` says which of them this one is.
  public init(
    settings: NetworkSettings, host: consuming Host, observer: consuming Watcher,
    seed: (UInt64, UInt64, UInt64, UInt64), steering: PacketSteering = .alone
  ) {
    self.settings = settings
    self.steering = steering
    self.host = host
    self.observer = observer
    var generator = SeededGenerator(seed: seed.2)
    policy = ForwardingPolicy(settings: settings)
    dhcp = DHCPServer(settings: settings)
    dhcpv6 = DHCPv6Server(settings: settings)
    dns = DNSForwarder(settings: settings)
    advertiser = RouterAdvertiser(settings: settings)
    flows = FlowTable(capacity: settings.maximumFlows, secret: (seed.3, generator.next()))
    timers = TimerQueue(capacity: settings.maximumFlows)
    tcp = Slab(capacity: settings.maximumFlows)
    udp = DatagramFlows(capacity: settings.maximumUDPFlows)
    echo = DatagramFlows(capacity: settings.maximumEchoFlows)
    listeners = Slab(capacity: settings.maximumFlows)
    peers = PeerFilter(secret: generator.next(), tellsPorts: settings.udpFiltering == .addressAndPort)
    message = UniqueArray(repeating: 0, count: max(576, min(settings.mtu, 1500) - 28))
    sequenceHash = SipHash(key: seed.0, seed.1)
    identification = UInt32(truncatingIfNeeded: generator.next())
    self.generator = generator
  }

  // MARK: Inputs

  /// A link has a peer on `port`: frames may flow. `offloads` is what the link does for those to the peer.
  public mutating func attach<Sink: FrameSink & ~Copyable>(
    _ port: PortID, offloads: LinkOffloads = [], at now: Instant, into sink: inout Sink
  ) {
    while ports.count <= Int(port.rawValue) { ports.append(PortState()) }
    ports[Int(port.rawValue)] = PortState(isAttached: true, offloads: offloads)
    // RFC 4861 section 6.2.4: a router that has become one says so more often at first.
    if steering.isFirst { advertiser.begin(at: now) }
    work.releaseHeld()
    doWork(at: now, into: &sink)
  }

  /// The link on `port` has lost its peer. Flows are kept for a while, should it come back.
  public mutating func detach<Sink: FrameSink & ~Copyable>(_ port: PortID, at now: Instant, into sink: inout Sink) {
    guard Int(port.rawValue) < ports.count else { return }
    ports[Int(port.rawValue)] = PortState(isBlocked: true, expiry: now + PortState.lossTimeout)
  }

  /// Frames came from guests, by a link or, where they are `handedOver`, by another loop.
  public mutating func receive<Sink: FrameSink & ~Copyable>(
    _ batch: borrowing FrameBatch, handedOver: Bool = false, at now: Instant, into sink: inout Sink
  ) {
    isHandedOver = handedOver
    for frame in 0..<batch.count { receiveFrame(frame, of: batch, at: now, into: &sink) }
    deliverTouched(of: batch, at: now, into: &sink)
    doWork(at: now, into: &sink)
  }

  /// The host reports a change of a flow.
  public mutating func hostReady<Sink: FrameSink & ~Copyable>(
    _ flow: FlowID, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    switch flows.slot(of: flow) {
    case .tcp(let slot): hostReadyTCP(flow, slot, readiness, at: now, into: &sink)
    case .udp(let slot): hostReadyUDP(flow, slot, readiness, at: now, into: &sink)
    case .echo(let slot): hostReadyEcho(flow, slot, readiness, at: now, into: &sink)
    case .listener(let slot): hostReadyListener(flow, slot, readiness, at: now, into: &sink)
    case .dns(let place): hostReadyDNS(flow, DNSPlace(rawValue: place), readiness, at: now, into: &sink)
    case .transfer: break  // Files have no events.
    case nil: break  // An event of a flow that ended earlier in this wake-up.
    }
    doWork(at: now, into: &sink)
  }

  /// The link of `port` has room again after a reservation was refused.
  public mutating func linkReady<Sink: FrameSink & ~Copyable>(
    _ port: PortID, at now: Instant, into sink: inout Sink
  ) {
    guard Int(port.rawValue) < ports.count else { return }
    ports[Int(port.rawValue)].isBlocked = false
    work.releaseHeld()
    doWork(at: now, into: &sink)
  }

  /// Does what is due: timers, and work that an earlier call left for want of budget.
  public mutating func advance<Sink: FrameSink & ~Copyable>(to now: Instant, into sink: inout Sink) {
    while let flow = timers.popDue(at: now) { timerFired(flow, at: now, into: &sink) }
    if reassembler.next <= now { expireFragments(at: now, into: &sink) }
    advanceResolution(to: now, into: &sink)
    advertiseIfDue(at: now, into: &sink)
    for port in 0..<ports.count where ports[port].expiry <= now {
      ports[port].expiry = .never
      endFlows(of: PortID(rawValue: UInt16(port)), into: &sink)
    }
    work.releasePostponed()
    doWork(at: now, into: &sink)
  }

  /// Carries out a command.
  public mutating func apply<Sink: FrameSink & ~Copyable>(
    _ command: Command, at now: Instant, into sink: inout Sink
  ) throws(CommandError) {
    switch command {
    case .addForward(let forward): try addForward(forward)
    case .removeForward(let place): try removeForward(from: place)
    case .setResolvers(let servers): setResolvers(servers, at: now, into: &sink)
    case .setLocalNames(let names): dns.names.replace(by: names)
    case .setStaticLeases(let leases):
      settings.staticLeases = leases
      dhcp.replace(staticLeases: leases)
      dns.names.replace(staticLeases: leases)
    case .assignAddresses(let hardware): try assignAddresses(to: hardware, at: now)
    case .restoreLease(let lease): try restoreLease(lease, at: now)
    }
  }

  /// Begins to end everything: flows are reset towards the guests, what the host took is delivered.
  /// Done when `isShutDown`, which the owner awaits for a bounded time.
  public mutating func shutDown<Sink: FrameSink & ~Copyable>(at now: Instant, into sink: inout Sink) {
    isShuttingDown = true
    // What guests begin from now on would be one more thing to wait for.
    flows.close()
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), let slot = flows.slot(of: id) else { continue }
      switch slot {
      case .tcp(let place): shutDownTCP(id, place, at: now, into: &sink)
      case .udp(let place): endUDP(id, place, .shutDown)
      case .echo(let place): endEcho(id, place, .shutDown)
      case .transfer(let place): forgetTransfer(place, .shutDown)
      case .listener(let place): endListener(id, place)
      case .dns(let place): shutDownDNS(id, DNSPlace(rawValue: place))
      }
    }
  }

  // MARK: Questions

  /// When `advance` is to be called at the latest; `.never` if nothing is due, the past if work is waiting.
  @inline(__always)
  public var nextDeadline: Instant {
    guard work.isEmpty else { return Instant(nanoseconds: .min) }
    var next = min(timers.next, nextResolution, advertiser.next, reassembler.next)
    for port in 0..<ports.count { next = min(next, ports[port].expiry) }
    return next
  }

  /// Whether no flow is left after `shutDown`.
  public var isShutDown: Bool { isShuttingDown && flows.count == 0 }
}
