public import Buffers
import LinuxSystem
public import Netstack

/// The receiving half of a link: reads what has arrived, of a stream by one system call, and finds the frames in it.
///
/// Frames stay where they were read. The beginning of a stream's frame that is not whole yet moves to the front of the
/// buffer with the next read.
@safe
public struct FrameReceiver: ~Copyable {
  /// Running counts.
  public struct Counters: Hashable, Sendable {
    /// System calls made to read.
    public var readCalls = 0
    /// Bytes read, framing included.
    public var byteCount = 0
    /// Whole frames.
    public var frameCount = 0
    /// Frames of length 0, which are skipped.
    public var emptyFrameCount = 0
    /// Times that a link ended for a length no frame has.
    public var oversizedFrameCount = 0
    /// Frames of a device whose header made no sense, which are skipped.
    public var unknownHeaderCount = 0

    /// All zero.
    public init() {}

    /// Adds the counts of another queue of the same link.
    public mutating func add(_ other: Counters) {
      readCalls += other.readCalls
      byteCount += other.byteCount
      frameCount += other.frameCount
      emptyFrameCount += other.emptyFrameCount
      oversizedFrameCount += other.oversizedFrameCount
      unknownHeaderCount += other.unknownHeaderCount
    }
  }

  /// The port the frames come in by.
  public let port: PortID
  private let format: FrameFormat
  /// Running counts over all peers.
  public private(set) var counters = Counters()
  private let memory: UnsafeMutableRawBufferPointer
  private var frames: FrameBatchStorage
  /// How often in a row a device had no more than one frame.
  private var lonelyReads: UInt8 = 0
  /// Read and not yet made into frames: `start..<end`.
  private var start = 0
  private var end = 0

  /// A stream's buffer unless given, in bytes: a little more than the system keeps for a socket by default.
  public static let defaultCapacity = 256 * 1024
  /// A device's buffer unless given, in bytes: a few of the longest frames, which the cache still holds when their
  /// payload is written to the host.
  public static let defaultDeviceCapacity = 320 * 1024
  /// The most frames of a device in one batch: more of one flow, written at once, than a socket of the host's holds by
  /// default would be lost there, and many short ones would keep everybody else waiting.
  private static let deviceBatch = 64
  /// A device's longest frame, in bytes: an IP packet behind an Ethernet header, perhaps with a VLAN's tag.
  private static let longestDeviceFrame = 65_535 + 18

  /// Makes a receiver with a buffer of `capacity` bytes.
  public init(_ format: FrameFormat, port: PortID, capacity: Int) {
    precondition(
      capacity >= StreamFraming.prefixLength + StreamFraming.maximumFrameLength, "no room for the longest frame")
    self.format = format
    self.port = port
    unsafe memory = .allocate(byteCount: capacity, alignment: 64)
    // Room for as many frames as ever fit the buffer, so that a read never has to stop for want of it. What is not
    // touched takes no memory.
    let frameCount = format == .stream ? capacity / (StreamFraming.prefixLength + 1) : Self.deviceBatch
    frames = FrameBatchStorage(capacity: frameCount, pieceCapacity: capacity / Int(UInt16.max) + 1)
  }

  deinit { unsafe memory.deallocate() }

