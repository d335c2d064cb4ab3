import Buffers
import Capture
import Primitives
import Synchronization

/// What is noted of a frame when it is captured.
struct CapturedFrame: Hashable, BitwiseCopyable {
  /// The time of day, in nanoseconds since 1970.
  var time: Int64
  /// Bytes of the frame on the link.
  var originalLength: UInt32
  /// Bytes of it that were captured.
  var byteCount: UInt32
  var direction: CaptureDirection
  /// What is left to be done to its checksum.
  var checksum: ChecksumState
  /// Present where it stands for several segments.
  var segmentation: Segmentation?
}

/// Captured frames on their way from a loop to the thread that writes them: a ring of memory with one writer and one
/// reader, of whom neither ever waits for the other. Its neighbor is `FrameRing`.
///
/// Bounded: what does not fit is refused. A record lies there in one piece; one that would not fit before the memory's
/// end begins at its start.
@safe
final class CaptureRing: Sendable {
  private let memory: CaptureMemory
  /// Bytes ever taken up, which the writer alone changes.
  private let written = Atomic<Int>(0)
  /// Bytes ever given free, which the reader alone changes.
  private let released = Atomic<Int>(0)

  /// What lies before each frame, in bytes.
  static let recordHeader = 48
  private static let alignment = 16

  /// Makes an empty ring with `capacity` bytes of memory, which is touched as it is used.
  init(capacity: Int) {
    precondition(MemoryLayout<CapturedFrame>.size <= Self.recordHeader, "a head that does not fit")
    memory = CaptureMemory(capacity: capacity / Self.alignment * Self.alignment)
  }

  /// Bytes of memory.
  var capacity: Int { memory.capacity }

  private static func recordLength(_ byteCount: Int) -> Int {
    (recordHeader + byteCount + alignment - 1) & ~(alignment - 1)
  }

  // MARK: The writer

  /// Appends a frame of `bytes`, of which `head.byteCount` are kept; false, with nothing changed, where there is no room.
  func append(_ head: CapturedFrame, _ bytes: Span<UInt8>) -> Bool {
    append(head) { memory, place in memory.copy(bytes.extracting(first: Int(head.byteCount)), to: place) }
  }

  /// Appends frame `frame` of `batch` likewise.
  func append(_ head: CapturedFrame, _ frame: Int, of batch: borrowing FrameBatch) -> Bool {
    append(head) { memory, place in
      memory.copy(PayloadSlice(frame: frame, offset: 0, count: Int(head.byteCount)), of: batch, to: place)
    }
  }

  @inline(__always)
  private func append(_ head: CapturedFrame, _ copy: (CaptureMemory, Int) -> Void) -> Bool {
    let needed = Self.recordLength(Int(head.byteCount))
    let start = written.load(ordering: .relaxed)
    let place = start % capacity
    let skipped = capacity - place < needed ? capacity - place : 0
    guard skipped + needed <= capacity - (start - released.load(ordering: .acquiring)) else { return false }
    if skipped > 0 { memory.markEnd(at: place) }
    let target = skipped > 0 ? 0 : place
    memory.store(head, at: target)
    copy(memory, target + Self.recordHeader)
    written.store(start + skipped + needed, ordering: .releasing)
    return true
  }

  // MARK: The reader

  /// Whether nothing waits.
  var isEmpty: Bool { written.load(ordering: .acquiring) == released.load(ordering: .relaxed) }

  fileprivate var end: Int { written.load(ordering: .acquiring) }

  /// The head of the record at `next`, which moves behind what is no record.
  fileprivate func head(at next: inout Int, before end: Int) -> CapturedFrame? {
    while next < end {
      if let head = memory.head(at: next % capacity) { return head }
      next += capacity - next % capacity
    }
    return nil
  }

  fileprivate func bytes(at next: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    unsafe memory.bytes(at: next % capacity + Self.recordHeader, count: count)
  }

