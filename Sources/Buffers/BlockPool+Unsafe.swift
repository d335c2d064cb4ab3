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
    precondition(block >= 0 && block < count && slice.count <= blockSize, "the slice does not fit the block")
    let start = block * blockSize
    // SAFETY: the block lies in the memory, and `self` is exclusive while the span exists.
    let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + blockSize)])
    var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
    batch.copy(slice, to: &span)
  }

  /// The blocks as the frames of a batch: block `n` is frame `n`.
  public var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { storage.batch }
  }
}
