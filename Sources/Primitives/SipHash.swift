/// SipHash-2-4: a keyed hash that nobody without the key can predict or collide on purpose.
///
/// Used for initial sequence numbers (RFC 6528 section 3 asks for a pseudorandom function) and for the flow table,
/// whose keys a guest chooses.
public struct SipHash: Sendable {
  private let key: (UInt64, UInt64)

  /// Makes a hash function of 128 secret bits.
  @inlinable
  public init(key low: UInt64, _ high: UInt64) { self.init(low, high) }

  @usableFromInline
  init(_ low: UInt64, _ high: UInt64) { key = (low, high) }

  /// The hash of five words, as many as a flow key has.
  public func hash(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64, _ e: UInt64) -> UInt64 {
    var state = State(key)
    state.absorb(a)
    state.absorb(b)
    state.absorb(c)
    state.absorb(d)
    state.absorb(e)
    return state.finish(byteCount: 40)
  }

  private struct State {
    var v0, v1, v2, v3: UInt64

    @inline(__always)
    init(_ key: (UInt64, UInt64)) {
      v0 = key.0 ^ 0x736f_6d65_7073_6575
      v1 = key.1 ^ 0x646f_7261_6e64_6f6d
      v2 = key.0 ^ 0x6c79_6765_6e65_7261
      v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    mutating func round() {
      v0 &+= v1
      v2 &+= v3
      v1 = v1 << 13 | v1 >> 51
      v3 = v3 << 16 | v3 >> 48
      v1 ^= v0
      v3 ^= v2
      v0 = v0 << 32 | v0 >> 32
      v2 &+= v1
      v0 &+= v3
      v1 = v1 << 17 | v1 >> 47
      v3 = v3 << 21 | v3 >> 43
      v1 ^= v2
      v3 ^= v0
      v2 = v2 << 32 | v2 >> 32
    }

    @inline(__always)
    mutating func absorb(_ word: UInt64) {
      v3 ^= word
      round()
      round()
      v0 ^= word
    }

    @inline(__always)
    mutating func finish(byteCount: UInt64) -> UInt64 {
      absorb(byteCount << 56)
      v2 ^= 0xff
      for _ in 0..<4 { round() }
      return v0 ^ v1 ^ v2 ^ v3
    }
  }
}