  fileprivate func length(of head: CapturedFrame) -> Int { Self.recordLength(Int(head.byteCount)) }

  fileprivate func release(upTo end: Int) { released.store(end, ordering: .releasing) }
}

/// The reading end of a ring.
@safe
struct CaptureRingReader: ~Copyable {
  private let ring: CaptureRing
  private var next = 0
  private var end = 0
  private var released = 0
  /// The record that is to be read next, nil where there is none before the last `look`.
  private(set) var head: CapturedFrame?

  /// Makes the reader of a ring, of which there is one.
  init(of ring: CaptureRing) { self.ring = ring }

  /// Finds what has come since the last time.
  mutating func look() {
    end = ring.end
    head = ring.head(at: &next, before: end)
  }

  /// The bytes of the record `head`, which lie in the ring until it is passed; the reader may change them.
  /// - Precondition: there is one.
  var bytes: MutableSpan<UInt8> {
    @_lifetime(&self)
    mutating get {
      // SAFETY: the writer leaves them alone until they are released; exclusive access to `self` makes the span
      // exclusive, and the ring lives as long as `self`.
      let bytes = unsafe ring.bytes(at: next, count: Int(head?.byteCount ?? 0))
      let span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }

  /// Goes on behind the record `head`; its memory is given free now and then.
  mutating func pass() {
    guard let head else { return }
    next += ring.length(of: head)
    self.head = ring.head(at: &next, before: end)
    if next - released >= ring.capacity / 8 { release() }
  }

  /// Gives the memory of all records that were passed free.
  mutating func release() {
    guard released != next else { return }
    released = next
    ring.release(upTo: next)
  }
}

/// The memory of a ring. Who touches which bytes of it is the ring's affair.
@safe
private final class CaptureMemory: @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer

  init(capacity: Int) { unsafe memory = .allocate(byteCount: capacity, alignment: 64) }

  deinit { unsafe memory.deallocate() }

  var capacity: Int { unsafe memory.count }

  /// Says that the next record is at the memory's start: no frame has so many bytes.
  func markEnd(at place: Int) {
    // SAFETY: records begin at multiples of 16, so that there is room for the mark; `byteCount` lies in the first 16.
    unsafe memory.storeBytes(of: UInt64.max, toByteOffset: place, as: UInt64.self)
    unsafe memory.storeBytes(of: UInt64.max, toByteOffset: place + 8, as: UInt64.self)
  }

  func store(_ head: CapturedFrame, at place: Int) {
    // SAFETY: the record lies in the memory, and the reader does not look at it before it is told of it.
    unsafe memory.storeBytes(of: head, toByteOffset: place, as: CapturedFrame.self)
  }

  func copy(_ bytes: Span<UInt8>, to place: Int) {
    // SAFETY: as for the head; the memory is this writer's until then.
    let target = unsafe self.bytes(at: place, count: bytes.count)
    var span = unsafe MutableSpan<UInt8>(_unsafeBytes: target)
    if !bytes.isEmpty { span.copy(bytes) }
  }

  func copy(_ slice: PayloadSlice, of batch: borrowing FrameBatch, to place: Int) {
    // SAFETY: as above.
    let target = unsafe bytes(at: place, count: slice.count)
    var span = unsafe MutableSpan<UInt8>(_unsafeBytes: target)
    if slice.count > 0 { batch.copy(slice, to: &span) }
  }

  /// The head of the record at `place`; nil where the next one is at the memory's start.
  func head(at place: Int) -> CapturedFrame? {
    // SAFETY: the writer has stored a head there, or a mark, which fills what is compared here.
    let mark = unsafe memory.load(fromByteOffset: place + 8, as: UInt64.self)
    guard mark != .max else { return nil }
    return unsafe memory.load(fromByteOffset: place, as: CapturedFrame.self)
  }

  func bytes(at place: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: memory[place..<(place + count)])
  }
}
