import Capture
import LinuxSystem
import Testing

/// A folder of its own for one test, removed with all files in it at the end.
struct TemporaryFolder: ~Copyable {
  let path: String

  init() throws {
    let name = try ProcessControl.randomSeed().0
    let path = "/tmp/culvert-test-\(String(name, radix: 36))"
    try FileSystem.makeFolder(path)
    self.path = path
  }

  deinit {
    do {
      _ = try ChildProcess(["rm", "-rf", path]).waitUntilExit()
    } catch {
      Issue.record("\(error)")
    }
  }
}

/// A record and its bytes.
struct Captured: Hashable {
  var record: CaptureRecord
  var bytes: [UInt8]

  init(time: Int64, _ bytes: [UInt8], originalLength: Int? = nil) {
    record = CaptureRecord(time: time, originalLength: originalLength ?? bytes.count)
    self.bytes = bytes
  }
}

/// The frames of a file up to its end, or to what is wrong with it.
func readAll(_ path: String) throws(CaptureError) -> (frames: [Captured], end: CaptureError?) {
  var reader = try CaptureReader(path: path)
  var frames: [Captured] = []
  do throws(CaptureError) {
    while let record = try reader.next() {
      let bytes = reader.bytes
      frames.append(Captured(time: record.time, bytes.array, originalLength: record.originalLength))
    }
    return (frames, nil)
  } catch {
    return (frames, error)
  }
}

/// Writes a file of frames.
func write(_ frames: [Captured], to path: String, snapLength: Int = 262_144) throws(CaptureError) {
  var writer = try CaptureWriter(path: path, snapLength: snapLength)
  for frame in frames { try writer.append(frame.record, frame.bytes.span) }
  try writer.flush()
}

extension Span where Element == UInt8 {
  /// A copy.
  var array: [UInt8] { indices.map { self[$0] } }
}

/// The bytes of a file.
func contents(of path: String) throws -> [UInt8] {
  let file = try FileDescriptor.open(reading: path)
  var result: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    var span = buffer.mutableSpan
    guard let count = try file.read(into: &span), count > 0 else { return result }
    result += buffer.prefix(count)
  }
}

/// Makes a file of bytes.
func makeFile(_ path: String, _ bytes: [UInt8]) throws {
  let file = try FileDescriptor.open(replacing: path, mode: 0o600)
  var rest = bytes.span
  while !rest.isEmpty {
    guard let count = try file.write(rest) else { return }
    rest = rest.extracting(droppingFirst: count)
  }
}

/// Bytes written as hexadecimal digits, with spaces and line ends between them.
func hex(_ text: String) -> [UInt8] {
  let digits = text.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
