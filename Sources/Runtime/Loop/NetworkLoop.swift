import Buffers
import Configuration
import Links
import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording

/// Why a loop has ended.
enum LoopEnd: Hashable {
  /// A signal, or a request.
  case stopped
  /// The child process has ended.
  case child(ChildProcess.Exit)
  /// No link has a peer, and none will have.
  case linksFinished
}

/// One thread's work: a network, its links, and what wakes them.
///
/// A turn waits for events, reads the clock once, carries frames from the links and events from the host into the
/// stack, does what is due, and writes each link's frames by one call. Nothing in it blocks but the wait, and the wait
/// is as long as nothing is due. Each source has a bounded share of a turn, so that none starves the others: a link a
/// few full buffers, the host as many events as one wait returns, the stack's own work what it allows itself.
struct NetworkLoop<Host: EventHost & ~Copyable>: ~Copyable {
  /// The network, which is recorded where that was asked for.
  var stack: RecordedStack<Host, LogObserver>
  /// Its links.
  var links: Recorded<LinkSet>
  /// What is recorded of the network, if anything is.
  let recording: LoopRecording?
  /// The child whose end is this loop's end.
  var child: Child?
  /// The sockets of the child's namespace, where it has one: what it has sent is delivered though it has ended.
  var namespace: NamespaceSockets?
  /// The child has ended, and what it has sent is on its way.
  var aftermath: Aftermath?
  /// The loops of the network.
  var directory: LoopDirectory
  /// The ways into the loops of other networks, which are told what signals ask for.
  var companions: [Mailbox] = []
  /// What is read again while guests go on, if there is a configuration file.
  var configuration: ReloadableConfiguration?
  /// The server of the network's SMB share, whose files live as long as the network.
  var samba: SambaServer?
  /// Where leases are kept, if they are.
  var leaseFile: LeaseFile?
  /// The capture of the network's frames, where this is its first loop.
  var capture: LiveCapture?
  /// Who shows the host's side of flows, while that is captured.
  var scribe: HostScribe?
  /// The host's name servers, where the network follows them.
  var resolver: ResolverWatch?

  /// Whether events are looked for before the thread sleeps.
  var busyPoll = BusyPoll(.zero)
  /// Bytes that had passed the links before this turn.
  private var carried = 0

  let queue: EventQueue
  let signals: SignalQueue
  let mailbox: Mailbox
  let logger: Logger

  /// The time of this turn.
  private(set) var now = MonotonicClock.now
  private var events = EventBuffer()
  /// Stands in for the receiver of the link whose batch the stack reads.
  private var receiver = FrameReceiver(.stream, port: .first, capacity: 80 * 1024)
  /// A link's share of a turn was used up while it still had room to tell of.
  private var hasBacklog = false
  private var end: (cause: LoopEnd, deadline: Instant)?
  /// What was last said of a link that cannot get a peer.
  private var complaints: [Int: String] = [:]

  /// How long ending takes at most: what is queued for the guests and the host's peers has so long to go.
  static var endingTime: Interval { .milliseconds(800) }
  /// How many full buffers are read from a link in one turn.
  private static var receivesPerTurn: Int { 4 }
  /// How often the stack is told in one turn that a link has room again.
  private static var roomNoticesPerTurn: Int { 8 }

  init(
    stack: consuming RecordedStack<Host, LogObserver>, links: consuming LinkSet, queue: consuming EventQueue,
    signals: consuming SignalQueue, mailbox: Mailbox, recording: LoopRecording? = nil, logger: Logger
  ) throws(SystemError) {
    self.stack = stack
    self.links = Recorded(links, by: self.stack.recorder)
    self.recording = recording
    self.queue = queue
    self.signals = signals
    self.mailbox = mailbox
    self.logger = logger
    directory = LoopDirectory([mailbox], steering: self.stack.core.steering)
    try self.queue.registrar.add(self.signals.descriptor.rawValue, for: .readable, data: LoopSource.signals.data)
    try self.queue.registrar.add(mailbox.descriptor, for: .readable, data: LoopSource.mailbox.data)
  }

  /// Turns until something ends the loop, and then until the stack has ended its flows, or had its time to.
  mutating func run() throws(SystemError) -> LoopEnd {
    let mailbox = mailbox
    defer {
      mailbox.close()
      recording?.finish()
    }
    // What was asked for before the start holds from the first frame on.
    for request in try mailbox.takeAll() { carryOut(request) }
    while true {
      if let end, stack.core.isShutDown || now >= end.deadline {
        writeLeases(isEnd: true)
        return end.cause
      }
      try turn()
    }
  }

