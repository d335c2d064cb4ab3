import Foundation
import LinuxSystem
import Primitives

/// Joins a TAP device with culvert's UNIX socket: a namespace as the guest.
final class FramePump: @unchecked Sendable {
  // Nothing here changes after `init`; the descriptors are read and written by the one thread that it starts.
  private static let limit = 1 << 20

  private let tap: TAP
  private let socket: Socket
  private let stopping: EventCounter
  private let capture: CaptureFile?

  /// Connects and starts to pass frames on, and to keep them in `capture`.
  init(between tap: TAP, and path: String, recording capture: CaptureFile? = nil) throws {
    self.tap = tap
    self.capture = capture
    socket = try Socket(.stream, for: .path(path))
    guard try socket.connect(to: .path(path)) else { throw Failure("no connection to \(path)") }
    stopping = try EventCounter()
    Thread.detachNewThread { [self] in
      do {
        try run()
      } catch {
        print("the pump ended: \(error)")
      }
    }
  }

  /// Ends the thread.
  func stop() { stopping.signal() }

  private func run() throws {
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    var toGuest: [UInt8] = []
    var fromGuest: [UInt8] = []
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 3)
    try queue.registrar.add(stopping.descriptor.rawValue, for: .readable, data: 0)
    try queue.registrar.add(tap.rawValue, for: .readable, data: 1)
    try queue.registrar.add(socket.rawValue, for: .readable, data: 2)
    while true {
      try queue.wait(into: &events, timeout: nil)
      if events.count > 0, events[0].data == 0 { return }
      while fromGuest.count < Self.limit, let frame = try tap.read(into: &buffer) {
        try capture?.append(frame)
        fromGuest += FrameClient.framed(frame)
      }
      while !fromGuest.isEmpty, let count = try socket.send(fromGuest.span) { fromGuest.removeFirst(count) }
      // Wake for room only while there is something to write, and read nothing more while there is too much.
      try queue.registrar.modify(
        socket.rawValue, for: fromGuest.isEmpty ? .readable : [.readable, .writable], data: 2)
      try queue.registrar.modify(tap.rawValue, for: fromGuest.count < Self.limit ? .readable : [], data: 1)
      try receive(into: &toGuest, by: &buffer)
    }
  }

  // Reads what culvert wrote and gives whole frames to the TAP device.
  private func receive(into stream: inout [UInt8], by buffer: inout [UInt8]) throws {
    var span = buffer.mutableSpan
    guard let count = try socket.descriptor.read(into: &span) else { return }
    guard count > 0 else { throw Failure("culvert closed the link") }
    stream += buffer[..<count]
    var position = 0
    while stream.count - position >= 4 {
      let length = stream[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
      guard stream.count - position >= 4 + length else { break }
      let frame = stream[(position + 4)..<(position + 4 + length)]
      try capture?.append(frame)
      try tap.write(frame)
      position += 4 + length
    }
    stream.removeFirst(position)
  }
}
