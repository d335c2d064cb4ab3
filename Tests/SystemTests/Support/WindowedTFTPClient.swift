import Primitives
import Simulation

/// A TFTP client that writes and reads frames itself, and so loses no time to a kernel.
final class WindowedTFTPClient {
  private static let timeout = 10.0
  /// Where the UDP payload begins in a frame over IPv4 without options.
  private static let payloadOffset = 14 + 20 + 8

  private let client: FrameClient
  private var port: UInt16 = 2000
  private var stream: [UInt8] = []
  private var position = 0

  init(connectingTo path: String) throws {
    client = try FrameClient(connectingTo: path)
    // The gateway learns who we are from the question, and must not ask.
    try client.write(frame: PlainFrame.arpRequest(for: ProbeAddress.gateway).encoded)
  }

  /// Fetches a file whose blocks come in order, since a stream loses none.
  func fetch(_ name: String, blockSize: Int, windowSize: Int) throws -> [UInt8] {
    // A port of its own, so that nothing late is taken for its own.
    port += 1
    let words = [name, "octet", "blksize", "\(blockSize)", "windowsize", "\(windowSize)"]
    try send([0, 1] + words.flatMap { $0.utf8 + [0] }, to: 69)
    let deadline = Deadline.after(Self.timeout)
    var content: [UInt8] = []
    content.reserveCapacity(1 << 26)
    var block = 0
    while true {
      let frame = try nextFrame(by: deadline)
      // IPv4, UDP, to this transfer.
      guard stream[frame.lowerBound + 12] == 8, stream[frame.lowerBound + 23] == 17,
        number(at: frame.lowerBound + 36) == port
      else { continue }
      let server = number(at: frame.lowerBound + 34)
      let message = frame.dropFirst(Self.payloadOffset)
      switch number(at: message.lowerBound) {
      case 6: try send([0, 4, 0, 0], to: server)
      case 3:
        block += 1
        guard number(at: message.lowerBound + 2) == UInt16(truncatingIfNeeded: block) else {
          throw Failure("block \(number(at: message.lowerBound + 2)) in the place of \(block)")
        }
        content += stream[message.dropFirst(4)]
        let isLast = message.count - 4 < blockSize
        if isLast || block % windowSize == 0 {
          try send([0, 4, UInt8(truncatingIfNeeded: block >> 8), UInt8(truncatingIfNeeded: block)], to: server)
        }
        if isLast { return content }
      default: throw Failure("the server says \(stream[message])")
      }
    }
  }

  private func send(_ message: [UInt8], to remote: UInt16) throws {
    try client.write(frame: PlainFrame.ipv4(to: ProbeAddress.gateway, .udp(port, remote, message)).encoded)
  }

  private func number(at index: Int) -> UInt16 { UInt16(stream[index]) << 8 | UInt16(stream[index + 1]) }

  /// Where the next frame lies in `stream`.
  private func nextFrame(by deadline: Deadline) throws -> Range<Int> {
    while true {
      if stream.count - position >= 4 {
        let count = Int(number(at: position + 2))
        if stream.count - position >= 4 + count {
          defer { position += 4 + count }
          return position + 4..<position + 4 + count
        }
      }
      stream.removeFirst(position)
      position = 0
      guard let bytes = try client.read(by: deadline), !bytes.isEmpty else { throw Failure("no block in time") }
      stream += bytes
    }
  }
}
