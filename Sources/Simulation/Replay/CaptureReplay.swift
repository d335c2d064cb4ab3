import Buffers
public import Capture
public import Netstack
public import Primitives
import Wire

// A plain capture, played once more: the frames that its guest has sent go into a fresh `Stack`, which a `ReplayHost`
// gives the world, and what the stack answers is what the replay is about. The network's frames in the capture are not
// played; they tell what the guest's acknowledgments refer to, see `ConnectionTranslator`.
//
// The virtual clock follows the capture's time stamps, and the stack's timers run in between. A gap of more than an hour
// counts as an hour, and time that goes backwards as none, so that no file makes a replay long. The same capture, options
// and seed give the same frames, byte for byte, in any process.
//
// What else a recorded frame needs to be understood here:
// - The hardware address of another network's gateway is replaced by that of this one's.
// - A checksum that the guest had left to its device, and which is the pseudo-header's sum alone in the capture, is
//   completed.
// - A frame of which the capture has only the first bytes is left out, and counted.
// DHCP needs nothing: a guest asks for the address again that it had, and gets it where it is one of the network's.

/// Who sees the frames of a replay, in the order in which they pass.
public protocol ReplayTranscript: ~Copyable {
  /// A frame has passed.
  ///
  /// - Parameters:
  ///   - frame: The bytes from the first of the Ethernet header. A guest's are as the stack got them.
  ///   - direction: Who has sent it.
  ///   - time: When, in nanoseconds since 1970, by the capture's clock.
  mutating func passed(_ frame: Span<UInt8>, _ direction: CaptureDirection, at time: Int64)
}

/// Plays a capture's guest against a fresh stack.
///
/// Order of use: `learn` with every frame of the capture, if it can be read twice; then `play` with every frame in their
/// order. A world that repeats what was recorded knows only what was learned.
public struct CaptureReplay: ~Copyable {
  /// What makes one replay differ from another.
  public struct Options: Sendable {
    /// The network.
    public var settings = NetworkSettings()
    /// What the world does.
    public var behavior = ReplayBehavior.discard
    /// The only source of chance.
    public var seed: UInt64 = 1
    /// The guest, nil to find it by the rule of `GuestFinder`.
    public var guest: MACAddress?
    /// The servers that the virtual resolver asks.
    public var resolvers = [Endpoint(IPv4Address(192, 0, 2, 53), port: 53)]

    /// Makes options of the default network.
    public init() {}
  }

  /// What a replay has done.
  public struct Counts: Hashable, Sendable {
    /// Frames of the guest's that were played.
    public internal(set) var played: UInt64 = 0
    /// Frames that the stack has sent.
    public internal(set) var answered: UInt64 = 0
    /// Frames of the recorded network's, which were not played.
    public internal(set) var passedOver: UInt64 = 0
    /// Frames of the guest's that were left out, since the capture has only a part of them.
    public internal(set) var cutOff: UInt64 = 0

    init() {}
  }

  private var stack: Stack<ReplayHost, ReplayObserver>
  private var sink = ReplaySink()
  private var batch = FrameList(capacity: 1, byteCapacity: CaptureReplay.longestFrame)
  private var translator = ConnectionTranslator()
  private var world = RecordedWorld()
  private var guest: GuestFinder
  private var learningGuest: GuestFinder
  private let stations: [MACAddress]
  private var clock = ReplayClock()
  private var isAttached = false
  private let resolvers: [Endpoint]
  /// What was done.
  public private(set) var counts = Counts()

  /// The longest frame that is played, in bytes: longer than what any MTU allows.
  private static let longestFrame = Int(UInt16.max)

  /// Makes a replay that has not begun.
  public init(_ options: Options) {
    var generator = SeededGenerator(seed: options.seed)
    let seed = (generator.next(), generator.next(), generator.next(), generator.next())
    stack = Stack(
      settings: options.settings, host: ReplayHost(options.behavior), observer: ReplayObserver(), seed: seed)
    guest = GuestFinder(guest: options.guest)
    learningGuest = guest
    resolvers = options.resolvers
    stations = [
      options.settings.gatewayMAC, options.settings.ipv6GatewayMAC,
      NetworkSettings.hardwareAddress(of: options.settings.ipv4Resolver),
      NetworkSettings.hardwareAddress(of: options.settings.ipv6Resolver),
    ]
  }

