import Primitives
import Wire

/// How much may be read from the host and sent to the guest now.
struct TCPPermit: Equatable {
  /// Bytes at the front of the host's socket that are in flight already.
  var skipping: Int
  /// The most bytes to send.
  var byteCount: Int
}

extension TCPConnection {
  // MARK: Acknowledgments

  /// RFC 9293 section 3.10.7.4, fifth: takes the segment's acknowledgment and window.
  ///
  /// - Returns: false where the segment acknowledges what was never sent, and is to be dropped.
  mutating func acknowledge(_ segment: TCPArrival, at now: Instant) -> Bool {
    let number = segment.acknowledgment
    guard number <= sendMaximum else {
      work.insert(.acknowledge)
      return false
    }
    // Older than what we know: neither its acknowledgment nor its window counts.
    guard number >= sendUnacknowledged else { return true }
    let window = Int(segment.window) << Int(sendScale)
    let isAdvance = number > sendUnacknowledged
    if isAdvance {
      advance(to: number, at: now)
    } else if isDuplicate(segment, window: window) {
      duplicateAcknowledged()
    }
    updateWindow(window, from: segment, isAdvance: isAdvance, at: now)
    return true
  }

  /// RFC 5681 section 2: what makes an acknowledgment a duplicate.
  private func isDuplicate(_ segment: TCPArrival, window: Int) -> Bool {
    segment.length == 0 && sendMaximum > sendUnacknowledged && window == sendWindow && timer == .retransmission
  }

  private mutating func advance(to number: SequenceNumber, at now: Instant) {
    var bytes = number - sendUnacknowledged
    if let finish = finishSequence, number > finish { bytes -= 1 }
    takeRoundTripSample(upTo: number, at: now)
    sendUnacknowledged = number
    if sendNext < number { sendNext = number }
    discardByteCount += bytes
    lastProgress = now
    endBackoff()
    if timer == .persist { stopTimer() }
    growCongestionWindow(by: bytes, acknowledged: number)
    restartRetransmissionTimer(at: now)
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
    windowUpdateSequence = segment.sequence
    windowUpdateAcknowledgment = segment.acknowledgment
    guard grown else { return }
    work.insert(.pump)
    if timer == .persist {
      // The probe's byte was outside the old window: it goes out again as the first of the new one.
      stopTimer()
      sendNext = sendUnacknowledged
    }
  }

  // MARK: Congestion control

  /// RFC 5681 section 3.1, and RFC 6582 section 3.2 in recovery.
  private mutating func growCongestionWindow(by bytes: Int, acknowledged number: SequenceNumber) {
    duplicateAcknowledgments = 0
    if let point = recoveryPoint {
      if number >= point {
        recoveryPoint = nil
        congestionWindow = slowStartThreshold
      } else {
        // A partial acknowledgment: the segment behind it is lost as well.
        work.insert(.retransmit)
        congestionWindow = max(congestionWindow - bytes + maximumSegment, maximumSegment)
      }
      return
    }
    if congestionWindow < slowStartThreshold {
      congestionWindow += bytes
    } else {
      congestionWindow += max(1, maximumSegment * bytes / max(congestionWindow, 1))
    }
    congestionWindow = min(congestionWindow, Self.maximumCongestionWindow)
  }

  /// More than any guest's window (65,535 shifted by 14).
  private static let maximumCongestionWindow = 1 << 30

  /// RFC 5681 section 3.2: the third duplicate says that the segment at SND.UNA is lost.
  private mutating func duplicateAcknowledged() {
    duplicateAcknowledgments = min(duplicateAcknowledgments + 1, 1000)
    if recoveryPoint != nil {
      congestionWindow += maximumSegment
      work.insert(.pump)
    } else if duplicateAcknowledgments == 3 {
      slowStartThreshold = max((sendMaximum - sendUnacknowledged) / 2, 2 * maximumSegment)
      congestionWindow = slowStartThreshold + 3 * maximumSegment
      recoveryPoint = sendMaximum
      timedSequence = nil
      work.insert(.retransmit)
    }
  }

  // MARK: What may be sent

  /// How much may be read and sent now, nil for nothing. Starts the persist timer where a closed window is why.
  mutating func permit(at now: Instant) -> TCPPermit? {
    guard canSend, isReadable || sendNext < sendMaximum else { return nil }
    if let finish = finishSequence, sendNext >= finish { return nil }
    let usable = min(sendWindow, congestionWindow) - inFlight
    guard usable > 0 else {
      if inFlight == 0 && timer == .none { startPersist(at: now) }
      return nil
    }
    // RFC 9293 section 3.8.6.2.1: a segment that the window would cut short waits for more window.
    guard usable >= maximumSegment || inFlight == 0 else { return nil }
    var count = usable < maximumSegment ? usable : usable - usable % maximumSegment
    if let finish = finishSequence { count = min(count, finish - sendNext) }
    return TCPPermit(skipping: inFlight, byteCount: count)
  }

  /// `count` bytes of payload from SND.NXT on were sent.
  mutating func sent(_ count: Int, at now: Instant) {
    let end = sendNext + count
    if end > sendMaximum {
      bytesToGuest += UInt64(end - sendMaximum)
      // RFC 6298 section 3 (Karn): only what is sent for the first time is timed.
      if timedSequence == nil && sendNext >= sendMaximum {
        timedSequence = end
        timedSince = now
      }
      sendMaximum = end
    }
    sendNext = end
    if timer == .none { startRetransmissionTimer(at: now) }
  }

  /// The host's stream has ended: the FIN comes behind the last byte.
  mutating func hostFinished() {
    guard hostEnd == .open else { return }
    hostEnd = .finished
    finishSequence = sendNext
    work.insert(.pump)
  }

  /// Whether our FIN is to be sent, or sent again, at SND.NXT.
  var isFinishSendable: Bool { finishSequence == sendNext && canSend }

  /// Our FIN was sent.
  mutating func finishSent(at now: Instant) {
    sendNext += 1
    sendMaximum = SequenceNumber.later(sendMaximum, sendNext)
    switch state {
    case .established: state = .finWait1
    case .closeWait: state = .lastAck
    case .connecting, .synSent, .synReceived, .finWait1, .finWait2, .closing, .lastAck, .timeWait, .draining: break
    }
    if timer == .none { startRetransmissionTimer(at: now) }
  }
}
