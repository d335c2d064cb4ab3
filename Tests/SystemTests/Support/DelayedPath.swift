import Foundation
import LinuxSystem
import Primitives

/// A path between two TAP devices with a delay, a rate and a queue before it, each way.
final class DelayedPath: @unchecked Sendable {
  // Nothing here changes after `init`; the descriptors are read and written by the one thread that it starts.
  private let ends: (TAP, TAP)
  private let delay: Interval
  private let bytesPerSecond: Int
  private let stopping: EventCounter

  /// Starts to pass frames on.
  /// - Parameters:
  ///   - delay: of each frame, one way.
  ///   - bitsPerSecond: the rate; the queue holds what passes in two delays, the rest is lost.
  init(between first: TAP, and second: TAP, delay: Interval, bitsPerSecond: Int) throws {
    ends = (first, second)
    self.delay = delay
    bytesPerSecond = bitsPerSecond / 8
    stopping = try EventCounter()
    Thread.detachNewThread { [self] in
      do {
        try run()
      } catch {
        print("the path ended: \(error)")
      }
    }
  }

  /// Ends the thread, and with it the path.
  func stop() { stopping.signal() }

  private func run() throws {
    var forth = Queue(delay: delay, bytesPerSecond: bytesPerSecond)
    var back = forth
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 3)
    try queue.registrar.add(stopping.descriptor.rawValue, for: .readable, data: 0)
    try queue.registrar.add(ends.0.rawValue, for: .readable, data: 1)
    try queue.registrar.add(ends.1.rawValue, for: .readable, data: 2)
    while true {
      try queue.wait(into: &events, until: min(forth.nextDue, back.nextDue))
      if events.count > 0, events[0].data == 0 { return }
      let now = MonotonicClock.now
      while let frame = try ends.0.read(into: &buffer) { forth.append(frame, at: now) }
      while let frame = try ends.1.read(into: &buffer) { back.append(frame, at: now) }
      while let frame = forth.popFirst(at: now) { try ends.1.write(frame) }
      while let frame = back.popFirst(at: now) { try ends.0.write(frame) }
    }
  }
}

/// Frames on their way in one direction.
private struct Queue {
  private let delay: Interval
  private let bytesPerSecond: Int
  private var frames: [(due: Instant, bytes: ArraySlice<UInt8>)] = []
  private var first = 0
  // When the last frame has left the sender.
  private var departure = Instant.zero

  init(delay: Interval, bytesPerSecond: Int) {
    self.delay = delay
    self.bytesPerSecond = bytesPerSecond
  }

  /// When the first frame arrives.
  var nextDue: Instant { first < frames.count ? frames[first].due : .never }

  /// Takes a frame, or loses it where the queue is full.
  mutating func append(_ frame: ArraySlice<UInt8>, at now: Instant) {
    let start = max(departure, now)
    guard start - now < delay * 2 else { return }
    departure = start + Interval(nanoseconds: Int64(frame.count * 1_000_000_000 / bytesPerSecond))
    // A copy of its own, since the reader's buffer is used again.
    frames.append((departure + delay, Array(frame)[...]))
  }

  /// The first frame, if it has arrived.
  mutating func popFirst(at now: Instant) -> ArraySlice<UInt8>? {
    guard nextDue <= now else { return nil }
    defer {
      frames[first].bytes = []
      first += 1
      if first == frames.count || first > 4096 {
        frames.removeFirst(first)
        first = 0
      }
    }
    return frames[first].bytes
  }
}
