import Capture
import Foundation
import Primitives
import Recording

/// The frames of recorded sessions (`Captures/Sessions`), to begin with what real guests send.
enum SessionSeeds {
  /// The first frames of each session, in the order of their names, `limit` bytes at most.
  static func frames(upTo limit: Int, of isWanted: (_ source: MACAddress) -> Bool = { _ in true }) -> [[[UInt8]]] {
    let root = URL(filePath: #filePath + "/../../../../..", directoryHint: .isDirectory).standardized
    let folder = root.appending(path: "Captures/Sessions")
    do {
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path()).filter { $0.hasSuffix(".pcap") }
      return try names.sorted().map { try frames(folder.appending(path: $0).path(), limit, isWanted) }
    } catch {
      preconditionFailure("the sessions of \(folder.path()): \(error)")
    }
  }

  private static func frames(
    _ path: String, _ limit: Int, _ isWanted: (MACAddress) -> Bool
  ) throws(CaptureError) -> [[UInt8]] {
    var reader = try CaptureReader(path: path)
    var frames: [[UInt8]] = []
    var count = 0
    while try reader.next() != nil {
      let bytes = reader.bytes
      guard bytes.count >= 14, isWanted(MACAddress(bytes, at: 6)) else { continue }
      count += bytes.count + 3
      guard count <= limit else { break }
      frames.append(bytes.indices.map { bytes[$0] })
    }
    return frames
  }
}

extension CaptureTarget {
  /// Sessions as records, in all worlds; a file of each format, with a frame.
  static var seeds: [[UInt8]] {
    let sessions = SessionSeeds.frames(upTo: 3000).enumerated().map { number, frames in
      input(frames, as: number % 2 == 0 ? .records : .recordsOfGuest, world: UInt8(number / 2 % 8))
    }
    let frame = SessionSeeds.frames(upTo: 100).first { !$0.isEmpty }?[0] ?? []
    let files = [pcap(frame), pcapng(frame)].map { [Kind.file.rawValue] + $0 }
    return sessions + files + [[Kind.frame.rawValue] + frame]
  }

  private static func little(_ words: UInt32...) -> [UInt8] {
    words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
  }

  /// A file with one frame, by pcap-savefile(5): nanoseconds, Ethernet.
  private static func pcap(_ frame: [UInt8]) -> [UInt8] {
    let count = UInt32(frame.count)
    return little(0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 1 << 18, 1) + little(1_767_225_600, 5, count, count) + frame
  }

  /// A file with one frame, by draft-ietf-opsawg-pcapng: a section, an interface and an enhanced packet.
  private static func pcapng(_ frame: [UInt8]) -> [UInt8] {
    let count = UInt32(frame.count)
    let padding = [UInt8](repeating: 0, count: -frame.count & 3)
    let length = 32 + count + UInt32(padding.count)
    return little(0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, .max, .max, 28) + little(1, 20, 1, 1 << 18, 20)
      + little(6, length, 0, 0x6_4724, 0xf000, count, count) + frame + padding + little(length)
  }
}

extension RecordingTarget {
  /// What is recorded of the operations' seeds, where it is short: as records, as blocks and as a file.
  static var seeds: [[UInt8]] {
    let mostBytes = 6000
    var recordings: [[UInt8]] = []
    for (number, seed) in OperationTarget.seeds.enumerated() {
      recordings += OperationTarget.recordings(of: seed, isRedacted: number % 4 == 3).filter { $0.count <= mostBytes }
    }
    let records = recordings.map { [Kind.records.rawValue] + RecordingBlocks.records(of: $0) }
    let blocks = recordings.prefix(4).map { [Kind.blocks.rawValue] + $0 }
    let files = recordings.prefix(2).map { [Kind.file.rawValue] + $0 }
    return records.filter { $0.count <= 8000 } + blocks + files
  }
}
