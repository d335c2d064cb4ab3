public import Primitives

/// A small TCP endpoint of the guest's, written apart from the stack's to be its opposite in whole transfers.
///
/// It retransmits by timer with backoff and after three duplicate acknowledgments, keeps what arrives out of order,
/// respects and advertises windows, probes a closed one. It has no congestion control: it keeps a fixed number of
/// segments in flight. Places in both streams are counted from the SYN, which is 0, so that the first byte is 1.
public final class GuestTCP {
  /// What the endpoint offers and how it behaves.
  public struct Options: Hashable, Sendable {
    /// The MSS option, nil to send none.
    public var mss: UInt16? = 1460
    /// The window scale option, nil to send none.
    public var windowScale: UInt8? = 7
    /// Whether selective acknowledgments are offered and sent (RFC 2018).
    public var reportsBlocks = true
    /// Whether timestamps are offered and sent (RFC 7323).
    public var hasTimestamps = true
    /// Bytes that wait for the application at most.
    public var receiveBufferSize = 256 * 1024
    /// Whether the application reads at once; else `read` does.
    public var readsAtOnce = true
    /// The most segments in flight.
    public var maximumInFlight = 64
    /// Whether the endpoint finishes as soon as the other has.
    public var finishesInTurn = false

    /// Makes the defaults of an ordinary system.
    public init() {}
  }

  /// The guest's end.
  public let local: Endpoint
  /// The other end.
  public let remote: Endpoint
  /// Whether the other side began.
  public private(set) var isServer = false
  /// Whether the handshake is complete.
  public private(set) var isEstablished = false
  /// Whether the other side has reset the connection.
  public private(set) var wasReset = false
  /// The code of the ICMP unreachable message that came for the connection.
  public private(set) var unreachableCode: UInt8?
  /// Everything received in order.
  public private(set) var received: [UInt8] = []
  /// Whether the other side's FIN has arrived, behind all of its data.
  public private(set) var isReadClosed = false
  /// How many segments were sent more than once.
  public private(set) var retransmissions = 0
  /// When something next happens by itself.
  private(set) var deadline = Instant.never

  private let options: Options
  private unowned let guest: SimulatedGuest

  // Sending
  private let initialSend: SequenceNumber
  private var outgoing: [UInt8] = []
  private var finishes = false
  private var unacknowledged = 0
  private var next = 0
  private var highest = 0
  private var edge = 0
  private var mss = 536
  private var sendScale: UInt8 = 0
  private var duplicates = 0
  private var timeoutLength = Interval.milliseconds(250)

  // Receiving
  private var initialReceive: SequenceNumber?
  private var expected = 0
  private var islands: [(at: Int, bytes: [UInt8])] = []
  private var finishAt: Int?
  private var unread = 0
  private var receiveScale: UInt8 = 0
  private var advertisedEdge = 0
  private var reportsBlocks = false
  private var hasTimestamps = false
  /// The other side's clock, to be echoed.
  private var recentClock: UInt32 = 0

  init(
    _ guest: SimulatedGuest, local: Endpoint, remote: Endpoint, initialSequence: SequenceNumber, options: Options
  ) {
    self.guest = guest
    self.local = local
    self.remote = remote
    self.options = options
    initialSend = initialSequence
  }

  // MARK: The application's side

  /// Sends bytes.
  public func write(_ bytes: [UInt8]) {
    outgoing += bytes
    sendData()
  }

  /// Ends the stream behind what was written.
  public func finish() {
    finishes = true
    sendData()
  }

  /// Resets the connection.
  public func reset() {
    transmit(.rst.union(.ack), at: next)
    wasReset = true
    deadline = .never
  }

  /// The application takes `count` bytes that wait for it, which opens the window.
  public func read(_ count: Int) {
    unread -= min(count, unread)
    // A window update as soon as two segments fit that did not before (RFC 9293 section 3.8.6.2.2).
    if isEstablished && !wasReset && expected + window - advertisedEdge >= 2 * 1460 { acknowledge() }
  }

  /// Whether everything written, and the end if there is one, was acknowledged.
  public var isSent: Bool { unacknowledged >= outgoing.count + 1 + (finishes ? 1 : 0) }

  /// Whether both sides have finished and nothing is in flight.
  public var isFinished: Bool { isReadClosed && finishes && isSent }

