import Buffers
import Capture
import LinuxSystem
import Primitives
import Synchronization

/// What a loop and the thread that writes its frames share.
final class CaptureFeed: Sendable {
  let ring: CaptureRing
  let clock: CaptureClock
  let bell: CaptureBell
  /// The most bytes of a frame that are captured.
  let copyLimit: Int

  /// The time of the loop's turn that is under way, in nanoseconds since 1970; between turns `noTurn`. What it captures
  /// is no older.
  let turn = Atomic<Int64>(CaptureFeed.noTurn)
  /// Frames for which there was no room.
  let dropCount = Atomic<Int>(0)
  /// Nothing more is wanted.
  let isClosed = Atomic<Bool>(false)

  static let noTurn = Int64.max

  init(capacity: Int, clock: CaptureClock, bell: CaptureBell, copyLimit: Int) {
    ring = CaptureRing(capacity: capacity)
    self.clock = clock
    self.bell = bell
    self.copyLimit = copyLimit
  }

  /// Counts frames that are lost. By the thread alone that captures for this feed.
  func drop(_ count: Int = 1) {
    dropCount.store(dropCount.load(ordering: .relaxed) + count, ordering: .relaxed)
  }
}

extension CaptureFeed: Equatable {
  /// Whether both are the same.
  static func == (left: CaptureFeed, right: CaptureFeed) -> Bool { left === right }
}

/// What wakes the thread that writes.
final class CaptureBell: Sendable {
  private let bell: Bell
  private let isAwaited = Atomic<Bool>(false)

  init() throws(SystemError) { bell = try Bell() }

  /// Wakes the thread, if it waits.
  func ringIfAwaited() {
    // Either the thread sees what was left for it before this, or this sees that the thread waits.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    guard isAwaited.load(ordering: .relaxed) else { return }
    ring()
  }

  /// Wakes the thread.
  func ring() { bell.ring() }

  /// Waits until it rings, if `isIdle` still holds, or until `timeout` is over.
  func wait(timeout: Interval, if isIdle: () -> Bool) {
    isAwaited.store(true, ordering: .relaxed)
    defer { isAwaited.store(false, ordering: .relaxed) }
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if isIdle() { pause(timeout) }
  }

  /// Waits for `timeout`, or less if it rings.
  func pause(_ timeout: Interval) {
    do throws(SystemError) {
      try bell.wait(until: MonotonicClock.now + timeout)
    } catch {
      preconditionFailure("a bell of our own cannot be waited for: \(error)")
    }
  }
}

/// A loop's end of a feed.
struct CaptureTap: ~Copyable {
  private let feed: CaptureFeed
  private var time: Int64 = 0
  private var hasNews = false

  /// Captures for `feed`, from the turn on that began at `now`.
  init(_ feed: CaptureFeed, at now: Instant) {
    self.feed = feed
    beginTurn(at: now)
  }

  // A loop that has ended has no turn under way.
  deinit { feed.turn.store(CaptureFeed.noTurn, ordering: .releasing) }

  /// Whether nothing more is wanted.
  var isClosed: Bool { feed.isClosed.load(ordering: .relaxed) }

  /// Notes the time of a turn.
  mutating func beginTurn(at now: Instant) {
    time = feed.clock.time(of: now)
    feed.turn.store(time, ordering: .releasing)
  }

  /// Wakes whoever writes, if anything was captured.
  mutating func endTurn() {
    feed.turn.store(CaptureFeed.noTurn, ordering: .releasing)
    guard hasNews else { return }
    hasNews = false
    feed.bell.ringIfAwaited()
  }

  /// Captures all frames of a batch that a guest has sent.
  mutating func take(_ batch: borrowing FrameBatch) {
    for frame in 0..<batch.count {
      let descriptor = batch.descriptor(frame)
      let head = head(of: descriptor, .fromGuest, Int(descriptor.byteCount))
      if !feed.ring.append(head, frame, of: batch) { feed.drop() }
    }
    hasNews = true
  }

  /// Captures a frame to a guest. Of a run of frames with one descriptor, the last may be no more than one segment.
  mutating func take(_ bytes: Span<UInt8>, as descriptor: FrameDescriptor) {
    if !feed.ring.append(head(of: descriptor, .toGuest, bytes.count), bytes) { feed.drop() }
    hasNews = true
  }

  private func head(
    of descriptor: FrameDescriptor, _ direction: CaptureDirection, _ byteCount: Int
  ) -> CapturedFrame {
    CapturedFrame(
      time: time, originalLength: UInt32(byteCount), byteCount: UInt32(min(byteCount, feed.copyLimit)),
      direction: direction, checksum: descriptor.checksum, segmentation: descriptor.segmentation)
  }
}
