import CLinux
import Glibc
import Primitives

/// The time of day.
public enum WallClock {
  /// Seconds since 1970, UTC, leap seconds left out.
  public static var seconds: Int64 { Int64(time(nil)) }

  /// What the time of day is ahead of the monotonic clock, in nanoseconds; a thread that is interrupted may be told less,
  /// never more.
  public static var offset: Int64 {
    let now = clinux_wall_nanoseconds()
    return now - MonotonicClock.now.nanoseconds
  }
}
