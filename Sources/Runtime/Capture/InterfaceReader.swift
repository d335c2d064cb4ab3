import BasicContainers
import LinuxSystem
import Logging
import Primitives

/// Reads the frames that pass interfaces of the kernel's, as ports of a bridge, and captures them: the work of a thread
/// of its own, which sleeps while nothing passes, and which traffic does not wait for.
///
/// The kernel says when it had a frame. That is the time of the record, so that of what passes two ports the order is
/// known. What this thread is too slow for the kernel drops, and counts.
struct InterfaceReader: ~Copyable {
  private var sources: UniqueArray<TappedInterface>
  private var frames: TappedFrames
  private let queue: EventQueue
  private let stopping: StopSignal
  private let logger: Logger

  /// Calls of one turn for each interface: none makes the others wait.
  private static let callsOfTurn = 8
  /// And at the end, for what waits by then.
  private static let callsAtEnd = 256

  init(
    _ interfaces: [CapturedInterface], _ taps: consuming UniqueArray<OpenTap>, _ feeds: [CaptureFeed],
    stopping: StopSignal, logger: Logger
  ) throws(SystemError) {
    let queue = try EventQueue()
    try queue.registrar.add(stopping.counter.descriptor.rawValue, for: .readable, data: .max)
    var taps = taps
    var sources = UniqueArray<TappedInterface>()
    while let open = taps.popLast() {
      let (interface, feed) = (interfaces[taps.count], feeds[taps.count])
      let index = open.interface
      let tap = open.takeTap()
      try queue.registrar.add(tap.rawValue, for: .readable, data: UInt64(index))
      sources.append(TappedInterface(interface.name, index, tap, feed))
    }
    self.sources = sources
    frames = TappedFrames(of: feeds.map(\.copyLimit).max() ?? 0)
    self.queue = queue
    self.stopping = stopping
    self.logger = logger
  }

  /// Reads until it is told to stop, or nothing more is wanted.
  mutating func run() {
    do {
      var events = EventBuffer(capacity: 16)
      while true {
        try queue.wait(into: &events, timeout: nil)
        let isLast = (0..<events.count).contains { events[$0].data == .max }
        try readAll(calls: isLast ? Self.callsAtEnd : Self.callsOfTurn)
        if isLast || wantsNothing { return }
      }
    } catch {
      logger.error("frames of interfaces are not captured any more: \(error)")
      // Nobody waits for those that are lost.
      for index in 0..<sources.count { sources[index].endTurn() }
    }
  }

  private var wantsNothing: Bool {
    for index in 0..<sources.count where !sources[index].isClosed { return false }
    return sources.count > 0
  }

  /// Reads what waits of all interfaces.
  private mutating func readAll(calls: Int) throws {
    // Whoever writes waits with the frames of one until those of the others are there.
    for index in 0..<sources.count { sources[index].beginTurn() }
    for index in (0..<sources.count).reversed() {
      let isThere = try sources[index].read(by: &frames, calls: calls)
      sources[index].endTurn()
      guard !isThere else { continue }
      logger.notice("\(sources[index].name) has gone, and is captured no more; traffic goes on")
      try queue.registrar.remove(sources[index].tap.rawValue)
      _ = sources.remove(at: index)
    }
  }
}
