import Buffers
import Capture
import Configuration

/// Where captured frames go: made what they would be on a wire, filtered, and written.
struct CaptureOutput: ~Copyable {
  private let plan: CapturePlan
  private var files: CaptureFiles
  /// The time of the frame that was written last.
  private var lastTime: Int64 = 0
  /// The segment that was cut last.
  private var segment: [UInt8] = []

  /// Opens the files of a plan.
  init(_ plan: CapturePlan) throws(CaptureError) {
    self.plan = plan
    files = try CaptureFiles(plan)
  }

  /// What was written.
  var counts: CaptureFiles.Counts { files.counts }

  /// Hands everything to the system.
  mutating func flush() throws(CaptureError) { try files.flush() }

  /// Writes the frame that a reader is at.
  mutating func write(from reader: inout CaptureRingReader) throws(CaptureError) {
    guard let head = reader.head else { return }
    // Another loop's turn may have begun without being seen: its frames are late by less than that.
    lastTime = max(lastTime, head.time)
    var bytes = reader.bytes
    // Of a part of a frame neither is to be had.
    if head.byteCount == head.originalLength {
      if plan.options.splitsSegments, let segmentation = head.segmentation,
        let segments = SuperSegment(bytes.span, segmentation)
      {
        return try write(segments, of: bytes.span, head.direction)
      }
      if case .partial(let start, let offset) = head.checksum {
        bytes.completeChecksum(start: Int(start), offset: Int(offset))
      }
    }
    let record = CaptureRecord(
      time: lastTime, originalLength: Int(head.originalLength), direction: head.direction)
    guard plan.wants(bytes.span, originalLength: record.originalLength) else { return }
    try files.append(record, bytes.span)
  }

  private mutating func write(
    _ segments: SuperSegment, of frame: Span<UInt8>, _ direction: CaptureDirection
  ) throws(CaptureError) {
    // Taken out: a span of it would count as a use of all of `self`.
    var segment: [UInt8] = []
    swap(&segment, &self.segment)
    defer { swap(&segment, &self.segment) }
    for number in 0..<segments.segmentCount {
      segments.write(number, of: frame, to: &segment)
      guard plan.wants(segment.span, originalLength: segment.count) else { continue }
      let record = CaptureRecord(time: lastTime, originalLength: segment.count, direction: direction)
      try files.append(record, segment.span)
    }
  }
}
