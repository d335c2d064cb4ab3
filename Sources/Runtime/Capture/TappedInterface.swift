import Buffers
import Capture
import Links
import LinuxSystem
import Primitives
import RouteNetlink
import Synchronization

/// One interface that is captured.
struct TappedInterface: ~Copyable {
  let name: String
  let tap: InterfaceTap
  /// Whether nothing more is wanted.
  var isClosed: Bool { feed.isClosed.load(ordering: .relaxed) }

  private let interface: UInt32
  private let feed: CaptureFeed
  /// No frame that is still to be read is older, in nanoseconds since 1970.
  private var bound: Int64
  private var hasNews = false

  /// How long a frame waits to be read at most, in nanoseconds: what seems older was stamped by another clock.
  private static let oldest: Int64 = 1_000_000_000

  /// Captures what passes an interface for `feed`.
  init(_ name: String, _ interface: UInt32, _ tap: consuming InterfaceTap, _ feed: CaptureFeed) {
    (self.name, self.interface, self.feed) = (name, interface, feed)
    self.tap = tap
    bound = feed.clock.time(of: MonotonicClock.now)
  }

  /// Lets whoever writes wait for the frames that wait to be read.
  func beginTurn() { feed.turn.store(bound, ordering: .releasing) }

  /// Wakes whoever writes, if anything was captured.
  mutating func endTurn() {
    feed.turn.store(CaptureFeed.noTurn, ordering: .releasing)
    if hasNews { feed.bell.ringIfAwaited() }
    hasNews = false
  }

  /// Reads what waits, by so many calls at most.
  /// - Returns: false once the interface has gone.
  mutating func read(by frames: inout TappedFrames, calls: Int) throws -> Bool {
    for _ in 0..<calls {
      let now = MonotonicClock.now
      do throws(SystemError) {
        guard try frames.take(from: tap) != nil else {
          bound = max(bound, feed.clock.time(of: now))
          break
        }
        capture(frames, at: MonotonicClock.now)
      } catch {
        guard error.isInvalid || error.isInterfaceDown else { throw error }
        // A frame of which the kernel cannot say what is left to be done to it is lost.
        if error.isInvalid { feed.drop() }
        if error.isInterfaceDown, try !isThere() { return false }
      }
    }
    feed.drop(try tap.takeDropCount())
    return true
  }

  private func isThere() throws -> Bool {
    var routes = try RouteSocket()
    return try routes.interfaces().contains { $0.index == interface }
  }

  /// Captures the frames that were just taken.
  private mutating func capture(_ frames: borrowing TappedFrames, at now: Instant) {
    let (time, wallTime) = (feed.clock.time(of: now), now.nanoseconds + WallClock.offset)
    for number in 0..<frames.count {
      let frame = frames[number]
      let bytes = frames.bytes(number)
      // By how long ago it was, since the time of day may have been set meanwhile.
      let age = frame.time == 0 ? 0 : min(max(wallTime - frame.time, 0), Self.oldest)
      let work = VirtioHeader(frames.header(number))
      var head = CapturedFrame(
        time: time - age, originalLength: UInt32(frame.originalLength),
        byteCount: UInt32(min(bytes.count, feed.copyLimit)), direction: frame.isOutgoing ? .toGuest : .fromGuest,
        checksum: work?.checksum ?? .unverified, segmentation: work?.segmentation)
      head.moveChecksum(by: frame.shift)
      bound = max(bound, head.time)
      if !feed.ring.append(head, bytes) { feed.drop() }
    }
    hasNews = true
    feed.turn.store(bound, ordering: .releasing)
  }
}

extension CapturedFrame {
  /// Counts `shift` bytes before the transport's header that the one who told of the checksum did not know of.
  fileprivate mutating func moveChecksum(by shift: Int) {
    guard shift > 0, case .partial(let start, let offset) = checksum else { return }
    checksum = .partial(start: start + UInt16(shift), offset: offset)
  }
}
