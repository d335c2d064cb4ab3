import ArgumentParser
import Capture
import LinuxSystem
import Primitives
import Recording
import Runtime

/// What `culvert replay` does with recordings.
struct RecordingReplaying {
  private let command: ReplayCommand
  /// The recordings, each of one loop.
  private let paths: [String]

  /// Finds the recordings of a folder, or takes the one at a path; nil where that is something else.
  init?(_ command: ReplayCommand) throws {
    self.command = command
    guard command.file != "-" else { return nil }
    if Self.isFolder(command.file) {
      let names = try FileSystem.names(in: command.file).filter { $0.hasSuffix(RecordingFolder.suffix) }.sorted()
      guard !names.isEmpty else { throw ServiceError("'\(command.file)': there is no recording in it") }
      paths = names.map { "\(command.file)/\($0)" }
    } else {
      guard command.file.hasSuffix(RecordingFolder.suffix) else { return nil }
      paths = [command.file]
    }
    guard command.output == nil || paths.count == 1 else {
      throw ServiceError("'\(command.file)' has \(paths.count) recordings; with --output give one, as '\(paths[0])'")
    }
  }

  /// Whether a path is that of a folder, or of a link to one. Nothing is opened for it, since a FIFO is opened once.
  private static func isFolder(_ path: String) -> Bool {
    do throws(SystemError) {
      let identity = try FileIdentity(path: path)
      guard identity.isLink else { return identity.isFolder }
      guard let target = try FileSystem.realPath(of: path) else { return false }
      return try FileIdentity(path: target).isFolder
    } catch {
      return false
    }
  }

  /// Replays each; fails at the end where one of them is different or damaged.
  func run() throws {
    var isGood = true
    for path in paths where try !replay(path) { isGood = false }
    guard isGood else { throw ExitCode(1) }
  }

  private func replay(_ path: String) throws -> Bool {
    let reader: RecordingReader
    do {
      reader = try RecordingReader(Self.source(of: path))
    } catch {
      throw ServiceError("'\(path)': \(error)")
    }
    let head = reader.head
    var output = try command.output.map { path in try RecordedFrames(path, head) }
    let begin = MonotonicClock.now
    var replay = Replay(reader, frames: output?.watcher)
    let outcome = replay.run()
    let time = MonotonicClock.now - begin
    try output?.finish()
    output = nil
    let report = ReplayReport(outcome, time: time)
    StandardStream.output.write("\(path): \(report.summary)\n")
    if let difference = outcome.difference { StandardStream.output.write(report.words(of: difference)) }
    return report.isGood
  }

  /// Gives the bytes of a file.
  private static func source(of path: String) throws(ServiceError) -> RecordingReader.Source {
    let file: RecordingInput
    do throws(SystemError) {
      file = try RecordingInput(path)
    } catch {
      throw ServiceError("'\(path)': \(error.reason)")
    }
    return { count throws(RecordingError) in try file.read(count) }
  }
}

/// A file that is read from its beginning.
private final class RecordingInput {
  private let file: FileDescriptor

  init(_ path: String) throws(SystemError) { file = try FileDescriptor.open(reading: path) }

  /// The next `count` bytes, fewer at the end.
  func read(_ count: Int) throws(RecordingError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    do throws(SystemError) {
      while filled < count {
        var rest = [UInt8](repeating: 0, count: min(count - filled, Self.pieceLength))
        var span = rest.mutableSpan
        guard let got = try file.read(into: &span), got > 0 else { break }
        bytes.replaceSubrange(filled..<(filled + got), with: rest.prefix(got))
        filled += got
      }
    } catch {
      throw .unreadable(error.reason)
    }
    bytes.removeLast(count - filled)
    return bytes
  }

  private static let pieceLength = 256 * 1024
}

/// Writes the frames that pass in a replay to a capture file.
private final class RecordedFrames {
  private var writer: CaptureWriter
  private var failure: CaptureError?
  /// The time of day at the recording's own time zero, in nanoseconds since 1970.
  private let offset: Int64

  init(_ path: String, _ head: RecordingHead) throws(CaptureError) {
    writer = try CaptureWriter(path: path)
    offset = head.wallClock &- head.origin.nanoseconds
  }

  var watcher: FrameWatcher {
    { [self] frame, isFromGuest, time in
      guard failure == nil else { return }
      let record = CaptureRecord(
        time: time.nanoseconds &+ offset, originalLength: frame.count, direction: isFromGuest ? .fromGuest : .toGuest)
      do throws(CaptureError) {
        try writer.append(record, frame)
      } catch {
        failure = error
      }
    }
  }

  func finish() throws(CaptureError) {
    if let failure { throw failure }
    try writer.flush()
  }
}
