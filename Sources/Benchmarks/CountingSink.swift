import Buffers
import Netstack

/// A link that counts what it is given and throws it away.
struct CountingSink: FrameSink, ~Copyable {
  private var slots = SlotBuffer(capacity: 16 << 20, prefixLength: 4)
  /// Frames sent.
  private(set) var frames = 0
  /// Bytes behind the headers of those frames.
  private(set) var payloadBytes = 0
  /// The bytes of the last frame, if it was sent while this was on.
  var keepsLastFrame = false
  private(set) var lastFrame: [UInt8] = []

  mutating func reserve(_ request: SlotRequest) -> SlotRun? { slots.reserve(request) }

  @_lifetime(&self)
  mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> { slots.header(slot, of: run) }

  @_lifetime(&self)
  mutating func payload(of run: borrowing SlotRun) -> ByteRegions { slots.payload(of: run) }

  mutating func commit(
    _ run: consuming SlotRun, slots count: Int, lastPayload: Int, as descriptor: FrameDescriptor
  ) {
    frames += count
    payloadBytes += (count - 1) * run.payloadLength + lastPayload
    let length = run.headerLength + lastPayload
    slots.commit(run, slots: count, lastPayload: lastPayload)
    if keepsLastFrame { lastFrame = lastBytes(length) }
    slots.removeAll()
  }

  private borrowing func lastBytes(_ count: Int) -> [UInt8] {
    let pending = slots.pending
    return (pending.count - count..<pending.count).map { pending[$0] }
  }

  mutating func cancel(_ run: consuming SlotRun) { slots.cancel(run) }

  mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts) {}
}

/// An observer of nothing.
struct NoObserver: Observer, ~Copyable {}
