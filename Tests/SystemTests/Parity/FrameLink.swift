import LinuxSystem
import Simulation

/// The guest's end of a stream link, frame by frame: each is behind its length in four bytes.
struct FrameLink: ~Copyable {
  private let socket: Socket
  private var unread: [UInt8] = []

  init(_ socket: consuming Socket) { self.socket = socket }

  func send(_ frame: PlainFrame) throws {
    var rest = FrameClient.framed(frame.encoded)[...]
    while !rest.isEmpty {
      if let count = try socket.send(rest.span) {
        rest = rest.dropFirst(count)
      } else {
        try waitUntil(socket.rawValue, is: .writable, by: .after(10), "room on the link")
      }
    }
  }

  /// The next frame, nil after the deadline. Padding and the like is overlooked.
  mutating func next(by deadline: Deadline) throws -> PlainFrame? {
    while true {
      if let bytes = takeFrame() { return try PlainFrame(decoding: bytes, strictly: false) }
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      var span = buffer.mutableSpan
      guard let count = try socket.descriptor.read(into: &span) else {
        guard try wait(socket.rawValue, for: .readable, until: deadline) else { return nil }
        continue
      }
      guard count > 0 else { throw Failure("the network has closed the link") }
      unread += buffer[..<count]
    }
  }

  private mutating func takeFrame() -> [UInt8]? {
    guard unread.count >= 4 else { return nil }
    let length = unread[..<4].reduce(0) { $0 << 8 | Int($1) }
    guard unread.count >= 4 + length else { return nil }
    defer { unread.removeFirst(4 + length) }
    return Array(unread[4..<(4 + length)])
  }
}
