import LinuxSystem
import Primitives
import Synchronization

/// The time of day of a turn of a loop, which never runs backwards.
///
/// It is the monotonic time of the turn and an offset that only grows: a clock that is set forward is followed, one that
/// is set back is not, while the capture lasts. Changes of its rate are in the monotonic time already.
final class CaptureClock: Sendable {
  /// The greatest offset that was seen of the time of day to the monotonic time, in nanoseconds.
  private let offset: Atomic<Int64>

  /// Makes a clock that shows the time of day.
  init() { offset = Atomic(WallClock.offset) }

  /// The time of day at `instant`, in nanoseconds since 1970.
  func time(of instant: Instant) -> Int64 { instant.nanoseconds &+ offset.load(ordering: .relaxed) }

  /// Follows a clock that was set forward, by an offset that is no greater than the true one.
  func follow(_ latest: Int64 = WallClock.offset) {
    if latest > offset.load(ordering: .relaxed) { offset.store(latest, ordering: .relaxed) }
  }
}
