import Buffers
import Netstack
import Primitives

/// The link's end of a replay: it keeps the core's frames back to back until they are taken.
struct ReplaySink: FrameSink, ~Copyable {
  private var slots = SlotBuffer(capacity: 4 << 20, prefixLength: 0)
  /// Where each frame ends, in bytes from the first of the first.
  private var ends: [Int] = []
  /// Whether a reservation was refused for want of room since this was last set to false.
  var hasRefused = false

  /// The number of frames that wait.
  @inline(__always)
  var count: Int { ends.count }

  /// The bytes of frame `index`.
  @_lifetime(borrow self)
  borrowing func frame(_ index: Int) -> Span<UInt8> {
    slots.pending.extracting((index == 0 ? 0 : ends[index - 1])..<ends[index])
  }

  /// Forgets the frames.
  mutating func removeAll() {
    slots.removeAll()
    ends.removeAll(keepingCapacity: true)
  }

  mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    guard let run = slots.reserve(request) else {
      hasRefused = true
      return nil
    }
    return run
  }

  @_lifetime(&self)
  mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> {
    slots.header(slot, of: run)
  }

  @_lifetime(&self)
  mutating func payload(of run: borrowing SlotRun) -> ByteRegions { slots.payload(of: run) }

  mutating func commit(
    _ run: consuming SlotRun, slots count: Int, lastPayload: Int, as descriptor: FrameDescriptor
  ) {
    let (header, payload) = (run.headerLength, run.payloadLength)
    slots.commit(run, slots: count, lastPayload: lastPayload)
    var end = ends.last ?? 0
    for slot in 0..<count {
      end += header + (slot == count - 1 ? lastPayload : payload)
      ends.append(end)
    }
  }

  mutating func cancel(_ run: consuming SlotRun) { slots.cancel(run) }

  /// There is one port: nobody else is to be sent to.
  mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts) {}
}
