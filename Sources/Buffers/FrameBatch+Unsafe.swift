import Primitives

/// Frames that a link received together, lent to the core for one call.
///
/// A frame is a header part, contiguous and private, and any number of payload pieces that stay where the link has
/// them (in a guest's own memory under vhost-user, where they may change while we look).
@safe
public struct FrameBatch: ~Copyable, ~Escapable {
  private let frames: UnsafeBufferPointer<FrameRecord>
  private let pieces: UnsafeBufferPointer<MemoryRegion>

  @_lifetime(borrow owner)
  init<Owner: ~Copyable>(
    frames: UnsafeBufferPointer<FrameRecord>, pieces: UnsafeBufferPointer<MemoryRegion>, owner: borrowing Owner
  ) {
    unsafe self.frames = unsafe frames
    unsafe self.pieces = unsafe pieces
  }

  /// The number of frames.
  public var count: Int { unsafe frames.count }

  /// What travels with frame `frame`.
  public func descriptor(_ frame: Int) -> FrameDescriptor { unsafe record(frame).descriptor }

  /// The contiguous header part of frame `frame`, which for most links is the whole frame.
  @_lifetime(borrow self)
  public borrowing func header(_ frame: Int) -> Span<UInt8> {
    // SAFETY: the storage that this batch borrows owns or outlives the bytes.
    let record = unsafe record(frame)
    let span = unsafe Span<UInt8>(
      _unsafeStart: record.header.assumingMemoryBound(to: UInt8.self), count: Int(record.descriptor.headerLength))
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The number of payload pieces behind the header part of frame `frame`.
  public func pieceCount(_ frame: Int) -> Int { unsafe record(frame).pieceCount }

  /// Payload piece `piece` of frame `frame`.
  @_lifetime(borrow self)
  public borrowing func piece(_ piece: Int, of frame: Int) -> Span<UInt8> {
    let record = unsafe record(frame)
    precondition(unsafe piece >= 0 && piece < record.pieceCount, "no such piece")
    // SAFETY: as for the header.
    let region = unsafe pieces[record.firstPiece + piece]
    let span = unsafe Span<UInt8>(
      _unsafeStart: region.base.assumingMemoryBound(to: UInt8.self), count: region.count)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Copies the bytes of `slice` to the start of `target`.
  /// - Precondition: `target` holds `slice.count` bytes and the slice lies in its frame.
  public func copy(_ slice: PayloadSlice, to target: inout MutableSpan<UInt8>) {
    var copied = 0
    forEachSpan(of: slice) { span in
      target.copy(span, at: copied)
      copied += span.count
    }
    precondition(copied == slice.count, "the slice reaches beyond its frame")
  }

  /// Calls `body` with the parts of `slice` in order, each contiguous.
  public func forEachSpan(of slice: PayloadSlice, _ body: (Span<UInt8>) -> Void) {
    var skip = slice.offset
    var left = slice.count
    func visit(_ bytes: Span<UInt8>) {
      guard left > 0 else { return }
      guard skip < bytes.count else {
        skip -= bytes.count
        return
      }
      let end = min(bytes.count, skip + left)
      body(bytes.extracting(skip..<end))
      left -= end - skip
      skip = 0
    }
    visit(header(slice.frame))
    for index in 0..<pieceCount(slice.frame) where left > 0 { visit(piece(index, of: slice.frame)) }
  }

  /// Appends the memory of `slices` to an `iovec` list, starting at `start`, and returns the list's new length.
  ///
  /// Adjacent memory becomes one entry. Stops early where the list is full.
  public func appendRegions(
    of slices: Span<PayloadSlice>, to list: UnsafeMutableBufferPointer<MemoryRegion>, from start: Int
  ) -> Int {
    var length = start
    for index in slices.indices {
      forEachSpan(of: slices[index]) { span in
        guard length < list.count else { return }
        unsafe span.withUnsafeBytes { bytes in
          guard let base = bytes.baseAddress, bytes.count > 0 else { return }
          // SAFETY: the list is only read by the system call that sends it.
          unsafe list[length] = MemoryRegion(base: UnsafeMutableRawPointer(mutating: base), count: bytes.count)
          length += 1
        }
      }
    }
    return length
  }

  private func record(_ frame: Int) -> FrameRecord {
    precondition(frame >= 0 && frame < count, "no such frame")
    return unsafe frames[frame]
  }
}

/// Where a frame of a batch lies.
@unsafe
struct FrameRecord {
  var descriptor: FrameDescriptor
  var header: UnsafeRawPointer
  var firstPiece: Int
  var pieceCount: Int
}

/// The frames of a batch while a link gathers them: a reusable list of where they lie.
@safe
public struct FrameBatchStorage: ~Copyable {
  private let frames: UnsafeMutableBufferPointer<FrameRecord>
  private let pieces: UnsafeMutableBufferPointer<MemoryRegion>
  private var pieceTotal = 0
  /// The number of frames gathered.
  public private(set) var count = 0

  /// Makes an empty list with room for `capacity` frames and `pieceCapacity` payload pieces.
  public init(capacity: Int, pieceCapacity: Int = 0) {
    unsafe frames = .allocate(capacity: capacity)
    unsafe pieces = .allocate(capacity: pieceCapacity)
  }

  deinit {
    unsafe frames.deallocate()
    unsafe pieces.deallocate()
  }

  /// How many payload pieces still fit.
  var freePieceCount: Int { unsafe pieces.count - pieceTotal }

  /// Whether the list takes no further frame.
  public var isFull: Bool { unsafe count == frames.count }

  /// Appends a frame that is wholly contiguous.
  ///
  /// The bytes at `base` must stay valid and unchanged until `removeAll`.
  /// - Precondition: the list is not full; `byteCount` fits the descriptor.
  public mutating func append(
    unsafe base: UnsafeRawPointer, byteCount: Int, port: PortID, checksum: ChecksumState = .unverified,
    segmentation: Segmentation? = nil, isReassembled: Bool = false
  ) {
    let descriptor = FrameDescriptor(
      port: port, headerLength: min(byteCount, Int(UInt16.max)), byteCount: byteCount, checksum: checksum,
      segmentation: segmentation, isReassembled: isReassembled)
    // A frame longer than a header part can say (a super-segment) keeps its tail in a piece.
    let tail = byteCount - Int(descriptor.headerLength)
    unsafe append(unsafe: base, descriptor: descriptor)
    if tail > 0 {
      unsafe appendPiece(
        unsafe: MemoryRegion(base: UnsafeMutableRawPointer(mutating: base + byteCount - tail), count: tail))
    }
  }

  /// Appends a frame of which only the header part, `descriptor.headerLength` bytes at `header`, is given so far;
  /// the rest follows by `appendPiece`.
  /// - Precondition: the list is not full.
  public mutating func append(unsafe header: UnsafeRawPointer, descriptor: FrameDescriptor) {
    precondition(!isFull, "the batch is full")
    unsafe frames[count] = FrameRecord(
      descriptor: descriptor, header: header, firstPiece: pieceTotal, pieceCount: 0)
    count += 1
  }

  /// Appends a payload piece to the last frame.
  /// - Precondition: there is a frame, and room for the piece.
  public mutating func appendPiece(unsafe region: MemoryRegion) {
    precondition(unsafe count > 0 && pieceTotal < pieces.count, "no room for the piece")
    unsafe pieces[pieceTotal] = region
    pieceTotal += 1
    let frame = unsafe frames.baseAddress?.advanced(by: count - 1)
    unsafe frame?.pointee.pieceCount += 1
  }

  /// Empties the list.
  public mutating func removeAll() {
    count = 0
    pieceTotal = 0
  }

  /// The frames gathered so far.
  public var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get {
      unsafe FrameBatch(
        frames: UnsafeBufferPointer(rebasing: frames[..<count]),
        pieces: UnsafeBufferPointer(rebasing: pieces[..<pieceTotal]), owner: self)
    }
  }
}
