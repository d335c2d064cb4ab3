public import Buffers
import LinuxSystem
public import Netstack
import Primitives

/// The sending half of a link: frames are written into its slots and leave in the order of their commit.
///
/// A stream's frames leave by one system call per turn; one of which the system took only a part is finished before any
/// other. A device takes one frame by each call, so that nothing is won by waiting: its frames leave when they are
/// committed, while their bytes are in the cache. Where the peer does not read, the buffer fills, `reserve` lends nothing
/// more, and nobody waits.
public struct FrameTransmitter: ~Copyable {
  /// Running counts.
  public struct Counters: Hashable, Sendable {
    /// System calls made to write.
    public var writeCalls = 0
    /// Bytes written, framing included.
    public var byteCount = 0
    /// Frames committed.
    public var frameCount = 0
    /// Frames for other guests that found no room.
    public var droppedFrameCount = 0
    /// Frames that a device refused: its interface is down, or has no memory.
    public var refusedFrameCount = 0

    /// All zero.
    public init() {}

    /// Adds the counts of another queue of the same link.
    public mutating func add(_ other: Counters) {
      writeCalls += other.writeCalls
      byteCount += other.byteCount
      frameCount += other.frameCount
      droppedFrameCount += other.droppedFrameCount
      refusedFrameCount += other.refusedFrameCount
    }
  }

  /// What came of writing.
  public enum Flush: Hashable, Sendable {
    /// Nothing is left to write.
    case finished
    /// The peer does not read fast enough; a writable event will tell when to go on.
    case blocked
    /// The connection has failed; the system's error in words.
    case failed(String)
  }

  /// The port the frames go out by.
  public let port: PortID
  /// What the link does for its frames.
  public let offloads: LinkOffloads
  private let format: FrameFormat
  /// Running counts over all peers.
  public private(set) var counters = Counters()
  private var slots: SlotBuffer
  private let capacity: Int
  private var descriptor: Int32?
  private var failure: SystemError?
  /// A reservation was refused for want of room.
  private var owesNotice = false

  /// A stream's buffer unless given, in bytes.
  public static let defaultCapacity = 512 * 1024
  /// A device's buffer unless given, in bytes: what is read from the host at once and written while the cache has it.
  public static let defaultDeviceCapacity = 320 * 1024

  /// Makes a transmitter without a peer.
  public init(_ format: FrameFormat, port: PortID, capacity: Int, offloads: LinkOffloads = []) {
    precondition(
      capacity >= 4 * (StreamFraming.prefixLength + StreamFraming.maximumFrameLength), "too little for long frames")
    self.port = port
    self.format = format
    self.offloads = offloads
    self.capacity = capacity
    slots = SlotBuffer(capacity: capacity, prefixLength: format.prefixLength)
  }

  /// Begins to send to the peer at `descriptor`, which stays open until `detach`.
  public mutating func attach(_ descriptor: Int32) {
    detach()
    self.descriptor = descriptor
  }

  /// Forgets the peer and all that was meant for it.
  public mutating func detach() {
    slots.removeAll()
    descriptor = nil
    failure = nil
    owesNotice = false
  }

  /// The number of bytes not yet written, framing included.
  public var pendingByteCount: Int { slots.pendingByteCount }

  /// Writes all that is pending, as far as the system takes it.
  public mutating func flush() -> Flush {
    guard let descriptor else { return .finished }
    if let failure { return .failed(failure.description) }
    guard slots.pendingByteCount > 0 else { return .finished }
    do throws(SystemError) {
      switch format {
      case .stream: try flushStream(to: descriptor)
      case .device: try flushFrames(to: descriptor)
      }
      return slots.pendingByteCount == 0 ? .finished : .blocked
    } catch {
      failure = error
      return .failed(error.description)
    }
  }

  /// By one call.
  private mutating func flushStream(to socket: Int32) throws(SystemError) {
    counters.writeCalls += 1
    guard let count = try Socket.send(slots.pending, on: socket) else { return }
    counters.byteCount += count
    slots.consume(count)
  }

  /// By one call for each frame. One that the device refuses is lost, as on any other wire.
  private mutating func flushFrames(to device: Int32) throws(SystemError) {
    while slots.pendingByteCount > 0 {
      let length = Int(slots.pending.bigEndian32(at: 0))
      let frame = StreamFraming.prefixLength..<(StreamFraming.prefixLength + length)
      counters.writeCalls += 1
      switch try TAPDevice.send(slots.pending.extracting(frame), to: device) {
      case .sent: counters.byteCount += length
      case .refused: counters.refusedFrameCount += 1
      case .full: return
      }
      slots.consume(frame.upperBound)
    }
  }

