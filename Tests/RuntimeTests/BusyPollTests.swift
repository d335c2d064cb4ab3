import Primitives
import Testing

@testable import Runtime

/// When events are looked for before sleeping: in conversations, and only while that finds some.
struct BusyPollTests {
  private static let short = Interval.microseconds(60)
  private static let long = Interval.milliseconds(1)

  /// A poll that has seen enough short sleeps to be tried.
  private static func begun() -> BusyPoll {
    var poll = BusyPoll(.microseconds(50))
    for _ in 0..<16 { poll.note(slept: short) }
    return poll
  }

  @Test func `sixteen short sleeps in a row are a conversation`() {
    var poll = BusyPoll(.microseconds(50))
    for _ in 0..<15 { poll.note(slept: Self.short) }
    #expect(!poll.isDue)
    poll.note(slept: Self.short)
    #expect(poll.isDue)
  }

  @Test func `a long sleep among the short ones begins the count again`() {
    var poll = BusyPoll(.microseconds(50))
    for _ in 0..<15 { poll.note(slept: Self.short) }
    poll.note(slept: Self.long)
    for _ in 0..<15 { poll.note(slept: Self.short) }
    #expect(!poll.isDue)
  }

  @Test func `the first attempt that finds nothing is the last for a while`() {
    var poll = Self.begun()
    poll.note(found: false)
    #expect(!poll.isDue)
    poll.note(slept: Self.short)
    #expect(!poll.isDue)
  }

  @Test func `a conversation that was worth it may pause three times, not four`() {
    var poll = Self.begun()
    for _ in 0..<1000 { poll.note(found: true) }
    for _ in 0..<3 { poll.note(found: false) }
    #expect(poll.isDue)
    poll.note(found: false)
    #expect(!poll.isDue)
  }

  @Test func `one attempt in two that finds something is not enough`() {
    var poll = Self.begun()
    for _ in 0..<8 { poll.note(found: true) }
    var attempts = 0
    while poll.isDue, attempts < 1000 {
      poll.note(found: attempts % 2 == 0)
      attempts += 1
    }
    #expect(attempts < 20)
  }

  @Test func `a turn that carries much ends it`() {
    var poll = Self.begun()
    poll.note(carried: 4096)
    #expect(poll.isDue)
    poll.note(carried: 4097)
    #expect(!poll.isDue)
  }

  @Test func `it is never tried where it is off`() {
    var poll = BusyPoll(.zero)
    for _ in 0..<100 { poll.note(slept: .zero) }
    #expect(!poll.isDue)
  }
}
