public import Buffers
import LinuxSystem
public import Netstack
import Primitives

/// The sending half of a stream link: frames are written into its slots and leave by one system call per turn.
///
/// Bytes leave strictly in the order of their commit, so that a frame of which the system took only a part is finished
/// before any other. Where the peer does not read, the buffer fills, `reserve` lends nothing more, and nobody waits.
public struct StreamTransmitter: ~Copyable {
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

    /// All zero.
    public init() {}
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
  /// Running counts over all peers.
  public private(set) var counters = Counters()
  private var slots: SlotBuffer
  private let capacity: Int
  private var socket: Int32?
  private var failure: SystemError?
  /// A reservation was refused for want of room.
  private var owesNotice = false

  /// The buffer's size unless given, in bytes.
  public static let defaultCapacity = 512 * 1024

  /// Makes a transmitter without a peer.
  public init(port: PortID, capacity: Int = defaultCapacity) {
    precondition(
      capacity >= 4 * (StreamFraming.prefixLength + StreamFraming.maximumFrameLength), "too little for long frames")
    self.port = port
    self.capacity = capacity
    slots = SlotBuffer(capacity: capacity, prefixLength: StreamFraming.prefixLength)
  }

  /// Begins to send to the peer connected at `socket`, which stays open until `detach`.
  public mutating func attach(_ socket: Int32) {
    detach()
    self.socket = socket
  }

  /// Forgets the peer and all that was meant for it.
  public mutating func detach() {
    slots.removeAll()
    socket = nil
    failure = nil
    owesNotice = false
  }

  /// The number of bytes not yet written, framing included.
  public var pendingByteCount: Int { slots.pendingByteCount }

  /// Writes all that is pending by one system call, as far as the system takes it.
  public mutating func flush() -> Flush {
    guard let socket else { return .finished }
    if let failure { return .failed(failure.description) }
    guard slots.pendingByteCount > 0 else { return .finished }
    counters.writeCalls += 1
    do throws(SystemError) {
      guard let count = try Socket.send(slots.pending, on: socket) else { return .blocked }
      counters.byteCount += count
      slots.consume(count)
      return slots.pendingByteCount == 0 ? .finished : .blocked
    } catch {
      failure = error
      return .failed(error.description)
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

extension StreamTransmitter: FrameSink {
  /// Lends slots, after an attempt to write what is pending where the buffer is full.
  public mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    guard request.port == port, socket != nil, failure == nil else { return nil }
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

  /// Takes the slots as frames, to be sent by the next `flush`.
  ///
  /// The framing has no place for offloads: checksums are complete and nothing is left to segment.
  public mutating func commit(
    _ run: consuming SlotRun, slots count: Int, lastPayload: Int, as descriptor: FrameDescriptor
  ) {
    precondition(descriptor.segmentation == nil, "a stream link segments nothing")
    for slot in 0..<count {
      let payload = slot == count - 1 ? lastPayload : run.payloadLength
      var prefix = slots.prefix(slot, of: run)
      prefix.storeBigEndian(UInt32(run.headerLength + payload), at: 0)
    }
    slots.commit(run, slots: count, lastPayload: lastPayload)
    counters.frameCount += count
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
    guard length <= StreamFraming.maximumFrameLength,
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