  /// How often the stack has dropped something, by reason, those that have happened in the order of their numbers.
  public var drops: [(reason: DropReason, count: UInt64)] { stack.observer.counts }

  /// Learns from a frame of the capture what the recorded network has answered, and what a world that repeats it says.
  public mutating func learn(_ frame: Span<UInt8>) {
    let isFromGuest = learningGuest.isFromGuest(frame)
    if !isFromGuest && frame.isTCP { translator.learn(frame) }
    if stack.host.behavior.repeatsRecording { world.learn(frame, isFromGuest: isFromGuest) }
  }

  /// Plays a frame of the capture: what is due before it, then the frame if it is the guest's, and what it brings about.
  public mutating func play<Transcript: ReplayTranscript & ~Copyable>(
    _ frame: Span<UInt8>, _ record: CaptureRecord, into transcript: inout Transcript
  ) {
    let end = clock.advance(to: record.time)
    if !isAttached { begin(into: &transcript) }
    while stack.nextDeadline <= end || stack.host.hasEvents { turn(until: end, into: &transcript) }
    clock.now = end
    guard guest.isFromGuest(frame) else {
      counts.passedOver += 1
      if frame.isTCP { translator.noteRecorded(frame) }
      return
    }
    guard record.originalLength <= frame.count, frame.count <= Self.longestFrame else {
      counts.cutOff += 1
      return
    }
    counts.played += 1
    receive(frame, into: &transcript)
    settle(into: &transcript)
  }

  // MARK: The stack

  private mutating func begin<Transcript: ReplayTranscript & ~Copyable>(into transcript: inout Transcript) {
    isAttached = true
    stack.attach(.first, at: clock.now, into: &sink)
    carryOn(into: &transcript)
    // Nothing but names for servers that nobody has: it cannot fail.
    if (try? stack.apply(.setResolvers(resolvers), at: clock.now, into: &sink)) != nil { carryOn(into: &transcript) }
  }

  /// Hands a frame of the guest's to the stack, changed as it must be.
  private mutating func receive<Transcript: ReplayTranscript & ~Copyable>(
    _ frame: Span<UInt8>, into transcript: inout Transcript
  ) {
    batch.removeAll()
    // The list has room for the longest frame that is played.
    guard batch.append(frame, port: .first) else { return }
    Self.change(&batch, stations, &translator, isTCP: frame.isTCP)
    if stack.host.behavior.repeatsRecording { stack.host.recorded = world.answer(to: frame) }
    Self.show(batch, to: &transcript, at: clock.captureTime)
    Self.receive(batch, at: clock.now, by: &stack, into: &sink)
    stack.host.recorded = nil
    carryOn(into: &transcript)
  }

  /// Lets everything happen that happens now.
  private mutating func settle<Transcript: ReplayTranscript & ~Copyable>(into transcript: inout Transcript) {
    while stack.host.hasEvents || stack.nextDeadline <= clock.now { turn(until: clock.now, into: &transcript) }
  }

  /// Does what is next: what the host has to tell, or else what the stack's timers are for.
  private mutating func turn<Transcript: ReplayTranscript & ~Copyable>(
    until end: Instant, into transcript: inout Transcript
  ) {
    if let (flow, readiness) = stack.host.takeEvent() {
      stack.hostReady(flow, readiness, at: clock.now, into: &sink)
    } else {
      clock.now = min(max(clock.now, stack.nextDeadline), end)
      stack.advance(to: clock.now, into: &sink)
    }
    carryOn(into: &transcript)
  }

  /// Passes on what the stack has sent.
  private mutating func carryOn<Transcript: ReplayTranscript & ~Copyable>(into transcript: inout Transcript) {
    repeat {
      counts.answered += UInt64(sink.count)
      for index in 0..<sink.count {
        Self.pass(index, of: sink, by: &translator, to: &transcript, at: clock.captureTime)
      }
      sink.removeAll()
      guard sink.hasRefused else { return }
      sink.hasRefused = false
      stack.linkReady(.first, at: clock.now, into: &sink)
    } while sink.count > 0
  }

  // Static, with what they use as arguments: bytes of one part are in use while another part changes.