  /// Whether there is room again after a reservation was refused. True once for each time that it is.
  ///
  /// Only where most of the buffer is free: a little room would be used up and refused again at once.
  public mutating func takeRoomNotice() -> Bool {
    guard owesNotice, failure == nil, slots.pendingByteCount <= capacity / 4 else { return false }
    owesNotice = false
    return true
  }
}

extension FrameTransmitter: FrameSink {
  /// Lends slots, after an attempt to write what is pending where the buffer is full.
  public mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    guard request.port == port, descriptor != nil, failure == nil else { return nil }
    if let run = slots.reserve(request) { return run }
    _ = flush()
    if failure == nil, let run = slots.reserve(request) { return run }
    owesNotice = true
    return nil
  }

  /// The header bytes of slot `slot` of `run`.
  @_lifetime(&self)
  public mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> {
    slots.header(slot, of: run)
  }

  /// The payload of all slots of `run`.
  @_lifetime(&self)
  public mutating func payload(of run: borrowing SlotRun) -> ByteRegions { slots.payload(of: run) }

  /// Slot `slot` of `run` as it will be sent with `payloadLength` bytes of payload.
  @_lifetime(borrow self)
  public borrowing func frame(_ slot: Int, of run: borrowing SlotRun, payloadLength: Int) -> Span<UInt8> {
    slots.frame(slot, of: run, payloadLength: payloadLength)
  }

  /// Takes the slots as frames: a stream's are sent by the next `flush`, a device's at once.
  ///
  /// The framing of a stream has no place for offloads: checksums are complete and nothing is left to segment.
  public mutating func commit(
    _ run: consuming SlotRun, slots count: Int, lastPayload: Int, as descriptor: FrameDescriptor
  ) {
    precondition(
      offloads.allow(descriptor.checksum, descriptor.segmentation), "a frame asks for what its link does not do")
    for slot in 0..<count {
      let payload = slot == count - 1 ? lastPayload : run.payloadLength
      writePrefix(slot, of: run, payloadLength: payload, as: descriptor)
    }
    slots.commit(run, slots: count, lastPayload: lastPayload)
    counters.frameCount += count
    // A failure is told by the flush at the end of the turn.
    if format != .stream { _ = flush() }
  }

  /// Writes what stands before a frame: its length, and the header of a device's.
  private mutating func writePrefix(
    _ slot: Int, of run: borrowing SlotRun, payloadLength: Int, as descriptor: FrameDescriptor
  ) {
    let deviceHeader = format.headerLength
    let headerLength = run.headerLength
    var prefix = slots.prefix(slot, of: run)
    prefix.storeBigEndian(UInt32(deviceHeader + headerLength + payloadLength), at: 0)
    guard deviceHeader > 0 else { return }
    var header = VirtioHeader(checksum: descriptor.checksum, headerLength: headerLength)
    // The last of a run may be no more than one segment.
    if let segmentation = descriptor.segmentation, payloadLength > Int(segmentation.size) {
      header.segmentation = segmentation
    }
    header.write(to: &prefix, at: StreamFraming.prefixLength)
  }

  /// Gives `run` back unused.
  public mutating func cancel(_ run: consuming SlotRun) { slots.cancel(run) }

  /// Copies a frame of another guest, if it is meant for this port; one that finds no room is dropped and counted.
  public mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts) {
    switch ports {
    case .one(let other) where other != port: return
    case .allBut(let other) where other == port: return
    case .one, .allBut: break
    }
    let descriptor = batch.descriptor(frame)
    let length = Int(descriptor.byteCount)
    guard length <= StreamFraming.maximumFrameLength, offloads.allow(descriptor.checksum, descriptor.segmentation),
      let run = reserve(SlotRequest(port: port, headerLength: length, payloadLength: 0))
    else {
      counters.droppedFrameCount += 1
      return
    }
    var bytes = slots.header(0, of: run)
    batch.copy(PayloadSlice(frame: frame, offset: 0, count: length), to: &bytes)
    commit(run, slots: 1, lastPayload: 0, as: descriptor)
  }
}
