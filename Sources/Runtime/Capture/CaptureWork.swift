import BasicContainers
import Capture
import LinuxSystem
import Logging
import Primitives

/// The work of a capture's thread: takes frames from the loops, in the order of their times, and writes them.
///
/// Woken for the first frame after a pause, it writes all that there is and hands it to the system; then it looks again
/// only after a while, so that a busy loop need not wake it. What a disk is slow to take waits in the loops' rings, and
/// then is dropped there.
struct CaptureWork: ~Copyable {
  private let session: CaptureSession
  private let logger: Logger
  private var output: CaptureOutput
  private var readers = UniqueArray<CaptureRingReader>()

  /// How long it does not look for more after it has written something.
  private static var pause: Interval { .milliseconds(2) }
  /// How long it waits for the end of a turn.
  private static var turn: Interval { .microseconds(200) }
  /// How long it sleeps at most: the time of day is followed.
  private static var sleep: Interval { .seconds(1) }

  /// Opens the files of a session.
  init(of session: CaptureSession, logger: Logger) throws(CaptureError) {
    self.session = session
    self.logger = logger
    output = try CaptureOutput(session.plan)
    for feed in session.feeds { readers.append(CaptureRingReader(of: feed.ring)) }
  }

  /// Works until the session is stopped, or cannot go on.
  mutating func run() {
    var failure: String?
    do throws(CaptureError) {
      try writeAll()
    } catch {
      failure = error.isReaderGone ? "the reader has gone" : error.description
      let level: Logger.Level = error.isReaderGone ? .notice : .warning
      logger.log(level: level, "capture to \(session.plan.path): \(failure ?? ""); it has ended, traffic goes on")
    }
    session.finish(output.counts, failure: failure)
    tellEnd()
  }

  private func tellEnd() {
    let (frames, dropped) = (output.counts.records, session.dropCount)
    logger.info("\(frames) frames were captured to \(session.plan.path)")
    if dropped > 0 { logger.warning("\(dropped) more were not: \(session.plan.path) took them too slowly") }
  }

  private mutating func writeAll() throws(CaptureError) {
    // Whoever reads a pipe waits for the file's head.
    try output.flush()
    let (session, bell) = (session, session.bell)
    while true {
      session.clock.follow()
      let isLast = session.isStopping
      let hasWritten = try pass(upTo: isLast ? .max : session.horizon)
      if isLast { return }
      if hasWritten {
        bell.pause(Self.pause)
      } else if session.isEmpty {
        bell.wait(timeout: Self.sleep) { session.isEmpty && !session.isStopping }
      } else {
        bell.pause(Self.turn)
      }
    }
  }

  /// Writes the frames that the rings hold now, those up to `horizon`.
  /// - Returns: whether there were any.
  private mutating func pass(upTo horizon: Int64) throws(CaptureError) -> Bool {
    var hasWritten = false
    for index in 0..<readers.count { readers[index].look() }
    while let index = earliest(upTo: horizon) {
      try output.write(from: &readers[index])
      readers[index].pass()
      // The loop needs the memory before all of this is written.
      if readers[index].passedByteCount > readers[index].ring.capacity / 8 { readers[index].release() }
      hasWritten = true
    }
    for index in 0..<readers.count { readers[index].release() }
    guard hasWritten else { return false }
    try output.flush()
    session.note(output.counts)
    return true
  }

  private func earliest(upTo horizon: Int64) -> Int? {
    var earliest: Int?
    var limit = horizon
    for index in 0..<readers.count {
      guard let time = readers[index].head?.time else { continue }
      guard earliest == nil ? time <= limit : time < limit else { continue }
      (earliest, limit) = (index, time)
    }
    return earliest
  }
}

extension CaptureError {
  /// Whether the pipe that was written to has lost its reader.
  fileprivate var isReaderGone: Bool {
    if case .unwritable(_, let number, _) = self { return SystemError(number, "write").isReaderGone }
    return false
  }
}
