import LinuxSystem
import Primitives

/// A connection between the two ends, whose reads and writes wait, for lines of text and for what is measured.
struct LoadChannel: ~Copyable {
  let socket: Socket

  /// Takes over a connection.
  init(_ socket: consuming Socket) throws {
    try socket.set(.noDelay, to: true)
    try socket.descriptor.setBlocking()
    self.socket = socket
  }

  /// Connects to a server.
  init(to server: Endpoint) throws {
    let socket = try Socket(.stream, for: .internet(server))
    if try !socket.connect(to: .internet(server)) {
      try waitFor(.writable, of: socket.rawValue, atMost: .seconds(10))
      let error = try socket.takeError()
      guard error == 0 else { throw LoadError("cannot connect to \(server): error \(error)") }
    }
    try self.init(socket)
  }

  /// Sends a line.
  func send(_ line: String) throws { try socket.descriptor.write(line + "\n") }

  /// Receives a line.
  func receiveLine() throws -> String {
    var line: [UInt8] = []
    var byte: [UInt8] = [0]
    while true {
      try read(into: &byte, count: 1)
      if byte[0] == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(byte[0])
    }
  }

  /// Reads `count` bytes to the start of `bytes`.
  func read(into bytes: inout [UInt8], count: Int) throws {
    var span = bytes.mutableSpan
    var done = 0
    while done < count {
      var rest = span._mutatingExtracting(done..<count)
      guard let length = try socket.descriptor.read(into: &rest), length > 0 else {
        throw LoadError("the other end has closed the connection")
      }
      done += length
    }
  }

  /// Waits until the other end has closed the connection.
  func awaitEnd() throws {
    var byte: [UInt8] = [0]
    var span = byte.mutableSpan
    guard try socket.descriptor.read(into: &span) == 0 else { throw LoadError("the other end has more to say") }
  }

  /// Writes all of `bytes`.
  func write(_ bytes: Span<UInt8>) throws {
    var done = 0
    while done < bytes.count {
      guard let length = try socket.descriptor.write(bytes.extracting(done..<bytes.count)) else {
        throw LoadError("the connection does not wait")
      }
      done += length
    }
  }
}

/// Waits for an event of a descriptor.
func waitFor(_ events: Events, of descriptor: Int32, atMost limit: Interval) throws {
  let queue = try EventQueue()
  var buffer = EventBuffer(capacity: 1)
  try queue.registrar.add(descriptor, for: events, data: 0)
  try queue.wait(into: &buffer, timeout: limit)
  guard buffer.count > 0 else { throw LoadError("nothing has happened for \(limit)") }
}

// MARK: Requests

extension LoadChannel {
  /// Sends requests of a byte, each after the response to the one before.
  /// - Returns: the median and the 99th percentile in microseconds.
  func measureRequests(_ count: Int) throws -> String {
    var byte: [UInt8] = [0]
    var times: [Int64] = []
    times.reserveCapacity(count)
    for _ in 0..<count {
      let start = MonotonicClock.now
      try write(byte.span)
      try read(into: &byte, count: 1)
      times.append((MonotonicClock.now - start).nanoseconds)
    }
    times.sort()
    guard !times.isEmpty else { return "{}" }
    let (median, high) = (times[times.count / 2], times[times.count * 99 / 100])
    return "{\"p50\": \(Double(median) / 1000), \"p99\": \(Double(high) / 1000)}"
  }

  /// Answers requests of a byte.
  func answerRequests(_ count: Int) throws {
    var byte: [UInt8] = [0]
    for _ in 0..<count {
      try read(into: &byte, count: 1)
      try write(byte.span)
    }
  }
}
