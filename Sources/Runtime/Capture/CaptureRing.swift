import Buffers
import Capture
import Primitives

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

/// Captured frames on their way from a loop to the thread that writes them.
typealias CaptureRing = RecordRing<CapturedFrame>
typealias CaptureRingReader = RecordRingReader<CapturedFrame>

extension RecordRing<CapturedFrame> {
  /// Appends a frame of `bytes`, of which `head.byteCount` are kept; false, with nothing changed, where there is no
  /// room.
  func append(_ head: CapturedFrame, _ bytes: Span<UInt8>) -> Bool {
    append(head, byteCount: Int(head.byteCount)) { $0.copy(bytes.extracting(first: Int(head.byteCount))) }
  }

  /// Appends frame `frame` of `batch` likewise.
  func append(_ head: CapturedFrame, _ frame: Int, of batch: borrowing FrameBatch) -> Bool {
    append(head, byteCount: Int(head.byteCount)) { target in
      batch.copy(PayloadSlice(frame: frame, offset: 0, count: Int(head.byteCount)), to: &target)
    }
  }
}
