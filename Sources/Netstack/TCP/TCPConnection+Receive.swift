import Buffers
import Primitives
import Wire

/// A segment from a guest, checked and taken apart.
struct TCPArrival {
  var sourcePort: UInt16
  var destinationPort: UInt16
  var sequence: SequenceNumber
  var acknowledgment: SequenceNumber
  var flags: TCPFlags
  /// As on the wire, unscaled.
  var window: UInt16
  var options: TCPOptions
  /// Where the payload lies in the batch.
  var payload: PayloadSlice

  /// SEG.LEN: the sequence numbers that the segment takes.
  var length: Int { payload.count + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0) }
}

/// What a segment means for the connection as a whole, beyond the work it leaves.
enum TCPOutcome {
  /// Nothing beyond the connection's `work`.
  case carryOn
  /// The handshake is complete.
  case established
  /// The payload, cut to what is new and in the window, is next in order.
  case deliver(PayloadSlice)
  /// The payload, cut likewise, belongs at `sequence`, behind a gap.
  case keep(PayloadSlice, at: SequenceNumber)
  /// The guest has reset the connection.
  case reset
  /// The segment belongs to no connection of ours: answer it with a reset.
  case stray
  /// The segment is not acceptable and left no more than perhaps an acknowledgment.
  case unacceptable
  /// Both sides are done and there is nothing to wait for.
  case finished
  /// A SYN that may begin a new connection in place of this one (RFC 9293 section 3.6.1, TIME-WAIT).
  case reopen
}

extension TCPConnection {
  /// RCV.NXT with what this turn's frames hold in order.
  var receiveExpected: SequenceNumber { receiveNext + pendingByteCount }

  /// RFC 9293 section 3.10.7: a segment has arrived from a guest that takes packets of `mtu` bytes.
  mutating func arrive(
    _ segment: TCPArrival, mtu: Int, at now: Instant, _ scoreboard: inout SACKScoreboard
  ) -> TCPOutcome {
    switch state {
    case .connecting: arriveWhileConnecting(segment)
    case .synSent: arriveInSynSent(segment, mtu: mtu, at: now)
    case .timeWait: arriveInTimeWait(segment, at: now)
    case .draining: .unacceptable
    case .synReceived, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck:
      arriveSynchronized(segment, at: now, &scoreboard)
    }
  }

  /// The host's connect is under way: the guest repeats its SYN, gives up, or begins anew.
  private mutating func arriveWhileConnecting(_ segment: TCPArrival) -> TCPOutcome {
    if segment.flags.contains(.rst) { return segment.sequence == receiveNext ? .reset : .unacceptable }
    guard segment.flags.intersection([.syn, .ack]) == .syn else { return .unacceptable }
    guard segment.sequence == initialReceive else { return .reopen }
    renewTimestamp(segment)
    return .carryOn
  }

  /// RFC 9293 section 3.10.7.3: we have sent a SYN for a forward's client.
  private mutating func arriveInSynSent(_ segment: TCPArrival, mtu: Int, at now: Instant) -> TCPOutcome {
    let acknowledges = segment.flags.contains(.ack) && segment.acknowledgment == initialSend + 1
    if segment.flags.contains(.ack) && !acknowledges {
      return segment.flags.contains(.rst) ? .unacceptable : .stray
    }
    if segment.flags.contains(.rst) { return acknowledges ? .reset : .unacceptable }
    guard segment.flags.contains(.syn) else { return .unacceptable }
    adopt(segment, mtu: mtu, at: now)
    guard acknowledges else {
      // Simultaneous open: their SYN crossed ours, which is answered by a SYN-ACK.
      state = .synReceived
      work.formUnion([.updateWindow, .synchronize])
      return .carryOn
    }
    return completeActiveOpen(segment, at: now)
  }

  /// The guest's SYN-ACK, to our SYN or, where both have sent one, to our SYN-ACK (RFC 9293 figures 6 and 8).
  private mutating func completeActiveOpen(_ segment: TCPArrival, at now: Instant) -> TCPOutcome {
    sendUnacknowledged = segment.acknowledgment
    // RFC 7323 section 2.2: the window of a SYN is not scaled.
    sendWindow = Int(segment.window)
    windowUpdateAcknowledgment = segment.acknowledgment
    takeRoundTripSample(segment, at: now)
    establish(at: now)
    work.insert(.acknowledge)
    return .established
  }

