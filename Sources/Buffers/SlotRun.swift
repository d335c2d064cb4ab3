/// What the core asks a link for: room for a run of frames of one shape.
public struct SlotRequest: Hashable, Sendable {
  /// The port the frames go out by.
  public var port: PortID
  /// The most frames that are wanted; fewer may be lent.
  public var maximumSlots: Int
  /// Bytes of headers before each frame's payload, from the first byte of the Ethernet header.
  public var headerLength: Int
  /// Bytes of payload in each frame but perhaps the last.
  public var payloadLength: Int

  /// Makes a request of its parts.
  @inlinable
  public init(port: PortID, maximumSlots: Int = 1, headerLength: Int, payloadLength: Int) {
    self.port = port
    self.maximumSlots = maximumSlots
    self.headerLength = headerLength
    self.payloadLength = payloadLength
  }
}

/// A run of frame slots lent by a link, to be given back by `commit` or `cancel`.
public struct SlotRun: ~Copyable {
  /// The link's own mark of where the run begins.
  public let first: UInt32
  /// The number of slots lent.
  public let count: Int
  /// Bytes of headers in each slot.
  public let headerLength: Int
  /// Bytes of payload in each slot.
  public let payloadLength: Int

  /// Makes a run; for links.
  @inlinable
  public init(first: UInt32, count: Int, headerLength: Int, payloadLength: Int) {
    self.first = first
    self.count = count
    self.headerLength = headerLength
    self.payloadLength = payloadLength
  }

  /// Ends the run; for links, in `commit` and `cancel`.
  public consuming func end() { discard self }

  // `end` skips this. The condition is never true; an unconditional failure draws a warning of unreachable code.
  deinit { precondition(count < 0, "a slot run was neither committed nor cancelled") }
}
