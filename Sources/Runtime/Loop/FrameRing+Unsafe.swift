import Buffers
import Synchronization

/// Frames on their way from one thread to another: a ring of memory with one writer and one reader, of whom neither
/// ever waits for the other.
///
/// Bounded: what does not fit is refused. A frame lies there in one piece, behind its descriptor; one that would not fit
/// before the memory's end begins at its start.
@safe
final class FrameRing: Sendable {
  private let memory: FrameRingMemory
  /// Bytes ever taken up, which the writer alone changes.
  private let written = Atomic<Int>(0)
  /// Bytes ever given free, which the reader alone changes.
  private let released = Atomic<Int>(0)

  /// What lies before each frame, in bytes: its descriptor, and a line of the cache for itself.
  static let recordHeader = 64

  /// Makes an empty ring with `capacity` bytes of memory, which is touched as it is used.
  /// - Precondition: there is room for something.
  init(capacity: Int) { memory = FrameRingMemory(capacity: capacity / Self.recordHeader * Self.recordHeader) }

  static func recordLength(_ byteCount: Int) -> Int {
    (recordHeader + byteCount + recordHeader - 1) & ~(recordHeader - 1)
  }

  /// Bytes that no frame takes up.
  var freeByteCount: Int {
    capacity - (written.load(ordering: .acquiring) - released.load(ordering: .acquiring))
  }

  /// Bytes of memory.
  var capacity: Int { memory.capacity }

  // MARK: The writer

  /// Appends a copy of frame `frame` of `batch`; false, with nothing changed, where there is no room. By the writer.
  /// - Precondition: the frame has bytes.
  func append(_ frame: Int, of batch: borrowing FrameBatch) -> Bool {
    let descriptor = batch.descriptor(frame)
    precondition(descriptor.byteCount > 0, "an empty frame")
    let needed = Self.recordLength(Int(descriptor.byteCount))
    let start = written.load(ordering: .relaxed)
    let place = start % capacity
    let skipped = capacity - place < needed ? capacity - place : 0
    guard skipped + needed <= freeByteCount else { return false }
    if skipped > 0 { memory.markEnd(at: place) }
    memory.write(descriptor, frame, of: batch, at: skipped > 0 ? 0 : place)
    written.store(start + skipped + needed, ordering: .releasing)
    return true
  }

  // MARK: The reader

  /// Whether no frame waits.
  var isEmpty: Bool { written.load(ordering: .acquiring) == released.load(ordering: .acquiring) }

  /// Appends the frames that wait to `storage`, as many as it takes; returns up to where `release` gives them free.
  fileprivate func gather(into storage: inout FrameBatchStorage) -> Int {
    let end = written.load(ordering: .acquiring)
    var next = released.load(ordering: .relaxed)
    while next < end && !storage.isFull {
      let place = next % capacity
      guard let descriptor = memory.descriptor(at: place) else {
        next += capacity - place
        continue
      }
      memory.append(descriptor, at: place, to: &storage)
      next += Self.recordLength(Int(descriptor.byteCount))
    }
    return next
  }

  fileprivate func release(upTo end: Int) { released.store(end, ordering: .releasing) }
}

/// The reading end of a ring.
@safe
struct FrameRingReader: ~Copyable {
  /// The ring.
  let ring: FrameRing
  private var frames = FrameBatchStorage(
    capacity: FrameRingReader.batchLimit, pieceCapacity: FrameRingReader.batchLimit)
  private var end = 0

  /// The most frames in one batch.
  private static let batchLimit = 64

  /// Makes the reader of a ring, of which there is one.
  init(of ring: FrameRing) { self.ring = ring }

  /// Gathers the frames that wait, and returns how many.
  mutating func gather() -> Int {
    frames.removeAll()
    end = ring.gather(into: &frames)
    return frames.count
  }

  /// The frames gathered, which lie in the ring until `release`.
  var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { frames.batch }
  }

  /// Gives the memory of the frames gathered free.
  mutating func release() {
    frames.removeAll()
    ring.release(upTo: end)
  }
}

/// The memory of a ring. Who touches which bytes of it is the ring's affair.
@safe
private final class FrameRingMemory: @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer

  init(capacity: Int) {
    unsafe memory = .allocate(byteCount: capacity, alignment: FrameRing.recordHeader)
  }

  deinit { unsafe memory.deallocate() }

  var capacity: Int { unsafe memory.count }

  /// Says that the next record is at the memory's start. No frame has no bytes.
  func markEnd(at place: Int) {
    unsafe memory.storeBytes(
      of: FrameDescriptor(port: .first, headerLength: 0, byteCount: 0), toByteOffset: place, as: FrameDescriptor.self)
  }

  func write(_ descriptor: FrameDescriptor, _ frame: Int, of batch: borrowing FrameBatch, at place: Int) {
    let (start, count) = (place + FrameRing.recordHeader, Int(descriptor.byteCount))
    // SAFETY: the record lies in the memory, and the reader does not look at it before it is told of it.
    unsafe memory.storeBytes(of: descriptor, toByteOffset: place, as: FrameDescriptor.self)
    let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + count)])
    var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
    batch.copy(PayloadSlice(frame: frame, offset: 0, count: count), to: &span)
  }

  /// What travels with the frame of the record at `place`; nil where the next one is at the memory's start.
  func descriptor(at place: Int) -> FrameDescriptor? {
    // SAFETY: the writer has stored one there, and leaves it until it is given free.
    let descriptor = unsafe memory.load(fromByteOffset: place, as: FrameDescriptor.self)
    return descriptor.byteCount == 0 ? nil : descriptor
  }

  func append(_ descriptor: FrameDescriptor, at place: Int, to storage: inout FrameBatchStorage) {
    guard let base = unsafe memory.baseAddress else { return }
    // SAFETY: as above.
    unsafe storage.append(
      unsafe: base + place + FrameRing.recordHeader, byteCount: Int(descriptor.byteCount), port: descriptor.port,
      checksum: descriptor.checksum, segmentation: descriptor.segmentation, isReassembled: descriptor.isReassembled)
  }
}
