import Primitives
import Wire

/// What may be read from the host and sent to the guest now: a range of sequence numbers.
struct TCPPermit: Equatable {
  /// Where it begins; the host's socket holds `sequence - SND.UNA` bytes before it.
  var sequence: SequenceNumber
  /// The most bytes to send.
  var byteCount: Int
  /// Whether the bytes are worth a segment only if they are all that the host has, see `sillyWindowFound`.
  var isSilly = false
}

extension TCPConnection {
  // MARK: Acknowledgments

  /// RFC 9293 section 3.10.7.4, fifth: takes the segment's acknowledgment, its window and its reports.
  ///
  /// - Returns: false where the segment acknowledges what was never sent, or is older than any window, and is to be
  ///   dropped.
  mutating func acknowledge(
    _ segment: TCPArrival, at now: Instant, _ scoreboard: inout SACKScoreboard
  ) -> Bool {
    let number = segment.acknowledgment
    // RFC 5961 section 5.2: data is injected by guessing where in 2^32 the acknowledgments are.
    guard number <= sendMaximum && sendUnacknowledged - number <= max(widestSendWindow, segmentSize) else {
      challenge(at: now)
      return false
    }
    // Older than what we know: neither its acknowledgment nor its window counts.
    guard number >= sendUnacknowledged else { return true }
    if timer == .keepAlive { startKeepAliveTimer(at: now) }
    let window = Int(segment.window) << Int(sendScale)
    let isAdvance = number > sendUnacknowledged
    let isNews = takeReports(segment, &scoreboard)
    if isAdvance {
      advance(to: number, by: segment, at: now, &scoreboard)
    } else if isNews || isDuplicate(segment, window: window) {
      duplicateAcknowledged(scoreboard, at: now)
    }
    updateWindow(window, from: segment, isAdvance: isAdvance, at: now)
    return true
  }

  /// RFC 5681 section 2: what makes an acknowledgment a duplicate. Where blocks are reported only they tell of a loss
  /// (RFC 6675 section 2): one without any is an answer to something else, or was repeated by the network.
  @inline(__always)
  private func isDuplicate(_ segment: TCPArrival, window: Int) -> Bool {
    segment.length == 0 && !agreed.contains(.selectiveAcknowledgments) && sendMaximum > sendUnacknowledged
      && window == sendWindow
      && (timer == .retransmission || timer == .lossProbe)
  }

  private mutating func advance(
    to number: SequenceNumber, by segment: TCPArrival, at now: Instant, _ scoreboard: inout SACKScoreboard
  ) {
    var bytes = number - sendUnacknowledged
    if let finish = finishSequence, number > finish { bytes -= 1 }
    takeRoundTripSample(segment, at: now)
    sendUnacknowledged = number
    if sendNext < number { sendNext = number }
    scoreboard.release(upTo: number, in: &sacked)
    discardByteCount += bytes
    lastProgress = now
    hasProbedLoss = false
    endBackoff()
    recover(by: bytes, acknowledged: number)
    restartTimer(at: now)
    if isFinishAcknowledged { finishAcknowledged(at: now) }
    work.insert(.pump)
  }

  /// RFC 9293 section 3.10.7.4: the window counts if the segment is not older than the one that last changed it.
  ///
  /// Beyond the RFC it also counts if the segment acknowledges something new, which only the newest knows: a segment
  /// sent again stands at an old number, and without its window the edge would move right by what it acknowledges.
  private mutating func updateWindow(
    _ window: Int, from segment: TCPArrival, isAdvance: Bool, at now: Instant
  ) {
    let isNewer =
      isAdvance || windowUpdateSequence < segment.sequence
      || (windowUpdateSequence == segment.sequence && windowUpdateAcknowledgment <= segment.acknowledgment)
    guard isNewer else { return }
    let grown = window > sendWindow
    sendWindow = window
    widestSendWindow = max(widestSendWindow, window)
    windowUpdateSequence = segment.sequence
    windowUpdateAcknowledgment = segment.acknowledgment
    // RFC 9293 section 3.8.6, SHLD-17: a guest whose window is closed is there as long as it says so.
    if window == 0 && !hasHostFailed { lastProgress = now }
    guard grown else { return }
    work.insert(.pump)
    if timer == .persist || timer == .sillyWindow {
      // The probe's byte was outside the old window: it goes out again as the first of the new one.
      stopTimer()
      sendNext = sendUnacknowledged
    }
  }

  // MARK: What may be sent

  /// How much may be read and sent now, nil for nothing. Starts the timers that a closed or a silly window asks for.
  mutating func permit(at now: Instant, _ scoreboard: borrowing SACKScoreboard) -> TCPPermit? {
    guard canSend else { return nil }
    if recovery == .fast && agreed.contains(.selectiveAcknowledgments) { return recoveryPermit(scoreboard) }
    skipReported(scoreboard)
    guard isReadable || sendNext < sendMaximum else { return nil }
    if let finish = finishSequence, sendNext >= finish { return nil }
    restartAfterIdle(at: now)
    let outstanding = inFlight - scoreboard.byteCount(before: sendNext, in: sacked)
    let usable = min(sendWindow - inFlight, congestionWindow + limitedTransmit - outstanding)
    guard usable > 0 else {
      // The window is closed, perhaps over what was in flight already.
      if inFlight == 0 && timer != .persist { startPersist(at: now) }
      return nil
    }
    var permit = TCPPermit(sequence: sendNext, byteCount: usable - usable % segmentSize)
    if usable < segmentSize {
      guard inFlight == 0 else { return nil }
      permit.byteCount = usable
      // RFC 9293 section 3.8.6, SHLD-16: what was sent before goes again as far as the window still lets it.
      permit.isSilly =
        sendNext == sendMaximum && usable * 2 < min(widestSendWindow, 2 * segmentSize) && !isSillyWindowOverridden
    }
    return limit(permit, scoreboard)
  }

