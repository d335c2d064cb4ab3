import Primitives

/// What a timer asks for beyond the work it leaves.
enum TCPTimerOutcome {
  case carryOn
  /// Send one byte into the closed window.
  case probe
  /// The guest no longer answers.
  case abort
  /// TIME-WAIT is over.
  case finished
  /// Look whether the host's peer has taken everything.
  case drain
}

extension TCPConnection {
  mutating func startTimer(_ kind: Timer, after interval: Interval, at now: Instant) {
    timer = kind
    deadline = now + interval
  }

  mutating func stopTimer() {
    timer = .none
    deadline = .never
  }

  /// RFC 6298 (5.1).
  mutating func startRetransmissionTimer(at now: Instant) {
    startTimer(.retransmission, after: retransmissionTimeout, at: now)
  }

  /// RFC 6298 (5.2) and (5.3).
  mutating func restartRetransmissionTimer(at now: Instant) {
    guard timer == .retransmission else { return }
    if sendUnacknowledged == sendMaximum { stopTimer() } else { startRetransmissionTimer(at: now) }
  }

  /// RFC 9293 section 3.8.6.1: the window is closed and data waits.
  mutating func startPersist(at now: Instant) {
    backoffs = 0
    startTimer(.persist, after: retransmissionTimeout, at: now)
  }

  /// When the next of the connection's times is due.
  var nextDeadline: Instant { min(deadline, acknowledgmentDeadline) }

  /// A deadline has passed.
  mutating func timerFired(at now: Instant) -> TCPTimerOutcome {
    if acknowledgmentDeadline <= now {
      acknowledgmentDeadline = .never
      work.insert(.acknowledge)
    }
    guard deadline <= now else { return .carryOn }
    switch timer {
    case .none: return .carryOn
    case .retransmission: return retransmissionFired(at: now)
    case .persist:
      // The guest that has stopped reading may be patient; one whose host peer is gone already is not waited for.
      if hostEnd == .failed && now - lastProgress > Self.failedHostTimeout { return .abort }
      backoffs = min(backoffs + 1, 10)
      let interval = min(retransmissionTimeout * Int64(1 << Int(backoffs)), Self.maximumTimeout)
      startTimer(.persist, after: interval, at: now)
      return .probe
    case .timeWait: return .finished
    case .drain: return .drain
    }
  }

  /// How long a guest may leave unread what came before its peer's reset.
  private static let failedHostTimeout = Interval.seconds(30)

  /// RFC 6298 (5.4) to (5.7), and RFC 5681 section 3.1 for the windows.
  private mutating func retransmissionFired(at now: Instant) -> TCPTimerOutcome {
    let isHandshake = state == .synSent || state == .synReceived
    guard now - lastProgress < (isHandshake ? Self.handshakeTimeout : Self.userTimeout) else { return .abort }
    retransmissionTimeout = min(retransmissionTimeout * 2, Self.maximumTimeout)
    backoffs = min(backoffs + 1, 100)
    timedSequence = nil
    startRetransmissionTimer(at: now)
    if isHandshake {
      work.insert(.synchronize)
      return .carryOn
    }
    if backoffs == 1 {
      slowStartThreshold = max((sendMaximum - sendUnacknowledged) / 2, 2 * maximumSegment)
    }
    congestionWindow = maximumSegment
    duplicateAcknowledgments = 0
    recoveryPoint = nil
    sendNext = sendUnacknowledged
    work.insert(.pump)
    return .carryOn
  }

  /// RFC 6298 section 2: a measurement, if what was timed is acknowledged.
  mutating func takeRoundTripSample(upTo number: SequenceNumber, at now: Instant) {
    guard let timed = timedSequence, number >= timed else { return }
    timedSequence = nil
    // Zero stands for no measurement.
    let sample = max(now - timedSince, .microseconds(1))
    if smoothedRoundTrip == .zero {
      // (2.2)
      smoothedRoundTrip = sample
      roundTripVariation = sample / 2
    } else {
      // (2.3)
      let error = smoothedRoundTrip < sample ? sample - smoothedRoundTrip : smoothedRoundTrip - sample
      roundTripVariation = (roundTripVariation * 3 + error) / 4
      smoothedRoundTrip = (smoothedRoundTrip * 7 + sample) / 8
    }
    retransmissionTimeout = measuredTimeout
  }

  /// The timeout by what was measured, without backoff.
  private var measuredTimeout: Interval {
    guard smoothedRoundTrip > .zero else { return Self.initialTimeout }
    let timeout = smoothedRoundTrip + roundTripVariation * 4
    return min(max(timeout, Self.minimumTimeout), Self.maximumTimeout)
  }

  /// The guest has acknowledged something new: the timer's earlier failures count no longer.
  ///
  /// RFC 6298 section 5 keeps the longer timeout until there is a measurement. On a lossy link every measurement may
  /// be spoilt by a retransmission, and the timeout would grow to a minute over a path of a millisecond.
  mutating func endBackoff() {
    guard backoffs > 0 else { return }
    backoffs = 0
    retransmissionTimeout = measuredTimeout
  }
}
