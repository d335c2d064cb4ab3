public import Buffers

/// Where the core writes frames for the guests: straight into memory that the links lend.
///
/// At most one run is lent at a time. A sink that has no room says so by nil; the core then holds TCP back and drops
/// (and counts) what cannot wait, and is told by `Stack.linkReady` when there is room again.
public protocol FrameSink: ~Copyable {
  /// Lends up to `request.maximumSlots` slots, or none where the port's link has no room for even one.
  mutating func reserve(_ request: SlotRequest) -> SlotRun?

  /// The header bytes of slot `slot` of `run`.
  @_lifetime(&self)
  mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8>

  /// The payload of all slots of `run`, for one scatter read.
  @_lifetime(&self)
  mutating func payload(of run: borrowing SlotRun) -> ByteRegions

  /// Sends the first `slots` slots of `run` as frames, in order, the last with `lastPayload` bytes of payload.
  ///
  /// `descriptor` gives the port and the offloads; its lengths are those of a full slot.
  mutating func commit(_ run: consuming SlotRun, slots: Int, lastPayload: Int, as descriptor: FrameDescriptor)

  /// Gives `run` back unused.
  mutating func cancel(_ run: consuming SlotRun)

  /// Sends a copy of frame `frame` of `batch` on to other guests.
  mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts)

  /// Hands a copy of frame `frame` of `batch` to loop `loop` of the same network, for `Stack.receive` there; false
  /// where that has no room. Only asked for by a stack that is not alone (`PacketSteering`).
  mutating func handOver(_ frame: Int, of batch: borrowing FrameBatch, to loop: Int) -> Bool
}

extension FrameSink where Self: ~Copyable {
  /// There is no other loop.
  public mutating func handOver(_ frame: Int, of batch: borrowing FrameBatch, to loop: Int) -> Bool { false }
}
