/// What there is in a capture altogether.
public struct CaptureTotals: Hashable, Sendable {
  /// When the first frame passed, in nanoseconds since 1970; 0 before it.
  public private(set) var start: Int64 = 0
  /// When the last one did.
  public private(set) var end: Int64 = 0
  /// Frames that were counted.
  public private(set) var frames = 0
  /// Their bytes on the wire.
  public private(set) var bytes = 0
  private var hasBegun = false

  /// Makes totals of nothing.
  public init() {}

  /// Notes when a frame passed, be it counted or not.
  public mutating func begin(at time: Int64) {
    if !hasBegun { (start, hasBegun) = (time, true) }
    end = max(end, time)
  }

  /// Counts a frame.
  public mutating func add(_ record: CaptureRecord) {
    frames += 1
    bytes = bytes.addingReportingOverflow(record.originalLength).partialValue
  }

  /// `12 frames 1034 bytes in 1.500000`.
  public var line: String {
    "\(frames) frame\(frames == 1 ? "" : "s") \(bytes) bytes in \(secondsText(end - start))"
  }
}
