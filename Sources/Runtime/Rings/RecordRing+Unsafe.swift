import Synchronization

/// Records on their way from one thread to another: a ring of memory with one writer and one reader, of whom neither
/// ever waits for the other.
///
/// A record is a head and any number of bytes. Bounded: what does not fit is refused. A record lies in the memory in one
/// piece; one that would not fit before the memory's end begins at its start.
@safe
final class RecordRing<Head: BitwiseCopyable & Sendable>: Sendable {
  private let memory: RingMemory
  /// Bytes ever taken up, which the writer alone changes.
  private let written = Atomic<Int>(0)
  /// Bytes ever given free, which the reader alone changes.
  private let released = Atomic<Int>(0)

  /// Makes an empty ring with `capacity` bytes of memory, which is touched as it is used.
  /// - Precondition: there is room for something.
  init(capacity: Int) {
    precondition(MemoryLayout<Head>.size <= RingMemory.mostHeadBytes, "a head that does not fit")
    memory = RingMemory(capacity: capacity / RingMemory.line * RingMemory.line)
  }

  /// Bytes of memory.
  var capacity: Int { memory.capacity }

  /// Bytes that no record takes up.
  var freeByteCount: Int {
    capacity - (written.load(ordering: .acquiring) - released.load(ordering: .acquiring))
  }

  /// Whether no record waits.
  var isEmpty: Bool { written.load(ordering: .acquiring) == released.load(ordering: .acquiring) }

  // MARK: The writer

  /// Appends a record of `byteCount` bytes, which `fill` writes; false, with nothing changed, where there is no room.
  @inline(__always)
  func append(_ head: Head, byteCount: Int, fill: (inout MutableSpan<UInt8>) -> Void) -> Bool {
    let needed = RingMemory.recordLength(byteCount)
    let start = written.load(ordering: .relaxed)
    let place = start % capacity
    let skipped = capacity - place < needed ? capacity - place : 0
    guard skipped + needed <= capacity - (start - released.load(ordering: .acquiring)) else { return false }
    if skipped > 0 { memory.markEnd(at: place) }
    memory.write(head, byteCount: byteCount, at: skipped > 0 ? 0 : place, fill: fill)
    written.store(start + skipped + needed, ordering: .releasing)
    return true
  }

  // MARK: The reader

  fileprivate var end: Int { written.load(ordering: .acquiring) }

  /// The number of bytes of the record at `next`, which moves behind what is no record; nil where there is none.
  fileprivate func byteCount(at next: inout Int, before end: Int) -> Int? {
    while next < end {
      if let count = memory.byteCount(at: next % capacity) { return count }
      next += capacity - next % capacity
    }
    return nil
  }

  fileprivate func head(at next: Int) -> Head { memory.head(at: next % capacity) }

  fileprivate func bytes(at next: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    unsafe memory.bytes(of: next % capacity, count: count)
  }

  fileprivate func release(upTo end: Int) { released.store(end, ordering: .releasing) }
}

/// The reading end of a ring.
@safe
struct RecordRingReader<Head: BitwiseCopyable & Sendable>: ~Copyable {
  /// The ring.
  let ring: RecordRing<Head>
  /// The record that is to be read next, nil where there is none before the last `look`.
  private(set) var head: Head?
  private var byteCount = 0
  private var next = 0
  private var end = 0
  private var released = 0

  /// Makes the reader of a ring, of which there is one.
  init(of ring: RecordRing<Head>) { self.ring = ring }

  /// Finds what has come since the last time.
  mutating func look() {
    end = ring.end
    findRecord()
  }

  private mutating func findRecord() {
    let found = ring.byteCount(at: &next, before: end)
    head = found == nil ? nil : ring.head(at: next)
    byteCount = found ?? 0
  }

  /// Where the bytes of the record `head` lie until it is released.
  var memory: UnsafeMutableRawBufferPointer { unsafe ring.bytes(at: next, count: byteCount) }

  /// The bytes of the record `head`; the reader may change them.
  /// - Precondition: there is one.
  var bytes: MutableSpan<UInt8> {
    @_lifetime(&self)
    mutating get {
      // SAFETY: the writer leaves them alone until they are released; exclusive access to `self` makes the span
      // exclusive, and the ring lives as long as `self`.
      let span = unsafe MutableSpan<UInt8>(_unsafeBytes: memory)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }

  /// Goes on behind the record `head`, whose memory is given free by `release`.
  mutating func pass() {
    guard head != nil else { return }
    next += RingMemory.recordLength(byteCount)
    findRecord()
  }

  /// Bytes of memory that were passed and not given free.
  var passedByteCount: Int { next - released }

  /// Gives the memory of all records that were passed free.
  mutating func release() {
    guard released != next else { return }
    released = next
    ring.release(upTo: next)
  }
}

/// The memory of a ring. Who touches which bytes of it is the ring's affair.
@safe
private final class RingMemory: @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer

  init(capacity: Int) { unsafe memory = .allocate(byteCount: capacity, alignment: Self.line) }

  deinit { unsafe memory.deallocate() }

  /// A line of the cache: where a record begins, and where its bytes do. The first has the record's number of bytes and
  /// its head, so that writer and reader of neighbors do not disturb each other.
  static let line = 64
  private static let headPlace = 16
  /// The most bytes that a head has.
  static var mostHeadBytes: Int { line - headPlace }
  /// In the place of a number of bytes: the next record is at the memory's start.
  private static let endMark = -1

  static func recordLength(_ byteCount: Int) -> Int { (line + byteCount + line - 1) & ~(line - 1) }

  var capacity: Int { unsafe memory.count }

  func markEnd(at place: Int) {
    // SAFETY: what is left before the end is a multiple of a line.
    unsafe memory.storeBytes(of: Self.endMark, toByteOffset: place, as: Int.self)
  }

  @inline(__always)
  func write<Head: BitwiseCopyable>(
    _ head: Head, byteCount: Int, at place: Int, fill: (inout MutableSpan<UInt8>) -> Void
  ) {
    // SAFETY: the record lies in the memory, and the reader does not look at it before it is told of it.
    unsafe memory.storeBytes(of: byteCount, toByteOffset: place, as: Int.self)
    unsafe memory.storeBytes(of: head, toByteOffset: place + Self.headPlace, as: Head.self)
    guard byteCount > 0 else { return }
    var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes(of: place, count: byteCount))
    fill(&span)
  }

  /// The number of bytes of the record at `place`; nil where the next one is at the memory's start.
  func byteCount(at place: Int) -> Int? {
    // SAFETY: the writer has stored a number there, or the mark, and leaves it until it is given free.
    let count = unsafe memory.load(fromByteOffset: place, as: Int.self)
    return count == Self.endMark ? nil : count
  }

  func head<Head: BitwiseCopyable>(at place: Int) -> Head {
    // SAFETY: as above, a head of this type.
    unsafe memory.load(fromByteOffset: place + Self.headPlace, as: Head.self)
  }

  func bytes(of place: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    let start = place + Self.line
    return unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + count)])
  }
}
