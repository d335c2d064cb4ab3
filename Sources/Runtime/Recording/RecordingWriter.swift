import LinuxSystem
import Logging
import Primitives
import Synchronization

/// Writes a recording's blocks to its file, on a thread of its own: a slow disk costs the guests nothing.
///
/// What waits to be written is bounded. Beyond the bound, and once the disk does not take any more, blocks are refused,
/// which ends the recording: one with a hole could not be replayed.
final class RecordingWriter: Sendable {
  private struct State {
    var blocks: [[UInt8]] = []
    /// Bytes of the blocks that wait, and of those that are being written.
    var byteCount = 0
    var isClosed = false
    /// Nothing is written any more.
    var hasFailed = false
  }

  /// The file.
  let path: String
  private let file: FileDescriptor
  private let bound: Int
  private let logger: Logger
  private let state = Mutex(State())
  private let bell: Bell

  /// Bytes that wait at most, unless told otherwise: a tenth of a second of the fastest transfer.
  static var defaultBound: Int { 64 << 20 }

  /// Makes the file, for this user alone. There must be none.
  init(path: String, bound: Int = RecordingWriter.defaultBound, logger: Logger) throws(SystemError) {
    self.path = path
    self.bound = bound
    self.logger = logger
    file = try FileDescriptor.create(path, mode: 0o600)
    bell = try Bell()
  }

  // MARK: The loop

  /// Leaves a block to be written; false where there is no room for it. The last one is always taken.
  func append(_ block: [UInt8], isLast: Bool) -> Bool {
    let (isTaken, isFirst) = state.withLock { state in
      guard !state.hasFailed, isLast || state.byteCount + block.count <= bound else { return (false, false) }
      state.blocks.append(block)
      state.byteCount += block.count
      return (true, state.blocks.count == 1)
    }
    if isFirst { bell.ring() }
    return isTaken
  }

  /// Whether the file could not be written, which was logged.
  var hasFailed: Bool { state.withLock { $0.hasFailed } }

  /// Has the thread end once everything is written.
  fileprivate func close() {
    state.withLock { $0.isClosed = true }
    bell.ring()
  }

  // MARK: The thread

  /// Writes blocks until `close`.
  fileprivate func run() {
    while true {
      do throws(SystemError) {
        try bell.wait(until: .never)
        let (blocks, isClosed) = state.withLock { state in
          defer { state.blocks = [] }
          return (state.blocks, state.isClosed)
        }
        for block in blocks { try write(block) }
        let count = blocks.reduce(0) { $0 + $1.count }
        let isDone = state.withLock { state in
          state.byteCount -= count
          return isClosed && state.blocks.isEmpty
        }
        if isDone { return }
      } catch {
        return fail(error)
      }
    }
  }

  private func write(_ block: [UInt8]) throws(SystemError) {
    var rest = block.span
    while !rest.isEmpty {
      guard let count = try file.write(rest) else { continue }
      rest = rest.extracting(droppingFirst: count)
    }
  }

  private func fail(_ error: SystemError) {
    let isFirst = state.withLock { state in
      defer {
        state.hasFailed = true
        state.blocks = []
      }
      return !state.hasFailed
    }
    if isFirst { logger.error("record '\(path)': \(error.reason); the recording ends there, the network goes on") }
  }
}

/// A writer and its thread.
struct RecordingFile: ~Copyable {
  /// Where blocks are left.
  let writer: RecordingWriter
  private let thread: Thread

  /// Makes the file, and starts the thread.
  init(path: String, logger: Logger) throws(SystemError) {
    let writer = try RecordingWriter(path: path, logger: logger)
    thread = try Thread { writer.run() }
    self.writer = writer
  }

  /// Waits until everything is written.
  consuming func close() {
    writer.close()
    thread.join()
  }
}
