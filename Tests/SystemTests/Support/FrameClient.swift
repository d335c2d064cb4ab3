import LinuxSystem
import Primitives

/// A client of culvert's UNIX socket that writes and reads frames itself, behind a length of four bytes each.
final class FrameClient: Sendable {
  /// The MAC address of its frames.
  static let macAddress: [UInt8] = [0x52, 0x54, 0, 0, 0, 0x77]
  private static let gateway: [UInt8] = [0x52, 0x55, 10, 0, 2, 2]

  let socket: Socket

  init(connectingTo path: String) throws {
    socket = try Socket(.stream, for: .path(path))
    guard try socket.connect(to: .path(path)) else { throw Failure("no connection to \(path)") }
  }

  /// Writes bytes as they are.
  func write(_ bytes: [UInt8]) throws {
    var position = 0
    while position < bytes.count {
      if let count = try socket.send(bytes.span.extracting(position..<bytes.count)) {
        position += count
      } else {
        try waitUntil(socket.rawValue, is: .writable, by: .after(10), "culvert to read")
      }
    }
  }

  /// Writes one frame.
  func write(frame: [UInt8]) throws { try write(Self.framed(frame)) }

  /// A frame behind its length.
  static func framed(_ frame: some Collection<UInt8>) -> [UInt8] { bigEndian32(frame.count) + frame }

  /// Whether culvert closes the connection, whatever it sends until then.
  func readsEnd(seconds: Double) throws -> Bool {
    let deadline = Deadline.after(seconds)
    while !deadline.hasPassed {
      do {
        guard let bytes = try read(by: deadline) else { return false }
        if bytes.isEmpty { return true }
      } catch let error as SystemError where error.number == 104 {  // ECONNRESET
        return true
      }
    }
    return false
  }

  /// Whether the gateway answers a ping.
  func pingsGateway(seconds: Double) throws -> Bool {
    // The address is learned from the request that precedes the ping.
    try write(frame: Self.arpRequest(for: [10, 0, 2, 2]))
    try write(frame: Self.echoRequest())
    let deadline = Deadline.after(seconds)
    var stream: [UInt8] = []
    while let bytes = try read(by: deadline), !bytes.isEmpty {
      stream += bytes
      while stream.count >= 4 {
        let length = Int(stream[2]) << 8 | Int(stream[3])
        guard stream.count >= 4 + length else { break }
        let frame = Array(stream[4..<(4 + length)])
        stream.removeFirst(4 + length)
        // IPv4, protocol ICMP, type echo reply.
        if frame.count > 34, frame[12] == 8, frame[13] == 0, frame[23] == 1, frame[34] == 0 { return true }
      }
    }
    return false
  }

  /// Who has `address`? asked by 10.0.2.15.
  static func arpRequest(for address: [UInt8]) -> [UInt8] {
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] + macAddress + [8, 6] + [0, 1, 8, 0, 6, 4, 0, 1] + macAddress + [10, 0, 2, 15]
      + [0, 0, 0, 0, 0, 0] + address
  }

  private static func echoRequest() -> [UInt8] {
    let header: [UInt8] = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]
    let message: [UInt8] = [8, 0, 0, 0, 0, 7, 0, 1]
    return gateway + macAddress + [8, 0] + withChecksum(header, at: 10) + withChecksum(message, at: 2)
  }

  // The bytes with their Internet checksum (RFC 1071) put at `offset`, where they have zeros.
  private static func withChecksum(_ bytes: [UInt8], at offset: Int) -> [UInt8] {
    var sum = stride(from: 0, to: bytes.count, by: 2).reduce(0) { $0 + Int(bytes[$1]) << 8 + Int(bytes[$1 + 1]) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    var result = bytes
    result[offset] = UInt8(~sum >> 8 & 0xff)
    result[offset + 1] = UInt8(~sum & 0xff)
    return result
  }

  private static func bigEndian32(_ number: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
  }

  /// The next bytes, none at the end, nil after the deadline.
  func read(by deadline: Deadline) throws -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 1 << 17)
    while !deadline.hasPassed {
      var span = buffer.mutableSpan
      if let count = try socket.descriptor.read(into: &span) { return Array(buffer[..<count]) }
      guard try wait(socket.rawValue, for: .readable, until: deadline) else { return nil }
    }
    return nil
  }
}