  /// Waits for events, until `limit` at the latest, and does what they and the time call for.
  mutating func turn(until limit: Instant = .never) throws(SystemError) {
    let deadline = min(limit, nextDeadline)
    try waitForEvents(until: deadline)
    if links.base.tap != nil { links.base.beginTurn(at: now) }
    scribe?.beginTurn(at: now)
    // Before the links: what came to another loop came earlier.
    takeHandedOver()
    for index in 0..<events.count {
      let event = events[index]
      if let source = LoopSource(data: event.data) {
        try handle(source)
      } else if let source = LinkSource(rawValue: event.data) {
        handle(source, event.events)
      } else {
        let flow = FlowID(rawValue: event.data)
        let readiness = stack.core.host.base.readiness(of: flow, event.events)
        stack.hostReady(flow, readiness, at: now, into: &links)
      }
    }
    if links.base.nextDeadline <= now { advanceLinks() }
    if stack.core.nextDeadline <= now { stack.advance(to: now, into: &links) }
    flushLinks()
    links.base.exchange?.wake()
    links.base.tap?.endTurn()
    scribe?.endTurn()
    // Behind the frames: a guest does not wait for a file.
    if leaseFile != nil { writeLeases() }
    attendToAftermath()
    stack.recorder?.flush()
    if end == nil, links.base.isFinished, child == nil, aftermath == nil { beginEnding(.linksFinished) }
  }

  /// Waits for events, awake for a short time first where that is worth it, and reads the clock.
  private mutating func waitForEvents(until deadline: Instant) throws(SystemError) {
    let byteCount = links.base.byteCount
    busyPoll.note(carried: byteCount - carried)
    carried = byteCount
    if busyPoll.isDue {
      let end = min(deadline, MonotonicClock.now + busyPoll.duration)
      repeat {
        try queue.wait(into: &events, timeout: .zero)
        now = MonotonicClock.now
      } while events.count == 0 && now < end
      busyPoll.note(found: events.count > 0)
      guard events.count == 0 else { return }
    }
    let start = MonotonicClock.now
    try queue.wait(into: &events, timeout: deadline == .never ? nil : deadline - start)
    now = MonotonicClock.now
    busyPoll.note(slept: now - start)
  }

  /// Inline: the compiler copies the loop, the stack in it, for the call of what does not mutate it.
  @inline(__always)
  private var nextDeadline: Instant {
    if hasBacklog { return now }
    // Waiting work is due since the beginning of time, which no interval reaches back to.
    let own = min(end?.deadline ?? .never, leaseFile?.due ?? .never, aftermath?.due ?? .never)
    let due = min(stack.core.nextDeadline, links.base.nextDeadline, own)
    return max(now, due)
  }
}

// MARK: Links

extension NetworkLoop where Host: ~Copyable {
  private mutating func handle(_ source: LinkSource, _ events: Events) {
    let (port, now) = (Int(source.port), now)
    guard links.base.ports.contains(port) else { return }
    let turn = links.base.withLink(of: port) { $0.handle(source, events, at: now) }
    tell(turn.notice, of: port)
    // What is writable is written at the end of the turn, as always.
    if turn.isReadable { receive(from: port) }
  }

  private mutating func receive(from port: Int) {
    for _ in 0..<Self.receivesPerTurn {
      // What is not read stays in the link, which tells of it again.
      guard links.base.exchange?.hasRoomForBatch ?? true else { return }
      let receipt = links.base.withLink(of: port) { $0.receive() }
      if receipt.frameCount > 0 {
        links.base.exchangeReceiver(of: port, with: &receiver)
        Self.hand(receiver, to: &stack, at: now, into: &links)
        links.base.exchangeReceiver(of: port, with: &receiver)
      }
      if let end = receipt.end { return detach(port, because: end.description) }
      if receipt.isDrained { return }
    }
  }

  /// Apart from `receive`, for the sake of the compiler: a batch borrowed from a property counts as all of `self`.
  private static func hand(
    _ receiver: borrowing FrameReceiver, to stack: inout RecordedStack<Host, LogObserver>, at now: Instant,
    into links: inout Recorded<LinkSet>
  ) {
    if links.base.tap != nil { links.base.tap?.take(receiver.batch) }
    stack.receive(receiver.batch, at: now, into: &links)
  }

  /// Writes what the turn has left on each link, and tells the stack where there is room again: in rounds, so that no
  /// link's frames wait for what another takes again and again.
  private mutating func flushLinks() {
    hasBacklog = false
    for round in 0...Self.roomNoticesPerTurn {
      var hasRoom = false
      for port in links.base.ports {
        if case .failed(let reason) = links.base.withLink(of: port, { $0.flush() }) {
          detach(port, because: reason)
          continue
        }
        guard round < Self.roomNoticesPerTurn else {
          hasBacklog = true
          continue
        }
        guard links.base.withLink(of: port, { $0.transmitter.takeRoomNotice() }) else { continue }
        hasRoom = true
        stack.linkReady(PortID(rawValue: UInt16(port)), at: now, into: &links)
      }
      guard hasRoom else { return }
    }
  }

  /// Connects, or listens again, where that is due.
  private mutating func advanceLinks() {
    let now = now
    for port in links.base.ports {
      tell(links.base.withLink(of: port) { $0.advance(to: now) }.notice, of: port)
    }
  }

