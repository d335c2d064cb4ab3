/// A fuzzer's bytes, read from the front as choices and contents. Behind their end there are zeroes.
struct FuzzInput {
  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Whether nothing is left.
  var isAtEnd: Bool { offset >= bytes.count }

  /// The next byte.
  mutating func byte() -> UInt8 {
    defer { offset += 1 }
    return offset < bytes.count ? bytes[offset] : 0
  }

  /// The next two bytes, most significant first.
  mutating func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

  /// The next four bytes, most significant first.
  mutating func long() -> UInt32 { UInt32(word()) << 16 | UInt32(word()) }

  /// A number below `limit`, which is at most 256, of one byte.
  mutating func number(below limit: Int) -> Int { Int(byte()) % limit }

  /// One of `choices`, of one byte.
  mutating func choice<Choice>(of choices: [Choice]) -> Choice { choices[number(below: choices.count)] }

  /// A number from -128 to 127, of one byte.
  mutating func signed() -> Int { Int(Int8(bitPattern: byte())) }

  /// As many of the next bytes as there are, `count` at most.
  mutating func take(_ count: Int) -> [UInt8] {
    let start = min(offset, bytes.count)
    let end = min(start + count, bytes.count)
    offset = end
    return Array(bytes[start..<end])
  }

  /// What is left.
  mutating func rest() -> [UInt8] { take(bytes.count) }
}
