import Primitives

/// Takes the bytes of records apart. Nothing in them is believed.
struct RecordDecoder {
  /// All bytes.
  let bytes: [UInt8]
  /// Where the next one is.
  private(set) var offset: Int

  /// Begins with the first of `bytes`.
  init(_ bytes: [UInt8], from offset: Int = 0) { (self.bytes, self.offset) = (bytes, offset) }

  /// Whether nothing is left.
  var isAtEnd: Bool { offset == bytes.count }

  /// The next byte, which is not taken; nil at the end.
  var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  /// Takes a byte.
  mutating func byte() throws(RecordingError) -> UInt8 {
    guard offset < bytes.count else { throw .damaged }
    defer { offset += 1 }
    return bytes[offset]
  }

  /// Takes a number.
  mutating func word() throws(RecordingError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      // The tenth byte has room for one bit.
      guard shift < 63 || next <= 1 else { throw .damaged }
      value |= UInt64(next & 0x7f) << shift
      guard next & 0x80 != 0 else { return value }
      shift += 7
    }
  }

  /// Takes a number that may be negative.
  mutating func signed() throws(RecordingError) -> Int64 {
    let word = try word()
    return Int64(bitPattern: word >> 1) ^ -Int64(bitPattern: word & 1)
  }

  /// Takes a length or a count, `limit` at most.
  mutating func count(atMost limit: Int = Int(Int32.max)) throws(RecordingError) -> Int {
    let word = try word()
    guard word <= UInt64(limit) else { throw .damaged }
    return Int(word)
  }

  /// Takes a number of eight bytes.
  mutating func whole() throws(RecordingError) -> UInt64 {
    let range = try skip(8)
    return bytes.span.bigEndian64(at: range.lowerBound).byteSwapped
  }

  /// Passes over so many bytes, and returns where they are.
  mutating func skip(_ count: Int) throws(RecordingError) -> Range<Int> {
    guard count >= 0, count <= bytes.count - offset else { throw .damaged }
    defer { offset += count }
    return offset..<(offset + count)
  }

  /// Takes so many bytes.
  mutating func take(_ count: Int) throws(RecordingError) -> [UInt8] { Array(bytes[try skip(count)]) }

  /// Takes bytes with their count before them.
  mutating func counted() throws(RecordingError) -> [UInt8] { try take(try count()) }

  /// Takes a value.
  mutating func value<Value: RecordedValue>(_ type: Value.Type = Value.self) throws(RecordingError) -> Value {
    try Value(from: &self)
  }
}
