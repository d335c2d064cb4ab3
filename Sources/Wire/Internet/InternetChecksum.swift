public import Primitives

/// The checksum of IP, TCP, UDP and ICMP (RFC 1071): the complement of the ones' complement sum of 16-bit words.
///
/// Bytes are added in the order of the message, in parts of any length: a part that begins at an odd position counts
/// with its bytes exchanged (RFC 1071 section 2 (B)). The sum is kept in the machine's byte order, which changes
/// nothing but the order of the result's two bytes, and in 64 bits, so that carries are folded once, at the end.
public struct InternetChecksum: Sendable {
  /// The sum of the words as they lie in memory. Overflows after 16 GiB of one message, which none has.
  @usableFromInline var sum: UInt64 = 0
  /// Whether an odd number of bytes was added so far.
  @usableFromInline var isOdd = false

  /// Makes the sum of no bytes.
  @inlinable
  public init() {}

  /// Adds bytes.
  @inlinable
  public mutating func add(_ bytes: Span<UInt8>) {
    var partial: UInt64 = 0
    var offset = 0
    if bytes.count >= 128 { (partial, offset) = Self.wideSum(bytes) }
    let whole = bytes.count & ~3
    partial &+= bytes.sumOfIntegers32(in: offset..<whole)
    offset = whole
    if bytes.count & 2 != 0 {
      partial &+= UInt64(bytes.native(at: offset, as: UInt16.self))
      offset &+= 2
    }
    // RFC 1071 section 1: an odd last byte is padded with a zero behind it.
    if bytes.count & 1 != 0 { partial &+= UInt64((UInt16(bytes[offset]) << 8).bigEndian) }
    add(partial: partial, byteCount: bytes.count)
  }

  /// Adds a 16-bit integer in host byte order.
  @inlinable
  public mutating func add(_ word: UInt16) { add(partial: UInt64(word.bigEndian), byteCount: 2) }

  /// Adds a 32-bit integer in host byte order.
  @inlinable
  public mutating func add(_ word: UInt32) { add(partial: UInt64(word.bigEndian), byteCount: 4) }

  /// Adds a 64-bit integer in host byte order.
  @inlinable
  public mutating func add(_ word: UInt64) {
    add(partial: UInt64(word.bigEndian & 0xffff_ffff) &+ word.bigEndian >> 32, byteCount: 8)
  }

  /// Adds the pseudo-header of RFC 9293 section 3.1 and RFC 768; `length` counts the transport's header and data.
  @inlinable
  public mutating func addPseudoHeader(
    source: IPv4Address, destination: IPv4Address, proto: IPProtocol, length: Int
  ) {
    add(source.bits)
    add(destination.bits)
    add(UInt32(proto.rawValue) << 16 | UInt32(UInt16(truncatingIfNeeded: length)))
  }

  /// Adds the pseudo-header of RFC 8200 section 8.1; `length` counts the upper layer's header and data.
  @inlinable
  public mutating func addPseudoHeader(
    source: IPv6Address, destination: IPv6Address, proto: IPProtocol, length: Int
  ) {
    add(source.high)
    add(source.low)
    add(destination.high)
    add(destination.low)
    add(UInt32(truncatingIfNeeded: length))
    add(UInt32(proto.rawValue))
  }

  /// Adds the pseudo-header of the addresses' family.
  /// - Precondition: both addresses are of one family.
  @inlinable
  public mutating func addPseudoHeader(source: IPAddress, destination: IPAddress, proto: IPProtocol, length: Int) {
    if let source = source.ipv4, let destination = destination.ipv4 {
      addPseudoHeader(source: source, destination: destination, proto: proto, length: length)
    } else {
      precondition(source.family == destination.family, "a packet's addresses are of one family")
      addPseudoHeader(source: source.mapped, destination: destination.mapped, proto: proto, length: length)
    }
  }

  /// The ones' complement sum so far, in host byte order: 0xffff over a message whose checksum is right.
  @inlinable
  public var folded: UInt16 { UInt16(bigEndian: Self.fold(sum)) }

  /// The complement of the sum, in host byte order: the checksum field of a message that was added with 0 in it.
  @inlinable
  public var checksum: UInt16 { ~folded }

  /// As `checksum`, but never 0, which means "none" in UDP: its other form 0xffff takes its place (RFC 768).
  @inlinable
  public var nonzeroChecksum: UInt16 { checksum == 0 ? 0xffff : checksum }

  /// Whether `bytes`, a message with its checksum and without a pseudo-header, are right.
  @inlinable
  public static func verify(_ bytes: Span<UInt8>) -> Bool {
    var checksum = InternetChecksum()
    checksum.add(bytes)
    return checksum.folded == 0xffff
  }

  /// Whether twenty bytes, loaded in the machine's byte order, are right.
  @inlinable @inline(__always)
  static func verify(_ first: UInt64, _ second: UInt64, _ third: UInt32) -> Bool {
    let halves = (first & 0xffff_ffff) &+ first >> 32 &+ (second & 0xffff_ffff) &+ second >> 32
    return fold(halves &+ UInt64(third)) == 0xffff
  }

  /// Adds the sum of `byteCount` bytes, in the machine's byte order.
  @inlinable @inline(__always)
  mutating func add(partial: UInt64, byteCount: Int) {
    sum &+= isOdd ? UInt64(Self.fold(partial).byteSwapped) : partial
    isOdd = isOdd != (byteCount & 1 != 0)
  }

  /// The sum of as many whole blocks of 64 bytes as there are, and the number of bytes in them.
  ///
  /// Eight lanes of 64 bits, none of which waits for another. Each takes the words as they are, modulo 2^64, and their
  /// upper halves apart: that gives the sum of the lower halves, without a carry lost, for one step less.
  @inlinable
  static func wideSum(_ bytes: Span<UInt8>) -> (sum: UInt64, byteCount: Int) {
    var words = SIMD8<UInt64>(repeating: 0)
    var upper = SIMD8<UInt64>(repeating: 0)
    var offset = 0
    while offset &+ 64 <= bytes.count {
      let block = bytes.native(at: offset, as: SIMD8<UInt64>.self)
      words &+= block
      upper &+= block &>> 32
      offset &+= 64
    }
    let lower = words &- (upper &<< 32)
    return (lower.wrappedSum() &+ upper.wrappedSum(), offset)
  }

  /// The sum with its carries added in again until none is left (RFC 1071 section 4.1).
  @inlinable @inline(__always)
  static func fold(_ sum: UInt64) -> UInt16 {
    var sum = (sum & 0xffff_ffff) &+ sum >> 32
    sum = (sum & 0xffff) &+ (sum >> 16 & 0xffff) &+ sum >> 32
    sum = (sum & 0xffff) &+ sum >> 16
    return UInt16(truncatingIfNeeded: (sum & 0xffff) &+ sum >> 16)
  }
}