  /// The frames of the last receipt.
  public var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { frames.batch }
  }

  /// Calls `body` with the frames of the last receipt and a sink, which may be another part of the same link.
  ///
  /// Swift refuses `body(link.receiver.batch, &link.transmitter)`: the batch's lifetime counts as a use of all of
  /// `link`. A borrow of the receiver does not.
  public borrowing func deliver<Sink: FrameSink & ~Copyable>(
    into sink: inout Sink, by body: (borrowing FrameBatch, inout Sink) -> Void
  ) {
    body(frames.batch, &sink)
  }

  /// Reads once from a stream, or as often as there are frames and room for them from a device, and gathers the frames
  /// that are whole. The frames of the previous receipt end.
  public mutating func receive(from descriptor: Int32) -> FrameReceipt {
    frames.removeAll()
    var receipt =
      switch format {
      case .stream: receiveStream(from: descriptor)
      case .device(let headerLength): receiveFrames(from: descriptor, headerLength: headerLength)
      }
    receipt.frameCount = frames.count
    counters.frameCount += frames.count
    return receipt
  }

  private mutating func receiveStream(from socket: Int32) -> FrameReceipt {
    moveToFront()
    var receipt = FrameReceipt()
    counters.readCalls += 1
    do throws(SystemError) {
      var space = freeSpace()
      let room = space.count
      switch try Socket.receive(into: &space, on: socket) {
      case nil: receipt.isDrained = true
      case 0?: receipt.end = .closedByPeer(forgotten: end)
      case let count?:
        end += count
        counters.byteCount += count
        receipt.isDrained = count < room
        receipt.end = gatherFrames()
      }
    } catch {
      receipt.end = .failed(error.description)
    }
    return receipt
  }

  /// Reads frame after frame, each behind the one before.
  ///
  /// Where frames come one by one, as in a conversation, the look for another only delays the first: it is left to the
  /// next wait, and taken now and then to see whether that is still so.
  private mutating func receiveFrames(from device: Int32, headerLength: Int) -> FrameReceipt {
    var receipt = FrameReceipt()
    end = 0
    let limit = lonelyReads > 0 && lonelyReads % 8 != 0 ? 1 : Self.deviceBatch
    defer { lonelyReads = frames.count <= 1 ? lonelyReads &+ 1 : 0 }
    for _ in 0..<limit where unsafe memory.count - end >= headerLength + Self.longestDeviceFrame {
      counters.readCalls += 1
      do throws(SystemError) {
        var space = freeSpace()
        guard let count = try TAPDevice.receive(into: &space, from: device) else {
          receipt.isDrained = true
          break
        }
        counters.byteCount += count
        take(count, headerLength: headerLength)
      } catch {
        receipt.end = error.isDeviceRemoved ? .deviceRemoved : .failed(error.description)
        break
      }
    }
    if limit == 1 { receipt.isDrained = true }
    return receipt
  }

  /// Appends the frame that was read, `count` bytes with its header, to the batch.
  private mutating func take(_ count: Int, headerLength: Int) {
    guard count > headerLength, let base = unsafe memory.baseAddress else {
      counters.emptyFrameCount += 1
      return
    }
    var header = VirtioHeader()
    if headerLength > 0 {
      // SAFETY: so many bytes were just written there.
      let bytes = unsafe Span<UInt8>(
        _unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[end..<(end + headerLength)]))
      guard let read = VirtioHeader(bytes) else {
        counters.unknownHeaderCount += 1
        return
      }
      header = read
    }
    unsafe frames.append(
      unsafe: base + end + headerLength, byteCount: count - headerLength, port: port, checksum: header.checksum,
      segmentation: header.segmentation)
    // The next on a line of the cache of its own.
    end += (count + 63) & ~63
  }

  /// Forgets everything, for the next peer.
  public mutating func reset() {
    frames.removeAll()
    start = 0
    end = 0
  }

  /// Appends the whole frames in `start..<end` to the batch.
  private mutating func gatherFrames() -> LinkEnd? {
    while end - start >= StreamFraming.prefixLength {
      // SAFETY: both the prefix and the frame lie before `end`, which lies in the memory.
      let length = UInt32(bigEndian: unsafe memory.loadUnaligned(fromByteOffset: start, as: UInt32.self))
      guard length <= StreamFraming.maximumFrameLength else {
        counters.oversizedFrameCount += 1
        return .oversizedFrame(length: length)
      }
      let frame = start + StreamFraming.prefixLength
      guard frame + Int(length) <= end else { return nil }
      start = frame + Int(length)
      if length == 0 {
        counters.emptyFrameCount += 1
      } else if let base = unsafe memory.baseAddress {
        unsafe frames.append(unsafe: base + frame, byteCount: Int(length), port: port)
      }
    }
    return nil
  }

  private mutating func moveToFront() {
    guard start > 0 else { return }
    // SAFETY: both ranges lie in the memory; memmove allows the overlap.
    if let base = unsafe memory.baseAddress, end > start {
      unsafe base.copyMemory(from: base + start, byteCount: end - start)
    }
    end -= start
    start = 0
  }

  @_lifetime(&self)
  private mutating func freeSpace() -> MutableSpan<UInt8> {
    // SAFETY: the space lies in the memory; exclusive access to `self` makes the span exclusive.
    let space = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[end...])
    let span = unsafe MutableSpan<UInt8>(_unsafeBytes: space)
    return unsafe _overrideLifetime(span, mutating: &self)
  }
}
