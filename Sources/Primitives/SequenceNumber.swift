/// A TCP sequence number: 32 bits that wrap around, compared modulo 2^32 (RFC 9293 section 3.4).
public struct SequenceNumber: Hashable, Sendable {
  /// The number as on the wire, in host byte order.
  public let value: UInt32

  /// Makes a sequence number of its value in host byte order.
  @inlinable
  public init(_ value: UInt32) { self.value = value }

  /// The sequence number `count` bytes later, or earlier if negative.
  @inlinable
  public static func + (left: SequenceNumber, count: Int) -> SequenceNumber {
    SequenceNumber(left.value &+ UInt32(truncatingIfNeeded: count))
  }

  /// Moves on by `count` bytes.
  @inlinable
  public static func += (left: inout SequenceNumber, count: Int) { left = left + count }

  /// The signed distance from `right` to `left`: positive if `left` is later by less than 2^31.
  @inlinable
  public static func - (left: SequenceNumber, right: SequenceNumber) -> Int {
    Int(Int32(bitPattern: left.value &- right.value))
  }

  /// Whether `left` comes before `right`. Not an ordering of all numbers: valid within a window of 2^31.
  @inlinable
  public static func < (left: SequenceNumber, right: SequenceNumber) -> Bool { left - right < 0 }
  /// Whether `left` comes before `right` or is `right`.
  @inlinable
  public static func <= (left: SequenceNumber, right: SequenceNumber) -> Bool { left - right <= 0 }
  /// Whether `left` comes after `right`.
  @inlinable
  public static func > (left: SequenceNumber, right: SequenceNumber) -> Bool { left - right > 0 }
  /// Whether `left` comes after `right` or is `right`.
  @inlinable
  public static func >= (left: SequenceNumber, right: SequenceNumber) -> Bool { left - right >= 0 }

  /// The later of the two.
  @inlinable
  public static func later(_ left: SequenceNumber, _ right: SequenceNumber) -> SequenceNumber {
    left < right ? right : left
  }
}
