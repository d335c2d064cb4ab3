public import Primitives

// The IPv4 header (RFC 791 section 3.1).
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------+-------+---------------+-------------------------------+
//    |version|  IHL  |   DSCP, ECN   |         total length          |
//    +-------+-------+---------------+-----+-------------------------+
//    |        identification         |0 D M|     fragment offset     |
//    +---------------+---------------+-----+-------------------------+
//    | time to live  |   protocol    |        header checksum        |
//    +---------------+---------------+-------------------------------+
//    |                        source address                         |
//    +---------------------------------------------------------------+
//    |                      destination address                      |
//    +---------------------------------------------------------------+
//    |                options, up to 40 bytes ...

/// Where the fields lie, in bytes from the first of the header.
@usableFromInline
enum IPv4Field {
  @usableFromInline static var versionAndLength: Int { 0 }
  @usableFromInline static var dscpECN: Int { 1 }
  @usableFromInline static var totalLength: Int { 2 }
  @usableFromInline static var identification: Int { 4 }
  @usableFromInline static var flagsAndOffset: Int { 6 }
  @usableFromInline static var timeToLive: Int { 8 }
  @usableFromInline static var proto: Int { 9 }
  @usableFromInline static var source: Int { 12 }
  @usableFromInline static var destination: Int { 16 }
  @usableFromInline static var options: Int { 20 }

  @usableFromInline static var dontFragment: UInt16 { 0x4000 }
  @usableFromInline static var moreFragments: UInt16 { 0x2000 }
  @usableFromInline static var offsetMask: UInt16 { 0x1fff }
}

/// An IPv4 packet as received.
public struct IPv4Packet: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  /// The length of the header in bytes, options included: 20 to 60.
  public let headerLength: Int
  /// The length of the packet in bytes, header included.
  public let totalLength: Int

  /// Looks at `bytes`, which begin with the header and may be only the first part of the packet.
  ///
  /// `byteCount` is how many bytes of the frame belong to the packet or its padding, the bytes beyond the header part
  /// included. The header's checksum is not looked at.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, byteCount: Int) throws(WireError) {
    guard bytes.count >= IPv4Header.length else {
      throw .truncated(needed: IPv4Header.length, available: bytes.count)
    }
    let first = bytes[IPv4Field.versionAndLength]
    guard first >> 4 == 4 else { throw .badVersion(first >> 4) }
    headerLength = Int(first & 0xf) * 4
    guard headerLength >= IPv4Header.length else { throw .badHeaderLength(headerLength) }
    guard headerLength <= bytes.count else { throw .truncated(needed: headerLength, available: bytes.count) }
    totalLength = Int(bytes.bigEndian16(at: IPv4Field.totalLength))
    guard totalLength >= headerLength, totalLength <= byteCount else {
      throw .badTotalLength(totalLength, available: byteCount)
    }
    self.bytes = bytes
  }

  /// Looks at `bytes` as a whole packet, perhaps with padding behind it.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) { try self.init(bytes, byteCount: bytes.count) }

  /// The length of what the packet carries, in bytes.
  @inlinable
  public var payloadLength: Int { totalLength - headerLength }

  /// The differentiated services and congestion notification bits (RFC 2474, RFC 3168).
  @inlinable
  public var dscpECN: UInt8 { bytes[IPv4Field.dscpECN] }

  /// What the fragments of one packet have in common.
  @inlinable
  public var identification: UInt16 { bytes.bigEndian16(at: IPv4Field.identification) }

  @inlinable
  var flagsAndOffset: UInt16 { bytes.bigEndian16(at: IPv4Field.flagsAndOffset) }

  /// Whether routers must not fragment the packet.
  @inlinable
  public var dontFragment: Bool { flagsAndOffset & IPv4Field.dontFragment != 0 }

  /// Whether further fragments follow.
  @inlinable
  public var moreFragments: Bool { flagsAndOffset & IPv4Field.moreFragments != 0 }

  /// Where the payload belongs in that of the whole packet, in bytes: a multiple of 8 up to 65,528.
  @inlinable
  public var fragmentOffset: Int { Int(flagsAndOffset & IPv4Field.offsetMask) * 8 }

  /// Whether the packet is only a part of one.
  @inlinable
  public var isFragment: Bool { flagsAndOffset & (IPv4Field.moreFragments | IPv4Field.offsetMask) != 0 }

  /// How many routers the packet may still pass.
  @inlinable
  public var timeToLive: UInt8 { bytes[IPv4Field.timeToLive] }

  /// What the packet carries.
  @inlinable
  public var proto: IPProtocol { IPProtocol(rawValue: bytes[IPv4Field.proto]) }

  /// The sender.
  @inlinable
  public var source: IPv4Address { IPv4Address(bytes, at: IPv4Field.source) }

  /// The receiver.
  @inlinable
  public var destination: IPv4Address { IPv4Address(bytes, at: IPv4Field.destination) }

  /// The options, empty in nearly every packet.
  @inlinable
  public var options: Span<UInt8> {
    @_lifetime(copy self)
    get { bytes.extracting(IPv4Field.options..<headerLength) }
  }

  /// The part of the payload that lies in the bytes given, without padding.
  @inlinable
  public var payload: Span<UInt8> {
    @_lifetime(copy self)
    get { bytes.extracting(headerLength..<min(totalLength, bytes.count)) }
  }

  /// Whether the header's checksum is right.
  @inlinable @inline(__always)
  public var isHeaderChecksumValid: Bool {
    guard headerLength == IPv4Header.length else {
      return InternetChecksum.verify(bytes.extracting(0..<headerLength))
    }
    // Nearly every packet: three loads instead of a loop.
    return InternetChecksum.verify(
      bytes.native(at: 0), bytes.native(at: 8), bytes.native(at: 16, as: UInt32.self))
  }

  /// The header as a value, without its options and checksum.
  @inlinable
  public var header: IPv4Header {
    IPv4Header(
      dscpECN: dscpECN, totalLength: totalLength, identification: identification, dontFragment: dontFragment,
      moreFragments: moreFragments, fragmentOffset: fragmentOffset, timeToLive: timeToLive, proto: proto,
      source: source, destination: destination)
  }
}

