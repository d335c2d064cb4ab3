public import Buffers
public import Netstack
import Primitives

/// A frame that the core has sent.
struct EmittedFrame {
  var port: PortID
  var frame: LinkFrame
}

/// A frame that a loop's core has handed to another's.
struct HandedOverFrame {
  var loop: Int
  var frame: LinkFrame
  var isReassembled: Bool
}

/// The link's end that the core writes to: it keeps the frames for the lab to carry on.
///
/// It can lend fewer slots than asked and refuse altogether, and it fills what it lends with rubbish first, so that
/// bytes which the core forgets to write show in the frame.
public struct LabSink: FrameSink, ~Copyable {
  private var slots = SlotBuffer(capacity: 4 << 20, prefixLength: 0)
  private(set) var frames: [EmittedFrame] = []
  private(set) var handedOver: [HandedOverFrame] = []
  private(set) var misuses: [String] = []
  private var isLending = false
  /// The most slots lent at once.
  public var maximumSlots = Int.max
  /// How many frames the link takes yet; nil for no limit.
  public var room: Int?
  /// How many frames the ways to other loops hold; nil for no limit.
  public var loopRoom: Int?
  /// Whether a reservation was refused since this was last set to false.
  public var hasRefused = false

  init() {}

  mutating func takeFrames() -> [EmittedFrame] {
    defer { frames.removeAll() }
    return frames
  }

  mutating func takeHandedOver() -> [HandedOverFrame] {
    defer { handedOver.removeAll() }
    return handedOver
  }

  /// Lends slots, as many as `maximumSlots` and `room` allow.
  public mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    if isLending { misuses.append("reserve while a run is lent") }
    if request.headerLength < 14 { misuses.append("reserve of \(request.headerLength) header bytes") }
    if request.maximumSlots < 1 { misuses.append("reserve of \(request.maximumSlots) slots") }
    var request = request
    request.maximumSlots = min(request.maximumSlots, maximumSlots, room ?? .max)
    guard request.maximumSlots > 0, let run = slots.reserve(request) else {
      hasRefused = true
      return nil
    }
    isLending = true
    poison(run)
    return run
  }

  private mutating func poison(_ run: borrowing SlotRun) {
    for slot in 0..<run.count {
      var header = slots.header(slot, of: run)
      header.fill(0xa5, at: 0, length: header.count)
    }
    // One look at each payload is enough to catch bytes that were never written.
    var payload = slots.payload(of: run)
    for index in 0..<payload.count {
      var region = payload[index]
      region.fill(0x5a, at: 0, length: min(region.count, 16))
    }
  }

  /// The header bytes of a slot.
  @_lifetime(&self)
  public mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> {
    slots.header(slot, of: run)
  }

  /// The payload of all slots.
  @_lifetime(&self)
  public mutating func payload(of run: borrowing SlotRun) -> ByteRegions { slots.payload(of: run) }

  /// Keeps the frames.
  public mutating func commit(
    _ run: consuming SlotRun, slots count: Int, lastPayload: Int, as descriptor: FrameDescriptor
  ) {
    let headerLength = run.headerLength
    let length = headerLength + run.payloadLength
    let lastLength = headerLength + lastPayload
    if Int(descriptor.byteCount) != length && Int(descriptor.byteCount) != lastLength {
      misuses.append("a frame of \(lastLength) bytes committed as one of \(descriptor.byteCount)")
    }
    slots.commit(run, slots: count, lastPayload: lastPayload)
    for slot in 0..<count {
      let start = slot * length
      let end = start + (slot == count - 1 ? lastLength : length)
      var frame = LinkFrame(bytes(start..<end), checksum: descriptor.checksum)
      // The last of a run may be no more than one segment, and so may the only one.
      let payload = end - start - headerLength
      if let segmentation = descriptor.segmentation, payload > Int(segmentation.size) || segmentation.size == 0 {
        frame.segmentation = segmentation
      }
      frames.append(EmittedFrame(port: descriptor.port, frame: frame))
    }
    slots.consume(slots.pendingByteCount)
    room = room.map { $0 - count }
    isLending = false
  }

  private borrowing func bytes(_ range: Range<Int>) -> [UInt8] {
    var copy = [UInt8](repeating: 0, count: range.count)
    var target = copy.mutableSpan
    target.copy(slots.pending.extracting(range))
    return copy
  }

  /// Takes a run back.
  public mutating func cancel(_ run: consuming SlotRun) {
    slots.cancel(run)
    isLending = false
  }

  /// Keeps a copy of a guest's frame for other ports.
  public mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts) {
    misuses.append("frame \(frame) forwarded to \(ports), but the lab has one port")
  }

  /// Keeps a copy of a guest's frame for another loop.
  public mutating func handOver(_ frame: Int, of batch: borrowing FrameBatch, to loop: Int) -> Bool {
    if let loopRoom, handedOver.count >= loopRoom { return false }
    let descriptor = batch.descriptor(frame)
    let whole = PayloadSlice(frame: frame, offset: 0, count: Int(descriptor.byteCount))
    var copy = [UInt8](repeating: 0, count: whole.count)
    var target = copy.mutableSpan
    batch.copy(whole, to: &target)
    let handed = LinkFrame(copy, checksum: descriptor.checksum, segmentation: descriptor.segmentation)
    handedOver.append(HandedOverFrame(loop: loop, frame: handed, isReassembled: descriptor.isReassembled))
    return true
  }
}
