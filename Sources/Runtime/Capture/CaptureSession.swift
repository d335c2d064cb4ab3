import LinuxSystem
import Primitives
import Synchronization

/// One capture from its start to its end: what its thread, the loops and those who ask for it share.
final class CaptureSession: Sendable {
  /// As it was asked for.
  let plan: CapturePlan
  /// For each loop, and behind those for each interface of the kernel's, the way to hand over frames.
  let feeds: [CaptureFeed]
  let clock = CaptureClock()
  /// Wakes the thread.
  let bell: CaptureBell
  /// Given when the file is closed.
  let finished: Reply<Void>
  private let state: Mutex<State>

  private struct State {
    var counts = CaptureFiles.Counts()
    var failure: String?
    var isFinished = false
  }

  /// Bytes for each loop's frames on their way to the file.
  static let ringCapacity = 16 * 1024 * 1024

  init(
    _ plan: CapturePlan, loops: Int, interfaces: Int = 0, ringCapacity: Int = ringCapacity
  ) throws(SystemError) {
    self.plan = plan
    let (clock, bell) = (clock, try CaptureBell())
    self.bell = bell
    feeds = (0..<(loops + interfaces)).map { _ in
      CaptureFeed(capacity: ringCapacity, clock: clock, bell: bell, copyLimit: plan.copyLimit)
    }
    finished = Reply(try Bell())
    state = Mutex(State())
  }

  /// What has been written, and why nothing more will be, if that is so.
  var counts: CaptureFiles.Counts { state.withLock(\.counts) }
  var failure: String? { state.withLock(\.failure) }
  var isFinished: Bool { state.withLock(\.isFinished) }

  /// Frames that were not written for want of room.
  var dropCount: Int { feeds.reduce(0) { $0 + $1.dropCount.load(ordering: .relaxed) } }

  /// Whether nothing more is wanted.
  var isStopping: Bool { feeds[0].isClosed.load(ordering: .acquiring) }

  /// Whether no frame waits to be written.
  var isEmpty: Bool { feeds.allSatisfy(\.ring.isEmpty) }

  /// The time up to which no loop will capture anything more: its present turn, or its next one, is later.
  var horizon: Int64 {
    let now = clock.time(of: MonotonicClock.now)
    return feeds.reduce(now) { min($0, $1.turn.load(ordering: .acquiring)) }
  }

  /// Captures nothing more; what was captured is still written.
  func stop() {
    for feed in feeds { feed.isClosed.store(true, ordering: .releasing) }
    bell.ring()
  }

  func note(_ counts: CaptureFiles.Counts) { state.withLock { $0.counts = counts } }

  func finish(_ counts: CaptureFiles.Counts, failure: String?) {
    state.withLock { state in
      state.counts = counts
      state.failure = failure
      state.isFinished = true
    }
    stop()
    finished.give(())
  }
}
