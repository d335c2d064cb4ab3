import BasicContainers
public import Buffers
public import Netstack
public import Primitives
public import Recording

/// A laboratory for the core: a simulated guest, a simulated host and a link around the real `Stack`, under virtual
/// time.
///
/// Nothing in it reads a clock or rolls dice: the same seed and the same script give the same run, byte for byte,
/// which `digest` sums up. Every frame of the stack passes a `FrameChecker`; everything that anybody finds wrong is
/// in `problems`.
///
/// Time stands still while a test acts. `settle` lets happen what happens now; `advance` and `run` move the clock
/// from event to event.
public final class Lab {
  /// How frames reach the stack.
  public struct Framing: Hashable, Sendable {
    /// Bytes in the contiguous part of each frame.
    public var headerLength = Int(UInt16.max)
    /// The most bytes in each piece behind it.
    public var pieceLength = Int(UInt16.max)

    /// Makes frames that are contiguous as a whole.
    public init() {}

    /// Makes frames of a header part and pieces, as they lie in a guest's memory under vhost-user.
    public init(headerLength: Int, pieceLength: Int) {
      self.headerLength = headerLength
      self.pieceLength = pieceLength
    }
  }

  /// What makes one run differ from another.
  public struct Options: Hashable, Sendable {
    /// The network.
    public var settings = NetworkSettings()
    /// The only source of chance.
    public var seed: UInt64 = 1
    /// From the guest to the stack.
    public var upLink = LinkModel()
    /// From the stack to the guest.
    public var downLink = LinkModel()
    /// How frames reach the stack.
    public var framing = Framing()
    /// The most slots that the link lends at once.
    public var maximumSlots = Int.max
    /// The most frames in a batch.
    public var batchLimit = 64
    /// What the link does for the stack's frames.
    public var offloads: LinkOffloads = []
    /// What the guest leaves to the stack: it merges the segments and datagrams that it sends together.
    public var guestOffloads: LinkOffloads = []
    /// Whether guests lie of who has which address: who sends to any that they have named is right.
    public var hasLiars = false
    /// How many loops serve the network. The link gives a frame to any of them, and some in a row to the same.
    public var loops = 1
    /// Whether what crosses the core's boundary is recorded; see `Lab.recordings`.
    public var isRecorded = false
    /// Whether payload is replaced in what is recorded.
    public var isRedacted = false
    /// How long a recording may be, in bytes.
    public var recordingLimit = Int.max

    /// Makes a lab with the default network and a perfect link.
    public init() {}
  }

  private enum Event {
    case toStack(LinkFrame)
    case toGuest([UInt8])
    case action((Lab) -> Void)
  }

  /// The core of the first loop, as it is recorded.
  var recorded: RecordedStack<SimulatedHost, LabObserver>
  /// The core of each loop behind the first, see `Lab.subscript(stack:)`.
  var otherRecorded = UniqueArray<RecordedStack<SimulatedHost, LabObserver>>()
  /// The link, as the core of each loop writes to it and is recorded: a recorder is one loop's.
  private var link: Recorded<LabSink>
  /// What is recorded of each loop.
  let tapes: [LabTape]
  /// Who is behind the link.
  public let guest: SimulatedGuest
  /// What time it is.
  public private(set) var now = Instant(nanoseconds: 1_000_000_000) {
    didSet { guest.now = now }
  }
  /// What makes this run differ from another.
  public let options: Options
  /// Who examines the frames.
  public private(set) var checker: FrameChecker

  private var events = EventQueue<Event>()
  private var generator: SeededGenerator
  private var batch = FrameList(capacity: 256, byteCapacity: 1 << 23)
  /// The loop that the frames of the batch came to.
  private var batchLoop = 0
  private var output = Digest()
  private var trace: [(at: Instant, isFromGuest: Bool, bytes: [UInt8])] = []
  private var ownProblems: [String] = []
  /// Sees every frame: those of the guest's as they come to the stack, and those to the guest as they leave it.
  public var frameWatcher: ((_ frame: [UInt8], _ isFromGuest: Bool, _ time: Instant) -> Void)?
  /// What the stack has sent, where another judge is to see it.
  private var emitted = EmittedFrames.shared == nil ? nil : EmittedFrameLog()
  /// Into how many each frame of the stack's was cut that stands for several.
  public private(set) var cutCounts: [Int] = []
  /// How many each frame of the guest's stands for that stands for several.
  public private(set) var mergedCounts: [Int] = []

