import Primitives
import Wire

// # Losses
// Towards the guest a segment may get lost: an overrun ring, a datagram link. The loss shows by selective
// acknowledgments, or by three duplicate acknowledgments where the guest knows none of those; then what is missing is
// sent again at the pace of half the congestion window (RFC 6675, RFC 6582). A loss at the end of a flight shows by
// nothing: after two round trips of silence the last segment is sent again to provoke a report (RFC 8985 section 7).
// What is left is for the retransmission timer: slow start from SND.UNA, over what the guest has reported since.
extension TCPConnection {
  /// RFC 8985 section 7.2: the least wait for a loss probe; below it, it would be the guest's scheduling that is
  /// measured.
  private static let minimumProbeTimeout = Interval.milliseconds(10)
  /// RFC 8985 section 7.2, WCDelAckT: how long a guest may hold back the acknowledgment of a single segment.
  private static let delayedAcknowledgment = Interval.milliseconds(200)
  /// RFC 5681 section 3.2.
  private static let duplicateThreshold: UInt8 = 3
  /// More than any guest's window (65,535 shifted by 14).
  private static let maximumCongestionWindow = 1 << 30

  private var flight: SACKScoreboard.Flight {
    SACKScoreboard.Flight(
      unacknowledged: sendUnacknowledged, maximum: sendMaximum, retransmitted: highRetransmitted,
      segmentSize: segmentSize)
  }

  // MARK: What acknowledgments tell

  /// RFC 2018: notes what the segment reports; returns whether that was new.
  mutating func takeReports(_ segment: TCPArrival, _ scoreboard: inout SACKScoreboard) -> Bool {
    guard !segment.options.sackBlocks.isEmpty, agreed.contains(.selectiveAcknowledgments) else { return false }
    return scoreboard.report(segment.options.sackBlocks, flight, in: &sacked)
  }

  /// The cumulative acknowledgment has moved by `bytes`: RFC 5681 section 3.1, and in recovery RFC 6582 section 3.2.
  mutating func recover(by bytes: Int, acknowledged number: SequenceNumber) {
    duplicateAcknowledgments = 0
    switch recovery {
    case .none:
      growCongestionWindow(by: bytes)
    case .timeout:
      if number >= recoveryPoint { recovery = .none }
      // RFC 3465 section 2.3: most of it may have arrived long ago, which is no reason for a burst.
      growCongestionWindow(by: min(bytes, segmentSize))
    case .fast where number >= recoveryPoint:
      recovery = .none
      congestionWindow = slowStartThreshold
    case .fast where agreed.contains(.selectiveAcknowledgments):
      highRetransmitted = SequenceNumber.later(highRetransmitted, number)
    case .fast:
      // A partial acknowledgment: the segment behind it is lost as well.
      work.insert(.retransmit)
      congestionWindow = max(congestionWindow - bytes + segmentSize, segmentSize)
    }
  }

  /// RFC 5681 section 3.1, by the bytes acknowledged (RFC 3465) as Linux does it: guests acknowledge what their drivers
  /// have merged, and one segment for each acknowledgment would never fill a window.
  private mutating func growCongestionWindow(by bytes: Int) {
    if congestionWindow < slowStartThreshold {
      congestionWindow = min(congestionWindow + bytes, slowStartThreshold)
    } else {
      congestionWindow += max(1, segmentSize * bytes / max(congestionWindow, 1))
    }
    congestionWindow = min(congestionWindow, Self.maximumCongestionWindow)
  }

  /// An acknowledgment has not moved, or has reported something: RFC 5681 section 3.2, RFC 6675 section 5.
  mutating func duplicateAcknowledged(_ scoreboard: borrowing SACKScoreboard, at now: Instant) {
    if duplicateAcknowledgments < .max { duplicateAcknowledgments += 1 }
    work.insert(.pump)
    let selects = agreed.contains(.selectiveAcknowledgments)
    switch recovery {
    case .timeout: return
    case .fast:
      // Each duplicate says that a segment has left the network.
      if !selects { congestionWindow += segmentSize }
    case .none:
      let isLost = selects && scoreboard.isFirstLost(flight, in: sacked)
      guard isLost || duplicateAcknowledgments >= Self.duplicateThreshold else { return }
      beginFastRecovery(at: now)
    }
  }

