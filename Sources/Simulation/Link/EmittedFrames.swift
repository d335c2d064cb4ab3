import Foundation
import Primitives
import Synchronization

/// The frames that the stack sends in the labs of this process, as a capture file for another judge (`Scripts/judge`),
/// where the environment names a folder for it.
final class EmittedFrames: Sendable {
  /// Where they go; nil where nobody asks for them.
  static let shared = ProcessInfo.processInfo.environment["CULVERT_EMITTED_FRAMES"].map { EmittedFrames(folder: $0) }

  private let file: Mutex<FileHandle>

  private init(folder: String) {
    let process = ProcessInfo.processInfo.processIdentifier
    let url = URL(fileURLWithPath: folder).appendingPathComponent("emitted-\(process).pcap")
    do {
      try Data(Self.fileHeader).write(to: url)
      let file = try FileHandle(forWritingTo: url)
      try file.seekToEnd()
      self.file = Mutex(file)
    } catch {
      preconditionFailure("CULVERT_EMITTED_FRAMES: \(error)")
    }
  }

  /// Appends the records of a lab.
  func write(_ records: [UInt8]) {
    file.withLock { file in
      do {
        try file.write(contentsOf: Data(records))
      } catch {
        preconditionFailure("CULVERT_EMITTED_FRAMES: \(error)")
      }
    }
  }

  /// The head of a file in libpcap's classic format, little-endian: the magic number of nanoseconds, version 2.4, the
  /// longest frame, Ethernet (1).
  private static let fileHeader = [UInt32(0xa1b2_3c4d), 4 << 16 | 2, 0, 0, 1 << 18, 1].flatMap(littleEndian)

  fileprivate static func littleEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
  }
}

/// The frames of one lab, the first of very many.
struct EmittedFrameLog {
  private var records: [UInt8] = []
  private var count = 0

  private static let mostFrames = 3000
  private static let mostBytes = 1 << 20

  /// Appends a frame that was sent at `now`.
  mutating func append(_ frame: [UInt8], at now: Instant) {
    guard count < Self.mostFrames, records.count < Self.mostBytes else { return }
    count += 1
    let (seconds, rest) = now.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    for value in [seconds, rest, Int64(frame.count), Int64(frame.count)] {
      records += EmittedFrames.littleEndian(UInt32(truncatingIfNeeded: value))
    }
    records += frame
  }

  /// Hands the frames to the judge.
  func write(to file: EmittedFrames) { file.write(records) }
}
