import Primitives

/// What one TCP connection may and may not do, judged from its segments alone.
///
/// The stack is never judged by what it ought to do next (that is for tests), only by what it must never do:
/// acknowledge what it did not get, take back window, exceed the guest's window or segment size, leave gaps, send
/// other bytes the second time, speak after a reset.
struct TCPWitness {
  /// RFC 9293 section 3.7.1: the segment size of a guest that tells none.
  private let defaultMSS: Int

  // The guest's side, as far as its segments reached the stack
  private var hasSpoken = false
  private var guestStart: SequenceNumber?
  private var guestMSS: Int
  private var guestScale: UInt8?
  private var guestTakesSACK = false
  private var guestHasTimestamps = false
  /// The clocks in the guest's segments, which the stack may echo.
  private var guestClocks: Set<UInt32> = []
  /// Ranges behind `received` that arrived out of order: offsets from the start.
  private var islands: [Range<Int>] = []
  /// The next byte's offset from the start (SYN is 0): what the stack may acknowledge at most.
  private var received = 0
  /// The rightmost edge that the guest has allowed, as an offset from `stackStart`.
  private var allowedEdge = 0
  private var lastGuestWindow = 0
  private var guestAcknowledged: SequenceNumber?
  /// What the guest's latest segment acknowledges, be it anything.
  private var lastAcknowledgment: SequenceNumber?
  /// The connection that begins with the guest's latest SYN, if the stack takes that for a beginning: none, or one.
  private var successor: [TCPWitness] = []

  // The stack's side
  private var stackStart: SequenceNumber?
  private var stackScale: UInt8?
  private var synOptions: [PlainTCP.Option] = []
  /// The stream that the stack has sent, from offset 1 (behind the SYN) on.
  private var stream: [UInt8] = []
  private var finishOffset: Int?
  private var windowEdge: SequenceNumber?
  private var wasReset = false
  private var handshakeAcknowledged = false

  init(_ family: IPAddress.Family) { self.init(defaultMSS: family == .ipv4 ? 536 : 1220) }

  private init(defaultMSS: Int) {
    self.defaultMSS = defaultMSS
    guestMSS = defaultMSS
  }

  // MARK: From the guest

  mutating func guestSent(_ segment: PlainTCP) {
    // Where the guest has begun, neither a SYN with a FIN begins another connection, nor one that answers nothing.
    let mayBegin = guestStart == nil || segment.flags.isDisjoint(with: [.fin, .ack])
    if segment.flags.contains(.syn) && mayBegin && !segment.flags.contains(.rst) { guestSynchronized(segment) }
    if !successor.isEmpty { successor[0].guestSent(segment) }
    hasSpoken = true
    if let timestamps = segment.timestamps { guestClocks.insert(timestamps.value) }
    if segment.flags.contains(.ack) { lastAcknowledgment = segment.acknowledgment }
    guard let guestStart, !segment.flags.contains(.rst) else { return }
    let first = segment.sequence - guestStart
    if segment.length > 0 { arrived(first..<(first + segment.length)) }
    guard segment.flags.contains(.ack), let stackStart else { return }
    let acknowledged = segment.acknowledgment - stackStart
    guard acknowledged >= 0 && acknowledged <= stream.count + 2 else { return }
    if acknowledged > 0 { handshakeAcknowledged = true }
    guestAcknowledged = SequenceNumber.later(guestAcknowledged ?? segment.acknowledgment, segment.acknowledgment)
    let scale = segment.flags.contains(.syn) ? 0 : effectiveGuestScale
    lastGuestWindow = Int(segment.window) << Int(scale)
    allowedEdge = max(allowedEdge, acknowledged + lastGuestWindow)
  }

