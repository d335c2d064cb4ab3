public import Buffers
import LinuxSystem
public import Netstack

/// The limits of QEMU's stream framing: each frame follows its length, a big-endian integer of four bytes.
public enum StreamFraming {
  /// Bytes before each frame.
  public static let prefixLength = 4
  /// The longest frame, in bytes: QEMU's NET_BUFSIZE. QEMU too closes a link on which a longer one is announced.
  public static let maximumFrameLength = 69_632
}

/// Why a stream link has ended.
public enum StreamEnd: Hashable, Sendable {
  /// The peer has closed the connection; so many bytes of a frame that never became whole are forgotten.
  case closedByPeer(forgotten: Int)
  /// The peer announced a frame of this length, which is longer than any: what follows cannot be understood.
  case oversizedFrame(length: UInt32)
  /// The connection failed; the system's error in words.
  case failed(String)
}

extension StreamEnd: CustomStringConvertible {
  /// For a log line.
  public var description: String {
    switch self {
    case .closedByPeer(let forgotten):
      forgotten == 0 ? "the peer closed the connection" : "the peer closed the connection within a frame"
    case .oversizedFrame(let length):
      "the peer announced a frame of \(length) bytes, the most are \(StreamFraming.maximumFrameLength)"
    case .failed(let reason): reason
    }
  }
}

/// What one read from a link brought.
public struct StreamReceipt: Hashable, Sendable {
  /// How many whole frames the receiver's `batch` now holds.
  public var frameCount: Int
  /// Whether everything that had arrived was read.
  public var isDrained: Bool
  /// Why nothing more will come; the frames of this receipt came before.
  public var end: StreamEnd?

  /// Makes a receipt of its parts.
  public init(frameCount: Int = 0, isDrained: Bool = false, end: StreamEnd? = nil) {
    self.frameCount = frameCount
    self.isDrained = isDrained
    self.end = end
  }
}

/// The receiving half of a stream link: reads all that has arrived by one system call and finds the frames in it.
///
/// Frames stay where they were read. The beginning of a frame that is not whole yet moves to the front of the buffer
/// with the next read.
@safe
public struct StreamReceiver: ~Copyable {
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

    /// All zero.
    public init() {}
  }

  /// The port the frames come in by.
  public let port: PortID
  /// Running counts over all peers.
  public private(set) var counters = Counters()
  private let memory: UnsafeMutableRawBufferPointer
  private var frames: FrameBatchStorage
  /// Read and not yet made into frames: `start..<end`.
  private var start = 0
  private var end = 0

  /// The buffer's size unless given, in bytes: a little more than the system keeps for a socket by default.
  public static let defaultCapacity = 256 * 1024

  /// Makes a receiver with a buffer of `capacity` bytes.
  public init(port: PortID, capacity: Int = defaultCapacity) {
    precondition(
      capacity >= StreamFraming.prefixLength + StreamFraming.maximumFrameLength, "no room for the longest frame")
    self.port = port
    unsafe memory = .allocate(byteCount: capacity, alignment: 64)
    // Room for as many frames as ever fit the buffer, so that a read never has to stop for want of it. What is not
    // touched takes no memory.
    frames = FrameBatchStorage(
      capacity: capacity / (StreamFraming.prefixLength + 1), pieceCapacity: capacity / Int(UInt16.max) + 1)
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

  /// Reads once from `socket` and gathers the frames that are whole. The frames of the previous receipt end.
  public mutating func receive(from socket: Int32) -> StreamReceipt {
    frames.removeAll()
    moveToFront()
    var receipt = StreamReceipt()
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
    receipt.frameCount = frames.count
    counters.frameCount += frames.count
    return receipt
  }

  /// Forgets everything, for the next peer.
  public mutating func reset() {
    frames.removeAll()
    start = 0
    end = 0
  }

  /// Appends the whole frames in `start..<end` to the batch.
  private mutating func gatherFrames() -> StreamEnd? {
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
