public import Primitives

/// A TCP segment of a trace, with sequence numbers counted from each side's SYN, which is 0.
public struct Segment: Hashable, Sendable {
  /// The control bits.
  public var flags: PlainTCP.Flags
  /// The first sequence number.
  public var seq: Int
  /// The acknowledgment, nil for a segment without.
  public var ack: Int?
  /// The window as on the wire. In an expectation nil stands for any.
  public var win: UInt16?
  /// The options. In an expectation nil stands for any.
  public var options: [PlainTCP.Option]?
  /// The data.
  public var payload: [UInt8]

  /// Makes a segment of its parts.
  public init(
    _ flags: PlainTCP.Flags, seq: Int, ack: Int? = nil, win: UInt16? = nil, options: [PlainTCP.Option]? = nil,
    payload: [UInt8] = []
  ) {
    self.flags = ack == nil ? flags : flags.union(.ack)
    self.seq = seq
    self.ack = ack
    self.win = win
    self.options = options
    self.payload = payload
  }

  /// A SYN with the given options.
  public static func syn(_ options: PlainTCP.Option..., win: UInt16? = nil) -> Segment {
    Segment(.syn, seq: 0, win: win, options: options)
  }

  /// A SYN-ACK; without options any will do.
  public static func synAck(_ options: PlainTCP.Option..., win: UInt16? = nil) -> Segment {
    Segment(.syn, seq: 0, ack: 1, win: win, options: options.isEmpty ? nil : options)
  }

  /// An acknowledgment and no more.
  public static func ack(_ ack: Int, seq: Int, win: UInt16? = nil) -> Segment {
    Segment([], seq: seq, ack: ack, win: win)
  }

  /// A segment with data.
  public static func data(_ text: String, seq: Int, ack: Int, win: UInt16? = nil) -> Segment {
    Segment([], seq: seq, ack: ack, win: win, payload: Array(text.utf8))
  }

  /// A segment with data.
  public static func data(_ bytes: [UInt8], seq: Int, ack: Int, win: UInt16? = nil) -> Segment {
    Segment([], seq: seq, ack: ack, win: win, payload: bytes)
  }

  /// An acknowledgment that reports what lies beyond it: ranges, each up to the number behind it (RFC 2018).
  public static func sack(_ ack: Int, _ blocks: Range<Int>..., seq: Int, win: UInt16? = nil) -> Segment {
    let option = PlainTCP.Option.sack(
      blocks.map { PlainTCP.Block(SequenceNumber(0) + $0.lowerBound, SequenceNumber(0) + $0.upperBound) })
    return Segment([], seq: seq, ack: ack, win: win, options: [option])
  }

  /// A FIN, perhaps with data.
  public static func fin(_ text: String = "", seq: Int, ack: Int, win: UInt16? = nil) -> Segment {
    Segment(.fin, seq: seq, ack: ack, win: win, payload: Array(text.utf8))
  }

  /// A reset, with an acknowledgment or without.
  public static func rst(seq: Int, ack: Int? = nil) -> Segment { Segment(.rst, seq: seq, ack: ack) }

  /// Whether a received segment is what this one expects; PSH is the sender's affair.
  public func matches(_ other: Segment) -> Bool {
    flags.subtracting(.psh) == other.flags.subtracting(.psh) && seq == other.seq && ack == other.ack
      && payload == other.payload && (win == nil || win == other.win) && (options == nil || options == other.options)
  }
}

extension Segment: CustomStringConvertible {
  /// As packetdrill writes segments.
  public var description: String {
    var plain = PlainTCP()
    plain.flags = flags
    plain.sequence = SequenceNumber(UInt32(truncatingIfNeeded: seq))
    plain.acknowledgment = SequenceNumber(UInt32(truncatingIfNeeded: ack ?? 0))
    plain.window = win ?? 0
    plain.options = options ?? []
    plain.payload = payload
    return plain.description + (win == nil ? " (any window)" : "")
  }
}

/// A TCP connection of which a test sends every segment of the guest's itself, and sees each that comes back.
public final class RawConnection {
  /// The guest's port.
  public let port: UInt16
  /// The other end.
  public let remote: Endpoint
  /// The guest's initial sequence number.
  public let initialSequence: SequenceNumber
  /// The stack's initial sequence number, known from its SYN.
  public private(set) var remoteInitial: SequenceNumber?
  /// The window of the guest's segments that name none.
  public var window: UInt16 = 64_240
  /// The guest's clock, which its segments carry with the stack's echoed, once a test has set it (RFC 7323).
  public var clock: UInt32?
  /// The clock of the stack's last segment.
  public private(set) var remoteClock: UInt32 = 0
  /// The lab that it belongs to.
  public unowned let lab: Lab
  private var inbox: [(at: Instant, segment: Segment)] = []

