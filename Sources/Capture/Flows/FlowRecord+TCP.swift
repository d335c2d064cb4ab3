import Primitives
import Wire

// What a segment says of its connection, seen from the side.
extension FlowRecord {
  /// Whether a segment begins another connection between the same ends.
  func isFollowed(by header: TCPHeader?, from source: Endpoint) -> Bool {
    guard let header, header.flags.contains(.syn), !header.flags.contains(.ack) else { return false }
    let half = self[source == opener ? .opener : .other]
    return half.next != nil && half.initial != header.sequenceNumber
  }

  /// What the numbers of the segments of `side` count from.
  func reference(of side: FlowOutcome.Side) -> FlowReference {
    var reference = FlowReference()
    let (sender, receiver) = (self[side], self[side.peer])
    (reference.sequence, reference.acknowledgment) = (sender.initial, receiver.initial)
    (reference.timestamp, reference.echo) = (sender.firstTimestamp, receiver.firstTimestamp)
    // RFC 7323 section 2.2: windows are scaled where both SYNs say so.
    if sender.hasSYN && receiver.hasSYN {
      reference.windowScale = receiver.windowScale == nil ? 0 : sender.windowScale ?? 0
    }
    return reference
  }

  /// Notes a segment with `length` bytes of payload.
  mutating func note(_ header: TCPHeader, _ length: Int, by side: FlowOutcome.Side, at time: Int64) {
    self[side].bytes += length
    if self[side].firstTimestamp == nil { self[side].firstTimestamp = header.options.timestamps?.value }
    noteBeginning(header, by: side, at: time)
    let occupied = length + (header.flags.contains(.syn) ? 1 : 0) + (header.flags.contains(.fin) ? 1 : 0)
    if !header.flags.contains(.rst) {
      self[side].note(header, occupied: occupied, length: length, at: time)
      self[side].note(window: header.window, header.flags)
    }
    if header.flags.contains(.ack) {
      noteAcknowledgment(header.acknowledgmentNumber, by: side, at: time)
    }
    noteEnd(header.flags, by: side)
  }

  /// Notes where the numbers begin; where that was before the capture, what comes first is number 1.
  private mutating func noteBeginning(_ header: TCPHeader, by side: FlowOutcome.Side, at time: Int64) {
    if header.flags.contains(.syn) {
      self[side].initial = header.sequenceNumber
      self[side].windowScale = header.options.windowScale
      self[side].hasSYN = true
      if side == .opener && !header.flags.contains(.ack) {
        synCount += 1
        synTime = synTime ?? time
      } else if side == .other, let synTime, answerTime == nil {
        answerTime = max(0, time - synTime)
        answeredAt = time
      }
    } else if self[side].initial == nil && !header.flags.contains(.rst) {
      self[side].initial = header.sequenceNumber + -1
    }
    if header.flags.contains(.ack) && self[side.peer].initial == nil {
      self[side.peer].initial = header.acknowledgmentNumber + -1
    }
  }

  private mutating func noteAcknowledgment(_ number: SequenceNumber, by side: FlowOutcome.Side, at time: Int64) {
    if side == .opener, let answeredAt, acknowledgmentTime == nil {
      acknowledgmentTime = max(0, time - answeredAt)
    }
    if let timed = self[side.peer].timed, number >= timed.end {
      self[side.peer].timed = nil
      self[side.peer].roundTrips.add(time - timed.at)
    }
  }

  private mutating func noteEnd(_ flags: TCPFlags, by side: FlowOutcome.Side) {
    if flags.contains(.fin) {
      firstFinish = firstFinish ?? side
      self[side].isFinished = true
    }
    if flags.contains(.rst) && reset == nil {
      let isRefusal = !self[side].hasSYN && self[side].next == nil && self[side.peer].hasSYN
      reset = (side, isRefusal)
    }
  }

  /// Notes an echo's message: a reply ends what the latest request of its number began.
  mutating func noteEcho(_ packet: TransportPacket, _ frame: Span<UInt8>, by side: FlowOutcome.Side, at time: Int64) {
    let number = SequenceNumber(UInt32(frame.bigEndian16(at: packet.range.lowerBound + 6)))
    if packet.isEcho(frame).isRequest {
      self[side].timed = (number, time)
    } else if let timed = self[side.peer].timed, timed.end == number {
      self[side.peer].timed = nil
      self[side.peer].roundTrips.add(time - timed.at)
    }
  }
}

extension FlowHalf {
  /// The most gaps that are remembered.
  private static var mostGaps: Int { 8 }

  /// Notes a segment that takes `occupied` sequence numbers.
  fileprivate mutating func note(_ header: TCPHeader, occupied: Int, length: Int, at time: Int64) {
    let start = header.sequenceNumber
    guard let next else {
      self.next = start + occupied
      if length > 0 || header.flags.contains(.syn) { measure(until: start + occupied, from: time) }
      return
    }
    // Counted from the first, modulo nothing: a flow of 2^31 bytes and more counts on in `Int`.
    let offset = start - next
    if offset < 0 {
      noteOld(offset..<min(0, offset + occupied), header.flags, length)
    } else if offset > 0, occupied > 0 {
      if gaps.count < Self.mostGaps { gaps.append(0..<offset) }
    }
    guard offset + occupied > 0, occupied > 0 else { return }
    let progress = offset + occupied
    gaps = gaps.map { $0.lowerBound - progress..<$0.upperBound - progress }
    self.next = next + progress
    if offset >= 0 && timed == nil { measure(until: next + progress, from: time) }
  }

  private mutating func measure(until end: SequenceNumber, from time: Int64) { timed = (end, time) }

  /// Notes what was passed over or sent before, counted from the next number.
  private mutating func noteOld(_ range: Range<Int>, _ flags: TCPFlags, _ length: Int) {
    if range.lowerBound == -1 && length <= 1 && flags.isDisjoint(with: [.syn, .fin]) {
      keepAlives += 1
      return
    }
    guard !range.isEmpty else { return }
    if let place = gaps.firstIndex(where: { $0.overlaps(range) }) {
      outOfOrder += 1
      let gap = gaps.remove(at: place)
      let before = gap.lowerBound..<max(gap.lowerBound, range.lowerBound)
      let behind = min(gap.upperBound, range.upperBound)..<gap.upperBound
      for rest in [before, behind] where !rest.isEmpty && gaps.count < Self.mostGaps { gaps.append(rest) }
      return
    }
    retransmissions += 1
    // Karn's algorithm (RFC 6298 section 3): what was sent twice measures nothing.
    timed = nil
  }

  fileprivate mutating func note(window: UInt16, _ flags: TCPFlags) {
    guard !flags.contains(.syn) else { return }
    if window == 0 && !isWindowClosed { zeroWindows += 1 }
    isWindowClosed = window == 0
  }
}
