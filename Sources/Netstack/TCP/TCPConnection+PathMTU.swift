import Primitives

// RFC 1191, RFC 8201: the way to a guest may be narrower than what the guest's SYN said, where it is a router itself.
extension TCPConnection {
  /// RFC 5927 section 4.1: whether a report that quotes `sequence` can be about a segment that is on its way.
  func isInFlight(_ sequence: SequenceNumber) -> Bool { sendUnacknowledged <= sequence && sequence < sendMaximum }

  /// Bytes of the IP and TCP headers of our segments, without options.
  var headerLength: Int { guest.address.family == .ipv4 ? 40 : 60 }

  /// RFC 1191 section 6.4, RFC 8201 section 5.4: packets longer than `mtu` bytes do not get through. What is in flight
  /// is cut anew and sent again, slowly at first, but without the penalty of a congestion.
  mutating func narrowPath(to mtu: Int) {
    let fitting = mtu - headerLength - optionLength
    guard isSynchronized && fitting > 0 && fitting < segmentSize else { return }
    maximumSegment = UInt16(clamping: fitting)
    congestionWindow = min(congestionWindow, initialWindow)
    recovery = .timeout
    recoveryPoint = sendMaximum
    duplicateAcknowledgments = 0
    timedSequence = nil
    sendNext = sendUnacknowledged
    work.insert(.pump)
  }
}