  /// 2 MSL after both sides have finished: a late segment, or a new connection.
  private mutating func arriveInTimeWait(_ segment: TCPArrival, at now: Instant) -> TCPOutcome {
    // RFC 1337: a reset must not end TIME-WAIT.
    if segment.flags.contains(.rst) { return .unacceptable }
    if segment.flags.contains(.syn) {
      if !segment.flags.contains(.ack) && mayReopen(segment) { return .reopen }
      challenge(at: now)
      return .unacceptable
    }
    guard segment.flags.contains(.ack) else { return .unacceptable }
    if segment.flags.contains(.fin) { startTimer(.timeWait, after: Self.timeWaitLength, at: now) }
    guard segment.length > 0 else { return .carryOn }
    // The FIN again, or what came behind it: asked for once more, but not for ever (RFC 5961 section 7).
    challenge(at: now)
    return .carryOn
  }

  /// RFC 9293 section 3.6.1, MAY-2, and RFC 6191 section 2: whether a SYN is newer than all of the old connection, by
  /// its timestamp or by its sequence number.
  private func mayReopen(_ segment: TCPArrival) -> Bool {
    let isBeyond = segment.sequence > receiveNext
    guard agreed.contains(.timestamps) else { return isBeyond || segment.options.timestamps != nil }
    guard let timestamps = segment.options.timestamps else { return isBeyond }
    let advance = Int32(bitPattern: timestamps.value &- timestampRecent)
    return advance > 0 || (advance == 0 && isBeyond)
  }

  /// RFC 9293 section 3.10.7.4, in its order: sequence number, RST, SYN, ACK, payload, FIN.
  private mutating func arriveSynchronized(
    _ segment: TCPArrival, at now: Instant, _ scoreboard: inout SACKScoreboard
  ) -> TCPOutcome {
    guard isTimely(segment, at: now) else {
      // RFC 7323 section 5.3, R1.
      challenge(at: now)
      return .unacceptable
    }
    guard isAcceptable(segment) else { return refuseUnacceptable(segment, at: now, &scoreboard) }
    if segment.flags.contains(.rst) {
      // RFC 5961 section 3.2: only a reset at exactly RCV.NXT is believed; one near it is asked to say that again.
      if segment.sequence == receiveExpected { return .reset }
      challenge(at: now)
      return .unacceptable
    }
    if segment.flags.contains(.syn) {
      // RFC 9293 section 3.10.7.4, fourth: nothing was agreed on yet, and the guest begins anew.
      if state == .synReceived && !isInbound && !segment.flags.contains(.ack) { return .reopen }
      // RFC 5961 section 4.2.
      challenge(at: now)
      return .unacceptable
    }
    guard segment.flags.contains(.ack) else { return .unacceptable }
    takeTimestamp(segment, at: now)
    var outcome = TCPOutcome.carryOn
    if state == .synReceived {
      guard segment.acknowledgment == initialSend + 1 else { return .stray }
      sendUnacknowledged = segment.acknowledgment
      takeRoundTripSample(segment, at: now)
      establish(at: now)
      outcome = .established
    }
    guard acknowledge(segment, at: now, &scoreboard) else { return .unacceptable }
    if state == .lastAck && isFinishAcknowledged { return .finished }
    guard canReceive && segment.length > 0 else {
      if segment.length > 0 { work.insert(.acknowledge) }
      return outcome
    }
    return take(segment) ?? outcome
  }

  // MARK: Challenges

  /// RFC 5961 section 7: challenges answered in a row, and the time after which there may be more.
  private static let challengeLimit: UInt8 = 10
  private static let challengeSeconds: UInt32 = 5

  /// Sends an acknowledgment to whoever claims to be the guest, unless too many were sent for the asking: a forger, or
  /// two ends that no longer understand each other, would have one for each segment.
  mutating func challenge(at now: Instant) {
    let second = now.wholeSeconds
    if challengeCount == 0 || second &- challengeBegin >= Self.challengeSeconds {
      challengeBegin = second
      challengeCount = 0
    }
    guard challengeCount < Self.challengeLimit else { return }
    challengeCount += 1
    work.insert(.acknowledge)
  }

