import Primitives
import Wire

extension TCPConnection {
  /// A connection that a guest's SYN asks for; the host's connect comes first.
  init(
    fromGuest guest: Endpoint, to remote: Endpoint, host: Endpoint, syn: TCPArrival, mtu: Int,
    initialSend: SequenceNumber, timestampOffset: UInt32, at now: Instant
  ) {
    self.init(
      guest: guest, remote: remote, host: host, isInbound: false, state: .connecting, initialSend: initialSend,
      sendUnacknowledged: initialSend, sendNext: initialSend, sendMaximum: initialSend,
      windowUpdateSequence: syn.sequence, windowUpdateAcknowledgment: initialSend,
      initialReceive: syn.sequence, receiveNext: syn.sequence + 1, receiveEdge: syn.sequence + 1,
      timestampOffset: timestampOffset, lastProgress: now)
    adopt(syn, mtu: mtu, at: now)
  }

  /// A connection that a client of a forward has made; the guest is asked next.
  init(
    toGuest guest: Endpoint, from remote: Endpoint, host: Endpoint, initialSend: SequenceNumber,
    timestampOffset: UInt32, at now: Instant
  ) {
    self.init(
      guest: guest, remote: remote, host: host, isInbound: true, state: .synSent, initialSend: initialSend,
      sendUnacknowledged: initialSend, sendNext: initialSend, sendMaximum: initialSend + 1,
      windowUpdateSequence: SequenceNumber(0), windowUpdateAcknowledgment: initialSend,
      initialReceive: SequenceNumber(0), receiveNext: SequenceNumber(0), receiveEdge: SequenceNumber(0),
      timestampOffset: timestampOffset, lastProgress: now)
    sendNext = initialSend + 1
    // What we would like to speak: settled by the guest's SYN-ACK.
    receiveScale = Self.offeredScale
    agreed = [.selectiveAcknowledgments, .timestamps]
    work = .synchronize
  }

  /// Takes over what the guest's SYN or SYN-ACK says of its side.
  mutating func adopt(_ syn: TCPArrival, mtu: Int, at now: Instant) {
    initialReceive = syn.sequence
    receiveNext = syn.sequence + 1
    receiveEdge = receiveNext
    lastAcknowledgment = receiveNext
    windowUpdateSequence = syn.sequence
    // RFC 7323 section 2.2: the window of a SYN itself is never scaled.
    sendWindow = Int(syn.window)
    widestSendWindow = sendWindow
    adoptOptions(syn.options, at: now)
    let byDefault = guest.address.family == .ipv4 ? Self.defaultMaximumSegment4 : Self.defaultMaximumSegment6
    // No guest can mean an MSS of zero.
    let offered = syn.options.mss.map { $0 == 0 ? byDefault : Int($0) } ?? byDefault
    let fitting = mtu - headerLength
    // RFC 6691 section 2: the option counts no options, so they come out of it.
    maximumSegment = UInt16(clamping: min(max(offered, Self.minimumMaximumSegment), fitting) - optionLength)
    congestionWindow = initialWindow
  }

  /// RFC 7323 section 2.2, RFC 2018 section 2: an option holds only where both SYNs carry it.
  private mutating func adoptOptions(_ options: TCPOptions, at now: Instant) {
    sendScale = min(options.windowScale ?? 0, 14)
    receiveScale = options.windowScale == nil ? 0 : Self.offeredScale
    agreed = []
    if options.isSACKPermitted { agreed.insert(.selectiveAcknowledgments) }
    if let timestamps = options.timestamps {
      agreed.insert(.timestamps)
      timestampRecent = timestamps.value
      timestampAge = now.wholeSeconds
    }
  }

  /// RFC 6928: ten segments, but no more than 14,600 bytes or two segments where those are larger.
  var initialWindow: Int { min(10 * segmentSize, max(2 * segmentSize, 14_600)) }

  /// The host's connect has succeeded: the guest's SYN may be answered.
  mutating func hostConnected(at now: Instant) {
    state = .synReceived
    sendNext = initialSend + 1
    sendMaximum = sendNext
    lastProgress = now
    work.insert(.synchronize)
  }

  /// Our SYN or SYN-ACK was sent: its answer measures the round trip, unless it was sent before (RFC 6298 section 3).
  mutating func synchronizeSent(at now: Instant) {
    if backoffs > 0 || timedSequence != nil {
      timedSequence = nil
    } else {
      timedSequence = sendNext
      timedSince = now
    }
    if timer == .none { startRetransmissionTimer(at: now) }
  }

  /// The handshake is complete.
  mutating func establish(at now: Instant) {
    state = .established
    lastProgress = now
    if backoffs > 0 {
      // RFC 5681 section 3.1, RFC 6298 (5.7): a handshake that lost a segment calls for care.
      congestionWindow = segmentSize
      retransmissionTimeout = smoothedRoundTrip == .zero ? Self.cautiousTimeout : measuredTimeout
      backoffs = 0
    }
    startKeepAliveTimer(at: now)
    work.insert(.pump)
    // Of an outbound connection the host has told when there was something to read, and its room was looked at when it
    // had connected.
    if isInbound {
      isReadable = true
      work.insert(.updateWindow)
    }
    // Data that came with the SYN waits in the pool.
    if !reassembly.isEmpty { work.insert(.deliver) }
  }
}

extension TCPConnection {
  private init(
    guest: Endpoint, remote: Endpoint, host: Endpoint, isInbound: Bool, state: State, initialSend: SequenceNumber,
    sendUnacknowledged: SequenceNumber, sendNext: SequenceNumber, sendMaximum: SequenceNumber,
    windowUpdateSequence: SequenceNumber, windowUpdateAcknowledgment: SequenceNumber,
    initialReceive: SequenceNumber, receiveNext: SequenceNumber, receiveEdge: SequenceNumber,
    timestampOffset: UInt32, lastProgress: Instant
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
    self.initialReceive = initialReceive
    self.receiveNext = receiveNext
    self.receiveEdge = receiveEdge
    lastAcknowledgment = receiveNext
    self.timestampOffset = timestampOffset
    self.lastProgress = lastProgress
  }
}
