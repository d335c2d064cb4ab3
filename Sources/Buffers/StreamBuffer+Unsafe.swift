/// Contiguous memory into which a stream is read, and whose bytes can be sent like a frame of a batch.
@safe
public struct StreamBuffer: ~Copyable {
  /// Bytes that it holds.
  public let capacity: Int
  private let memory: UnsafeMutableRawBufferPointer
  private let region: UnsafeMutableBufferPointer<MemoryRegion>
  private var storage = FrameBatchStorage(capacity: 1, pieceCapacity: 1)

  /// Makes a buffer of `capacity` bytes. Memory that nothing is read into is not touched.
  /// - Precondition: `capacity` is positive.
  public init(capacity: Int) {
    precondition(capacity > 0, "a buffer without room")
    self.capacity = capacity
    unsafe memory = .allocate(byteCount: capacity, alignment: 4096)
    unsafe region = .allocate(capacity: 1)
    guard let base = unsafe memory.baseAddress else { return }
    // SAFETY: the memory lives as long as the storage and never moves.
    unsafe storage.append(unsafe: base, byteCount: capacity, port: .first)
  }

  deinit {
    unsafe memory.deallocate()
    unsafe region.deallocate()
  }

  /// All of it, to be read into.
  @_lifetime(&self)
  public mutating func regions() -> ByteRegions {
    if let base = unsafe memory.baseAddress {
      unsafe region.initializeElement(at: 0, to: MemoryRegion(base: base, count: capacity))
    }
    // SAFETY: the memory is this buffer's own, which is exclusive while the regions exist.
    return unsafe ByteRegions(unsafe: region, owner: &self)
  }

  /// The bytes of `range`, which something was read into.
  /// - Precondition: the range lies in the buffer.
  @_lifetime(borrow self)
  public borrowing func bytes(_ range: Range<Int>) -> Span<UInt8> {
    precondition(range.lowerBound >= 0 && range.upperBound <= capacity, "bytes beyond the buffer")
    // SAFETY: the range lies in the memory; borrowing `self` keeps writers out.
    let span = unsafe Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[range]))
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Stores an integer in network byte order at byte `offset`.
  /// - Precondition: the buffer has so many bytes behind the offset.
  public mutating func store(_ value: UInt16, at offset: Int) {
    precondition(offset >= 0 && offset + MemoryLayout<UInt16>.size <= capacity, "bytes beyond the buffer")
    // SAFETY: the bytes lie in the memory, and `self` is exclusive.
    unsafe memory.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  /// The buffer as the only frame of a batch.
  public var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { storage.batch }
  }
}
