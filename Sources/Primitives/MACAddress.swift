/// A 48-bit Ethernet hardware address.
public struct MACAddress: Hashable, Sendable {
  /// The address in the low 48 bits, the first byte on the wire in bits 40 to 47.
  public let bits: UInt64

  /// Makes an address of the low 48 bits of `bits`.
  @inlinable
  public init(bits: UInt64) { self.bits = bits & 0xffff_ffff_ffff }

  /// Makes an address of six bytes in wire order.
  @inlinable
  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8) {
    let high = UInt64(a) << 40 | UInt64(b) << 32 | UInt64(c) << 24
    bits = high | UInt64(d) << 16 | UInt64(e) << 8 | UInt64(f)
  }

  /// Reads the six bytes at `offset`.
  /// - Precondition: `offset + 6 <= bytes.count`.
  @inlinable
  public init(_ bytes: Span<UInt8>, at offset: Int) {
    bits = UInt64(bytes.bigEndian16(at: offset)) << 32 | UInt64(bytes.bigEndian32(at: offset + 2))
  }

  /// Writes the six bytes at `offset`.
  /// - Precondition: `offset + 6 <= bytes.count`.
  @inlinable @inline(__always)
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int) {
    bytes.storeBigEndian(UInt16(truncatingIfNeeded: bits >> 32), at: offset)
    bytes.storeBigEndian(UInt32(truncatingIfNeeded: bits), at: offset + 2)
  }

  /// `ff:ff:ff:ff:ff:ff`.
  public static let broadcast = MACAddress(bits: 0xffff_ffff_ffff)

  /// Whether the group bit is set (multicast, broadcast included).
  @inlinable
  public var isGroup: Bool { bits & 0x0100_0000_0000 != 0 }

  /// Whether a station may own the address: neither a group address nor all zeroes.
  @inlinable
  public var isUnicast: Bool { !isGroup && bits != 0 }
}

extension MACAddress: CustomStringConvertible {
  /// Parses six two-digit hexadecimal bytes separated by colons.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 6 else { return nil }
    var bits: UInt64 = 0
    for part in parts {
      guard part.utf8.count == 2, let byte = UInt8(part, radix: 16), part.first != "+" else { return nil }
      bits = bits << 8 | UInt64(byte)
    }
    self.init(bits: bits)
  }

  /// Six two-digit hexadecimal bytes separated by colons.
  public var description: String {
    (0..<6).map { index in
      let byte = UInt8(truncatingIfNeeded: bits >> UInt64(40 - 8 * index))
      return byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16)
    }.joined(separator: ":")
  }
}
