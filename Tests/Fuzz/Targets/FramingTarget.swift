import Buffers
import Links
import LinuxSystem
import Netstack

/// Any bytes as QEMU's byte stream, cut into reads at any place: the frames, and the end, are those of the stream read
/// by a plain loop, however it is cut.
///
/// The first byte says how many cuts follow, each of two bytes, the length of a read.
enum FramingTarget {
  /// What a stream is made of.
  private struct Outcome: Equatable {
    var frames: [[UInt8]] = []
    /// The length of a frame that is too long.
    var oversized: UInt32?
    /// Bytes of a frame that never became whole.
    var forgotten = 0
    /// Why reading failed, which it never does.
    var failure: String?
  }

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let cuts = (0..<input.number(below: 16)).map { _ in 1 + Int(input.word()) }
    let stream = input.rest()
    let expected = plain(stream)
    do throws(SystemError) {
      let outcome = try received(stream, cuts)
      guard outcome == expected else {
        return ["of \(stream.count) bytes in reads of \(cuts): \(outcome), not \(expected)"]
      }
      return []
    } catch {
      return ["the system refuses: \(error)"]
    }
  }

  /// The frames of a stream: a length of four bytes, most significant first, before each; none of them longer than
  /// 69,632 bytes; those of no bytes are none.
  private static func plain(_ stream: [UInt8]) -> Outcome {
    var outcome = Outcome()
    var rest = stream[...]
    while rest.count >= 4 {
      let length = rest.prefix(4).reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
      guard length <= 69_632 else {
        outcome.oversized = length
        return outcome
      }
      guard rest.count >= 4 + Int(length) else { break }
      if length > 0 { outcome.frames.append(Array(rest.dropFirst(4).prefix(Int(length)))) }
      rest = rest.dropFirst(4 + Int(length))
    }
    outcome.forgotten = rest.count
    return outcome
  }

  /// The same by the link's receiver, which finds as much as each cut allows.
  private static func received(_ stream: [UInt8], _ cuts: [Int]) throws(SystemError) -> Outcome {
    let pair = try Socket.pair(.stream).take()
    let near = Socket(FileDescriptor(owning: pair.first))
    let far = Socket(FileDescriptor(owning: pair.second))
    // The least that holds a frame: each begins in another place of it.
    var receiver = FrameReceiver(
      .stream, port: .first, capacity: StreamFraming.prefixLength + StreamFraming.maximumFrameLength)
    var outcome = Outcome()
    var (offset, number) = (0, 0)
    while offset < stream.count {
      let cut = cuts.isEmpty ? stream.count : cuts[number % cuts.count]
      number += 1
      let end = min(offset + cut, stream.count)
      while offset < end {
        // What the socket does not take goes with the next round.
        let sent = try far.send(stream.span.extracting(offset..<end)) ?? 0
        offset += sent
        if !take(from: near.rawValue, &receiver, &outcome) { return outcome }
      }
    }
    try far.shutDownWriting()
    while take(from: near.rawValue, &receiver, &outcome) {}
    return outcome
  }

  /// Reads all that has arrived.
  /// - Returns: false at the stream's end.
  private static func take(
    from socket: Int32, _ receiver: inout FrameReceiver, _ outcome: inout Outcome
  ) -> Bool {
    while true {
      let receipt = receiver.receive(from: socket)
      for index in 0..<receiver.batch.count {
        let length = Int(receiver.batch.descriptor(index).byteCount)
        var frame = [UInt8](repeating: 0, count: length)
        var target = frame.mutableSpan
        receiver.batch.copy(PayloadSlice(frame: index, offset: 0, count: length), to: &target)
        outcome.frames.append(frame)
      }
      switch receipt.end {
      case .closedByPeer(let forgotten)?: outcome.forgotten = forgotten
      case .oversizedFrame(let length)?: outcome.oversized = length
      case .deviceRemoved?: outcome.failure = "there is no device"
      case .failed(let reason)?: outcome.failure = reason
      case nil:
        if receipt.isDrained { return true }
        continue
      }
      return false
    }
  }

  /// A stream in reads of these lengths.
  static func input(_ frames: [[UInt8]], cuts: [UInt16]) -> [UInt8] {
    let stream = frames.flatMap { frame -> [UInt8] in
      let length = UInt32(frame.count)
      return (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) } + frame
    }
    return [UInt8(cuts.count)] + cuts.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } + stream
  }
}
