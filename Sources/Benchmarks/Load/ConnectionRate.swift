import Glibc
import LinuxSystem
import Primitives

/// Connections that are opened, used for a byte each way, and closed, a number of them at a time.
struct ConnectionRate: ~Copyable {
  private let server: SocketAddress
  private let queue: EventQueue
  private var completed = 0

  /// Prepares connections to a server that answers each byte.
  init(to server: Endpoint) throws {
    self.server = .internet(server)
    queue = try EventQueue()
  }

  /// Keeps `window` connections on their way for a time.
  /// - Returns: how many were completed, and in how many seconds.
  mutating func measure(window: Int, for duration: Interval) throws -> String {
    var events = EventBuffer(capacity: window)
    var byte: [UInt8] = [0]
    let start = MonotonicClock.now
    var underway = 0
    while underway > 0 || MonotonicClock.now - start < duration {
      while underway < window, MonotonicClock.now - start < duration {
        try open()
        underway += 1
      }
      try queue.wait(into: &events, timeout: .seconds(10))
      guard events.count > 0 || underway == 0 else { throw LoadError("\(underway) connections hang") }
      for index in 0..<events.count {
        if try proceed(events[index], &byte) { underway -= 1 }
      }
    }
    let seconds = Double((MonotonicClock.now - start).nanoseconds) / 1e9
    return "{\"connections\": \(completed), \"seconds\": \(seconds)}"
  }

  private func open() throws {
    let socket = try Socket(.stream, for: server)
    _ = try socket.connect(to: server)
    try queue.registrar.add(socket.rawValue, for: .writable, data: UInt64(socket.rawValue))
    // Closed by `proceed`.
    _ = socket.take()
  }

  /// Sends the byte once a connection is established, and closes it after the answer.
  /// - Returns: whether it is closed.
  private mutating func proceed(_ event: EventBuffer.Event, _ byte: inout [UInt8]) throws -> Bool {
    let number = Int32(truncatingIfNeeded: event.data)
    if event.events.contains(.failed) || event.events.contains(.hungUp) {
      throw LoadError("a connection failed: error \(try SocketOption.pendingError.value(on: number))")
    }
    if event.events.contains(.writable) {
      guard try Socket.send(byte.span, on: number) == 1 else { throw LoadError("a new connection takes no byte") }
      try queue.registrar.modify(number, for: .readable, data: event.data)
      return false
    }
    var span = byte.mutableSpan
    guard try Socket.receive(into: &span, on: number) == 1 else { throw LoadError("a connection has no answer") }
    _ = FileDescriptor(owning: number)
    completed += 1
    return true
  }
}