  private mutating func guestSynchronized(_ segment: PlainTCP) {
    guard segment.sequence != guestStart else {
      // One that the stack had no room for came to nothing, and it is this one that counts.
      if stackStart == nil { successor = [TCPWitness(defaultMSS: defaultMSS)] }
      return
    }
    guard guestStart == nil || stackStart == nil else {
      // A SYN in the middle of a connection is not a new one, unless the stack answers it as such.
      if successor.first?.guestStart != segment.sequence { successor = [TCPWitness(defaultMSS: defaultMSS)] }
      return
    }
    let keepsStack = segment.flags.contains(.ack)
    let previous = self
    self = TCPWitness(defaultMSS: defaultMSS)
    if keepsStack {
      // The answer to our SYN: the stack's side has begun already.
      stackStart = previous.stackStart
      stackScale = previous.stackScale
      synOptions = previous.synOptions
    }
    guestStart = segment.sequence
    // RFC 9293 section 3.7.1; an MSS of zero is none, and headers are not paid for less than 48 bytes.
    guestMSS = max(segment.mss.map { $0 == 0 ? defaultMSS : Int($0) } ?? defaultMSS, 48)
    guestTakesSACK = segment.options.contains(.sackPermitted)
    guestHasTimestamps = segment.timestamps != nil
    guestScale = segment.windowScale
    allowedEdge = 1 + Int(segment.window)
    lastGuestWindow = Int(segment.window)
  }

  private mutating func arrived(_ range: Range<Int>) {
    var range = range
    // Islands that touch are one.
    for index in islands.indices.reversed()
    where islands[index].lowerBound <= range.upperBound && range.lowerBound <= islands[index].upperBound {
      let other = islands.remove(at: index)
      range = min(range.lowerBound, other.lowerBound)..<max(range.upperBound, other.upperBound)
    }
    islands.append(range)
    var moved = true
    while moved {
      moved = false
      for index in islands.indices.reversed() where islands[index].lowerBound <= received {
        received = max(received, islands[index].upperBound)
        islands.remove(at: index)
        moved = true
      }
    }
  }

  /// RFC 7323 section 2.2: scaling holds only where both SYNs carried the option.
  private var effectiveGuestScale: UInt8 { stackScale == nil ? 0 : min(guestScale ?? 0, 14) }
  private var effectiveStackScale: UInt8 { guestScale == nil ? 0 : stackScale ?? 0 }

  // MARK: From the stack

  mutating func stackSent(_ segment: PlainTCP) -> [String] {
    if segment.flags.contains(.ack), !segment.flags.isDisjoint(with: [.syn, .rst]) { beginSuccessor(segment) }
    if segment.flags.contains(.rst) { return checkReset(segment) }
    if segment.flags.contains(.syn) { return checkSynchronize(segment) }
    guard let stackStart, guestStart != nil else { return ["a segment of no connection"] }
    var faults: [String] = []
    if wasReset { faults.append("a segment behind a reset") }
    if !segment.flags.contains(.ack) { faults.append("a segment without ACK") }
    faults += checkOptions(segment)
    faults += checkAcknowledgment(segment)
    faults += checkWindow(segment, scale: effectiveStackScale)
    faults += checkData(segment, at: segment.sequence - stackStart)
    return faults
  }

  /// A SYN-ACK, or a refusal, that acknowledges the guest's latest SYN: so there is another connection.
  private mutating func beginSuccessor(_ segment: PlainTCP) {
    guard let next = successor.first, let start = next.guestStart else { return }
    // Of the same SYN, sent twice, the one that has offered what is answered.
    if start == guestStart && hasOffered(segment) { return }
    if (1...max(next.received, 1)).contains(segment.acknowledgment - start) { self = next }
  }

  /// Whether the guest's SYN has offered what a SYN-ACK agrees to.
  private func hasOffered(_ segment: PlainTCP) -> Bool {
    (segment.windowScale == nil || guestScale != nil) && (segment.timestamps == nil || guestHasTimestamps)
      && (!segment.options.contains(.sackPermitted) || guestTakesSACK)
  }

