import LinuxSystem

/// Passes frames between a TAP device and a stream with QEMU's framing (a length of four bytes before each), so that
/// a network namespace can be the guest of what serves such a stream.
///
/// It reads as much as there is, and writes a stream's frames by one call. A frame that the TAP device has no room
/// for is lost, as on any link; the stream holds the namespace back instead.
struct Pump: ~Copyable {
  private static var capacity: Int { 1 << 20 }
  private static var longestFrame: Int { 65_550 }
  private static var prefixLength: Int { 4 }

  private let tap: FileDescriptor
  private let stream: Socket
  private let queue: EventQueue
  private var toStream = Buffer()
  private var toTAP = Buffer()
  private var awaitsRoom = false

  /// Bytes on their way: a window of what is valid in memory that does not move.
  private struct Buffer: ~Copyable {
    var bytes = [UInt8](repeating: 0, count: Pump.capacity)
    var start = 0
    var end = 0

    /// Makes room behind the valid bytes.
    mutating func compact() {
      guard start > 0 else { return }
      for index in start..<end { bytes[index - start] = bytes[index] }
      (start, end) = (0, end - start)
    }

    /// Appends what `source` has, one read's worth and at most `limit` bytes, `gap` bytes behind the valid ones.
    /// - Returns: the number of bytes read, nil where there are none yet.
    mutating func read(
      from source: borrowing FileDescriptor, behind gap: Int = 0, atMost limit: Int = .max
    ) throws(SystemError) -> Int? {
      let first = end + gap
      var span = bytes.mutableSpan
      var room = span._mutatingExtracting(first..<(first + min(limit, span.count - first)))
      guard let count = try source.read(into: &room) else { return nil }
      end = first + count
      return count
    }
  }

  /// Takes an open TAP device, without blocking, and connects to `path`.
  init(tap descriptor: Int32, path: String) throws(SystemError) {
    let tap = FileDescriptor(owning: descriptor)
    try tap.setNonBlocking()
    let stream = try Socket(.stream, for: .path(path))
    _ = try stream.connect(to: .path(path))
    let queue = try EventQueue()
    try queue.registrar.add(tap.rawValue, for: .readable, data: 0)
    try queue.registrar.add(stream.rawValue, for: .readable, data: 1)
    self.tap = tap
    self.stream = stream
    self.queue = queue
  }

  /// Passes frames on until the stream ends.
  mutating func run() throws(SystemError) {
    var events = EventBuffer(capacity: 2)
    while true {
      try queue.wait(into: &events, timeout: nil)
      try readTAP()
      try writeStream()
      guard try readStream() else { return }
      try writeTAP()
    }
  }

  private mutating func readTAP() throws(SystemError) {
    while toStream.bytes.count - toStream.end >= Self.prefixLength + Self.longestFrame {
      let first = toStream.end
      let count = try toStream.read(from: tap, behind: Self.prefixLength, atMost: Self.longestFrame)
      guard let count else { return }
      for place in 0..<Self.prefixLength {
        toStream.bytes[first + Self.prefixLength - 1 - place] = UInt8(truncatingIfNeeded: count >> (8 * place))
      }
    }
  }

  private mutating func writeStream() throws(SystemError) {
    while toStream.start < toStream.end {
      let count = try stream.send(toStream.bytes.span.extracting(toStream.start..<toStream.end))
      toStream.start += count ?? 0
      if count == nil { break }
    }
    toStream.compact()
    // While the stream is full only room in it is of interest, or the frames that wait would wake us for ever.
    let isFull = toStream.end > 0
    guard isFull != awaitsRoom else { return }
    awaitsRoom = isFull
    try queue.registrar.modify(stream.rawValue, for: isFull ? [.readable, .writable] : .readable, data: 1)
    try queue.registrar.modify(tap.rawValue, for: isFull ? [] : .readable, data: 0)
  }

  /// - Returns: false at the end of the stream.
  private mutating func readStream() throws(SystemError) -> Bool {
    guard let count = try toTAP.read(from: stream.descriptor) else { return true }
    return count > 0
  }

  private mutating func writeTAP() throws(SystemError) {
    while toTAP.end - toTAP.start >= Self.prefixLength {
      let first = toTAP.start + Self.prefixLength
      let length = toTAP.bytes[toTAP.start..<first].reduce(0) { $0 << 8 | Int($1) }
      guard toTAP.end - first >= length else { break }
      _ = try tap.write(toTAP.bytes.span.extracting(first..<(first + length)))
      toTAP.start = first + length
    }
    toTAP.compact()
  }
}

/// Runs the pump that the arguments behind `pump` name: the descriptor of a TAP device, and the path of a socket.
func runPump(_ arguments: ArraySlice<String>) {
  guard arguments.count == 2, let tap = arguments.first.flatMap({ Int32($0) }), let path = arguments.last else {
    fatalExit("pump takes a TAP device's descriptor and a socket's path")
  }
  do {
    var pump = try Pump(tap: tap, path: path)
    try pump.run()
  } catch {
    fatalExit("the pump ended: \(error)")
  }
}