  /// Builds the lab and attaches the guest's port.
  public init(_ options: Options = Options()) {
    self.options = options
    var generator = SeededGenerator(seed: options.seed)
    let seed = (generator.next(), generator.next(), generator.next(), generator.next())
    self.generator = generator
    let secret = (generator.next(), generator.next())
    let tapes = (0..<options.loops).map { _ in LabTape() }
    func makeCore(of loop: Int) -> RecordedStack<SimulatedHost, LabObserver> {
      let seed = (seed.0, seed.1, seed.2 &+ UInt64(loop), seed.3)
      let head = RecordingHead(
        settings: options.settings, seed: seed, loop: loop, of: options.loops, steeringSecret: secret,
        isRedacted: options.isRedacted, program: "the lab")
      return RecordedStack(
        settings: options.settings, host: SimulatedHost(), observer: LabObserver(), seed: seed,
        steering: PacketSteering(loop: loop, of: options.loops, secret: secret),
        recorder: options.isRecorded ? tapes[loop].record(head, limit: options.recordingLimit) : nil)
    }
    self.tapes = tapes
    recorded = makeCore(of: 0)
    for loop in 1..<max(options.loops, 1) { otherRecorded.append(makeCore(of: loop)) }
    link = Recorded(LabSink(), by: recorded.recorder)
    guest = SimulatedGuest(settings: options.settings)
    checker = FrameChecker(settings: options.settings, hasLiars: options.hasLiars)
    sink.maximumSlots = options.maximumSlots
    guest.now = now
    attachLink()
  }

  /// The core under test: that of the first loop.
  public var stack: Stack<Recorded<SimulatedHost>, LabObserver> {
    _read { yield recorded.core }
    _modify { yield &recorded.core }
  }

  /// The link that the cores write to.
  public var sink: LabSink {
    _read { yield link.base }
    _modify { yield &link.base }
  }

  /// Has the link's recorder be that of a loop, which is to be called.
  private func attend(_ loop: Int) { link.recorder = self[recorded: loop].recorder }

  deinit {
    if let emitted, let file = EmittedFrames.shared { file.write(emitted) }
  }

  /// The world outside.
  public var host: SimulatedHost {
    _read { yield recorded.core.host.base }
    _modify { yield &recorded.core.host.base }
  }

  // MARK: Time

  /// Lets `body` happen after `delay`.
  public func schedule(after delay: Interval, _ body: @escaping (Lab) -> Void) {
    events.schedule(.action(body), at: now + delay)
  }

  /// Lets everything happen that happens now, until nothing is left.
  public func settle() {
    var rounds = 0
    while turn() {
      rounds += 1
      guard rounds < 100_000 else {
        ownProblems.append("the lab does not come to rest at \(now.nanoseconds) ns")
        return
      }
    }
  }

  /// Moves the clock by `interval`, with everything that happens meanwhile.
  public func advance(by interval: Interval) {
    let end = now + interval
    run(until: end) { false }
    now = end
    settle()
  }

  /// Moves the clock until `condition` holds, for `limit` at most; returns whether it holds.
  @discardableResult
  public func run(for limit: Interval, until condition: () -> Bool) -> Bool {
    run(until: now + limit, condition)
    return condition()
  }

  private func run(until end: Instant, _ condition: () -> Bool) {
    settle()
    while !condition() {
      let next = min(events.next, nextDeadlineOfLoops, guest.nextDeadline)
      guard next <= end else { return }
      now = max(now, next)
      settle()
    }
  }

  /// One round of what is due; false if nothing was.
  private func turn() -> Bool {
    var isBusy = flushGuest()
    for loop in loops { self[host: loop].now = now }
    while let event = events.popDue(at: now) {
      isBusy = true
      perform(event)
    }
    deliverBatch()
    for loop in loops where advance(loop) { isBusy = true }
    if guest.nextDeadline <= now {
      isBusy = true
      guest.advance()
    }
    return isBusy
  }

