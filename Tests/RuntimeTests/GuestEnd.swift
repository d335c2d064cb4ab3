import Configuration
import LinuxSystem

/// QEMU's end of a link.
final class GuestEnd {
  private let socket: Socket
  private var received: [UInt8] = []
  /// What is left of the frames that `fill` has begun to write.
  private var unwritten: ArraySlice<UInt8> = []

  init(_ socket: consuming Socket) { self.socket = socket }

  /// Links, and the guests' ends of them.
  static func links(_ count: Int) throws -> (links: [LinkAddress], ends: [GuestEnd]) {
    var (links, ends): ([LinkAddress], [GuestEnd]) = ([], [])
    for _ in 0..<count {
      let pair = try Socket.pair(.stream).take()
      links.append(.descriptor(pair.first))
      ends.append(GuestEnd(Socket(FileDescriptor(owning: pair.second))))
    }
    return (links, ends)
  }

  /// Writes bytes as they are; how many were taken.
  func write(_ bytes: some Sequence<UInt8>) throws -> Int { try socket.send(Array(bytes).span) ?? 0 }

  /// Writes all of a frame, waiting as it must.
  func writeAll(_ frame: [UInt8]) throws {
    var rest = frame[...]
    while !rest.isEmpty {
      let count = try write(rest)
      if count == 0 { try awaitEvent(on: socket.rawValue, for: .writable) }
      rest = rest.dropFirst(count)
    }
  }

  /// Has the socket hold as many bytes as every system allows.
  func widen() throws { try socket.set(.sendBuffer, to: 212_992) }

  /// Writes a frame over and over, as long as the socket takes any; how many bytes it took.
  func fill(with frame: [UInt8]) throws -> Int {
    let frames = Array(repeatElement(frame, count: 512).joined())
    var total = 0
    while true {
      if unwritten.isEmpty { unwritten = frames[...] }
      let count = try write(unwritten)
      guard count > 0 else { return total }
      unwritten = unwritten.dropFirst(count)
      total += count
    }
  }

  /// The frames that have come since they were last taken.
  func takeFrames() throws -> [[UInt8]] {
    let frames = try frames()
    received.removeFirst(frames.reduce(0) { $0 + 4 + $1.count })
    return frames
  }

  /// The frames that have come so far.
  func frames() throws -> [[UInt8]] {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    var span = bytes.mutableSpan
    while let count = try socket.descriptor.read(into: &span), count > 0 {
      for index in 0..<count { received.append(span[index]) }
    }
    var frames: [[UInt8]] = []
    var rest = received[...]
    while rest.count >= 4 {
      let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.count >= 4 + length else { break }
      frames.append(Array(rest.dropFirst(4).prefix(length)))
      rest = rest.dropFirst(4 + length)
    }
    return frames
  }

  /// Waits until something more has come.
  func awaitFrames() throws { try awaitEvent(on: socket.rawValue) }

  /// A framed ARP request for the gateway from the guest with this last byte in its addresses.
  static func request(from last: UInt8) -> [UInt8] {
    let (hardware, address): ([UInt8], [UInt8]) = ([0x52, 0x54, 0, 0, 0, last], [10, 0, 2, last])
    let ethernet = [UInt8](repeating: 0xff, count: 6) + hardware + [0x08, 0x06]
    let arp = [0, 1, 0x08, 0, 6, 4, 0, 1] + hardware + address + [UInt8](repeating: 0, count: 6) + [10, 0, 2, 2]
    return [0, 0, 0, UInt8(ethernet.count + arp.count)] + ethernet + arp
  }

  /// Whether a frame is the gateway's ARP answer to the guest with this last byte.
  static func isAnswer(_ frame: [UInt8], to last: UInt8) -> Bool {
    frame.prefix(14) == [0x52, 0x54, 0, 0, 0, last, 0x52, 0x55, 10, 0, 2, 2, 0x08, 0x06]
      && frame.dropFirst(20).prefix(12) == [0, 2, 0x52, 0x55, 10, 0, 2, 2, 10, 0, 2, 2]
  }

  /// A framed frame for another station, which draws no answer.
  static func noise(from last: UInt8) -> [UInt8] {
    let ethernet: [UInt8] = [0x52, 0x54, 0, 0, 0, 0xff, 0x52, 0x54, 0, 0, 0, last, 0x08, 0x00]
    return [0, 0, 0, 60] + ethernet + [UInt8](repeating: 0, count: 46)
  }

  /// A framed datagram of three bytes from a port of 10.0.2.15 to a port of the gateway, which is the host's loopback.
  static func datagram(from port: UInt16, to remotePort: UInt16) -> [UInt8] {
    func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }
    let ethernet: [UInt8] = [0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 0, 0, 15, 0x08, 0x00]
    // 28 + 3 bytes, protocol 17; the checksum is that of these very fields.
    let ip: [UInt8] = [0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0x62, 0xbe, 10, 0, 2, 15, 10, 0, 2, 2]
    // RFC 768: a checksum of zero is none.
    let udp = bytes(port) + bytes(remotePort) + [0, 11, 0, 0] + Array("abc".utf8)
    return [0, 0, 0, UInt8(ethernet.count + ip.count + udp.count)] + ethernet + ip + udp
  }
}
