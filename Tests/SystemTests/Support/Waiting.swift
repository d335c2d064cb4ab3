import LinuxSystem
import Primitives

/// A point in time at which a wait gives up.
struct Deadline: Sendable {
  let instant: Instant

  static func after(_ seconds: Double) -> Deadline {
    Deadline(instant: MonotonicClock.now + Interval(nanoseconds: Int64(seconds * 1e9)))
  }

  var remaining: Interval { max(instant - MonotonicClock.now, .zero) }
  var hasPassed: Bool { remaining == .zero }
}

/// Waits until one of `events` holds for a descriptor; throws once the deadline has passed.
func waitUntil(_ descriptor: Int32, is events: Events, by deadline: Deadline, _ what: @autoclosure () -> String) throws
{
  guard try wait(descriptor, for: events, until: deadline) else { throw Failure("timed out: \(what())") }
}

/// Waits until one of `events` holds for a descriptor.
/// - Returns: false once the deadline has passed.
func wait(_ descriptor: Int32, for events: Events, until deadline: Deadline) throws -> Bool {
  let queue = try EventQueue()
  var buffer = EventBuffer(capacity: 1)
  try queue.registrar.add(descriptor, for: events, data: 0)
  repeat {
    try queue.wait(into: &buffer, until: deadline.instant)
    if buffer.count > 0 { return true }
  } while !deadline.hasPassed
  return false
}

/// Closes a descriptor now.
func close(_ descriptor: consuming FileDescriptor) {}

/// Runs `body` and says how long it took, in seconds.
func seconds<Result>(of body: () throws -> Result) rethrows -> (result: Result, seconds: Double) {
  let start = MonotonicClock.now
  let result = try body()
  return (result, Double((MonotonicClock.now - start).nanoseconds) / 1e9)
}
