import Primitives

extension TCPConnection {
  /// Whether the guest has acknowledged our FIN.
  var isFinishAcknowledged: Bool { finishSequence.map { sendUnacknowledged > $0 } ?? false }

  /// Our FIN was acknowledged (RFC 9293 section 3.10.7.4, fifth).
  mutating func finishAcknowledged(at now: Instant) {
    switch state {
    case .finWait1: state = .finWait2
    case .closing:
      state = .timeWait
      startTimer(.timeWait, after: Self.timeWaitLength, at: now)
    case .connecting, .synSent, .synReceived, .established, .finWait2, .closeWait, .lastAck, .timeWait, .draining:
      break
    }
  }

  /// Whether the host's failure may be passed on: the guest has everything that came before it.
  var isResetDue: Bool { hostEnd == .failed && sendUnacknowledged == sendMaximum }

  /// Whether the guest has nothing more to say, and the host's peer is still to hear some of it.
  var isFinishUnderWay: Bool {
    (guestFinish != nil || state == .draining) && !isHostClosed && !isWriteFailed && !hasHostFailed
  }

  /// The guest has reset; what the host took before is still to be delivered.
  mutating func beginDraining(at now: Instant) {
    state = .draining
    work = []
    lastProgress = now
    backoffs = 0
    startTimer(.drain, after: .milliseconds(1), at: now)
  }

  /// The host's peer has not taken everything yet: looks again later, or says that it has taken too long.
  mutating func drainAgain(at now: Instant) -> Bool {
    guard now - lastProgress < Self.drainTimeout else { return false }
    backoffs = min(backoffs + 1, 6)
    startTimer(.drain, after: .milliseconds(Int64(1 << Int(backoffs))), at: now)
    return true
  }
}