  private mutating func checkSynchronize(_ segment: PlainTCP) -> [String] {
    var faults: [String] = []
    if !segment.payload.isEmpty || segment.flags.contains(.fin) { faults.append("a SYN with data or FIN") }
    if segment.sequence != stackStart || wasReset { began(segment) }
    if segment.options.map(\.kind) != synOptions.map(\.kind) { faults.append("a SYN repeated with other options") }
    if segment.mss == nil { faults.append("a SYN without MSS") }
    if segment.flags.contains(.ack) {
      guard guestStart != nil else { return faults + ["a SYN-ACK to no SYN"] }
      if segment.windowScale != nil && guestScale == nil { faults.append("window scale that was not offered") }
      if segment.options.contains(.sackPermitted) && !guestTakesSACK { faults.append("SACK that was not offered") }
      if segment.timestamps != nil && !guestHasTimestamps { faults.append("timestamps that were not offered") }
      faults += checkAcknowledgment(segment)
      // RFC 7323 section 2.2: the window of a SYN is never scaled.
      faults += checkWindow(segment, scale: 0)
    }
    return faults
  }

  private mutating func began(_ segment: PlainTCP) {
    if !segment.flags.contains(.ack) {
      self = TCPWitness(defaultMSS: defaultMSS)
    } else {
      stream = []
      finishOffset = nil
      wasReset = false
      windowEdge = nil
    }
    stackStart = segment.sequence
    stackScale = segment.windowScale
    synOptions = segment.options
  }

  /// RFC 9293 section 3.10.7.1 and 3.5.2: a reset says exactly where it stands.
  private mutating func checkReset(_ segment: PlainTCP) -> [String] {
    var faults: [String] = []
    if !hasSpoken && stackStart == nil { faults.append("a reset that answers nothing") }
    if !segment.payload.isEmpty { faults.append("a reset with data") }
    if segment.timestamps != nil && !agreesOnTimestamps { faults.append("a reset with timestamps") }
    if !segment.options.allSatisfy({ $0.kind == 8 }) { faults.append("a reset with options") }
    if let stackStart, handshakeAcknowledged, let guestAcknowledged {
      let offset = segment.sequence - stackStart
      let isNext = segment.sequence == guestAcknowledged || offset <= stream.count + 2
      // RFC 9293 section 3.10.7.1: to a segment of no connection, from where that acknowledges.
      let isToStray = !segment.flags.contains(.ack) && segment.sequence == lastAcknowledgment
      if !isToStray && (!isNext || offset < 0) { faults.append("a reset outside of what was sent") }
      wasReset = true
    }
    return faults
  }

  private var agreesOnTimestamps: Bool { guestHasTimestamps && synOptions.contains { $0.kind == 8 } }
  private var agreesOnSACK: Bool { guestTakesSACK && synOptions.contains(.sackPermitted) }

  /// RFC 7323 section 3.2: once agreed on, in each segment; RFC 2018 section 4: only what has arrived is reported.
  private func checkOptions(_ segment: PlainTCP) -> [String] {
    var faults: [String] = []
    for option in segment.options where option.kind != 5 && option.kind != 8 {
      faults.append("option \(option.kind) behind the handshake")
    }
    if (segment.timestamps != nil) != agreesOnTimestamps { faults.append("timestamps against the agreement") }
    if let timestamps = segment.timestamps, agreesOnTimestamps, !guestClocks.contains(timestamps.echo) {
      faults.append("echoes a clock \(timestamps.echo) that the guest never sent")
    }
    guard !segment.sackBlocks.isEmpty, let guestStart else { return faults }
    if !agreesOnSACK { faults.append("SACK blocks against the agreement") }
    for block in segment.sackBlocks {
      let range = (block.start - guestStart, block.end - guestStart)
      if block.start <= segment.acknowledgment { faults.append("a SACK block at what is acknowledged") }
      // What arrived meanwhile in order is an island no more, but was reported rightly.
      let isThere = islands.contains { $0.lowerBound <= range.0 && range.1 <= $0.upperBound } || range.1 <= received
      if range.0 >= range.1 || !isThere { faults.append("a SACK block \(range) that did not arrive") }
    }
    return faults
  }

