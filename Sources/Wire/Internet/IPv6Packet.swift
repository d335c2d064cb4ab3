public import Primitives

// The IPv6 header (RFC 8200 section 3).
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------+---------------+---------------------------------------+
//    |version| traffic class |              flow label               |
//    +-------+---------------+-------+---------------+---------------+
//    |        payload length         |  next header  |   hop limit   |
//    +-------------------------------+---------------+---------------+
//    |                    source address, 16 bytes                   |
//    +---------------------------------------------------------------+
//    |                  destination address, 16 bytes                |
//    +---------------------------------------------------------------+

/// Where the fields lie, in bytes from the first of the header.
@usableFromInline
enum IPv6Field {
  @usableFromInline static var versionClassLabel: Int { 0 }
  @usableFromInline static var payloadLength: Int { 4 }
  @usableFromInline static var nextHeader: Int { 6 }
  @usableFromInline static var hopLimit: Int { 7 }
  @usableFromInline static var source: Int { 8 }
  @usableFromInline static var destination: Int { 24 }
}

/// An IPv6 packet as received.
public struct IPv6Packet: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  /// The length of what follows the 40 bytes of the header, in bytes, extension headers included.
  public let payloadLength: Int

  /// Looks at `bytes`, which begin with the header and may be only the first part of the packet.
  ///
  /// `byteCount` is how many bytes of the frame belong to the packet or its padding, the bytes beyond the header part
  /// included. Jumbograms (RFC 2675) are not spoken: their payload length is 0.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, byteCount: Int) throws(WireError) {
    guard bytes.count >= IPv6Header.length else {
      throw .truncated(needed: IPv6Header.length, available: bytes.count)
    }
    let version = bytes[IPv6Field.versionClassLabel] >> 4
    guard version == 6 else { throw .badVersion(version) }
    payloadLength = Int(bytes.bigEndian16(at: IPv6Field.payloadLength))
    guard payloadLength <= byteCount - IPv6Header.length else {
      throw .badTotalLength(IPv6Header.length + payloadLength, available: byteCount)
    }
    self.bytes = bytes
  }

  /// Looks at `bytes` as a whole packet, perhaps with padding behind it.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) { try self.init(bytes, byteCount: bytes.count) }

  /// The length of the packet in bytes, header included.
  @inlinable
  public var totalLength: Int { IPv6Header.length + payloadLength }

  /// The differentiated services and congestion notification bits.
  @inlinable
  public var trafficClass: UInt8 {
    UInt8(truncatingIfNeeded: bytes.bigEndian16(at: IPv6Field.versionClassLabel) >> 4)
  }

  /// The flow label, in 20 bits (RFC 6437).
  @inlinable
  public var flowLabel: UInt32 { bytes.bigEndian32(at: IPv6Field.versionClassLabel) & 0xf_ffff }

  /// What follows the header: an extension header or what the packet carries.
  @inlinable
  public var nextHeader: IPProtocol { IPProtocol(rawValue: bytes[IPv6Field.nextHeader]) }

  /// How many routers the packet may still pass.
  @inlinable
  public var hopLimit: UInt8 { bytes[IPv6Field.hopLimit] }

  /// The sender.
  @inlinable
  public var source: IPv6Address { IPv6Address(bytes, at: IPv6Field.source) }

  /// The receiver.
  @inlinable
  public var destination: IPv6Address { IPv6Address(bytes, at: IPv6Field.destination) }

  /// The part of the payload that lies in the bytes given, without padding.
  @inlinable
  public var payload: Span<UInt8> {
    @_lifetime(copy self)
    get { bytes.extracting(IPv6Header.length..<min(totalLength, bytes.count)) }
  }

  /// The header as a value.
  @inlinable
  public var header: IPv6Header {
    IPv6Header(
      trafficClass: trafficClass, flowLabel: flowLabel, payloadLength: payloadLength, nextHeader: nextHeader,
      hopLimit: hopLimit, source: source, destination: destination)
  }
}

/// The header of an IPv6 packet.
public struct IPv6Header: Hashable, Sendable {
  /// The length of the header in bytes.
  public static var length: Int { 40 }

  /// The differentiated services and congestion notification bits.
  public var trafficClass: UInt8
  /// The flow label, in 20 bits.
  public var flowLabel: UInt32
  /// The length of what follows the header, in bytes, up to 65,535.
  public var payloadLength: Int
  /// What follows the header.
  public var nextHeader: IPProtocol
  /// How many routers the packet may pass.
  public var hopLimit: UInt8
  /// The sender.
  public var source: IPv6Address
  /// The receiver.
  public var destination: IPv6Address

  /// Makes a header of its fields.
  @inlinable
  public init(
    trafficClass: UInt8 = 0, flowLabel: UInt32 = 0, payloadLength: Int, nextHeader: IPProtocol, hopLimit: UInt8 = 64,
    source: IPv6Address, destination: IPv6Address
  ) {
    self.trafficClass = trafficClass
    self.flowLabel = flowLabel
    self.payloadLength = payloadLength
    self.nextHeader = nextHeader
    self.hopLimit = hopLimit
    self.source = source
    self.destination = destination
  }

  /// Writes the 40 bytes from `offset` on.
  /// - Precondition: `offset + 40 <= bytes.count`, and the length and label fit their fields.
  @inlinable @inline(__always)
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    precondition(flowLabel <= 0xf_ffff, "a flow label has 20 bits")
    bytes.storeBigEndian(6 << 28 | UInt32(trafficClass) << 20 | flowLabel, at: offset)
    let rest = UInt32(UInt16(payloadLength)) << 16 | UInt32(nextHeader.rawValue) << 8 | UInt32(hopLimit)
    bytes.storeBigEndian(rest, at: offset + IPv6Field.payloadLength)
    source.write(to: &bytes, at: offset + IPv6Field.source)
    destination.write(to: &bytes, at: offset + IPv6Field.destination)
  }
}
