import Foundation
import LinuxSystem
import Primitives
import Synchronization

/// A capture file of Ethernet frames, in the format of libpcap, and Wireshark's opinion of it.
final class CaptureFile: Sendable {
  let path: String
  private let file: Mutex<FileHandle>
  private static let (snapLength, ethernet): (UInt32, UInt32) = (1 << 18, 1)

  /// Makes an empty file.
  init(path: String) throws {
    self.path = path
    // Magic number, version 2.4, time zone and accuracy, the longest frame, the kind of the link.
    let header = Self.littleEndian([0xa1b2_c3d4, 4 << 16 | 2, 0, 0, Self.snapLength, Self.ethernet])
    guard FileManager.default.createFile(atPath: path, contents: header),
      let handle = FileHandle(forWritingAtPath: path)
    else { throw Failure("cannot write \(path)") }
    try handle.seekToEnd()
    file = Mutex(handle)
  }

  /// Adds a frame that passes now.
  func append(_ frame: ArraySlice<UInt8>) throws {
    let microseconds = UInt64(MonotonicClock.now.nanoseconds) / 1000
    let (seconds, fraction) = (UInt32(microseconds / 1_000_000), UInt32(microseconds % 1_000_000))
    let record = Self.littleEndian([seconds, fraction, UInt32(frame.count), UInt32(frame.count)]) + frame
    try file.withLock { try $0.write(contentsOf: record) }
  }

  /// What Wireshark has to say of the frames that a display filter selects, and of each a summary.
  ///
  /// A judgement is "Malformed" or the words of an expert information; checksums are verified.
  func judged(where filter: String) throws -> (summaries: [String], complaints: [String]) {
    let checksums = ["ip", "udp", "tcp"].flatMap { ["-o", "\($0).check_checksum:TRUE"] }
    let fields = ["_ws.col.Info", "_ws.malformed", "_ws.expert.message"].flatMap { ["-e", $0] }
    let program = try Program(["tshark", "-n", "-r", path, "-Y", filter, "-T", "fields"] + checksums + fields)
    try program.expectSuccess()
    let lines = try program.output.textAtEnd(seconds: 5).split(separator: "\n")
    let columns = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
    return (
      columns.map { String($0[0]) },
      columns.filter { $0.dropFirst().contains { !$0.isEmpty } }.map { $0.joined(separator: " ") }
    )
  }

  private static func littleEndian(_ words: [UInt32]) -> Data {
    Data(words.flatMap { word in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> $0) } })
  }
}
