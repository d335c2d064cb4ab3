import Primitives

/// Whether to look for events a short time before sleeping.
///
/// Who sleeps is woken by another processor, which takes longer than a whole turn where the one that slept had nothing
/// else to do. In a conversation the next event comes within microseconds, so that looking for it costs less than
/// sleeping; everywhere else it would waste the processor. So it is tried where turns carried little and the sleeps
/// between them were short, many in a row, and left as soon as it finds too little. In a transfer, sleeping lets
/// frames gather, and both of its ends need processors.
struct BusyPoll: Hashable {
  /// How long to look at most; zero for never.
  let duration: Interval
  /// How many more attempts may fail.
  private var credit = 0
  /// Short sleeps in a row.
  private var shortSleeps = 0

  /// How often looking may fail, once it has found something as often.
  private static var creditLimit: Int { 8 }
  /// What a failed attempt costs. More failures than one in three are too many.
  private static var costOfFailure: Int { 2 }
  /// From so many short sleeps in a row on it is worth an attempt.
  private static var sleepsBeforeAttempt: Int { 16 }
  /// Sleeping and being woken takes so many times what looking would have.
  private static var sleepFactor: Int64 { 4 }

  /// A turn that carries more is no conversation's.
  private static var conversationalByteCount: Int { 4096 }

  init(_ duration: Interval) { self.duration = duration }

  /// Whether to look now.
  var isDue: Bool { credit > 0 }

  /// A turn has carried so many bytes over the links.
  mutating func note(carried byteCount: Int) {
    guard byteCount > Self.conversationalByteCount else { return }
    credit = 0
    shortSleeps = 0
  }

  /// It was looked for events, and there were some, or not.
  mutating func note(found: Bool) {
    credit = found ? min(credit + 1, Self.creditLimit) : max(credit - Self.costOfFailure, 0)
  }

  /// The loop slept so long until there was an event.
  mutating func note(slept: Interval) {
    guard credit == 0, duration > .zero else { return }
    shortSleeps = slept.nanoseconds <= Self.sleepFactor * duration.nanoseconds ? shortSleeps + 1 : 0
    guard shortSleeps >= Self.sleepsBeforeAttempt else { return }
    shortSleeps = 0
    credit = Self.costOfFailure
  }
}