  private func checkAcknowledgment(_ segment: PlainTCP) -> [String] {
    guard let guestStart, segment.flags.contains(.ack) else { return [] }
    let offset = segment.acknowledgment - guestStart
    // Before the first byte only a keep-alive may stand, at the SYN's number.
    if offset == 0 && segment.payload.isEmpty && handshakeAcknowledged { return [] }
    if offset < 1 { return ["acknowledges \(offset), before the guest's first byte"] }
    return offset > received ? ["acknowledges \(offset) of the guest's bytes, \(received) arrived in order"] : []
  }

  /// RFC 9293 section 3.8.6: the right edge does not move back, but for what the scaling rounds off (RFC 7323 2.4).
  private mutating func checkWindow(_ segment: PlainTCP, scale: UInt8) -> [String] {
    let edge = segment.acknowledgment + Int(segment.window) << Int(scale)
    defer { windowEdge = SequenceNumber.later(windowEdge ?? edge, edge) }
    guard let windowEdge, windowEdge - edge >= 1 << Int(scale) else { return [] }
    // More than this no SYN can say, even if an acknowledgment has said more before it is repeated.
    if segment.flags.contains(.syn) && segment.window == .max { return [] }
    return ["the window's edge moves back by \(windowEdge - edge)"]
  }

  private mutating func checkData(_ segment: PlainTCP, at offset: Int) -> [String] {
    var faults: [String] = []
    let count = segment.payload.count
    // An empty segment may stand at SND.NXT, or one before it as a keep-alive or window probe does.
    if offset > stream.count + 1 + (finishOffset == nil ? 0 : 1) {
      return ["leaves a gap: \(offset) after \(stream.count)"]
    }
    // Before the first byte only a keep-alive may stand, at the SYN's number.
    if offset == 0 && segment.payload.isEmpty && handshakeAcknowledged { return [] }
    if offset < 1 { return ["a sequence number \(offset) before the stream's first byte"] }
    if count > guestMSS { faults.append("\(count) bytes in a segment to a guest that takes \(guestMSS)") }
    if count > 0 && !handshakeAcknowledged { faults.append("data before the guest has acknowledged the SYN") }
    let end = offset + count
    // RFC 9293 section 3.8.6.1: a probe may stand one byte beyond a closed window.
    if count > 0 && end > allowedEdge && !(count == 1 && offset <= allowedEdge) {
      faults.append("sends up to \(end), the guest's window ends at \(allowedEdge)")
    }
    faults += checkBytes(segment.payload, at: offset - 1)
    return faults + checkFinish(segment, end: end)
  }

  private mutating func checkBytes(_ payload: [UInt8], at start: Int) -> [String] {
    let known = max(0, min(payload.count, stream.count - start))
    if known > 0 && payload[..<known] != stream[start..<(start + known)] {
      return ["sends other bytes at \(start) than before"]
    }
    if known < payload.count {
      if finishOffset != nil { return ["data behind the FIN"] }
      stream += payload[known...]
    }
    return []
  }

  private mutating func checkFinish(_ segment: PlainTCP, end: Int) -> [String] {
    guard segment.flags.contains(.fin) else { return [] }
    if let finishOffset, finishOffset != end { return ["a FIN at \(end), before at \(finishOffset)"] }
    if end != stream.count + 1 { return ["a FIN at \(end) where the stream ends at \(stream.count + 1)"] }
    finishOffset = end
    return []
  }
}

extension PlainTCP.Option {
  /// The option's kind on the wire.
  fileprivate var kind: UInt8 {
    switch self {
    case .mss: 2
    case .windowScale: 3
    case .sackPermitted: 4
    case .sack: 5
    case .timestamps: 8
    case .other(let kind, _): kind
    }
  }
}
