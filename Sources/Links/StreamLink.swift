public import Buffers
public import LinuxSystem
public import Primitives

/// A link that speaks QEMU's stream framing with one peer at a time, for one port of the network.
///
/// The owner's turn: for each event of a wait whose data is a `LinkSource`, `handle` it; while it says so, `receive`
/// and have `receiver` `deliver` its batch to the stack, into `transmitter` as the sink; at the end of the turn `flush`, and while
/// `transmitter.takeRoomNotice()` is true, tell the stack and flush again. A receipt's `end`, and a flush that failed,
/// are answered by `detach`. `advance` is due at `nextDeadline`.
public struct StreamLink: ~Copyable {
  /// What an event calls for.
  public struct Turn: Hashable, Sendable {
    /// What is to be told.
    public var notice: LinkNotice?
    /// There is something to receive.
    public var isReadable = false
    /// There is room again to write what is pending.
    public var isWritable = false

    /// Nothing to do.
    public init(notice: LinkNotice? = nil) { self.notice = notice }
  }

  /// The port that the link serves.
  public let port: PortID
  /// The sockets.
  public private(set) var attachment: StreamAttachment
  /// Frames from the guest.
  public var receiver: StreamReceiver
  /// Frames to the guest.
  public var transmitter: StreamTransmitter

  /// Opens a link. Its first peer comes by `advance`, due at once, or by an event.
  public init(
    _ endpoint: StreamEndpoint, port: PortID = .first, registrar: EventRegistrar, at now: Instant,
    receiveCapacity: Int = StreamReceiver.defaultCapacity, transmitCapacity: Int = StreamTransmitter.defaultCapacity
  ) throws(LinkError) {
    attachment = try StreamAttachment(endpoint, port: port.rawValue, registrar: registrar, at: now)
    self.port = port
    receiver = StreamReceiver(port: port, capacity: receiveCapacity)
    transmitter = StreamTransmitter(port: port, capacity: transmitCapacity)
  }

  /// Whether a peer is there.
  public var isAttached: Bool { attachment.peerNumber != nil }

  /// When `advance` is due at the latest.
  public var nextDeadline: Instant { attachment.nextDeadline }

  /// Takes an event of one of the link's descriptors. Events of peers that have gone are ignored.
  public mutating func handle(_ source: LinkSource, _ events: Events, at now: Instant) -> Turn {
    guard attachment.owns(source) else { return Turn() }
    if source.role == .listener { return begin(attachment.acceptClient(at: now)) }
    if attachment.awaitsConnection { return begin(attachment.finishConnecting(at: now)) }
    var turn = Turn()
    turn.isReadable = !events.isDisjoint(with: [.readable, .readClosed, .failed, .hungUp])
    turn.isWritable = events.contains(.writable)
    return turn
  }

  /// Does what is due: connects, or listens again.
  public mutating func advance(to now: Instant) -> Turn { begin(attachment.advance(to: now)) }

  /// Reads once, at most the receive buffer's size. To be repeated while the receipt is not drained, as far as the
  /// owner's budget goes; what is left is told by the next wait.
  public mutating func receive() -> StreamReceipt {
    guard let socket = attachment.peerNumber else { return StreamReceipt(isDrained: true) }
    return receiver.receive(from: socket)
  }

  /// Writes what is pending by one system call, and sees to it that an event tells when the rest can go.
  public mutating func flush() -> StreamTransmitter.Flush {
    let result = transmitter.flush()
    do {
      try attachment.watchWritable(result == .blocked)
    } catch {
      return .failed(error.description)
    }
    return result
  }

  /// Lets go of the peer, whose half frames, both ways, are forgotten; another may come.
  public mutating func detach(at now: Instant) {
    receiver.reset()
    transmitter.detach()
    attachment.detach(at: now)
  }

  private mutating func begin(_ notice: LinkNotice?) -> Turn {
    if notice == .attached, let socket = attachment.peerNumber {
      receiver.reset()
      transmitter.attach(socket)
    }
    return Turn(notice: notice)
  }
}
