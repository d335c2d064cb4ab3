public import Primitives

/// When a router advertises itself to everybody (RFC 4861 section 6.2).
public struct AdvertisementSchedule: Sendable {
  /// When everybody is next told; `.never` before the schedule has begun.
  public private(set) var next = Instant.never
  /// When everybody was last told.
  private var last: Instant?
  /// How many of the first advertisements are still to come.
  private var initialCount = 0

  /// MaxRtrAdvInterval and MinRtrAdvInterval (RFC 4861 section 6.2.1).
  private static var longestInterval: Interval { .seconds(600) }
  private static var shortestInterval: Interval { .seconds(200) }
  /// MAX_INITIAL_RTR_ADVERT_INTERVAL and MAX_INITIAL_RTR_ADVERTISEMENTS (RFC 4861 section 10).
  private static var initialInterval: Interval { .seconds(16) }
  private static var maximumInitialCount: Int { 3 }
  /// MIN_DELAY_BETWEEN_RAS (RFC 4861 section 10).
  private static var shortestGap: Interval { .seconds(3) }
  /// AdvDefaultLifetime, and by RFC 8106 section 5.1 that of resolvers, in seconds: three times MaxRtrAdvInterval.
  public static var routerLifetime: UInt16 { 1800 }

  /// Makes a schedule that has not begun.
  public init() {}

  /// A link has a peer: the first few advertisements follow each other more closely.
  public mutating func begin(at now: Instant) {
    initialCount = Self.maximumInitialCount
    next = min(next, now + Self.initialInterval)
  }

  /// Everybody shall be told: at once, unless that was done just now.
  public mutating func advertiseSoon(at now: Instant) {
    next = min(next, last.map { max(now, $0 + Self.shortestGap) } ?? now)
  }

  /// Everybody was told.
  public mutating func advertised(at now: Instant, by generator: inout SeededGenerator) {
    last = now
    if initialCount > 0 {
      initialCount -= 1
      next = now + Self.initialInterval
      return
    }
    let range = Self.shortestInterval.nanoseconds...Self.longestInterval.nanoseconds
    next = now + Interval(nanoseconds: Int64.random(in: range, using: &generator))
  }
}