/// The header of an IPv4 packet without options.
public struct IPv4Header: Hashable, Sendable {
  /// The length of a header without options, in bytes.
  public static var length: Int { 20 }

  /// The differentiated services and congestion notification bits.
  public var dscpECN: UInt8
  /// The length of the packet in bytes, header included, up to 65,535.
  public var totalLength: Int
  /// What the fragments of one packet have in common.
  public var identification: UInt16
  /// Whether routers must not fragment the packet.
  public var dontFragment: Bool
  /// Whether further fragments follow.
  public var moreFragments: Bool
  /// Where the payload belongs in that of the whole packet, in bytes: a multiple of 8 up to 65,528.
  public var fragmentOffset: Int
  /// How many routers the packet may pass.
  public var timeToLive: UInt8
  /// What the packet carries.
  public var proto: IPProtocol
  /// The sender.
  public var source: IPv4Address
  /// The receiver.
  public var destination: IPv4Address

  /// Makes a header of its fields.
  @inlinable
  public init(
    dscpECN: UInt8 = 0, totalLength: Int, identification: UInt16 = 0, dontFragment: Bool = false,
    moreFragments: Bool = false, fragmentOffset: Int = 0, timeToLive: UInt8 = 64, proto: IPProtocol,
    source: IPv4Address, destination: IPv4Address
  ) {
    self.dscpECN = dscpECN
    self.totalLength = totalLength
    self.identification = identification
    self.dontFragment = dontFragment
    self.moreFragments = moreFragments
    self.fragmentOffset = fragmentOffset
    self.timeToLive = timeToLive
    self.proto = proto
    self.source = source
    self.destination = destination
  }

  /// Writes the 20 bytes, the header's checksum among them, from `offset` on.
  /// - Precondition: `offset + 20 <= bytes.count`, and the lengths fit their fields.
  @inlinable @inline(__always)
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    precondition(fragmentOffset & 7 == 0 && fragmentOffset >> 3 <= IPv4Field.offsetMask, "no such fragment offset")
    let flags = (dontFragment ? IPv4Field.dontFragment : 0) | (moreFragments ? IPv4Field.moreFragments : 0)
    let flagsAndOffset = flags | UInt16(fragmentOffset >> 3)
    // Five words of 32 bits, summed as they are written.
    let first = 0x4500_0000 | UInt32(dscpECN) << 16 | UInt32(UInt16(totalLength))
    let second = UInt32(identification) << 16 | UInt32(flagsAndOffset)
    let third = UInt32(timeToLive) << 24 | UInt32(proto.rawValue) << 16
    var checksum = InternetChecksum()
    checksum.add(first)
    checksum.add(second)
    checksum.add(third)
    checksum.add(source.bits)
    checksum.add(destination.bits)
    bytes.storeBigEndian(first, at: offset)
    bytes.storeBigEndian(second, at: offset + IPv4Field.identification)
    bytes.storeBigEndian(third | UInt32(checksum.checksum), at: offset + IPv4Field.timeToLive)
    bytes.storeBigEndian(source.bits, at: offset + IPv4Field.source)
    bytes.storeBigEndian(destination.bits, at: offset + IPv4Field.destination)
  }
}