  /// Cuts a permit short where the guest has what follows, or where our FIN is next.
  @inline(__always)
  private func limit(_ permit: TCPPermit, _ scoreboard: borrowing SACKScoreboard) -> TCPPermit {
    var permit = permit
    if let finish = finishSequence { permit.byteCount = min(permit.byteCount, finish - permit.sequence) }
    if let next = scoreboard.range(behind: permit.sequence, in: sacked) {
      permit.byteCount = min(permit.byteCount, next.start - permit.sequence)
    }
    return permit
  }

  /// Moves SND.NXT, which went back after a timeout, past what the guest has reported meanwhile.
  private mutating func skipReported(_ scoreboard: borrowing SACKScoreboard) {
    guard !sacked.isEmpty, sendNext < sendMaximum, let range = scoreboard.range(behind: sendNext, in: sacked),
      range.start <= sendNext
    else { return }
    sendNext = range.end
  }

  /// RFC 9293 section 3.8.6.2.1: the window lets a part of a segment through, and there is more: it waits for a wider
  /// window, or for the override timeout.
  mutating func sillyWindowFound(at now: Instant) {
    if isTimerFree { startTimer(.sillyWindow, after: Self.sillyWindowTimeout, at: now) }
  }

  /// RFC 5681 section 4.1: after a pause longer than the retransmission timeout the congestion window says nothing.
  private mutating func restartAfterIdle(at now: Instant) {
    guard inFlight == 0 && now - lastProgress > retransmissionTimeout else { return }
    congestionWindow = min(congestionWindow, initialWindow)
  }

  // MARK: What was read

  /// Whether acknowledged bytes are to be removed from the host's socket now. In a conversation they wait until they are
  /// worth a call, which would stand between a request and its answer; the host's kernel acknowledges them with the next
  /// request all the same.
  var isDiscardDue: Bool {
    discardByteCount > 0 && !(conversation.isUnderWay && discardByteCount < Self.smallDiscard && hostEnd == .open)
  }

  /// In bytes: little beside the smallest receive buffer.
  private static let smallDiscard = 2048

  /// Room for a slot costs something even if nothing comes for it, and the windows of a connection that has moved
  /// much leave room for a thousand: a short answer is read into a few.
  static let smallestReadLimit: UInt16 = 16

  /// A read filled so many slots, all that there was room for or fewer: the next may bring twice as many. What was
  /// needed before is forgotten by halves, since one call more costs as much as room for some hundred segments.
  mutating func adaptReadLimit(toSlots count: Int, isFull: Bool) {
    readLimit = max(Self.smallestReadLimit, UInt16(clamping: 2 * count), isFull ? readLimit : readLimit / 2)
  }

  // MARK: What was sent

  /// `count` bytes of payload from `sequence` on were sent, and our FIN behind them if it `finishes`.
  mutating func sent(_ count: Int, at sequence: SequenceNumber, finishes: Bool = false, now: Instant) {
    let end = sequence + count + (finishes ? 1 : 0)
    // The user timeout counts from the first of a flight, not from what came before a pause.
    if sendMaximum == sendUnacknowledged { lastProgress = now }
    if finishes { finishLeft() }
    if sequence == sendNext { sendNext = end }
    if recovery == .fast && sequence < sendMaximum {
      highRetransmitted = SequenceNumber.later(highRetransmitted, end)
    }
    if end > sendMaximum {
      conversation.hostSpoke()
      bytesToGuest += UInt64(end - sendMaximum)
      // RFC 6298 section 3 (Karn): only what is sent for the first time is timed.
      if timedSequence == nil && sequence >= sendMaximum {
        timedSequence = end
        timedSince = now
      }
      sendMaximum = end
    }
    startTimerForFlight(at: now)
  }

  /// The host's stream has ended: the FIN comes behind the last byte.
  mutating func hostFinished() {
    guard hostEnd == .open else { return }
    hostEnd = .finished
    finishSequence = sendMaximum
    work.insert(.pump)
  }

  /// Whether our FIN is to be sent, or sent again, at SND.NXT.
  var isFinishSendable: Bool { finishSequence == sendNext && canSend }

  /// Our FIN was sent, alone.
  mutating func finishSent(at now: Instant) {
    if sendMaximum == sendUnacknowledged { lastProgress = now }
    sendNext += 1
    sendMaximum = SequenceNumber.later(sendMaximum, sendNext)
    finishLeft()
    startTimerForFlight(at: now)
  }

  /// RFC 9293 section 3.10.4: the states that our FIN leads to.
  private mutating func finishLeft() {
    switch state {
    case .established: state = .finWait1
    case .closeWait: state = .lastAck
    case .connecting, .synSent, .synReceived, .finWait1, .finWait2, .closing, .lastAck, .timeWait, .draining: break
    }
  }
}
