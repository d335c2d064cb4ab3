import Buffers
import Primitives
import Wire

/// One TCP connection, as the stack's end towards the guest: a state machine without I/O.
///
/// # Theory of operation
/// Each connection joins a guest's TCP endpoint, which talks to us in segments, and a stream socket of the host. The
/// kernel's socket buffers are the connection's only buffers:
///
/// - **Guest to host**: payload in order is written to the socket within the turn it came in, and acknowledged as
///   far as the socket took it. What comes out of order, or what the socket did not take, waits in a bounded pool
///   (`ReassemblyPool`). The window we advertise is the room in the socket's send buffer.
/// - **Host to guest**: payload is read from the socket without removing it, straight into frames, and removed once
///   the guest has acknowledged it. So the socket's receive buffer is our retransmission buffer: the byte at
///   SND.UNA is always the socket's first unread byte.
///
/// The guest's SYN is answered after the host's connect has succeeded, so that a refusal is a reset and not an
/// accepted connection that dies. A connection that the host's side begins (a forward) is accepted first, then we
/// send the SYN.
///
/// The two halves close apart: the guest's FIN becomes a shutdown of the socket's writing half behind everything
/// before it; the end of the socket's stream becomes our FIN. A reset by the host's peer reaches the guest behind
/// all bytes that came before it.
///
/// Inputs are methods that return what is to be done (`Arrival`, `Permit`, `TimerAction`); `Stack+TCP*.swift` does
/// it. The files by concern: `+Handshake`, `+Receive`, `+Send`, `+Timers`, `+Close`.
struct TCPConnection {
  /// RFC 9293 section 3.3.2, seen from the stack; `connecting` and `draining` are our own.
  enum State: UInt8 {
    /// The guest's SYN is here, the host's connect is under way.
    case connecting
    case synSent
    case synReceived
    case established
    case finWait1
    case finWait2
    case closeWait
    case closing
    case lastAck
    case timeWait
    /// The guest has reset; the host's peer is still taking what we acknowledged.
    case draining
  }

  /// How the host's stream towards the guest ends.
  enum HostEnd: UInt8 {
    /// It goes on.
    case open
    /// Its end was read: a FIN follows the last byte.
    case finished
    /// It failed: a reset follows the last byte.
    case failed
  }

  /// What the one timer of a connection is for.
  enum Timer: UInt8 {
    case none
    /// RFC 6298: something is in flight.
    case retransmission
    /// RFC 9293 section 3.8.6.1: the guest's window is closed and data waits.
    case persist
    /// RFC 9293 section 3.6.1: 2 MSL.
    case timeWait
    /// Until the host's peer has everything after a guest's reset.
    case drain
    /// RFC 8985 section 7: in flight, and no acknowledgment for two round trips.
    case lossProbe
    /// RFC 9293 section 3.8.6.2.1: a window is open, but too little for a segment worth its header.
    case sillyWindow
    /// RFC 9293 section 3.8.4: nothing was said for hours.
    case keepAlive
  }

  // The fields stand in an order, and are of sizes, that leave few gaps: there may be tens of thousands of them.

  // Who talks to whom
  let guest: Endpoint
  private var neighborPlace: UInt16 = 0
  var state: State
  let isInbound: Bool
  /// What the one timer is for.
  var timer = Timer.none
  /// How the host's stream towards the guest ends.
  var hostEnd = HostEnd.open

  /// The other end, as the guest sees it.
  let remote: Endpoint
  /// The largest payload the guest takes in a segment, in bytes; our options beside it are taken off.
  var maximumSegment: UInt16 = 0
  var recovery = Recovery.none
  /// How often the timer has fired without progress in between.
  var backoffs: UInt8 = 0
  /// The shift of the windows in the guest's segments.
  var sendScale: UInt8 = 0
  /// The shift of the windows in our segments.
  var receiveScale: UInt8 = 0

  /// The other end, as the host sees it.
  let host: Endpoint
  var work = Work()
  /// Whether the flow stands in the list of flows with work.
  var isQueued = false
  var agreed: Agreement = []
  /// Challenges answered since `challengeBegin`, see `mayChallenge`.
  var challengeCount: UInt8 = 0

