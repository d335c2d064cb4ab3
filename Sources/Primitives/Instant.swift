/// A length of time in whole nanoseconds.
///
/// Eight bytes where Swift's `Duration` has sixteen: timers are compared for each segment and kept for each flow.
public struct Interval: Hashable, Sendable, Comparable {
  /// The length in nanoseconds; negative for a time that lies before another.
  public let nanoseconds: Int64

  /// Makes an interval of nanoseconds.
  @inlinable
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// No time at all.
  public static let zero = Interval(nanoseconds: 0)
  /// A number of seconds.
  @inlinable
  public static func seconds(_ count: Int64) -> Interval { Interval(nanoseconds: count * 1_000_000_000) }
  /// A number of milliseconds.
  @inlinable
  public static func milliseconds(_ count: Int64) -> Interval { Interval(nanoseconds: count * 1_000_000) }
  /// A number of microseconds.
  @inlinable
  public static func microseconds(_ count: Int64) -> Interval { Interval(nanoseconds: count * 1_000) }

  /// Orders by length.
  @inlinable
  public static func < (left: Interval, right: Interval) -> Bool { left.nanoseconds < right.nanoseconds }
  /// The sum of two intervals.
  @inlinable
  public static func + (left: Interval, right: Interval) -> Interval {
    Interval(nanoseconds: left.nanoseconds + right.nanoseconds)
  }
  /// The difference of two intervals.
  @inlinable
  public static func - (left: Interval, right: Interval) -> Interval {
    Interval(nanoseconds: left.nanoseconds - right.nanoseconds)
  }
  /// A multiple of an interval.
  @inlinable
  public static func * (left: Interval, right: Int64) -> Interval {
    Interval(nanoseconds: left.nanoseconds * right)
  }
  /// A fraction of an interval, rounded towards zero.
  @inlinable
  public static func / (left: Interval, right: Int64) -> Interval {
    Interval(nanoseconds: left.nanoseconds / right)
  }
}

extension Interval: CustomStringConvertible {
  /// Seconds with three decimals, for logs: `1.500 s`.
  public var description: String {
    let milliseconds = nanoseconds.magnitude / 1_000_000
    let fraction = String(milliseconds % 1000 + 1000).dropFirst()
    return "\(nanoseconds < 0 ? "-" : "")\(milliseconds / 1000).\(fraction) s"
  }
}

/// A point in monotonic time, in nanoseconds since an origin that the clock's owner chose.
public struct Instant: Hashable, Sendable, Comparable {
  /// Nanoseconds since the origin.
  public let nanoseconds: Int64

  /// Makes an instant of nanoseconds since the origin.
  @inlinable
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The origin.
  public static let zero = Instant(nanoseconds: 0)
  /// Later than every instant that a clock gives: "no deadline".
  public static let never = Instant(nanoseconds: .max)

  /// Orders by time.
  @inlinable
  public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
  /// The instant an interval later.
  @inlinable
  public static func + (left: Instant, right: Interval) -> Instant {
    Instant(nanoseconds: left.nanoseconds + right.nanoseconds)
  }
  /// The instant an interval earlier.
  @inlinable
  public static func - (left: Instant, right: Interval) -> Instant {
    Instant(nanoseconds: left.nanoseconds - right.nanoseconds)
  }
  /// The time from `right` to `left`.
  @inlinable
  public static func - (left: Instant, right: Instant) -> Interval {
    Interval(nanoseconds: left.nanoseconds - right.nanoseconds)
  }
}