  /// Lets happen what is due in one loop; false if nothing was.
  private func advance(_ loop: Int) -> Bool {
    if self[host: loop].nextEvent <= now { self[host: loop].advance(to: now) }
    var isBusy = deliverHostEvents(of: loop)
    if self[stack: loop].nextDeadline <= now {
      isBusy = true
      attend(loop)
      self[recorded: loop].advance(to: now, into: &link)
      carryOn()
    }
    return isBusy
  }

  private func perform(_ event: Event) {
    switch event {
    case .toStack(let frame):
      chooseLoop()
      if batch.count >= options.batchLimit || !append(frame) {
        deliverBatch()
        if !append(frame) { ownProblems.append("no room for a frame of \(frame.bytes.count) bytes from the guest") }
      }
    case .toGuest(let bytes):
      deliverBatch()
      guest.receive(bytes)
    case .action(let body):
      deliverBatch()
      body(self)
    }
  }

  // MARK: Frames

  /// Has the link choose the loop for the next frame.
  private func chooseLoop() {
    guard options.loops > 1, Int.random(in: 0..<4, using: &generator) == 0 else { return }
    deliverBatch()
    batchLoop = Int.random(in: loops, using: &generator)
  }

  private func flushGuest() -> Bool {
    guard !guest.outbox.isEmpty else { return false }
    let merger = FrameMerger(offloads: options.guestOffloads)
    for frame in options.guestOffloads.isEmpty ? guest.outbox : merger.merge(guest.outbox) {
      for arrival in options.upLink.arrivals(of: now, &generator) { events.schedule(.toStack(frame), at: arrival) }
    }
    guest.outbox.removeAll()
    return true
  }

  private func append(_ frame: LinkFrame) -> Bool {
    batch.append(
      frame.bytes.span, port: .first, headerLength: options.framing.headerLength,
      pieceLength: options.framing.pieceLength, checksum: frame.checksum, segmentation: frame.segmentation)
      && note(frame)
  }

  private func note(_ frame: LinkFrame) -> Bool {
    let pieces = FrameCutter.complete(frame)
    if frame.segmentation != nil { mergedCounts.append(pieces.count) }
    for bytes in pieces {
      record(bytes, isFromGuest: true)
      checker.received(bytes)
    }
    return true
  }

  private func deliverBatch() {
    guard batch.count > 0 else { return }
    attend(batchLoop)
    self[recorded: batchLoop].receive(batch.batch, at: now, into: &link)
    batch.removeAll()
    carryOn()
    deliverHandedOver()
  }

  /// Delivers what one loop has handed to others, before any of them gets another frame by the link.
  private func deliverHandedOver() {
    while !sink.handedOver.isEmpty {
      for frame in sink.takeHandedOver() {
        if !batch.append(
          frame.frame.bytes.span, port: .first, checksum: frame.frame.checksum,
          segmentation: frame.frame.segmentation, isReassembled: frame.isReassembled)
        {
          ownProblems.append("no room for a frame of \(frame.frame.bytes.count) bytes that was handed over")
        }
        attend(frame.loop)
        self[recorded: frame.loop].receive(batch.batch, handedOver: true, at: now, into: &link)
        batch.removeAll()
        carryOn()
      }
    }
  }

  private func deliverHostEvents(of loop: Int) -> Bool {
    guard self[host: loop].hasEvents else { return false }
    var ready: [(FlowID, HostReadiness)] = []
    self[host: loop].takeEvents { ready.append(($0, $1)) }
    // As with epoll, an event may be stale by its turn: an earlier one has ended its flow.
    attend(loop)
    for (flow, readiness) in ready {
      self[recorded: loop].hostReady(flow, readiness, at: now, into: &link)
      carryOn()
    }
    return true
  }

  /// Examines what the stack has sent and carries it to the guest.
  private func carryOn() {
    for emitted in sink.takeFrames() {
      for bytes in cut(emitted.frame) { carry(bytes) }
    }
  }

