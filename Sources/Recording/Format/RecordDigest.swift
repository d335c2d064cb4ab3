import Primitives

/// A 64-bit fingerprint of bytes, the same in every process and on every machine.
///
/// It tells a difference that nobody has made on purpose: each word changes the state for good, by a product with an odd
/// number, which has an inverse. Four lanes, none of which waits for another.
struct RecordDigest {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  private static var factor: UInt64 { 0x9e37_79b9_7f4a_7c15 }

  /// Adds a number.
  mutating func add(_ word: UInt64) {
    value = (value ^ word) &* Self.factor
    value ^= value >> 29
  }

  /// Adds bytes, and how many they are.
  mutating func add(_ bytes: Span<UInt8>) {
    add(UInt64(bytes.count))
    var (first, second, third, fourth): (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, 4)
    var offset = 0
    while offset &+ 32 <= bytes.count {
      first = Self.mix(first, Self.word(bytes, offset))
      second = Self.mix(second, Self.word(bytes, offset &+ 8))
      third = Self.mix(third, Self.word(bytes, offset &+ 16))
      fourth = Self.mix(fourth, Self.word(bytes, offset &+ 24))
      offset &+= 32
    }
    while offset &+ 8 <= bytes.count {
      first = Self.mix(first, Self.word(bytes, offset))
      offset &+= 8
    }
    var rest: UInt64 = 0
    while offset < bytes.count {
      rest = rest << 8 | UInt64(bytes[offset])
      offset &+= 1
    }
    add(first)
    add(second)
    add(third)
    add(fourth)
    add(rest)
  }

  /// The fingerprint of bytes.
  static func of(_ bytes: Span<UInt8>) -> UInt64 {
    var digest = RecordDigest()
    digest.add(bytes)
    return digest.value
  }

  private static func mix(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    let product = (lane ^ word) &* factor
    return product << 31 | product >> 33
  }

  private static func word(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: bytes.native(at: offset, as: UInt64.self))
  }
}