  // The host's side
  /// There may be something to read from the socket.
  var isReadable = false
  /// The host's peer has finished sending: short reads are not the end, the end is still to be read.
  var isReadClosed = false
  /// Writing to the host failed; the reset follows when everything from there was read.
  var isWriteFailed = false
  /// The guest's FIN was passed on.
  var isWriteFinished = false
  /// The host has reported a failure: what its socket still holds can be read, and nothing comes behind it.
  var hasHostFailed = false
  /// The socket is closed already, in TIME-WAIT.
  var isHostClosed = false
  /// Duplicate acknowledgments that the guest is owed, one for each segment out of order (RFC 5681 section 4.2).
  var duplicatesOwed: UInt8 = 0
  /// A probe for a loss at the end of a flight is out (RFC 8985 section 7).
  var hasProbedLoss = false
  /// Whether guest and host speak in turn.
  var conversation = Conversation()

  // Time
  var deadline = Instant.never
  /// When data that came in is acknowledged at the latest.
  var acknowledgmentDeadline = Instant.never
  /// When something last moved towards the guest, for the user timeout (RFC 9293 section 3.8.3).
  var lastProgress: Instant
  var timedSince = Instant.zero

  var bytesFromGuest: UInt64 = 0
  var bytesToGuest: UInt64 = 0

  // Sending to the guest (RFC 9293 section 3.3.1)
  /// ISS.
  var initialSend: SequenceNumber
  /// SND.UNA: the oldest sequence number in flight. Its byte is the socket's first unread one, behind those that are
  /// still to be removed (`discardByteCount`).
  var sendUnacknowledged: SequenceNumber
  /// SND.NXT: what is sent next; goes back to SND.UNA after a timeout.
  var sendNext: SequenceNumber
  /// The highest SND.NXT so far.
  var sendMaximum: SequenceNumber
  /// SND.WND: the guest's window in bytes, scaled.
  @Compact var sendWindow = 0
  /// The widest window that the guest has shown (RFC 9293 section 3.8.6.2.1, RFC 5961 section 5.2).
  @Compact var widestSendWindow = 0
  /// SND.WL1 and SND.WL2: the segment that last changed the window.
  var windowUpdateSequence: SequenceNumber
  var windowUpdateAcknowledgment: SequenceNumber
  /// Our FIN is in the sequence space, at SND.NXT less one when it was first sent.
  var finishSequence: SequenceNumber?
  var duplicateAcknowledgments: UInt8 = 0
  /// How many slots the next read from the host is laid out for at most, see `adaptReadLimit`.
  var readLimit = TCPConnection.smallestReadLimit

  // Congestion and recovery (RFC 5681, RFC 6582, RFC 6675)
  @Compact var congestionWindow = 0
  @Compact var slowStartThreshold = Int(Int32.max)
  /// SND.MAX when recovery began: recovery ends once it is acknowledged.
  var recoveryPoint = SequenceNumber(0)
  /// HighRxt: what lies before it was sent again in this recovery.
  var highRetransmitted = SequenceNumber(0)
  /// What the guest has beyond SND.UNA, see `SACKScoreboard`.
  var sacked = SACKScoreboard.Ranges()

  // Round-trip time (RFC 6298)
  @CompactInterval var smoothedRoundTrip = .zero
  @CompactInterval var roundTripVariation = .zero
  @CompactInterval var retransmissionTimeout = TCPConnection.initialTimeout
  var timedSequence: SequenceNumber?

  // Receiving from the guest
  /// IRS.
  var initialReceive: SequenceNumber
  /// RCV.NXT: everything before it was taken by the host's socket.
  var receiveNext: SequenceNumber
  /// RCV.NXT plus the window last advertised: this edge never moves back.
  var receiveEdge: SequenceNumber
  /// The acknowledgment number last sent.
  var lastAcknowledgment: SequenceNumber
  /// The window when its edge was last moved: another look at the socket is worth its cost once a part is used up.
  @Compact var widestWindow = 0
  /// Bytes behind RCV.NXT that this turn's frames hold in order, not yet offered to the host.
  @Compact var pendingByteCount = 0
  /// The sequence number of the guest's FIN, once seen.
  var guestFinish: SequenceNumber?
  /// The first out-of-order segment in the pool, see `ReassemblyPool`.
  var reassembly = ReassemblyPool.Queue()
  /// Acknowledged bytes that the socket still holds before the one at SND.UNA.
  @Compact var discardByteCount = 0

