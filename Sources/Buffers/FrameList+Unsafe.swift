/// Frames with memory of their own: what in-memory links and tests hand to the core.
@safe
public struct FrameList: ~Copyable {
  private let memory: UnsafeMutableRawBufferPointer
  private var used = 0
  /// Where the last frame begins.
  private var lastStart = 0
  private var storage: FrameBatchStorage

  /// Makes an empty list with room for `capacity` frames of `byteCapacity` bytes together.
  public init(capacity: Int, byteCapacity: Int) {
    unsafe memory = .allocate(byteCount: byteCapacity, alignment: 16)
    storage = FrameBatchStorage(capacity: capacity, pieceCapacity: capacity * 4)
  }

  deinit { unsafe memory.deallocate() }

  /// The number of frames.
  public var count: Int { storage.count }

  /// The number of bytes that still fit.
  public var freeByteCount: Int { unsafe memory.count - used }

  /// Appends a copy of `frame`; bytes beyond `headerLength` become payload pieces of at most `pieceLength` bytes.
  ///
  /// By default the whole frame is its header part, as on links whose memory is private.
  /// - Returns: false, with nothing changed, where the list has no room.
  public mutating func append(
    _ frame: Span<UInt8>, port: PortID, headerLength: Int = Int(UInt16.max), pieceLength: Int = Int(UInt16.max),
    checksum: ChecksumState = .unverified, segmentation: Segmentation? = nil, isReassembled: Bool = false
  ) -> Bool {
    let header = min(frame.count, headerLength)
    let pieces = (frame.count - header + pieceLength - 1) / pieceLength
    guard !storage.isFull, frame.count <= freeByteCount, pieces <= storage.freePieceCount else { return false }
    guard let target = unsafe store(frame) else { return false }
    let descriptor = FrameDescriptor(
      port: port, headerLength: header, byteCount: frame.count, checksum: checksum, segmentation: segmentation,
      isReassembled: isReassembled)
    unsafe storage.append(unsafe: target, descriptor: descriptor)
    for start in stride(from: header, to: frame.count, by: pieceLength) {
      unsafe storage.appendPiece(
        unsafe: MemoryRegion(base: target + start, count: min(pieceLength, frame.count - start)))
    }
    return true
  }

  /// Appends a copy of a frame that lay in a header part and pieces of the lengths `pieces`.
  /// - Precondition: the descriptor's header part and the pieces are as long together as the frame.
  /// - Returns: false, with nothing changed, where the list has no room.
  public mutating func append(_ frame: Span<UInt8>, as descriptor: FrameDescriptor, pieces: Span<Int>) -> Bool {
    guard !storage.isFull, frame.count <= freeByteCount, pieces.count <= storage.freePieceCount else { return false }
    guard let target = unsafe store(frame) else { return false }
    unsafe storage.append(unsafe: target, descriptor: descriptor)
    var start = Int(descriptor.headerLength)
    for index in pieces.indices {
      // SAFETY: the pieces lie behind each other in the frame, as the check below makes sure before they are read.
      unsafe storage.appendPiece(unsafe: MemoryRegion(base: target + start, count: pieces[index]))
      start += pieces[index]
    }
    precondition(start == frame.count && start == Int(descriptor.byteCount), "the parts do not make up the frame")
    return true
  }

  /// Copies a frame behind the last.
  /// - Precondition: there is room for it.
  private mutating func store(_ frame: Span<UInt8>) -> UnsafeMutableRawPointer? {
    guard let target = unsafe memory.baseAddress.map({ unsafe $0 + used }) else { return nil }
    // SAFETY: the room was checked; the memory is never reallocated, and outlives every batch.
    unsafe frame.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { unsafe target.copyMemory(from: base, byteCount: bytes.count) }
    }
    lastStart = used
    used += frame.count
    return unsafe target
  }

  /// The bytes of the frame that was appended last, to be changed; none where there is no frame.
  public var last: MutableSpan<UInt8> {
    @_lifetime(&self)
    mutating get {
      // SAFETY: the range lies in the memory and was initialised; exclusive access to `self` makes the span exclusive.
      let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[lastStart..<used])
      let span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }

  /// Empties the list.
  public mutating func removeAll() {
    (used, lastStart) = (0, 0)
    storage.removeAll()
  }

  /// The frames.
  public var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { storage.batch }
  }
}