  /// RFC 9293 section 3.10.7.4, first: whether some of the segment lies in the window.
  @inline(__always)
  private func isAcceptable(_ segment: TCPArrival) -> Bool {
    let next = receiveExpected
    let window = max(0, receiveEdge - next)
    let first = segment.sequence
    // A guest that has filled the window speaks from its edge, even while a gap keeps RCV.NXT behind: its
    // acknowledgments count. (The RFC's test leaves the edge out, Linux's does not.)
    if segment.length == 0 { return first >= next && first <= receiveEdge }
    if window == 0 { return false }
    let last = first + (segment.length - 1)
    return (first >= next && first < receiveEdge) || (last >= next && last < receiveEdge)
      || (first < next && last >= receiveEdge)
  }

  /// A segment wholly outside the window: acknowledged, so that the guest learns where we are.
  private mutating func refuseUnacceptable(
    _ segment: TCPArrival, at now: Instant, _ scoreboard: inout SACKScoreboard
  ) -> TCPOutcome {
    guard !segment.flags.contains(.rst) else { return unacceptableReset(segment) }
    if state == .synReceived && segment.flags.contains(.syn) && segment.sequence == initialReceive {
      renewTimestamp(segment)
      if isInbound && segment.flags.contains(.ack) && segment.acknowledgment == initialSend + 1 {
        return completeActiveOpen(segment, at: now)
      }
      work.insert(.synchronize)
      return .carryOn
    }
    // RFC 9293 section 3.10.7.4: with the window at zero, valid acknowledgments are accepted all the same.
    if segment.sequence == receiveExpected && segment.flags.contains(.ack) && state != .synReceived
      && !segment.flags.contains(.syn)
    {
      _ = acknowledge(segment, at: now, &scoreboard)
      if state == .lastAck && isFinishAcknowledged { return .finished }
    }
    // Data is answered each time, since its sender waits for it; what is empty may be an answer to an answer.
    if segment.length > 0 && !segment.flags.contains(.syn) { work.insert(.acknowledge) } else { challenge(at: now) }
    return .unacceptable
  }

  /// A reset outside the window is forged or old, but for one at exactly RCV.NXT while the window is closed.
  private func unacceptableReset(_ segment: TCPArrival) -> TCPOutcome {
    segment.sequence == receiveExpected ? .reset : .unacceptable
  }

  /// RFC 9293 section 3.10.7.4, seventh and eighth: payload and FIN, cut to what is new and fits the window.
  private mutating func take(_ segment: TCPArrival) -> TCPOutcome? {
    if isUrgentToAcknowledge(segment) { work.insert(.acknowledge) }
    var payload = segment.payload
    var sequence = segment.sequence
    let old = receiveExpected - sequence
    if old > 0 {
      payload.offset += min(old, payload.count)
      payload.count -= min(old, payload.count)
      sequence = receiveExpected
    }
    var room = receiveEdge - sequence
    if segment.flags.contains(.fin) && payload.count <= room && guestFinish == nil {
      guestFinish = segment.sequence + segment.payload.count
    }
    // Nothing comes behind a FIN, be it in this turn's frames or among what waits.
    if let finish = guestFinish { room = min(room, finish - sequence) }
    payload.count = min(payload.count, max(0, room))
    if let finish = guestFinish, finish == receiveExpected + (sequence == receiveExpected ? payload.count : 0) {
      work.insert(.deliver)
    }
    guard payload.count > 0 else { return nil }
    guard sequence == receiveExpected else {
      if duplicatesOwed < .max { duplicatesOwed += 1 }
      return .keep(payload, at: sequence)
    }
    conversation.guestSpoke()
    // Never by the pool, which may be full of what waits for just this.
    pendingByteCount += payload.count
    work.insert(.deliver)
    return .deliver(payload)
  }

  /// Whether the guest waits for the acknowledgment of a segment: one that opens its congestion window at the start,
  /// the last of what it had to send, one that is not next in order (RFC 5681 section 4.2), or one that fills a gap.
  /// In the middle of a long transfer an acknowledgment may wait for the next segment, and in a conversation for the
  /// answer.
  private func isUrgentToAcknowledge(_ segment: TCPArrival) -> Bool {
    let isOrdinary =
      segment.flags.isDisjoint(with: [.fin, .urg]) && segment.sequence == receiveExpected && reassembly.isEmpty
    if isOrdinary && conversation.isSettled && segment.payload.count < segmentSize { return false }
    return bytesFromGuest < UInt64(Self.quickSegments * segmentSize)
      || !segment.flags.isDisjoint(with: [.psh, .fin, .urg]) || segment.sequence != receiveExpected
      || !reassembly.isEmpty
  }

  /// How many segments are acknowledged at once before a transfer counts as a long one.
  private static let quickSegments = 16
}