  // Timestamps (RFC 7323)
  /// TS.Recent, the guest's clock to echo.
  var timestampRecent: UInt32 = 0
  /// When TS.Recent was taken over, in seconds of our clock.
  var timestampAge: UInt32 = 0
  /// What is added to our clock, so that it tells strangers nothing (RFC 7323 section 5.4).
  var timestampOffset: UInt32 = 0
  /// When the challenges in `challengeCount` began, in seconds of our clock.
  var challengeBegin: UInt32 = 0

  /// Slices of this turn's batch that wait to be written, as a list in the stack's `payloads`.
  var deliveries = BatchLists<PayloadSlice>.List()

  /// What is left to do for a connection at the end of a turn.
  struct Work: OptionSet {
    let rawValue: UInt8
    /// Write what the turn's frames brought, or what waits in the pool, to the host.
    static let deliver = Work(rawValue: 1)
    /// Send an acknowledgment.
    static let acknowledge = Work(rawValue: 2)
    /// Read from the host and send to the guest.
    static let pump = Work(rawValue: 4)
    /// See whether the window has opened enough to say so.
    static let updateWindow = Work(rawValue: 8)
    /// Send the segment at SND.UNA again.
    static let retransmit = Work(rawValue: 16)
    /// Send a SYN or SYN-ACK (again).
    static let synchronize = Work(rawValue: 32)
    /// Send the segment before SND.NXT again, or one more: the last of a flight may be lost.
    static let probeLoss = Work(rawValue: 64)
  }

  /// How far the repair of a loss has come.
  enum Recovery: UInt8 {
    case none
    /// Duplicate or selective acknowledgments have shown a loss (RFC 6582, RFC 6675).
    case fast
    /// The retransmission timer has: everything from SND.UNA on is sent again, but what the guest reports to have.
    case timeout
  }

  /// Whether guest and host speak in turn, a message each, as in requests and responses. Then an acknowledgment may
  /// wait for the answer, which carries it (RFC 1122 section 4.2.3.2).
  struct Conversation {
    /// How often in a row the host has answered; the top bit says that it is the host's turn.
    private var bits: UInt8 = 0

    private static let hostsTurn: UInt8 = 0x80
    private static let enough: UInt8 = 4

    /// Whether an answer to what the guest says now can be counted on: it is the guest's turn.
    var isSettled: Bool { bits == Self.enough }

    /// Whether guest and host have spoken in turn until now, whoever's turn it is.
    var isUnderWay: Bool { bits & ~Self.hostsTurn == Self.enough }

    /// The guest has said something; twice without an answer is no conversation.
    mutating func guestSpoke() { bits = bits & Self.hostsTurn != 0 ? Self.hostsTurn : bits | Self.hostsTurn }

    /// The host has said something.
    mutating func hostSpoke() {
      if bits & Self.hostsTurn != 0 { bits = min(bits & ~Self.hostsTurn + 1, Self.enough) }
    }

    /// An answer did not come in time.
    mutating func end() { bits = 0 }
  }

  /// Which options both sides have offered.
  struct Agreement: OptionSet {
    let rawValue: UInt8
    /// RFC 2018.
    static let selectiveAcknowledgments = Agreement(rawValue: 1)
    /// RFC 7323 section 3.
    static let timestamps = Agreement(rawValue: 2)
  }
}

