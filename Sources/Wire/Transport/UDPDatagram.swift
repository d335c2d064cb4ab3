public import Primitives

// The UDP header (RFC 768).
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------------------------------+-------------------------------+
//    |          source port          |       destination port        |
//    +-------------------------------+-------------------------------+
//    |            length             |           checksum            |
//    +-------------------------------+-------------------------------+

/// Where the fields lie, in bytes from the first of the header.
@usableFromInline
enum UDPField {
  @usableFromInline static var sourcePort: Int { 0 }
  @usableFromInline static var destinationPort: Int { 2 }
  @usableFromInline static var length: Int { 4 }
  @usableFromInline static var checksum: Int { 6 }
}

/// A UDP datagram as received.
public struct UDPDatagram: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  /// The length of the datagram in bytes, header included.
  public let length: Int

  /// Looks at `bytes`, which begin with the header and may be only the first part of the datagram.
  ///
  /// `byteCount` is the length of the IP packet's payload, the bytes beyond the header part included.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, byteCount: Int) throws(WireError) {
    guard bytes.count >= UDPHeader.length else {
      throw .truncated(needed: UDPHeader.length, available: bytes.count)
    }
    length = Int(bytes.bigEndian16(at: UDPField.length))
    guard length >= UDPHeader.length, length <= byteCount else {
      throw .badTotalLength(length, available: byteCount)
    }
    self.bytes = bytes
  }

  /// Looks at `bytes` as a whole datagram, perhaps with padding behind it.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) { try self.init(bytes, byteCount: bytes.count) }

  /// The sender's port.
  @inlinable
  public var sourcePort: UInt16 { bytes.bigEndian16(at: UDPField.sourcePort) }

  /// The receiver's port.
  @inlinable
  public var destinationPort: UInt16 { bytes.bigEndian16(at: UDPField.destinationPort) }

  /// The checksum over pseudo-header, header and data; 0 for none.
  @inlinable
  public var checksum: UInt16 { bytes.bigEndian16(at: UDPField.checksum) }

  /// The length of the data in bytes.
  @inlinable
  public var payloadLength: Int { length - UDPHeader.length }

  /// The part of the data that lies in the bytes given, without padding.
  @inlinable
  public var payload: Span<UInt8> {
    @_lifetime(copy self)
    get { bytes.extracting(UDPHeader.length..<min(length, bytes.count)) }
  }

  /// The header as a value.
  @inlinable
  public var header: UDPHeader {
    UDPHeader(sourcePort: sourcePort, destinationPort: destinationPort, length: length, checksum: checksum)
  }
}

/// The header of a UDP datagram.
public struct UDPHeader: Hashable, Sendable {
  /// The length of the header in bytes.
  public static var length: Int { 8 }

  /// The sender's port.
  public var sourcePort: UInt16
  /// The receiver's port.
  public var destinationPort: UInt16
  /// The length of the datagram in bytes, header included, up to 65,535.
  public var length: Int
  /// Where the checksum lies, counted from the header's first byte.
  public static var checksumOffset: Int { UDPField.checksum }

  /// The checksum; 0 for none, which IPv6 does not allow (RFC 8200 section 8.1).
  public var checksum: UInt16

  /// Makes a header of its fields.
  @inlinable
  public init(sourcePort: UInt16, destinationPort: UInt16, length: Int, checksum: UInt16 = 0) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.length = length
    self.checksum = checksum
  }

  /// The eight bytes as one integer in host byte order.
  /// - Precondition: the length fits its field.
  @inlinable @inline(__always)
  public var bits: UInt64 {
    UInt64(sourcePort) << 48 | UInt64(destinationPort) << 32 | UInt64(UInt16(length)) << 16 | UInt64(checksum)
  }

  /// Writes the 8 bytes, the checksum as given, from `offset` on.
  /// - Precondition: `offset + 8 <= bytes.count`, and the length fits its field.
  @inlinable @inline(__always)
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    bytes.storeBigEndian(bits, at: offset)
  }
}
