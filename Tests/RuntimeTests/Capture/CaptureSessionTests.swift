import Buffers
import Capture
import Configuration
import LinuxSystem
import Logging
import Primitives
import Testing

@testable import Runtime

/// The work of a capture, without the loops.
@Suite struct CaptureSessionTests {
  private func plan(_ path: String, _ change: (inout CaptureOptions) -> Void = { _ in }) throws -> CapturePlan {
    var options = CaptureOptions()
    options.file = path
    change(&options)
    return try #require(try CapturePlan(options))
  }

  private func bytes(_ number: Int, _ count: Int = 60) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count)
  }

  private func descriptor(_ count: Int) -> FrameDescriptor {
    FrameDescriptor(port: .first, headerLength: 0, byteCount: count)
  }

  @Test func `frames of several loops are written in the order of their times`() throws {
    let folder = try TemporaryFolder()
    let session = try CaptureSession(try plan(folder.path + "/a"), loops: 3)
    let start = MonotonicClock.now
    // Each loop's own times only grow.
    var random = SeededGenerator(seed: 1)
    for loop in 0..<3 {
      var tap = CaptureTap(session.feeds[loop], at: start)
      var at = start
      for _ in 0..<100 {
        at = at + .microseconds(Int64.random(in: 0...50, using: &random))
        tap.beginTurn(at: at)
        tap.take(bytes(loop).span, as: descriptor(60))
        tap.endTurn()
      }
    }
    session.stop()
    var work = try CaptureWork(of: session, logger: Lines().logger(.info))
    work.run()
    let frames = try LiveCaptureTests.frames(folder.path + "/a")
    #expect(frames.count == 300)
    #expect(zip(frames, frames.dropFirst()).allSatisfy { $0.time <= $1.time })
    // Not one loop after the other.
    #expect(Set(frames.prefix(30).map { $0.bytes[0] }) == [0, 1, 2])
    #expect(session.counts == CaptureFiles.Counts(records: 300, bytes: 24 + 300 * 76))
  }

  @Test func `a frame waits for the turns of other loops that began before it`() throws {
    let folder = try TemporaryFolder()
    let session = try CaptureSession(try plan(folder.path + "/a"), loops: 2)
    let now = MonotonicClock.now
    var slow = CaptureTap(session.feeds[0], at: now)
    var fast = CaptureTap(session.feeds[1], at: now + .microseconds(5))
    fast.take(bytes(1).span, as: descriptor(60))
    fast.endTurn()
    #expect(session.horizon == session.clock.time(of: now))
    slow.take(bytes(0).span, as: descriptor(60))
    slow.endTurn()
    #expect(session.horizon >= session.clock.time(of: now + .microseconds(5)))
  }

  @Test func `what finds no room is counted, and what did is written`() throws {
    let folder = try TemporaryFolder()
    let session = try CaptureSession(try plan(folder.path + "/a"), loops: 1, ringCapacity: 4096)
    var tap = CaptureTap(session.feeds[0], at: MonotonicClock.now)
    for number in 0..<50 { tap.take(bytes(number).span, as: descriptor(60)) }
    tap.endTurn()
    // A record takes two lines of the cache, 128 bytes.
    #expect(session.dropCount == 50 - 4096 / 128)
    session.stop()
    let lines = Lines()
    var work = try CaptureWork(of: session, logger: lines.logger(.info))
    work.run()
    #expect(try LiveCaptureTests.frames(folder.path + "/a").map(\.bytes) == (0..<32).map { bytes($0) })
    #expect(lines.all.joined().contains("warning: 18 more were not: \(folder.path)/a took them too slowly"))
  }

  @Test func `the time of day follows a clock that is set forward, and none that is set back`() {
    let clock = CaptureClock()
    let now = MonotonicClock.now
    let time = clock.time(of: now)
    clock.follow(WallClock.offset - 3_600_000_000_000)
    #expect(clock.time(of: now) == time)
    clock.follow(WallClock.offset + 3_600_000_000_000)
    #expect(clock.time(of: now) >= time + 3_600_000_000_000)
    #expect(clock.time(of: now) < time + 3_601_000_000_000)
  }

  @Test func `a frame that stands for several segments is written as it is, or as these`() throws {
    let folder = try TemporaryFolder()
    for splits in [false, true] {
      let path = "\(folder.path)/\(splits)"
      let session = try CaptureSession(try plan(path) { $0.splitsSegments = splits }, loops: 1)
      var tap = CaptureTap(session.feeds[0], at: MonotonicClock.now)
      // TCP over IPv4 with 25 bytes, ten in a segment; the field has some sum.
      var frame = bytes(0, 14 + 20 + 20 + 25)
      frame.replaceSubrange(12...14, with: [0x08, 0x00, 0x45])
      (frame[23], frame[46]) = (6, 0x50)
      let descriptor = FrameDescriptor(
        port: .first, headerLength: 54, byteCount: frame.count, checksum: .partial(start: 34, offset: 16),
        segmentation: Segmentation(kind: .tcp4, size: 10))
      tap.take(frame.span, as: descriptor)
      session.stop()
      var work = try CaptureWork(of: session, logger: Lines().logger(.info))
      work.run()
      let lengths = try LiveCaptureTests.frames(path).map(\.originalLength)
      #expect(lengths == (splits ? [64, 64, 59] : [79]))
    }
  }

  @Test func `files rotate, the newest under the first name, and each is whole`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    let rotated = try plan(path) { $0.rotation = CaptureRotation(byteCount: 1000, fileCount: 3) }
    func write(_ numbers: Range<Int>) throws {
      var files = try CaptureFiles(rotated)
      for number in numbers {
        try files.append(CaptureRecord(time: Int64(number), originalLength: 60), bytes(number).span)
      }
      try files.flush()
      let counts = files.counts
      #expect(counts.records == numbers.count)
    }
    // Twelve of 76 bytes each fit a file beside its head.
    try write(0..<40)
    func times(_ suffix: String) throws -> [Int64] { try LiveCaptureTests.frames(path + suffix).map(\.time) }
    #expect(try times("") == Array(36..<40))
    #expect(try times(".1") == Array(24..<36))
    #expect(try times(".2") == Array(12..<24))
    #expect(!FileSystem.exists(path + ".3"))
    #expect(try FileIdentity(path: path + ".1").permissions == 0o600)
    // A capture that begins puts what is there aside.
    try write(40..<41)
    #expect(try times("") == [40])
    #expect(try times(".1") == Array(36..<40))
    #expect(try times(".2") == Array(24..<36))
  }
}