  private func carry(_ bytes: [UInt8]) {
    checker.sent(bytes, at: now)
    emitted?.append(bytes, at: now)
    output.add(UInt64(bitPattern: now.nanoseconds))
    output.add(bytes)
    record(bytes, isFromGuest: false)
    for arrival in options.downLink.arrivals(of: now, &generator) {
      events.schedule(.toGuest(bytes), at: arrival)
    }
  }

  /// What the link makes of a frame of the stack's; nothing of one that it would refuse.
  private func cut(_ frame: LinkFrame) -> [[UInt8]] {
    do throws(PacketFault) {
      let pieces = try FrameCutter(offloads: options.offloads).cut(frame)
      if frame.segmentation != nil { cutCounts.append(pieces.count) }
      return pieces
    } catch {
      if ownProblems.count < 20 { ownProblems.append("the link refuses a frame: \(error)\n\(hexDump(frame.bytes))") }
      return []
    }
  }

  /// The link has room for `frames` more, nil for any number; the stack is told if it was refused any.
  public func openLink(room: Int? = nil) {
    sink.room = room
    guard sink.hasRefused else { return }
    sink.hasRefused = false
    for loop in loops {
      attend(loop)
      self[recorded: loop].linkReady(.first, at: now, into: &link)
    }
    carryOn()
  }

  /// The link loses its peer: nothing goes to the guest until `attach`.
  public func detach() {
    for loop in loops {
      attend(loop)
      self[recorded: loop].detach(.first, at: now, into: &link)
    }
    carryOn()
  }

  /// The link has a peer again.
  public func attach() {
    attachLink()
    carryOn()
  }

  private func attachLink() {
    for loop in loops {
      attend(loop)
      self[recorded: loop].attach(.first, offloads: options.offloads, at: now, into: &link)
    }
  }

  /// Carries out a command.
  public func apply(_ command: Command) throws(CommandError) {
    let loop = loop(for: command)
    attend(loop)
    try self[recorded: loop].apply(command, at: now, into: &link)
    carryOn()
  }

  /// Begins to end everything.
  public func shutDown() {
    for loop in loops {
      attend(loop)
      self[recorded: loop].shutDown(at: now, into: &link)
    }
    carryOn()
  }

  /// A connection of which the test sends every segment; `initialSequence` is the guest's.
  public func rawConnection(
    to remote: Endpoint, port: UInt16? = nil, initialSequence: SequenceNumber? = nil
  ) -> RawConnection {
    let connection = RawConnection(
      lab: self, port: port ?? guest.unusedPort(), remote: remote,
      initialSequence: initialSequence ?? guest.unusedSequence())
    guest.rawConnections.append(connection)
    return connection
  }

  // MARK: Results

  /// A fingerprint of every byte that the stack has sent, to the guest and to the world, and when.
  public var digest: UInt64 {
    var digest = output
    for loop in loops {
      for connection in self[host: loop].connections {
        digest.add(connection.delivered)
        digest.add(UInt64(connection.deliveredCount))
      }
      for datagram in self[host: loop].sentDatagrams { digest.add(datagram.payload) }
    }
    return digest.value
  }

  /// Everything that is wrong: what the checker saw, what the host and the link were asked that they must not be.
  public var problems: [String] {
    ownProblems + checker.faults + loops.flatMap { self[host: $0].misuses } + sink.misuses
  }

  /// The latest frames in both directions, a line each, times in microseconds since the start.
  public var transcript: String {
    trace.suffix(80).map { entry in
      let frame =
        (try? PlainFrame(decoding: entry.bytes, strictly: false))?.description
        ?? "undecodable, \(entry.bytes.count) bytes"
      return "\((entry.at.nanoseconds - 1_000_000_000) / 1000) us \(entry.isFromGuest ? "guest" : "stack") \(frame)"
    }.joined(separator: "\n")
  }

  private func record(_ bytes: [UInt8], isFromGuest: Bool) {
    frameWatcher?(bytes, isFromGuest, now)
    if trace.count >= 400 { trace.removeFirst(200) }
    trace.append((now, isFromGuest, bytes))
  }
}
