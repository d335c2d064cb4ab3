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
    // Reading the two clocks takes a while, and not always as long.
    #expect(clock.time(of: now) > time + 3_599_000_000_000)
    #expect(clock.time(of: now) < time + 3_601_000_000_000)
  }

  /// TCP over IPv4 with 25 bytes, ten in a segment; the field has some sum.
  private var superSegment: (bytes: [UInt8], FrameDescriptor) {
    var frame = bytes(0, 14 + 20 + 20 + 25)
    frame.replaceSubrange(12...14, with: [0x08, 0x00, 0x45])
    (frame[23], frame[46]) = (6, 0x50)
    let descriptor = FrameDescriptor(
      port: .first, headerLength: 54, byteCount: frame.count, checksum: .partial(start: 34, offset: 16),
      segmentation: Segmentation(kind: .tcp4, size: 10))
    return (frame, descriptor)
  }

  @Test func `a frame that stands for several segments is written as it is, or as these`() throws {
    for (splits, lengths) in [(false, [79]), (true, [64, 64, 59])] {
      let frames = try captured([superSegment]) { $0.splitsSegments = splits }
      #expect(frames.map(\.originalLength) == lengths)
    }
  }

  /// What is written of frames that one loop captures, each as it is described, a turn each.
  private func captured(
    _ frames: [(bytes: [UInt8], FrameDescriptor)], _ change: (inout CaptureOptions) -> Void
  ) throws -> [LiveCaptureTests.Frame] {
    let folder = try TemporaryFolder()
    let session = try CaptureSession(try plan(folder.path + "/a", change), loops: 1)
    var tap = CaptureTap(session.feeds[0], at: MonotonicClock.now)
    for (bytes, descriptor) in frames { tap.take(bytes.span, as: descriptor) }
    tap.endTurn()
    session.stop()
    var work = try CaptureWork(of: session, logger: Lines().logger(.info))
    work.run()
    return try LiveCaptureTests.frames(folder.path + "/a")
  }

  @Test func `a filter sees what is behind the snap length, and how long a frame was`() throws {
    var frame = bytes(7, 900)
    frame[400] = 0x55
    for (filter, passes) in [
      ("ether[400] = 0x55", true), ("ether[400] = 7", false), ("len == 900", true), ("len <= 512", false),
    ] {
      let frames = try captured([(frame, descriptor(900))]) { ($0.filter, $0.snapLength) = (filter, 30) }
      #expect(frames.map(\.bytes) == (passes ? [Array(frame.prefix(30))] : []), "\(filter)")
      #expect(frames.allSatisfy { $0.originalLength == 900 })
    }
  }

  @Test func `a filter chooses among the segments of a frame`() throws {
    for (filter, lengths) in [("len == 59", [59]), ("len == 64", [64, 64]), ("len == 79", [])] {
      let frames = try captured([superSegment]) { ($0.filter, $0.splitsSegments) = (filter, true) }
      #expect(frames.map(\.originalLength) == lengths, "\(filter)")
    }
  }

  @Test func `a sum over more than is there is left as it was`() throws {
    let partial = FrameDescriptor(
      port: .first, headerLength: 54, byteCount: 100, checksum: .partial(start: 34, offset: 16))
    let cut = try captured([(bytes(3, 100), partial)]) { $0.snapLength = 60 }
    #expect(cut.map(\.bytes) == [bytes(3, 60)])
    let whole = try captured([(bytes(3, 100), partial)]) { $0.snapLength = 100 }
    #expect(whole.map(\.bytes) != [bytes(3, 100)])
  }

  @Test func `a frame that comes late has the time of the one before it`() throws {
    let folder = try TemporaryFolder()
    let session = try CaptureSession(try plan(folder.path + "/a"), loops: 1)
    let now = MonotonicClock.now
    var tap = CaptureTap(session.feeds[0], at: now)
    for offset in [5, 3, 7] as [Int64] {
      tap.beginTurn(at: now + .microseconds(offset))
      tap.take(bytes(0).span, as: descriptor(60))
    }
    session.stop()
    var work = try CaptureWork(of: session, logger: Lines().logger(.info))
    work.run()
    let times = try LiveCaptureTests.frames(folder.path + "/a").map(\.time)
    try #require(times.count == 3)
    #expect(times.map { $0 - times[0] } == [0, 0, 2000])
  }

  @Test func `frames of guests for which there is no room are counted`() throws {
    let folder = try TemporaryFolder()
    let session = try CaptureSession(try plan(folder.path + "/a"), loops: 1, ringCapacity: 4096)
    var tap = CaptureTap(session.feeds[0], at: MonotonicClock.now)
    var list = FrameList(capacity: 50, byteCapacity: 50 * 60)
    for number in 0..<50 {
      let isListed = list.append(bytes(number).span, port: .first)
      #expect(isListed)
    }
    tap.take(list.batch)
    #expect(session.dropCount == 50 - 4096 / 128)
  }

  @Test func `a file is as long as it may be, to the byte, and frames count as they are written`() throws {
    let folder = try TemporaryFolder()
    // The head and three records of 16 and 40 bytes.
    for (limit, first) in [(192, 3), (191, 2)] {
      let path = "\(folder.path)/\(limit)"
      var files = try CaptureFiles(
        try plan(path) { ($0.rotation, $0.snapLength) = (CaptureRotation(byteCount: limit, fileCount: 5), 40) })
      for number in 0..<4 { try files.append(CaptureRecord(time: 0, originalLength: 60), bytes(number).span) }
      try files.flush()
      #expect(try LiveCaptureTests.frames(path + ".1").count == first)
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