  private static func pass<Transcript: ReplayTranscript & ~Copyable>(
    _ index: Int, of sink: borrowing ReplaySink, by translator: inout ConnectionTranslator,
    to transcript: inout Transcript, at time: Int64
  ) {
    let frame = sink.frame(index)
    translator.noteSent(frame)
    transcript.passed(frame, .toGuest, at: time)
  }

  private static func show<Transcript: ReplayTranscript & ~Copyable>(
    _ list: borrowing FrameList, to transcript: inout Transcript, at time: Int64
  ) {
    let batch = list.batch
    transcript.passed(batch.header(0), .fromGuest, at: time)
  }

  private static func receive(
    _ list: borrowing FrameList, at now: Instant, by stack: inout Stack<ReplayHost, ReplayObserver>,
    into sink: inout ReplaySink
  ) {
    stack.receive(list.batch, at: now, into: &sink)
  }

  // MARK: What a recorded frame needs

  private static func change(
    _ list: inout FrameList, _ stations: [MACAddress], _ translator: inout ConnectionTranslator, isTCP: Bool
  ) {
    var frame = list.last
    completeChecksum(&frame)
    replaceGateway(&frame, by: stations)
    if isTCP { translator.translate(&frame) }
  }

  /// Gives a frame to another network's gateway the address of this one's.
  private static func replaceGateway(_ frame: inout MutableSpan<UInt8>, by stations: [MACAddress]) {
    guard let header = try? EthernetFrame(frame.span).header, header.destination.isUnicast,
      !stations.contains(header.destination)
    else { return }
    (header.type == .ipv6 ? stations[1] : stations[0]).write(to: &frame, at: 0)
  }

  /// Completes the checksum of TCP or UDP where it is the sum of the pseudo-header alone.
  private static func completeChecksum(_ frame: inout MutableSpan<UInt8>) {
    guard let packet = TransportPacket(frame.span), !packet.isFragment, packet.proto == .tcp || packet.proto == .udp
    else { return }
    let place = packet.range.lowerBound + (packet.proto == .tcp ? 16 : 6)
    guard place + 2 <= packet.range.upperBound else { return }
    var sum = InternetChecksum()
    sum.addPseudoHeader(
      source: packet.source.address, destination: packet.destination.address, proto: packet.proto,
      length: packet.length)
    guard frame.span.bigEndian16(at: place) == sum.folded else { return }
    frame.storeBigEndian(0 as UInt16, at: place)
    sum.add(frame.span.extracting(packet.range))
    frame.storeBigEndian(packet.proto == .udp ? sum.nonzeroChecksum : sum.checksum, at: place)
  }
}

/// The virtual clock of a replay and that of its capture.
struct ReplayClock {
  /// What time it is for the stack. The first frame comes at a second, whatever the capture's time is.
  var now = Instant(nanoseconds: 1_000_000_000)
  /// How far the capture's clock is ahead of the stack's.
  private var offset: Int64 = 0
  private var last: Int64?
  /// The longest gap, in nanoseconds.
  private static let longestGap: Int64 = 3_600_000_000_000

  /// What time it is in the capture, in nanoseconds since 1970.
  var captureTime: Int64 { now.nanoseconds &+ offset }

  /// When a frame of the capture's `time` is played.
  mutating func advance(to time: Int64) -> Instant {
    guard let last else {
      self.last = time
      offset = time &- now.nanoseconds
      return now
    }
    let (difference, overflow) = time.subtractingReportingOverflow(last)
    self.last = time
    let gap = overflow ? Self.longestGap : max(0, min(difference, Self.longestGap))
    return now + Interval(nanoseconds: gap)
  }
}

/// Counts what a replay's stack drops.
struct ReplayObserver: Observer, ~Copyable {
  private var dropCounts = [UInt64](repeating: 0, count: DropReason.allCases.count)

  var counts: [(reason: DropReason, count: UInt64)] {
    DropReason.allCases.compactMap { reason in
      let count = dropCounts[Int(reason.rawValue)]
      return count == 0 ? nil : (reason, count)
    }
  }

  mutating func dropped(_ reason: DropReason, on port: PortID) { dropCounts[Int(reason.rawValue)] += 1 }
}
