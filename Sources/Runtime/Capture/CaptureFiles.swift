import Capture
import Configuration
import LinuxSystem

/// The files of a capture: the one that is written, and, where they rotate, those before it, `FILE.1` the latest.
struct CaptureFiles: ~Copyable {
  private let plan: CapturePlan
  private var writer: CaptureWriter
  /// What the files before this one hold.
  private var earlier = Counts()

  /// What was written.
  struct Counts: Hashable, Sendable {
    var records = 0
    var bytes = 0
  }

  /// Opens the file of `plan`; where files rotate, one that is there is put aside.
  init(_ plan: CapturePlan) throws(CaptureError) {
    self.plan = plan
    if let rotation = plan.options.rotation { try Self.shift(plan.path, rotation) }
    writer = try plan.makeWriter()
  }

  /// What all files hold or will hold.
  var counts: Counts {
    Counts(records: earlier.records + writer.recordCount, bytes: earlier.bytes + writer.byteCount)
  }

  /// Appends a frame, to another file where this one would become too long.
  mutating func append(_ record: CaptureRecord, _ bytes: Span<UInt8>) throws(CaptureError) {
    if let rotation = plan.options.rotation, writer.recordCount > 0 {
      let length = CaptureWriter.recordHeaderLength + min(bytes.count, plan.options.snapLength)
      if writer.byteCount + length > rotation.byteCount { try rotate(rotation) }
    }
    try writer.append(record, bytes)
  }

  /// Hands everything to the system.
  mutating func flush() throws(CaptureError) { try writer.flush() }

  private mutating func rotate(_ rotation: CaptureRotation) throws(CaptureError) {
    try writer.flush()
    try Self.shift(plan.path, rotation)
    let next = try plan.makeWriter()
    earlier = counts
    writer = next
  }

  /// Gives each file the next number, and removes the last.
  private static func shift(_ path: String, _ rotation: CaptureRotation) throws(CaptureError) {
    for number in stride(from: rotation.fileCount - 1, to: 0, by: -1) {
      let (old, new) = (number == 1 ? path : "\(path).\(number - 1)", "\(path).\(number)")
      do throws(SystemError) {
        if FileSystem.exists(old) { try FileSystem.rename(old, to: new) }
      } catch {
        throw .unwritable(path: new, number: error.number, reason: error.reason)
      }
    }
  }
}