  private mutating func detach(_ port: Int, because reason: String) {
    let now = now
    links.base.withLink(of: port) { $0.detach(at: now) }
    stack.detach(PortID(rawValue: UInt16(port)), at: now, into: &links)
    logger.info("\(name(of: port)): \(reason)")
  }

  private mutating func tell(_ notice: LinkNotice?, of port: Int) {
    switch notice {
    case .attached:
      complaints[port] = nil
      logger.info("\(name(of: port)): connected")
      let offloads = links.base.withLink(of: port) { $0.transmitter.offloads }
      stack.attach(PortID(rawValue: UInt16(port)), offloads: offloads, at: now, into: &links)
    case .refusedClient:
      logger.warning("\(name(of: port)): a second client was refused; a link has one guest at a time")
    case .connectFailed(let reason, _), .acceptFailed(let reason, _):
      // Once, not with each of the attempts that follow.
      guard complaints.updateValue(reason, forKey: port) != reason else { return }
      logger.warning("\(name(of: port)): \(reason); trying again until it works")
    case nil: break
    }
  }

  private mutating func name(of port: Int) -> String {
    links.base.withLink(of: port) { $0.attachment.name }
  }
}

// MARK: Everything else that wakes the loop

extension NetworkLoop where Host: ~Copyable {
  private mutating func handle(_ source: LoopSource) throws(SystemError) {
    switch source {
    case .signals: try takeSignals()
    case .mailbox: for request in try mailbox.takeAll() { carryOut(request) }
    case .resolver: followResolver()
    case .child: try reapChild()
    case .command: stack.core.host.base.reapCommands()
    case .exchange:
      try links.base.exchange?.silence()
      takeHandedOver()
    }
  }

  private mutating func takeSignals() throws(SystemError) {
    while let signal = try signals.next() {
      if signal.number == Signals.logFlows {
        logFlows()
        for other in directory.others + companions { other.send(.logFlows) }
      } else if signal.number == Signals.toggleCapture {
        capture?.toggle()
        for companion in companions { companion.send(.toggleCapture) }
      } else if signal.number == Signals.reload, configuration != nil {
        reloadConfiguration()
        for companion in companions { companion.send(.reload) }
      } else if child != nil {
        // A key on the terminal has reached the command by itself.
        if !signal.isFromKernel { try child?.pass(signal.number) }
      } else if aftermath != nil {
        endAftermath()
        // At once: nobody waits for what is still on its way.
        beginEnding(.stopped)
      } else {
        beginEnding(.stopped)
      }
    }
  }

  private mutating func carryOut(_ request: LoopRequest) {
    switch request {
    case .apply(let command):
      do throws(CommandError) {
        try stack.apply(command, at: now, into: &links)
      } catch {
        logger.error("\(error.words)")
      }
    case .replaceForwards(let replacement): carryOut(replacement)
    case .answer(let question): answer(question)
    case .logFlows: logFlows()
    case .capture(let feed): links.base.tap = CaptureTap(feed, at: now)
    case .toggleCapture: capture?.toggle()
    case .reload: reloadConfiguration()
    case .stop: beginEnding(.stopped)
    }
  }

  private mutating func reapChild() throws(SystemError) {
    guard let (status, daemonizes) = try child?.end() else { return }
    child = nil
    // One that went to the background has left its guest running, on the link.
    guard !daemonizes || status != .status(0) else { return }
    if namespace != nil { aftermath = Aftermath(of: status, at: now) } else { beginEnding(.child(status)) }
  }

  /// Reads the host's name servers again, and hands them to the network where they have changed.
  private mutating func followResolver() {
    do throws(SystemError) {
      guard let servers = try resolver?.takeChange() else { return }
      setResolvers(servers)
    } catch {
      logger.warning("the host's name servers: \(error)")
    }
  }

  /// Has the network ask `servers`.
  mutating func setResolvers(_ servers: [Endpoint]) {
    let command = Command.setResolvers(servers)
    logger.info("\(command.words)")
    carryOut(.apply(command))
  }

  private mutating func logFlows() {
    var count = 0
    stack.core.forEachFlow { flow in
      count += 1
      logger.notice("\(flow.tableLine)")
    }
    logger.notice("\(count) \(count == 1 ? "flow" : "flows")")
    for drop in stack.core.observer.dropCounts { logger.notice("dropped, \(drop.reason): \(drop.count)") }
  }

  /// Begins to end; asked a second time, ends at once.
  mutating func beginEnding(_ cause: LoopEnd) {
    guard end == nil else {
      end?.deadline = now
      return
    }
    end = (cause, now + Self.endingTime)
    if stack.core.steering.loop == 0 { endOthers() }
    stack.shutDown(at: now, into: &links)
  }

  /// Has the other loops of the network end with this one.
  private mutating func endOthers() {
    ServiceManager.tell("STOPPING=1", logger)
    for other in directory.others { other.send(.stop) }
  }
}
