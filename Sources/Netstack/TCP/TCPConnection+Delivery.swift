import Primitives

// What the host has taken, and how much more it may: RCV.NXT and RCV.WND.
extension TCPConnection {
  /// The host took `count` bytes from RCV.NXT on.
  mutating func delivered(_ count: Int, at now: Instant) {
    receiveNext += count
    bytesFromGuest += UInt64(count)
    // RFC 9293 section 3.8.6.3: at least every second full segment; and the window must not run dry meanwhile.
    let isDue = receiveNext - lastAcknowledgment >= 2 * segmentSize
    if isDue || receiveEdge - receiveNext < 2 * segmentSize {
      work.insert(.acknowledge)
    } else if acknowledgmentDeadline == .never {
      acknowledgmentDeadline = now + Self.acknowledgmentDelay
    }
  }

  /// Whether everything up to the guest's FIN was delivered and the FIN is next.
  var isFinishDue: Bool { guestFinish == receiveNext && canReceive }

  /// Moves past the guest's FIN, which was passed on to the host.
  mutating func finishReceived(at now: Instant) {
    receiveNext += 1
    receiveEdge = SequenceNumber.later(receiveEdge, receiveNext)
    isWriteFinished = true
    work.insert(.acknowledge)
    switch state {
    case .established: state = .closeWait
    case .finWait1: state = isFinishAcknowledged ? .timeWait : .closing
    case .finWait2: state = .timeWait
    case .connecting, .synSent, .synReceived, .closeWait, .closing, .lastAck, .timeWait, .draining: break
    }
    if state == .timeWait { startTimer(.timeWait, after: Self.timeWaitLength, at: now) }
  }

  // MARK: The window

  /// The least that the window grows by, however little room there is, in bytes.
  private static let smallestGain = 2048

  /// Whether so much of the window is used up that it is time to see how much room there is.
  var isWindowStale: Bool { (receiveEdge - receiveNext) * 4 <= widestWindow * 3 }

  /// Moves the window's edge as far as `space` bytes of room in the host's socket allow, never back.
  ///
  /// `isWritable` says that the host has just reported room, which it does not do again while there is some: then a
  /// closed window opens however little that is, or it would stay closed.
  /// - Returns: whether it moved far enough to tell the guest without being asked.
  mutating func openWindow(space: Int, isWritable: Bool = false) -> Bool {
    let limit = 65_535 << Int(receiveScale)
    let closed = receiveEdge - receiveNext
    let edge = receiveNext + min(space, limit)
    let gain = edge - receiveEdge
    // RFC 9293 section 3.8.6.2.2: no silly windows; small gains wait until they add up to a segment, or to half of
    // the room where that is less than a (very long) segment.
    let isUrgent = isWritable && closed == 0 && gain > 0
    guard isUrgent || gain >= min(segmentSize, max(space / 2, Self.smallestGain), limit / 2) else { return false }
    receiveEdge = edge
    widestWindow = edge - receiveNext
    return closed < 2 * segmentSize || gain >= max(closed / 4, 2 * segmentSize)
  }
}