extension TCPConnection {
  /// RFC 6298 (2.1).
  static let initialTimeout = Interval.seconds(1)
  /// RFC 6298 (5.7).
  static let cautiousTimeout = Interval.seconds(3)
  /// RFC 6298 (2.4) asks for 1 s at least; a guest is a local link away, so Linux's 200 ms is taken instead.
  static let minimumTimeout = Interval.milliseconds(200)
  /// RFC 6298 (2.5): the bound may be 60 s or more.
  static let maximumTimeout = Interval.seconds(60)
  /// RFC 9293 section 3.8.3: R2 is at least 100 s.
  static let userTimeout = Interval.seconds(120)
  /// RFC 5382 REQ-5: a NAT keeps an idle connection for 2 h 4 min at least; then the guest is asked.
  static let idleTimeout = Interval.seconds(2 * 3600 + 4 * 60)
  /// RFC 9293 section 3.8.6.2.1: the override timeout, 0.1 to 1 s.
  static let sillyWindowTimeout = Interval.milliseconds(200)
  /// How long a SYN or SYN-ACK is repeated: as by Linux. RFC 9293 section 3.8.3, MUST-23, has a TCP be able to go on for
  /// three minutes, and whoever uses it may give up sooner; here others wait for the place in the table.
  static let handshakeTimeout = Interval.seconds(63)
  /// RFC 9293 section 3.8.6.3 allows 500 ms; a guest is near, and some wait for it before they go on.
  static let acknowledgmentDelay = Interval.milliseconds(10)
  /// 2 MSL with Linux's MSL of 30 s.
  static let timeWaitLength = Interval.seconds(60)
  /// How long the host's peer has to take what we acknowledged before the guest reset.
  static let drainTimeout = Interval.seconds(2)
  /// RFC 9293 section 3.7.1: the segment size if the SYN names none.
  static let defaultMaximumSegment4 = 536
  static let defaultMaximumSegment6 = 1220
  /// Ours is never below this less options, however small the guest's MSS option: headers would drown the data.
  static let minimumMaximumSegment = 48
  /// The shift that we offer: windows up to 16 MB.
  static let offeredScale: UInt8 = 8

  /// Where the guest was found in the neighbor table.
  var neighbor: Int {
    get { Int(neighborPlace) }
    set { neighborPlace = UInt16(truncatingIfNeeded: newValue) }
  }

  /// Bytes of payload and FIN or SYN in flight.
  var inFlight: Int { sendNext - sendUnacknowledged }

  /// `maximumSegment` for arithmetic.
  var segmentSize: Int { Int(maximumSegment) }

  /// Which side has begun the connection.
  enum Side { case outbound, inbound }

  /// Which side has begun the connection.
  var side: Side { isInbound ? .inbound : .outbound }

  /// Whether the handshake is under way.
  var isHalfOpen: Bool {
    switch state {
    case .connecting, .synSent, .synReceived: true
    case .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait, .draining: false
    }
  }

  /// Whether the handshake is over and the connection is not yet.
  var isSynchronized: Bool {
    switch state {
    case .connecting, .synSent, .synReceived, .draining: false
    case .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait: true
    }
  }

  /// Whether there is something that an acknowledgment can say (RFC 9293 section 3.10.7.4).
  var mayAcknowledge: Bool { isSynchronized || state == .synReceived }

  /// Whether the guest may still send us data.
  var canReceive: Bool {
    switch state {
    case .established, .finWait1, .finWait2: true
    case .connecting, .synSent, .synReceived, .closeWait, .closing, .lastAck, .timeWait, .draining: false
    }
  }

  /// Whether we may still send data, or our FIN, to the guest.
  var canSend: Bool {
    switch state {
    case .established, .closeWait, .finWait1, .closing, .lastAck: true
    case .connecting, .synSent, .synReceived, .finWait2, .timeWait, .draining: false
    }
  }

  /// The window to put in a segment that acknowledges everything received, in the units of the wire. The edge moves
  /// to what the guest computes of it.
  mutating func advertiseWindow() -> UInt16 {
    lastAcknowledgment = receiveNext
    acknowledgmentDeadline = .never
    let window = max(0, receiveEdge - receiveNext)
    // Rounded up, so that it is never left of one that the guest was told before.
    let field = UInt16(clamping: (window + (1 << Int(receiveScale)) - 1) >> Int(receiveScale))
    receiveEdge = SequenceNumber.later(receiveEdge, receiveNext + Int(field) << Int(receiveScale))
    return field
  }
}
