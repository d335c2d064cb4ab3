import Primitives

/// A fixed number of equal blocks of memory whose contents can be sent like the frames of a batch.
///
/// Holds what must outlive the batch it came in, such as segments behind a gap. Untouched blocks cost no memory.
@safe
public struct BlockPool: ~Copyable {
  /// Bytes in each block.
  public let blockSize: Int
  private let memory: UnsafeMutableRawBufferPointer
  private var storage: FrameBatchStorage

  /// Makes `count` blocks of `blockSize` bytes.
  /// - Precondition: `blockSize` is less than 65,536.
  public init(count: Int, blockSize: Int) {
    self.blockSize = blockSize
    unsafe memory = .allocate(byteCount: count * blockSize, alignment: 4096)
    storage = FrameBatchStorage(capacity: count)
    guard let base = unsafe memory.baseAddress else { return }
    let descriptor = FrameDescriptor(port: .first, headerLength: blockSize, byteCount: blockSize)
    for block in 0..<count {
      // SAFETY: the memory lives as long as the storage and never moves.
      unsafe storage.append(unsafe: base + block * blockSize, descriptor: descriptor)
    }
  }

  deinit { unsafe memory.deallocate() }

  /// The number of blocks.
  public var count: Int { storage.count }

  /// Fills block `block` from its start with the bytes of `slice`, read from another batch.
  /// - Precondition: `slice.count <= blockSize`.
  public mutating func fill(_ block: Int, with slice: PayloadSlice, of batch: borrowing FrameBatch) {
    precondition(slice.count <= blockSize, "the slice does not fit the block")
    var span = mutableBytes(block)
    batch.copy(slice, to: &span)
  }

  /// Copies `source` into block `block`, from its byte `offset` on.
  /// - Precondition: the block has so many bytes behind the offset.
  public mutating func copy(_ source: Span<UInt8>, to block: Int, at offset: Int) {
    var span = mutableBytes(block)
    span.copy(source, at: offset)
  }

  /// Stores an integer in network byte order in block `block`, at its byte `offset`.
  public mutating func store(_ value: UInt16, to block: Int, at offset: Int) {
    var span = mutableBytes(block)
    span.storeBigEndian(value, at: offset)
  }

  /// The bytes of block `block`.
  @_lifetime(borrow self)
  public borrowing func bytes(_ block: Int) -> Span<UInt8> {
    precondition(block >= 0 && block < count, "no such block")
    let start = block * blockSize
    // SAFETY: the block lies in the memory; borrowing `self` keeps writers out.
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<(start + blockSize)])
    let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  @_lifetime(&self)
  private mutating func mutableBytes(_ block: Int) -> MutableSpan<UInt8> {
    precondition(block >= 0 && block < count, "no such block")
    let start = block * blockSize
    // SAFETY: the block lies in the memory, and `self` is exclusive while the span exists.
    let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + blockSize)])
    let span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
    return unsafe _overrideLifetime(span, mutating: &self)
  }

  /// The blocks as the frames of a batch: block `n` is frame `n`.
  public var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { storage.batch }
  }
}
