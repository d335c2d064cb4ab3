import LinuxSystem
import Primitives

/// A path between two TAP devices that holds each frame for a time, each way, without a rate.
///
/// The devices have the header for offloads, so that one frame stands for up to 64 KiB of a flow: the hosts at the ends
/// are the limit then, not this.
struct DelayedPath: ~Copyable {
  private let near: TAPDevice
  private let far: TAPDevice
  private let queue: EventQueue
  private var forth: DelayLine
  private var back: DelayLine

  /// Makes the two devices, in this network namespace.
  init(near: String, far: String, delay: Interval) throws {
    let near = try TAPDevice(name: near)
    let far = try TAPDevice(name: far)
    let queue = try EventQueue()
    try queue.registrar.add(near.descriptor.rawValue, for: .readable, data: 0)
    try queue.registrar.add(far.descriptor.rawValue, for: .readable, data: 1)
    self.near = near
    self.far = far
    self.queue = queue
    forth = DelayLine(delay: delay)
    back = DelayLine(delay: delay)
  }

  /// Passes frames on for ever.
  mutating func run() throws {
    var events = EventBuffer(capacity: 2)
    while true {
      try queue.wait(into: &events, until: min(forth.nextDue, back.nextDue))
      let now = MonotonicClock.now
      try forth.take(from: near.descriptor.rawValue, at: now)
      try back.take(from: far.descriptor.rawValue, at: now)
      try forth.deliver(to: far.descriptor.rawValue, at: now)
      try back.deliver(to: near.descriptor.rawValue, at: now)
    }
  }
}

/// Frames on their way in one direction, in a ring of bytes.
private struct DelayLine: ~Copyable {
  /// More than 20 ms of 20 Gbit/s.
  private static var capacity: Int { 64 << 20 }
  private static var longestFrame: Int { 65_600 }
  /// Frames taken before those that are due have their turn.
  private static var framesPerTurn: Int { 64 }

  private struct Frame {
    let due: Instant
    let start: Int
    let length: Int
  }

  private let delay: Interval
  // The last `longestFrame` bytes are where frames go that there is no room for.
  private var bytes = [UInt8](repeating: 0, count: capacity + longestFrame)
  private var frames: [Frame] = []
  private var first = 0
  private var end = 0

  init(delay: Interval) { self.delay = delay }

  /// When the first frame arrives.
  var nextDue: Instant { first < frames.count ? frames[first].due : .never }

  /// Reads what a device sends.
  mutating func take(from device: Int32, at now: Instant) throws {
    for _ in 0..<Self.framesPerTurn {
      let start = nextStart
      var span = bytes.mutableSpan
      var room = span._mutatingExtracting((start ?? Self.capacity)..<((start ?? Self.capacity) + Self.longestFrame))
      guard let length = try TAPDevice.receive(into: &room, from: device) else { return }
      guard let start else { continue }
      frames.append(Frame(due: now + delay, start: start, length: length))
      end = start + length
    }
  }

  /// Where the next frame has room, nil where the ring is full.
  private var nextStart: Int? {
    guard first < frames.count else { return 0 }
    let oldest = frames[first].start
    if end <= oldest { return oldest - end > Self.longestFrame ? end : nil }
    if Self.capacity - end >= Self.longestFrame { return end }
    return oldest > Self.longestFrame ? 0 : nil
  }

  /// Writes the frames that are due; one that the device has no room for is lost, as on any link.
  mutating func deliver(to device: Int32, at now: Instant) throws {
    while nextDue <= now {
      let frame = frames[first]
      _ = try TAPDevice.send(bytes.span.extracting(frame.start..<(frame.start + frame.length)), to: device)
      first += 1
    }
    if first == frames.count || first > 4096 {
      frames.removeFirst(first)
      first = 0
    }
  }
}

/// Runs the path that the arguments behind `path` describe: the names of its two devices, and milliseconds one way.
func runPath(_ arguments: ArraySlice<String>) {
  let words = Array(arguments)
  guard words.count == 3, let delay = Int64(words[2]) else {
    fatalExit("path takes the names of two TAP devices, and milliseconds")
  }
  do {
    var path = try DelayedPath(near: words[0], far: words[1], delay: .milliseconds(delay))
    StandardStream.output.write("ready\n")
    try path.run()
  } catch {
    fatalExit("the path ended: \(error)")
  }
}
