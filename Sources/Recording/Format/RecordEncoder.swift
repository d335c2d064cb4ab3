import Primitives

/// Puts the bytes of records together.
///
/// Numbers are varints: seven bits to a byte, the lowest first, the top bit set in all bytes but the last (LEB128).
struct RecordEncoder {
  /// What was put.
  private(set) var bytes: [UInt8] = []

  /// Begins with room for so many bytes.
  init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// Puts a byte.
  mutating func put(byte: UInt8) { bytes.append(byte) }

  /// Puts a number.
  mutating func put(word: UInt64) {
    var rest = word
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Puts a number that may be negative; small ones of either sign are short.
  mutating func put(signed: Int64) { put(word: UInt64(bitPattern: signed << 1 ^ signed >> 63)) }

  /// Puts a length or a count.
  /// - Precondition: it is not negative.
  mutating func put(count: Int) { put(word: UInt64(count)) }

  /// Puts a number of any size in eight bytes, the lowest first: most digests have no small ones.
  mutating func put(whole: UInt64) {
    for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: whole >> UInt64(shift))) }
  }

  /// Puts bytes, without their count; returns where they are.
  @discardableResult
  mutating func put(_ span: Span<UInt8>) -> Range<Int> {
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: span.count))
    var target = bytes.mutableSpan
    target.copy(span, at: start)
    return start..<bytes.count
  }

  /// Puts bytes, without their count.
  mutating func put(bytes other: [UInt8]) { bytes.append(contentsOf: other) }

  /// Puts bytes with their count before them.
  mutating func put(counted other: [UInt8]) {
    put(count: other.count)
    put(bytes: other)
  }

  /// Puts a value.
  mutating func put<Value: RecordedValue>(_ value: Value) { value.encode(to: &self) }

  /// Changes bytes that were put, in a copy of them.
  mutating func change(_ range: Range<Int>, _ body: (inout MutableSpan<UInt8>) -> Void) {
    var part = Array(bytes[range])
    var span = part.mutableSpan
    body(&span)
    bytes.replaceSubrange(range, with: part)
  }

  /// Puts other bytes in the place of all from byte `start` on.
  mutating func replace(from start: Int, by other: [UInt8]) { bytes.replaceSubrange(start..., with: other) }

  /// Takes what was put, in memory of its own, and begins anew.
  mutating func take() -> [UInt8] {
    let taken = Array(bytes[...])
    bytes.removeAll(keepingCapacity: true)
    return taken
  }
}
