import Buffers

/// Frames on their way from one loop to another.
typealias FrameRing = RecordRing<FrameDescriptor>

extension RecordRing<FrameDescriptor> {
  /// Appends a copy of frame `frame` of `batch`; false, with nothing changed, where there is no room. By the writer.
  func append(_ frame: Int, of batch: borrowing FrameBatch) -> Bool {
    let descriptor = batch.descriptor(frame)
    let count = Int(descriptor.byteCount)
    return append(descriptor, byteCount: count) { target in
      batch.copy(PayloadSlice(frame: frame, offset: 0, count: count), to: &target)
    }
  }
}

/// The reading end of a ring of frames, which come in batches.
@safe
struct FrameRingReader: ~Copyable {
  private var reader: RecordRingReader<FrameDescriptor>
  private var frames = FrameBatchStorage(
    capacity: FrameRingReader.batchLimit, pieceCapacity: FrameRingReader.batchLimit)

  /// The most frames in one batch.
  private static let batchLimit = 64

  /// Makes the reader of a ring, of which there is one.
  init(of ring: FrameRing) { reader = RecordRingReader(of: ring) }

  /// Gathers the frames that wait, and returns how many.
  /// - Precondition: those that were gathered before are released.
  mutating func gather() -> Int {
    reader.look()
    while !frames.isFull, let descriptor = reader.head, let base = unsafe reader.memory.baseAddress {
      // SAFETY: the bytes lie in the ring until `release`, which empties the list.
      unsafe frames.append(
        unsafe: base, byteCount: Int(descriptor.byteCount), port: descriptor.port, checksum: descriptor.checksum,
        segmentation: descriptor.segmentation, isReassembled: descriptor.isReassembled)
      reader.pass()
    }
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
    reader.release()
  }
}
