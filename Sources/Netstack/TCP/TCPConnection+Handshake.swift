import Primitives
import Wire

extension TCPConnection {
  /// A connection that a guest's SYN asks for; the host's connect comes first.
  init(
    fromGuest guest: Endpoint, to remote: Endpoint, host: Endpoint, syn: TCPArrival, mtu: Int,
    initialSend: SequenceNumber, at now: Instant
  ) {
    self.init(
      guest: guest, remote: remote, host: host, isInbound: false, state: .connecting, initialSend: initialSend,
      sendUnacknowledged: initialSend, sendNext: initialSend, sendMaximum: initialSend,
      windowUpdateSequence: syn.sequence, windowUpdateAcknowledgment: initialSend,
      maximumSegment: 0, initialReceive: syn.sequence, receiveNext: syn.sequence + 1,
      receiveEdge: syn.sequence + 1, lastProgress: now)
    adopt(syn, mtu: mtu)
  }

  /// A connection that a client of a forward has made; the guest is asked next.
  init(
    toGuest guest: Endpoint, from remote: Endpoint, host: Endpoint, mtu: Int, initialSend: SequenceNumber,
    at now: Instant
  ) {
    self.init(
      guest: guest, remote: remote, host: host, isInbound: true, state: .synSent, initialSend: initialSend,
      sendUnacknowledged: initialSend, sendNext: initialSend, sendMaximum: initialSend + 1,
      windowUpdateSequence: SequenceNumber(0), windowUpdateAcknowledgment: initialSend,
      maximumSegment: 0, initialReceive: SequenceNumber(0), receiveNext: SequenceNumber(0),
      receiveEdge: SequenceNumber(0), lastProgress: now)
    sendNext = initialSend + 1
    // What we would like to speak: settled by the guest's SYN-ACK.
    receiveScale = Self.offeredScale
    work = .synchronize
  }

  /// Takes over what the guest's SYN or SYN-ACK says of its side.
  mutating func adopt(_ syn: TCPArrival, mtu: Int) {
    initialReceive = syn.sequence
    receiveNext = syn.sequence + 1
    receiveEdge = receiveNext
    lastAcknowledgment = receiveNext
    windowUpdateSequence = syn.sequence
    // RFC 7323 section 2.2: the window of a SYN itself is never scaled.
    sendWindow = Int(syn.window)
    let isIPv4 = guest.address.family == .ipv4
    let offered = syn.options.mss.map(Int.init) ?? (isIPv4 ? Self.defaultMaximumSegment4 : Self.defaultMaximumSegment6)
    let fitting = mtu - (isIPv4 ? 40 : 60)
    maximumSegment = min(max(offered, Self.minimumMaximumSegment), fitting)
    // RFC 7323 section 2.2: scaling holds only where both SYNs carry the option.
    if let scale = syn.options.windowScale {
      sendScale = min(scale, 14)
      receiveScale = Self.offeredScale
    } else {
      sendScale = 0
      receiveScale = 0
    }
    // RFC 6928: ten segments, but no more than 14,600 bytes or two segments where those are larger.
    congestionWindow = min(10 * maximumSegment, max(2 * maximumSegment, 14_600))
  }

  /// The host's connect has succeeded: the guest's SYN may be answered.
  mutating func hostConnected(at now: Instant) {
    state = .synReceived
    sendNext = initialSend + 1
    sendMaximum = sendNext
    lastProgress = now
    work.insert(.synchronize)
    timedSequence = sendNext
    timedSince = now
  }

  /// The handshake is complete.
  mutating func establish(at now: Instant) {
    state = .established
    lastProgress = now
    backoffs = 0
    isReadable = true
    work.insert([.pump, .updateWindow])
  }
}

extension TCPConnection {
  private init(
    guest: Endpoint, remote: Endpoint, host: Endpoint, isInbound: Bool, state: State, initialSend: SequenceNumber,
    sendUnacknowledged: SequenceNumber, sendNext: SequenceNumber, sendMaximum: SequenceNumber,
    windowUpdateSequence: SequenceNumber, windowUpdateAcknowledgment: SequenceNumber, maximumSegment: Int,
    initialReceive: SequenceNumber, receiveNext: SequenceNumber, receiveEdge: SequenceNumber, lastProgress: Instant
  ) {
    self.guest = guest
    self.remote = remote
    self.host = host
    self.isInbound = isInbound
    self.state = state
    self.initialSend = initialSend
    self.sendUnacknowledged = sendUnacknowledged
    self.sendNext = sendNext
    self.sendMaximum = sendMaximum
    self.windowUpdateSequence = windowUpdateSequence
    self.windowUpdateAcknowledgment = windowUpdateAcknowledgment
    self.maximumSegment = maximumSegment
    self.initialReceive = initialReceive
    self.receiveNext = receiveNext
    self.receiveEdge = receiveEdge
    lastAcknowledgment = receiveNext
    self.lastProgress = lastProgress
  }
}
