import Primitives

/// A 64-bit fingerprint of a series of bytes and numbers (FNV-1a over words): equal series have equal fingerprints
/// in every process.
struct Digest {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ word: UInt64) {
    value = (value ^ word) &* 0x0000_0100_0000_01b3
    value ^= value >> 29
  }

  mutating func add(_ bytes: [UInt8]) {
    add(UInt64(bytes.count))
    let span = bytes.span
    var offset = 0
    while offset + 8 <= bytes.count {
      add(span.bigEndian64(at: offset))
      offset += 8
    }
    while offset < bytes.count {
      add(UInt64(bytes[offset]))
      offset += 1
    }
  }
}