  // MARK: Handshake

  func open() { synchronize() }

  func accept(_ syn: PlainTCP) {
    isServer = true
    adopt(syn)
    synchronize()
  }

  private func adopt(_ syn: PlainTCP) {
    initialReceive = syn.sequence
    expected = 1
    mss = min(syn.mss.map(Int.init) ?? 536, options.mss.map(Int.init) ?? 536)
    edge = max(edge, 1 + Int(syn.window))
    if let scale = syn.windowScale, let own = options.windowScale {
      sendScale = scale
      receiveScale = own
    }
    reportsBlocks = options.reportsBlocks && syn.options.contains(.sackPermitted)
    if options.hasTimestamps, let timestamps = syn.timestamps {
      hasTimestamps = true
      recentClock = timestamps.value
      mss -= 12
    }
  }

  private func synchronize() {
    next = 1
    highest = max(highest, 1)
    transmit(isServer ? [.syn, .ack] : .syn, at: 0)
    startTimer()
  }

  // MARK: Receiving

  func receive(_ message: PlainICMP) {
    let isV4 = local.address.family == .ipv4
    let ports = isV4 ? 20 : 40
    guard message.type == (isV4 ? 3 : 1), message.payload.count >= ports + 8, !isEstablished else { return }
    let span = message.payload.span
    guard span.bigEndian16(at: ports) == local.port, span.bigEndian16(at: ports + 2) == remote.port else { return }
    unreachableCode = message.code
    deadline = .never
  }

  func receive(_ segment: PlainTCP) {
    guard !wasReset else { return }
    if segment.flags.contains(.rst) {
      // RFC 1337: what comes for a connection that is over does not harm it.
      guard !isFinished else { return }
      let isExpected = initialReceive.map { segment.sequence - $0 == expected } ?? segment.flags.contains(.ack)
      guard isExpected else { return }
      wasReset = true
      deadline = .never
      return
    }
    if segment.flags.contains(.syn) {
      if initialReceive == nil { adopt(segment) }
      if !isServer { isEstablished = true }
    }
    guard let initialReceive else { return }
    if let timestamps = segment.timestamps, segment.sequence - initialReceive <= expected {
      recentClock = timestamps.value
    }
    if segment.flags.contains(.ack) { acknowledged(segment) }
    if segment.length > 0 {
      take(segment, at: segment.sequence - initialReceive)
      acknowledge()
    }
    sendData()
    if options.finishesInTurn && isReadClosed && !finishes { finish() }
  }

  private func acknowledged(_ segment: PlainTCP) {
    let place = segment.acknowledgment - initialSend
    guard place >= 0 && place <= highest else { return }
    let scale = segment.flags.contains(.syn) ? 0 : Int(sendScale)
    let newEdge = place + Int(segment.window) << scale
    if place > unacknowledged {
      unacknowledged = place
      next = max(next, place)
      duplicates = 0
      isEstablished = true
      timeoutLength = .milliseconds(250)
      deadline = .never
      if unacknowledged < highest { startTimer() }
    } else if place == unacknowledged && segment.length == 0 && newEdge == edge && highest > unacknowledged {
      duplicates += 1
      if duplicates == 3 { retransmit() }
    }
    edge = max(edge, newEdge)
  }

  private func take(_ segment: PlainTCP, at place: Int) {
    if segment.flags.contains(.fin) { finishAt = place + segment.payload.count }
    let fits = segment.payload.prefix(max(0, advertisedEdge - place))
    if !fits.isEmpty { islands.append((place, Array(fits))) }
    var moved = true
    while moved {
      moved = false
      for index in islands.indices.reversed() where islands[index].at <= expected {
        let island = islands.remove(at: index)
        let fresh = island.bytes.dropFirst(expected - island.at)
        received += fresh
        expected += fresh.count
        if !options.readsAtOnce { unread += fresh.count }
        moved = true
      }
    }
    if finishAt == expected && !isReadClosed {
      isReadClosed = true
      expected += 1
    }
  }

  // MARK: Sending

  private var window: Int { max(0, options.receiveBufferSize - unread) }

  private func acknowledge() { transmit(.ack, at: next) }