  private mutating func beginFastRecovery(at now: Instant) {
    recovery = .fast
    recoveryPoint = sendMaximum
    highRetransmitted = sendUnacknowledged
    sendNext = sendMaximum
    // RFC 5681 section 3.2, (2): what limited transmit has sent beyond the congestion window does not count.
    slowStartThreshold = max(min(inFlight, congestionWindow) / 2, 2 * segmentSize)
    congestionWindow = slowStartThreshold
    if !agreed.contains(.selectiveAcknowledgments) {
      congestionWindow += Int(Self.duplicateThreshold) * segmentSize
    }
    timedSequence = nil
    work.insert(.retransmit)
    startRetransmissionTimer(at: now)
  }

  /// RFC 3042: the first two duplicates each let a new segment go, so that there may be a third. With selective
  /// acknowledgments what the guest reports has left the network, which says the same.
  @inline(__always)
  var limitedTransmit: Int {
    guard recovery == .none, !agreed.contains(.selectiveAcknowledgments) else { return 0 }
    return min(Int(duplicateAcknowledgments), 2) * segmentSize
  }

  // MARK: What is sent in recovery

  /// RFC 6675 section 4, NextSeg(), and section 5 (C): what is lost, else what is new. Its other two rules, which send
  /// again what may well be on its way, are left to the timer.
  mutating func recoveryPermit(_ scoreboard: borrowing SACKScoreboard) -> TCPPermit? {
    let allowed = congestionWindow - scoreboard.pipe(flight, in: sacked)
    guard allowed >= segmentSize else { return nil }
    if let lost = scoreboard.nextLost(flight, in: sacked) {
      return again(lost.start, min(lost.end - lost.start, allowed))
    }
    let fresh = min(allowed, sendWindow - (sendMaximum - sendUnacknowledged))
    if fresh >= segmentSize && isReadable && finishSequence == nil {
      return TCPPermit(sequence: sendMaximum, byteCount: fresh - fresh % segmentSize)
    }
    return nil
  }

  /// A permit for what was sent before; our FIN takes no byte of the host's.
  private func again(_ sequence: SequenceNumber, _ count: Int) -> TCPPermit? {
    var count = count
    if let finish = finishSequence { count = min(count, finish - sequence) }
    return count > 0 ? TCPPermit(sequence: sequence, byteCount: count) : nil
  }

  /// The segment at SND.UNA, which is taken for lost.
  func firstSegment() -> TCPPermit? {
    again(sendUnacknowledged, min(segmentSize, sendMaximum - sendUnacknowledged))
  }

  /// RFC 8985 section 7.3: the last segment in flight.
  func lastSegment() -> TCPPermit? {
    let first = SequenceNumber.later(sendMaximum + -segmentSize, sendUnacknowledged)
    return again(first, sendMaximum - first)
  }

  // MARK: Silence

  /// RFC 8985 section 7.2: how long to wait for an acknowledgment before the last segment is sent again; nil where
  /// that does not help.
  @inline(__always)
  var probeTimeout: Interval? {
    guard agreed.contains(.selectiveAcknowledgments), recovery == .none, !hasProbedLoss, smoothedRoundTrip > .zero,
      backoffs == 0
    else { return nil }
    var timeout = max(smoothedRoundTrip * 2, Self.minimumProbeTimeout)
    if sendMaximum - sendUnacknowledged <= segmentSize { timeout = timeout + Self.delayedAcknowledgment }
    return timeout < retransmissionTimeout ? timeout : nil
  }

  /// RFC 6298 (5.4) to (5.7), and RFC 5681 section 3.1 for the windows.
  mutating func beginTimeoutRecovery(_ scoreboard: inout SACKScoreboard) {
    if recovery != .timeout { slowStartThreshold = max((sendMaximum - sendUnacknowledged) / 2, 2 * segmentSize) }
    // RFC 2018 section 8: the guest may have thrown away what it reported.
    scoreboard.releaseAll(in: &sacked)
    recovery = .timeout
    recoveryPoint = sendMaximum
    congestionWindow = segmentSize
    duplicateAcknowledgments = 0
    sendNext = sendUnacknowledged
    work.insert(.pump)
  }
}