  init(lab: Lab, port: UInt16, remote: Endpoint, initialSequence: SequenceNumber) {
    self.lab = lab
    self.port = port
    self.remote = remote
    self.initialSequence = initialSequence
  }

  func matches(_ remote: Endpoint, port: UInt16) -> Bool { self.remote == remote && self.port == port }

  func receive(_ plain: PlainTCP, at now: Instant) {
    if plain.flags.contains(.syn) { remoteInitial = plain.sequence }
    let hasAck = plain.flags.contains(.ack)
    let start = remoteInitial ?? SequenceNumber(0)
    if let timestamps = plain.timestamps { remoteClock = timestamps.value }
    inbox.append(
      (
        now,
        Segment(
          plain.flags, seq: plain.sequence - start, ack: hasAck ? plain.acknowledgment - initialSequence : nil,
          win: plain.window, options: plain.options.map { $0.counted(from: initialSequence, to: SequenceNumber(0)) },
          payload: plain.payload)
      ))
  }

  /// The packet that carries `segment`, for tests that bend it, on a connection over IPv4.
  public func packet(_ segment: Segment) -> PlainIPv4 {
    PlainIPv4(from: lab.guest.address, to: remote.address.ipv4 ?? .any, .tcp(plain(segment)))
  }

  private func plain(_ segment: Segment) -> PlainTCP {
    var plain = PlainTCP()
    plain.sourcePort = port
    plain.destinationPort = remote.port
    plain.sequence = initialSequence + segment.seq
    plain.flags = segment.flags
    if let ack = segment.ack { plain.acknowledgment = (remoteInitial ?? SequenceNumber(0)) + ack }
    plain.window = segment.win ?? window
    plain.options = (segment.options ?? []).map {
      $0.counted(from: SequenceNumber(0), to: remoteInitial ?? SequenceNumber(0))
    }
    if let clock, !segment.flags.contains(.rst), plain.timestamps == nil {
      plain.options.append(.timestamps(clock, echo: segment.ack == nil ? 0 : remoteClock))
    }
    plain.payload = segment.payload
    return plain
  }

  /// The guest sends `segments`, which reach the stack in one batch.
  public func guest(_ segments: Segment...) {
    lab.settle()
    for segment in segments { guestQueues(segment) }
    lab.settle()
  }

  /// The guest sends `segment` in one batch with whatever else it sends before time goes on.
  public func guestQueues(_ segment: Segment) {
    lab.guest.send(.tcp(plain(segment)), from: lab.guest.address(in: remote.address.family), to: remote.address)
  }

  /// The guest sends a segment that stands for several of `size` bytes of payload each.
  public func guest(_ segment: Segment, inSegmentsOf size: UInt16) {
    lab.settle()
    let source = lab.guest.address(in: remote.address.family)
    lab.guest.send(.tcp(plain(segment)), from: source, to: remote.address, inSegmentsOf: size)
    lab.settle()
  }

  /// The oldest segment from the stack that no one has looked at, with the time it came.
  public func takeSegment() -> (at: Instant, segment: Segment)? {
    lab.settle()
    return inbox.isEmpty ? nil : inbox.removeFirst()
  }

  /// How many segments no one has looked at.
  public var pendingCount: Int { inbox.count }

  /// Takes the segments that have come and no one has looked at, without letting anything happen.
  public func takeArrivals() -> [Segment] {
    defer { inbox.removeAll() }
    return inbox.map(\.segment)
  }

  /// Takes all segments that no one has looked at.
  public func takeSegments() -> [Segment] {
    lab.settle()
    return takeArrivals()
  }
}

extension PlainTCP.Option {
  /// The option with the sequence numbers in it counted from another start.
  fileprivate func counted(from old: SequenceNumber, to new: SequenceNumber) -> PlainTCP.Option {
    guard case .sack(let blocks) = self else { return self }
    return .sack(blocks.map { PlainTCP.Block(new + ($0.start - old), new + ($0.end - old)) })
  }
}