  /// Sends what is new and fits the other side's window.
  private func sendData() {
    guard isEstablished && !wasReset else { return }
    let limit = min(edge, unacknowledged + options.maximumInFlight * mss)
    while next - 1 < outgoing.count && next < limit {
      sendSegment(upTo: limit)
    }
    let isAllSent = next == outgoing.count + 1
    if finishes && isAllSent { sendSegment(upTo: next) }
    if (unacknowledged < highest || hasMore) && deadline == .never { startTimer() }
  }

  /// Whether something waits that the other side's window does not let through.
  private var hasMore: Bool { next - 1 < outgoing.count }

  private func sendSegment(upTo limit: Int) {
    let count = min(mss, outgoing.count - (next - 1), max(0, limit - next))
    let bytes = Array(outgoing[(next - 1)..<(next - 1 + count)])
    let ends = finishes && next - 1 + count == outgoing.count
    transmit(ends ? [.ack, .fin, .psh] : .ack, at: next, bytes)
    next += count + (ends ? 1 : 0)
    highest = max(highest, next)
  }

  /// What waits behind gaps, what came last first (RFC 2018 section 4).
  private func blocks(from start: SequenceNumber) -> [PlainTCP.Block] {
    var blocks: [PlainTCP.Block] = []
    for newest in islands.reversed() {
      var range = newest.at..<(newest.at + newest.bytes.count)
      var grows = true
      while grows {
        grows = false
        for island in islands {
          let other = island.at..<(island.at + island.bytes.count)
          guard other.lowerBound <= range.upperBound && range.lowerBound <= other.upperBound else { continue }
          let union = min(range.lowerBound, other.lowerBound)..<max(range.upperBound, other.upperBound)
          if union != range {
            range = union
            grows = true
          }
        }
      }
      let block = PlainTCP.Block(start + range.lowerBound, start + range.upperBound)
      if !blocks.contains(block) { blocks.append(block) }
    }
    return blocks
  }

  private func startTimer() { deadline = guest.now + timeoutLength }

  func timeout() {
    timeoutLength = min(timeoutLength * 2, .seconds(4))
    if !isEstablished || unacknowledged == 0 {
      transmit(isServer ? [.syn, .ack] : .syn, at: 0)
      return startTimer()
    }
    if unacknowledged >= highest && hasMore {
      // The window is closed: one byte beyond it (RFC 9293 section 3.8.6.1).
      next = unacknowledged
      sendSegment(upTo: next + 1)
      return startTimer()
    }
    guard unacknowledged < highest else {
      deadline = .never
      return
    }
    retransmit()
    startTimer()
  }

  /// Sends the first segment in flight again.
  private func retransmit() {
    // The SYN has its own time.
    guard unacknowledged > 0 else { return }
    retransmissions += 1
    let continued = max(next, highest)
    next = unacknowledged
    sendSegment(upTo: max(edge, unacknowledged + 1))
    next = continued
  }

  private func transmit(_ flags: PlainTCP.Flags, at place: Int, _ payload: [UInt8] = []) {
    var segment = PlainTCP()
    segment.sourcePort = local.port
    segment.destinationPort = remote.port
    segment.sequence = initialSend + place
    segment.flags = flags
    segment.payload = payload
    if let initialReceive { segment.acknowledgment = initialReceive + expected }
    let isSynchronizing = flags.contains(.syn)
    let scale = isSynchronizing ? 0 : Int(receiveScale)
    segment.window = UInt16(clamping: window >> scale)
    advertisedEdge = max(advertisedEdge, expected + Int(segment.window) << scale)
    if isSynchronizing {
      if options.reportsBlocks && (!isServer || reportsBlocks) { segment.options.append(.sackPermitted) }
      if let mss = options.mss { segment.options.append(.mss(mss)) }
      if let scale = options.windowScale { segment.options.append(.windowScale(scale)) }
    }
    if hasTimestamps || (isSynchronizing && !isServer && options.hasTimestamps) {
      segment.options.append(
        .timestamps(UInt32(truncatingIfNeeded: guest.now.nanoseconds / 1_000_000), echo: recentClock))
    }
    if reportsBlocks, let initialReceive, !isSynchronizing, !islands.isEmpty {
      segment.options.append(.sack(blocks(from: initialReceive).prefix(hasTimestamps ? 3 : 4).map(\.self)))
    }
    guest.send(.tcp(segment), from: local.address, to: remote.address)
  }
}
