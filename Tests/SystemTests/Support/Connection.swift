import LinuxSystem
import Primitives

/// A TCP connection that one thread reads and writes, waiting as it must.
struct Connection: ~Copyable {
  private let socket: Socket
  private let deadline: Deadline
  private var unread: [UInt8] = []

  init(_ socket: consuming Socket, seconds: Double = 60) {
    self.socket = socket
    deadline = .after(seconds)
  }

  /// Connects to a port of the host's loopback, or of another address.
  init(to port: UInt16, at address: IPv4Address = .loopback, seconds: Double = 60) throws {
    let target = SocketAddress.internet(Endpoint(address, port: port))
    let socket = try Socket(.stream, for: target)
    if try !socket.connect(to: target) {
      try waitUntil(socket.rawValue, is: .writable, by: .after(seconds), "connecting to \(target)")
      let error = try socket.takeError()
      guard error == 0 else { throw SystemError(error, "connect to", target.description) }
    }
    self.init(socket, seconds: seconds)
  }

  /// The next bytes, at most `limit`; none at the end.
  mutating func read(atMost limit: Int = 1 << 18) throws -> [UInt8] {
    if !unread.isEmpty {
      defer { unread = [] }
      return unread
    }
    var buffer = [UInt8](repeating: 0, count: limit)
    while true {
      var span = buffer.mutableSpan
      if let count = try socket.descriptor.read(into: &span) { return Array(buffer[..<count]) }
      try waitUntil(socket.rawValue, is: [.readable], by: deadline, "something to read")
    }
  }

  /// Everything to the end.
  mutating func readAll() throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let next = try read()
      if next.isEmpty { return all }
      all += next
    }
  }

  /// The text to the first `end`, which is taken but not returned; nil where the stream ends before.
  mutating func read(through end: String) throws -> String? {
    let mark = Array(end.utf8)
    var text: [UInt8] = []
    while true {
      let next = try read()
      if next.isEmpty { return nil }
      // The mark may lie across two reads.
      let start = max(0, text.count - mark.count)
      text += next
      for index in start...max(start, text.count - mark.count) where text[index...].starts(with: mark) {
        unread = Array(text[(index + mark.count)...])
        return String(decoding: text[..<index], as: UTF8.self)
      }
    }
  }

  func write(_ bytes: some Sequence<UInt8>) throws {
    let bytes = Array(bytes)
    var position = 0
    while position < bytes.count {
      if let count = try socket.send(bytes.span.extracting(position..<bytes.count)) {
        position += count
      } else {
        try waitUntil(socket.rawValue, is: .writable, by: deadline, "room to write")
      }
    }
  }

  func finish() throws { try socket.shutDownWriting() }
}
