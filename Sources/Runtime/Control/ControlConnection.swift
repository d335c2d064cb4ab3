public import Configuration
import LinuxSystem
import Primitives

/// An operator's connection to a running instance: what `culvert ctl` asks by.
public struct ControlConnection: ~Copyable {
  private let address: ControlAddress
  private let socket: Socket
  private var received: [UInt8] = []

  /// How long an instance may take for an answer.
  private static var patience: Interval { .seconds(30) }

  /// Connects to the instance that listens at an address.
  public init(_ address: ControlAddress) throws(ServiceError) {
    socket = try Self.connect(to: address)
    self.address = address
  }

  private static func connect(to address: ControlAddress) throws(ServiceError) -> Socket {
    do throws(SystemError) {
      let socket = try Socket(.stream, for: .path(address.path))
      _ = try socket.connect(to: .path(address.path))
      return socket
    } catch {
      guard error.isNotFound || error.isRefusal else { throw ServiceError(error.description) }
      throw ServiceError("no instance listens on \(address); start one with --control \(address)")
    }
  }

  /// Asks, and waits for the result, which has the type that `ControlMethod` names.
  public mutating func ask<Result: Codable>(
    _ request: ControlRequest, for type: Result.Type
  ) throws(ServiceError) -> Result {
    let line: [UInt8]
    do throws(SystemError) {
      let deadline = MonotonicClock.now + Self.patience
      try send(ControlJSON.line(request) + [UInt8(ascii: "\n")], by: deadline)
      line = try receiveLine(by: deadline)
    } catch {
      throw ServiceError("\(address): \(error)")
    }
    do throws(ControlFailure) {
      return try ControlJSON.result(of: line, as: type)
    } catch {
      throw ServiceError(error.message)
    }
  }

  /// Waits for a length of time, or for the instance's end.
  /// - Returns: whether the instance has ended.
  public func waitForEnd(milliseconds: Int64) throws(ServiceError) -> Bool {
    do throws(SystemError) {
      return try wait(for: .readClosed, until: MonotonicClock.now + .milliseconds(milliseconds))
    } catch {
      throw ServiceError("\(address): \(error)")
    }
  }

  private func send(_ bytes: [UInt8], by deadline: Instant) throws(SystemError) {
    var count = 0
    while count < bytes.count {
      if let sent = try socket.send(bytes.span.extracting(count..<bytes.count)) {
        count += sent
      } else {
        try require(.writable, by: deadline)
      }
    }
  }

  private mutating func receiveLine(by deadline: Instant) throws(SystemError) -> [UInt8] {
    var searched = 0
    while true {
      if let end = received[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { received.removeSubrange(...end) }
        return Array(received[..<end])
      }
      searched = received.count
      var chunk = [UInt8](repeating: 0, count: 64 * 1024)
      var span = chunk.mutableSpan
      guard let count = try Socket.receive(into: &span, on: socket.rawValue) else {
        try require(.readable, by: deadline)
        continue
      }
      guard count > 0 else { throw .connectionReset("await the answer") }
      received += chunk[..<count]
    }
  }

  private func require(_ events: Events, by deadline: Instant) throws(SystemError) {
    guard try wait(for: events, until: deadline) else { throw .timedOut("await the answer") }
  }

  private func wait(for events: Events, until deadline: Instant) throws(SystemError) -> Bool {
    let queue = try EventQueue()
    var buffer = EventBuffer(capacity: 1)
    try queue.registrar.add(socket.rawValue, for: events, data: 0)
    try queue.wait(into: &buffer, until: deadline)
    return buffer.count > 0
  }
}
