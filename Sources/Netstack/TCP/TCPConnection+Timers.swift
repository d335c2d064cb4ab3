import Primitives

/// What a timer asks for beyond the work it leaves.
enum TCPTimerOutcome {
  case carryOn
  /// Send one byte into the closed window.
  case probe
  /// Ask the guest whether it is still there.
  case keepAlive
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

  /// Whether the timer may be used for something else.
  var isTimerFree: Bool { timer == .none || timer == .keepAlive }

  /// RFC 6298 (5.1).
  mutating func startRetransmissionTimer(at now: Instant) {
    startTimer(.retransmission, after: retransmissionTimeout, at: now)
  }

  /// Something was sent that is to be acknowledged.
  mutating func startTimerForFlight(at now: Instant) {
    guard isTimerFree || timer == .sillyWindow else { return }
    if let timeout = probeTimeout {
      startTimer(.lossProbe, after: timeout, at: now)
    } else {
      startRetransmissionTimer(at: now)
    }
  }

  /// RFC 6298 (5.2) and (5.3): something was acknowledged.
  mutating func restartTimer(at now: Instant) {
    guard timer != .timeWait && timer != .drain else { return }
    timer = .none
    if sendUnacknowledged == sendMaximum { startKeepAliveTimer(at: now) } else { startTimerForFlight(at: now) }
  }

  /// RFC 9293 section 3.8.6.1: the window is closed and data waits.
  mutating func startPersist(at now: Instant) {
    backoffs = 0
    lastProgress = now
    startTimer(.persist, after: retransmissionTimeout, at: now)
  }

  /// RFC 9293 section 3.8.4: from now on nothing needs to be said.
  mutating func startKeepAliveTimer(at now: Instant) {
    backoffs = 0
    startTimer(.keepAlive, after: Self.idleTimeout, at: now)
  }

  /// Whether the override timeout for a silly window has passed.
  var isSillyWindowOverridden: Bool { timer == .sillyWindow && deadline == .never }

  /// When the next of the connection's times is due.
  var nextDeadline: Instant { min(deadline, acknowledgmentDeadline) }

  /// A deadline has passed.
  mutating func timerFired(at now: Instant, _ scoreboard: inout SACKScoreboard) -> TCPTimerOutcome {
    if acknowledgmentDeadline <= now {
      acknowledgmentDeadline = .never
      conversation.end()
      work.insert(.acknowledge)
    }
    guard deadline <= now else { return .carryOn }
    switch timer {
    case .none: return .carryOn
    case .retransmission: return retransmissionFired(at: now, &scoreboard)
    case .lossProbe:
      hasProbedLoss = true
      work.insert(.probeLoss)
      startRetransmissionTimer(at: now)
      return .carryOn
    case .persist: return persistFired(at: now)
    case .sillyWindow:
      deadline = .never
      work.insert(.pump)
      return .carryOn
    case .keepAlive: return keepAliveFired(at: now)
    case .timeWait: return .finished
    case .drain: return .drain
    }
  }

  /// RFC 9293 section 3.8.6.1: the guest that has stopped reading may be patient, as long as it answers.
  private mutating func persistFired(at now: Instant) -> TCPTimerOutcome {
    guard now - lastProgress < (hasHostFailed ? Self.failedHostTimeout : Self.userTimeout) else { return .abort }
    backoffs = min(backoffs + 1, 10)
    let interval = min(retransmissionTimeout * Int64(1 << Int(backoffs)), Self.maximumTimeout)
    startTimer(.persist, after: interval, at: now)
    return .probe
  }

  /// RFC 9293 section 3.8.4: asks whether the guest is still there.
  private mutating func keepAliveFired(at now: Instant) -> TCPTimerOutcome {
    guard backoffs < Self.keepAliveProbes else { return .abort }
    backoffs += 1
    startTimer(.keepAlive, after: Self.keepAliveInterval, at: now)
    return .keepAlive
  }

  /// How often a silent guest is asked, and how long each time is waited for the answer.
  private static let keepAliveProbes: UInt8 = 8
  private static let keepAliveInterval = Interval.seconds(75)

  /// How long a guest may leave unread what came before its peer's reset.
  private static let failedHostTimeout = Interval.seconds(30)

  /// RFC 6298 (5.4) to (5.7).
  private mutating func retransmissionFired(
    at now: Instant, _ scoreboard: inout SACKScoreboard
  ) -> TCPTimerOutcome {
    let isHandshake = state == .synSent || state == .synReceived
    guard now - lastProgress < (isHandshake ? Self.handshakeTimeout : Self.userTimeout) else { return .abort }
    retransmissionTimeout = min(retransmissionTimeout * 2, Self.maximumTimeout)
    backoffs = min(backoffs + 1, 100)
    timedSequence = nil
    startRetransmissionTimer(at: now)
    guard !isHandshake else {
      work.insert(.synchronize)
      return .carryOn
    }
    beginTimeoutRecovery(&scoreboard)
    // RFC 9293 section 3.8.6, MUST-35: the guest has closed its window over what is in flight.
    guard sendWindow == 0 && finishSequence != sendUnacknowledged else { return .carryOn }
    startPersist(at: now)
    return .probe
  }

  /// RFC 6298 section 2: a measurement, if what was timed is acknowledged, or, where something was sent again, by the
  /// timestamp that comes back.
  mutating func takeRoundTripSample(_ segment: TCPArrival, at now: Instant) {
    if let timed = timedSequence, segment.acknowledgment >= timed {
      timedSequence = nil
      // Zero stands for no measurement.
      measured(max(now - timedSince, .microseconds(1)))
    } else if backoffs > 0 || recovery != .none, let sample = echoedRoundTrip(segment, at: now) {
      measured(max(sample, .microseconds(1)))
    }
  }

  private mutating func measured(_ sample: Interval) {
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
  var measuredTimeout: Interval {
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
