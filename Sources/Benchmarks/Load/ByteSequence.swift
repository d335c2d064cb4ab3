import LinuxSystem
import Primitives

/// Bytes that both ends can make: words of 64 bits, each a mixture (SplitMix64) of the seed and its place, so that
/// bytes that are lost, doubled or out of order are never the right ones.
struct ByteSequence {
  let seed: UInt64

  private static let increment: UInt64 = 0x9e37_79b9_7f4a_7c15

  /// Makes the bytes from `offset` on.
  /// - Precondition: offset and length are multiples of eight.
  func fill(_ bytes: inout [UInt8], from offset: Int) {
    precondition(offset & 7 == 0 && bytes.count & 7 == 0, "a part of a word")
    var span = bytes.mutableSpan
    var state = seed &+ UInt64(offset >> 3) &* Self.increment
    for place in stride(from: 0, to: span.count, by: 8) {
      state &+= Self.increment
      span.storeBigEndian(Self.mix(state), at: place)
    }
  }

  /// The place of the first of these bytes that is not the sequence's from `offset` on, nil if all are.
  /// - Precondition: offset and length are multiples of eight.
  func firstDifference(in bytes: Span<UInt8>, from offset: Int) -> Int? {
    precondition(offset & 7 == 0 && bytes.count & 7 == 0, "a part of a word")
    var state = seed &+ UInt64(offset >> 3) &* Self.increment
    for place in stride(from: 0, to: bytes.count, by: 8) {
      state &+= Self.increment
      let difference = Self.mix(state) ^ bytes.bigEndian64(at: place)
      if difference != 0 { return offset + place + difference.leadingZeroBitCount >> 3 }
    }
    return nil
  }

  @inline(__always)
  private static func mix(_ state: UInt64) -> UInt64 {
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }
}

extension LoadChannel {
  private static var blockLength: Int { 1 << 17 }

  /// Sends the first `count` bytes of a sequence.
  /// - Returns: what the other end found.
  func send(_ sequence: ByteSequence, count: Int) throws -> String {
    var block = [UInt8](repeating: 0, count: Self.blockLength)
    var sent = 0
    while sent < count {
      sequence.fill(&block, from: sent)
      let length = min(block.count, count - sent)
      try write(block.span.extracting(first: length))
      sent += length
    }
    return try receiveLine()
  }

  /// Receives `count` bytes, a multiple of eight, compares them with a sequence, and tells the other end what it found.
  /// - Returns: the number of bytes and the place of the first that differs.
  func compare(with sequence: ByteSequence, count: Int) throws -> String {
    var block = [UInt8](repeating: 0, count: Self.blockLength)
    var received = 0
    var difference: Int?
    while received < count {
      let length = min(block.count, count - received)
      try read(into: &block, count: length)
      if difference == nil {
        difference = sequence.firstDifference(in: block.span.extracting(first: length), from: received)
      }
      received += length
    }
    let report = "{\"bytes\": \(received), \"difference\": \(difference.map { "\($0)" } ?? "null")}"
    try send(report)
    // Whoever ends the network between the two once this end is done must not cut the report off.
    try awaitEnd()
    return report
  }
}
