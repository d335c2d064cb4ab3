import Capture
import LinuxSystem
import Primitives
import Testing

@Suite struct WriterTests {
  @Test func `a file is pcap with nanoseconds, byte for byte, and its owner's alone`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    // One that is there already, and open to all.
    try FileSystem.write("something that is longer than what comes", to: path, mode: 0o644)
    try write(
      [Captured(time: 1_410_065_408_123_456_789, GoldenFiles.frame, originalLength: 42)], to: path)
    #expect(try contents(of: path) == GoldenFiles.nanoseconds)
    #expect(try FileIdentity(path: path).permissions == 0o600)
  }

  @Test func `what was written is read`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    var random = SeededGenerator(seed: 7)
    // 65,550 is the longest frame that a device hands over; times may repeat, and go back.
    let frames = [0, 1, 14, 60, 1514, 65_550, 3000, 262_144].map { count in
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      return Captured(time: Int64.random(in: 0...4_294_967_295_999_999_999, using: &random), bytes)
    }
    try write(frames, to: path)
    let (read, end) = try readAll(path)
    #expect(end == nil)
    #expect(read == frames)
  }

  @Test func `of a long frame the first bytes are kept, and its length`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    let long = (0..<100).map { UInt8($0) }
    var writer = try CaptureWriter(path: path, snapLength: 34)
    try writer.append(CaptureRecord(time: 0, originalLength: 100), long.span)
    // Cut before it came here.
    try writer.append(CaptureRecord(time: 1, originalLength: 1514), long.span)
    try writer.flush()
    let (count, bytes) = (writer.recordCount, writer.byteCount)
    #expect(count == 2)
    #expect(bytes == 24 + 2 * (16 + 34))
    let frames = try readAll(path).frames
    let kept = Array(long.prefix(34))
    #expect(frames == [Captured(time: 0, kept, originalLength: 100), Captured(time: 1, kept, originalLength: 1514)])
  }

  @Test func `records are there for a reader as soon as they are flushed`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    let frame = Captured(time: 5, GoldenFiles.frame)
    var writer = try CaptureWriter(path: path)
    for count in 1...3 {
      try writer.append(frame.record, frame.bytes.span)
      try writer.flush()
      #expect(try readAll(path).frames.count == count)
    }
  }

  @Test func `a path that cannot be written is told with the system's words`() throws {
    #expect(throws: CaptureError.unwritable(path: "/nowhere/a", number: 2, reason: "No such file or directory")) {
      _ = try CaptureWriter(path: "/nowhere/a")
    }
    let folder = try TemporaryFolder()
    let error = #expect(throws: CaptureError.self) { _ = try CaptureWriter(path: folder.path) }
    #expect(error?.description == "cannot write \(folder.path): Is a directory")
  }

  @Test func `a full disk is told, and again at every further attempt`() throws {
    var writer = try CaptureWriter(path: "/dev/full")
    let frame = Captured(time: 5, GoldenFiles.frame)
    let full = CaptureError.unwritable(path: "/dev/full", number: 28, reason: "No space left on device")
    try writer.append(frame.record, frame.bytes.span)
    for _ in 0..<2 {
      do throws(CaptureError) {
        try writer.flush()
        Issue.record("there was room")
      } catch {
        #expect(error == full)
      }
      do throws(CaptureError) {
        try writer.append(frame.record, frame.bytes.span)
        Issue.record("there was room")
      } catch {
        #expect(error == full)
      }
    }
    let count = writer.recordCount
    #expect(count == 0)
  }

  @Test func `times that the format has no room for are refused`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    var writer = try CaptureWriter(path: path)
    let bytes = GoldenFiles.frame
    for time in [-1, 4_294_967_296_000_000_000] as [Int64] {
      do throws(CaptureError) {
        try writer.append(CaptureRecord(time: time, originalLength: 16), bytes.span)
        Issue.record("\(time) was taken")
      } catch {
        #expect(error == .timeOutOfRange(path: path, time: time))
      }
    }
  }
}
