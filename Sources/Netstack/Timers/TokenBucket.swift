import Primitives

/// A limit on how often something may be done: so many times at once, and so many a second in the long run.
///
/// Kept as one instant (the generic cell rate algorithm): when the bucket would be full again.
struct TokenBucket {
  private let interval: Interval
  private let burst: Interval
  private var full = Instant(nanoseconds: .min / 2)

  /// Makes a full bucket of `capacity` tokens, into which `perSecond` flow.
  init(capacity: Int64, perSecond: Int64) {
    interval = Interval(nanoseconds: 1_000_000_000 / perSecond)
    burst = Interval(nanoseconds: interval.nanoseconds * capacity)
  }

  /// Takes a token; false where there is none.
  mutating func take(at now: Instant) -> Bool {
    let next = max(full, now) + interval
    guard next - now <= burst else { return false }
    full = next
    return true
  }
}
