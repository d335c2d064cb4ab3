import Capture
import LinuxSystem
import Primitives
import Synchronization

/// The frames that the stack sends in the labs of this process, as a capture file for another judge (`Scripts/judge`),
/// where the environment names a folder for it.
final class EmittedFrames: Sendable {
  /// Where they go; nil where nobody asks for them.
  static let shared = ProcessControl.environment("CULVERT_EMITTED_FRAMES").map { EmittedFrames(folder: $0) }

  private let file: Mutex<CaptureWriter>

  private init(folder: String) {
    file = Mutex(Self.must { try CaptureWriter(path: "\(folder)/emitted-\(ProcessControl.processID).pcap") })
  }

  /// Appends the frames of a lab.
  func write(_ log: EmittedFrameLog) {
    file.withLock { file in
      Self.must {
        for (now, frame) in log.frames {
          let record = CaptureRecord(time: now.nanoseconds, originalLength: frame.count)
          try file.append(record, frame.span)
        }
        // Nothing closes the file when the tests end.
        try file.flush()
      }
    }
  }

  /// A judge must not pass what was not written.
  private static func must<Result: ~Copyable>(_ write: () throws -> Result) -> Result {
    do { return try write() } catch { preconditionFailure("CULVERT_EMITTED_FRAMES: \(error)") }
  }
}

/// The frames of one lab, the first of very many.
struct EmittedFrameLog {
  /// Each with when it was sent.
  private(set) var frames: [(at: Instant, bytes: [UInt8])] = []
  private var byteCount = 0

  private static let mostFrames = 3000
  private static let mostBytes = 1 << 20

  /// Appends a frame that was sent at `now`.
  mutating func append(_ frame: [UInt8], at now: Instant) {
    guard frames.count < Self.mostFrames, byteCount < Self.mostBytes else { return }
    byteCount += frame.count
    frames.append((now, frame))
  }
}
