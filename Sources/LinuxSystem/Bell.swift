public import Primitives

/// Wakes a thread that waits for nothing else.
public final class Bell: Sendable {
  private let counter: EventCounter
  private let queue: EventQueue

  /// Makes a bell that has not rung.
  public init() throws(SystemError) {
    counter = try EventCounter()
    queue = try EventQueue()
    try queue.registrar.add(counter.descriptor.rawValue, for: .readable, data: 0)
  }

  /// Wakes the thread that waits, or waits next. From any thread.
  public func ring() { counter.signal() }

  /// Waits until it has rung since the last wait, or until `deadline`.
  public func wait(until deadline: Instant) throws(SystemError) {
    var events = EventBuffer(capacity: 1)
    try queue.wait(into: &events, until: deadline)
    try counter.reset()
  }
}
