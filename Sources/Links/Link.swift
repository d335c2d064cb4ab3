public import Buffers
public import LinuxSystem
public import Primitives

/// A way of frames to one peer at a time, for one port of the network: a byte stream, or a TAP device.
///
/// The owner's turn: for each event of a wait whose data is a `LinkSource`, `handle` it; while it says so, `receive`
/// and have `receiver` `deliver` its batch to the stack, into `transmitter` as the sink; at the end of the turn `flush`, and while
/// `transmitter.takeRoomNotice()` is true, tell the stack and flush again. A receipt's `end`, and a flush that failed,
/// are answered by `detach`. `advance` is due at `nextDeadline`.
public struct Link: ~Copyable {
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
  /// How the link comes to its peer.
  public private(set) var attachment: LinkAttachment
  /// Frames from the guest.
  public var receiver: FrameReceiver
  /// Frames to the guest.
  public var transmitter: FrameTransmitter
  private var watchesWritable = false

  /// Opens a link that speaks QEMU's stream framing. Its first peer comes by `advance`, due at once, or by an event.
  public init(
    _ endpoint: StreamEndpoint, port: PortID = .first, registrar: EventRegistrar, at now: Instant,
    receiveCapacity: Int = FrameReceiver.defaultCapacity, transmitCapacity: Int = FrameTransmitter.defaultCapacity
  ) throws(LinkError) {
    let stream = try StreamAttachment(endpoint, port: port.rawValue, registrar: registrar, at: now)
    attachment = .stream(stream)
    self.port = port
    receiver = FrameReceiver(.stream, port: port, capacity: receiveCapacity)
    transmitter = FrameTransmitter(.stream, port: port, capacity: transmitCapacity)
  }

  /// Makes a link of a TAP device, which is its peer from the first `advance` on, due at once.
  public init(
    _ device: consuming TAPDevice, port: PortID = .first, registrar: EventRegistrar, at now: Instant,
    receiveCapacity: Int = FrameReceiver.defaultDeviceCapacity,
    transmitCapacity: Int = FrameTransmitter.defaultDeviceCapacity
  ) {
    let format = FrameFormat.device(headerLength: device.headerLength)
    let offloads = LinkOffloads(device.offloads)
    attachment = .device(DeviceAttachment(device, port: port.rawValue, registrar: registrar, at: now))
    self.port = port
    receiver = FrameReceiver(format, port: port, capacity: receiveCapacity)
    transmitter = FrameTransmitter(format, port: port, capacity: transmitCapacity, offloads: offloads)
  }

  /// Whether a peer is there.
  public var isAttached: Bool { attachment.peerNumber != nil }

  /// When `advance` is due at the latest.
  public var nextDeadline: Instant { attachment.nextDeadline }

  /// Takes an event of one of the link's descriptors. Events of peers that have gone are ignored.
  public mutating func handle(_ source: LinkSource, _ events: Events, at now: Instant) -> Turn {
    guard attachment.owns(source) else { return Turn() }
    if case .done(let notice) = attachment.handle(source, at: now) { return begin(notice) }
    var turn = Turn()
    turn.isReadable = !events.isDisjoint(with: [.readable, .readClosed, .failed, .hungUp])
    turn.isWritable = events.contains(.writable)
    return turn
  }

  /// Does what is due: connects, or listens again.
  public mutating func advance(to now: Instant) -> Turn { begin(attachment.advance(to: now)) }

  /// Reads once, at most the receive buffer's size. To be repeated while the receipt is not drained, as far as the
  /// owner's budget goes; what is left is told by the next wait.
  public mutating func receive() -> FrameReceipt {
    guard let number = attachment.peerNumber else { return FrameReceipt(isDrained: true) }
    return receiver.receive(from: number)
  }

  /// Writes what is pending, and sees to it that an event tells when the rest can go.
  public mutating func flush() -> FrameTransmitter.Flush {
    let result = transmitter.flush()
    guard (result == .blocked) != watchesWritable else { return result }
    do {
      try attachment.watchWritable(!watchesWritable)
      watchesWritable.toggle()
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
    watchesWritable = false
  }

  private mutating func begin(_ notice: LinkNotice?) -> Turn {
    if notice == .attached, let number = attachment.peerNumber {
      receiver.reset()
      transmitter.attach(number)
      watchesWritable = false
    }
    return Turn(notice: notice)
  }
}

extension LinkOffloads {
  /// What a TAP device does for whoever writes to it is what its kernel was asked to leave to the reader.
  init(_ offloads: TAPDevice.Offloads) {
    self = []
    if offloads.contains(.checksum) { insert(.checksum) }
    if offloads.contains([.checksum, .tcp4]) { insert(.tcp4) }
    if offloads.contains([.checksum, .tcp6]) { insert(.tcp6) }
    if offloads.contains([.checksum, .udp]) { insert(.udp) }
  }
}
