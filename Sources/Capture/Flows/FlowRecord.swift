public import Primitives
public import Wire

/// What a capture shows of one flow: a TCP connection, datagrams between two endpoints, or echoes of one identifier.
public struct FlowRecord: Sendable {
  /// TCP, UDP, ICMP or ICMPv6.
  public let proto: IPProtocol
  /// Who has sent the first frame, as far as the capture shows; of echoes, the port is the identifier.
  public let opener: Endpoint
  /// The other end.
  public let other: Endpoint
  /// Whether the opener is the guest.
  public let isOpenedByGuest: Bool
  /// When the first frame passed, in nanoseconds since 1970.
  public let firstTime: Int64
  /// When the last one did.
  public internal(set) var lastTime: Int64
  /// What the opener has sent.
  public internal(set) var fromOpener = FlowHalf()
  /// What the other end has sent.
  public internal(set) var fromOther = FlowHalf()
  /// From the first SYN to its answer, in nanoseconds: the way to the other end and back, from where the capture was
  /// made. Nil where the capture does not have both.
  public internal(set) var answerTime: Int64?
  /// From the answer of the SYN to its acknowledgment: the way to the opener and back.
  public internal(set) var acknowledgmentTime: Int64?
  /// What an ICMP error has said of the flow last, and who said it.
  public internal(set) var report: (words: String, reporter: IPAddress)?

  // Of TCP
  var firstFinish: FlowOutcome.Side?
  var reset: (by: FlowOutcome.Side, isRefusal: Bool)?
  var synCount = 0
  var synTime: Int64?
  var answeredAt: Int64?

  init(_ packet: TransportPacket, isFromGuest: Bool, at time: Int64) {
    proto = packet.proto
    opener = packet.source
    other = packet.destination
    isOpenedByGuest = isFromGuest
    firstTime = time
    lastTime = time
  }

  /// What the guest has sent.
  public var fromGuest: FlowHalf { isOpenedByGuest ? fromOpener : fromOther }
  /// What was sent to the guest.
  public var toGuest: FlowHalf { isOpenedByGuest ? fromOther : fromOpener }

  /// How the flow has ended, as far as the capture shows.
  public var end: FlowOutcome {
    if let reset { return reset.isRefusal ? .refused(by: reset.by) : .reset(by: reset.by) }
    if let report { return .reported(report.words, by: report.reporter) }
    if let firstFinish {
      return fromOpener.isFinished && fromOther.isFinished ? .closed(first: firstFinish) : .halfClosed(by: firstFinish)
    }
    if synCount > 0, fromOther.frames == 0 { return .unanswered(synCount) }
    return .open
  }

  subscript(side: FlowOutcome.Side) -> FlowHalf {
    get { side == .opener ? fromOpener : fromOther }
    set { if side == .opener { fromOpener = newValue } else { fromOther = newValue } }
  }
}

/// What one end of a flow has sent.
public struct FlowHalf: Sendable {
  /// Frames.
  public internal(set) var frames = 0
  /// Bytes of payload, those sent again included.
  public internal(set) var bytes = 0
  /// Segments of which every byte, or the first, was sent before.
  public internal(set) var retransmissions = 0
  /// Segments that fill a gap which later ones had left.
  public internal(set) var outOfOrder = 0
  /// How often the end had no room left for what the other sends.
  public internal(set) var zeroWindows = 0
  /// Probes whether the other end is still there (RFC 9293 section 3.8.4).
  public internal(set) var keepAlives = 0
  /// How long what it has sent took to be acknowledged, or an echo to be answered.
  public internal(set) var roundTrips = RoundTrips()

  // Of TCP
  var initial: SequenceNumber?
  /// The number behind the last that was sent.
  var next: SequenceNumber?
  /// What was passed over, a few of it.
  var gaps: [Range<Int>] = []
  var hasSYN = false
  var windowScale: UInt8?
  var firstTimestamp: UInt32?
  var isWindowClosed = false
  var isFinished = false
  /// What is awaited to be acknowledged, and since when.
  var timed: (end: SequenceNumber, at: Int64)?

  init() {}
}

/// Round trips that were measured.
public struct RoundTrips: Hashable, Sendable {
  /// How many.
  public private(set) var count = 0
  /// The shortest, in nanoseconds.
  public private(set) var least: Int64 = .max
  private var total: Int64 = 0

  /// The mean, in nanoseconds; 0 where there is none.
  public var mean: Int64 { count == 0 ? 0 : total / Int64(count) }

  mutating func add(_ time: Int64) {
    // Times in a file may go backwards.
    let time = max(0, time)
    count += 1
    least = min(least, time)
    total = total.addingReportingOverflow(time).partialValue
  }
}

/// How a flow has ended, as far as a capture shows.
public enum FlowOutcome: Hashable, Sendable {
  /// One of the two ends.
  public enum Side: Hashable, Sendable {
    case opener
    case other

    var peer: Side { self == .opener ? .other : .opener }
  }

  /// It has not ended.
  case open
  /// Both have finished, one of them first.
  case closed(first: Side)
  /// One has finished.
  case halfClosed(by: Side)
  /// One has reset it.
  case reset(by: Side)
  /// One has answered the SYN by a reset.
  case refused(by: Side)
  /// An ICMP error was sent about it.
  case reported(String, by: IPAddress)
  /// So many SYNs had no answer.
  case unanswered(Int)
}
