import Capture
import LinuxSystem
import Testing

@Suite struct ReaderTests {
  private static let seconds: Int64 = 1_410_065_408_000_000_000

  private static let formats: [(file: [UInt8], fraction: Int64)] = [
    (GoldenFiles.nanoseconds, 123_456_789), (GoldenFiles.microseconds, 123_456_000), (GoldenFiles.pcapng, 123_456_789),
  ]

  @Test(arguments: formats)
  func `a file of any format gives its frames, with times in nanoseconds`(file: [UInt8], fraction: Int64) throws {
    let folder = try TemporaryFolder()
    try makeFile(folder.path + "/a", file)
    let (frames, end) = try readAll(folder.path + "/a")
    #expect(end == nil)
    #expect(frames == [Captured(time: Self.seconds + fraction, GoldenFiles.frame, originalLength: 42)])
  }

  @Test func `a file without records ends at once, and goes on doing so`() throws {
    let folder = try TemporaryFolder()
    try makeFile(folder.path + "/a", Array(GoldenFiles.nanoseconds.prefix(24)))
    var reader = try CaptureReader(path: folder.path + "/a")
    for _ in 0..<3 {
      let record = try reader.next()
      #expect(record == nil)
      let count = reader.bytes.count
      #expect(count == 0)
    }
  }

  @Test func `what cannot be read is told in one line`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    #expect(throws: CaptureError.unreadable(path: path, reason: "No such file or directory")) {
      _ = try CaptureReader(path: path)
    }
    try makeFile(path, [])
    #expect(throws: CaptureError.empty(path: path)) { _ = try CaptureReader(path: path) }
    try makeFile(path, Array("not a capture at all, but a text that is long enough".utf8))
    #expect(throws: CaptureError.notCapture(path: path, reason: "unknown file format")) {
      _ = try CaptureReader(path: path)
    }
    try makeFile(path, GoldenFiles.linuxCooked)
    let error = #expect(throws: CaptureError.self) { _ = try CaptureReader(path: path) }
    #expect(
      error?.description
        == "the frames of \(path) are not Ethernet but Linux cooked v1 (LINUX_SLL): capture on an Ethernet interface")
  }

  @Test(arguments: [GoldenFiles.nanoseconds, GoldenFiles.microseconds, GoldenFiles.pcapng])
  func `a file that is cut anywhere gives its whole records, and says what is wrong`(file: [UInt8]) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    let isNew = file == GoldenFiles.pcapng
    // Behind a header there may be the end; within a record, never.
    let ends = isNew ? [60, file.count] : [24, file.count]
    for length in 0..<file.count {
      try makeFile(path, Array(file.prefix(length)))
      do throws(CaptureError) {
        let (frames, end) = try readAll(path)
        #expect(frames.isEmpty)
        #expect((end == nil) == ends.contains(length), "\(length) bytes")
        if case .damaged(path, records: 0, _)? = end { continue }
        #expect(end == nil)
      } catch {
        #expect(length < ends[0], "\(length) bytes: \(error)")
      }
    }
  }

  @Test func `records before a damaged one are given`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    // A record of two thousand million bytes.
    let record = Array(GoldenFiles.nanoseconds.dropFirst(24))
    try makeFile(path, GoldenFiles.nanoseconds + record + hex("00e40b54 15cd5b07 00000070 00000070"))
    let (frames, end) = try readAll(path)
    #expect(frames.count == 2)
    guard case .damaged(path, records: 2, let reason)? = end else {
      Issue.record("\(String(describing: end))")
      return
    }
    #expect(reason.contains("invalid packet capture length 1879048192"))
  }

  @Test func `whatever a header says, no frame is shorter than what there is of it`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    // 16 bytes of a frame of 3; its time has more nanoseconds than a second.
    try makeFile(
      path,
      Array(GoldenFiles.nanoseconds.prefix(24)) + hex("00e40b54 ffffff7f 10000000 03000000") + GoldenFiles.frame)
    let (frames, end) = try readAll(path)
    #expect(end == nil)
    #expect(frames == [Captured(time: Self.seconds + 0x7fff_ffff, GoldenFiles.frame)])
  }

  @Test func `times of pcapng that no clock can show are bounded`() throws {
    let folder = try TemporaryFolder()
    var file = GoldenFiles.pcapng
    // In seconds instead of nanoseconds: some forty thousand million years.
    file[48] = 0
    try makeFile(folder.path + "/a", file)
    let (frames, end) = try readAll(folder.path + "/a")
    #expect(end == nil)
    #expect(frames.map(\.record.time) == [.max])
  }
}
