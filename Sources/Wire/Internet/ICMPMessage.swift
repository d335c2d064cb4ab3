public import Primitives

// A message of ICMP for IPv4 (RFC 792) or ICMPv6 (RFC 4443 section 2.1), which have one layout. The checksum of
// ICMPv6 includes a pseudo-header.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------+---------------+-------------------------------+
//    |     type      |     code      |           checksum            |
//    +---------------+---------------+-------------------------------+
//    |   rest of header: identifier and sequence number of an echo,  |
//    |   the MTU of "too big", a pointer, flags, or 0                |
//    +---------------------------------------------------------------+
//    |   data: of an echo; of an error, the packet that caused it    |

/// Where the fields lie, in bytes from the first of the message.
@usableFromInline
enum ICMPField {
  @usableFromInline static var type: Int { 0 }
  @usableFromInline static var code: Int { 1 }
  @usableFromInline static var checksum: Int { 2 }
  @usableFromInline static var restOfHeader: Int { 4 }
  @usableFromInline static var sequenceNumber: Int { 6 }
}

/// A number of one byte with named values, of which others may come.
public protocol ICMPNumber: RawRepresentable<UInt8>, Hashable, Sendable {
  /// Makes a value of its number.
  init(rawValue: UInt8)
}

/// Which ICMP a message belongs to: the types and codes of the two have different numbers.
public protocol ICMPVersion {
  /// The kinds of messages.
  associatedtype MessageType: ICMPNumber
  /// What a message says more precisely than its type.
  associatedtype MessageCode: ICMPNumber
}

/// An ICMP message as received.
public struct ICMPMessage<Version: ICMPVersion>: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>

  /// Looks at `bytes`, which hold at least the header of a message.
  @inlinable
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= ICMPHeader<Version>.length else {
      throw .truncated(needed: ICMPHeader<Version>.length, available: bytes.count)
    }
    self.bytes = bytes
  }

  /// The kind of the message.
  @inlinable
  public var type: Version.MessageType { Version.MessageType(rawValue: bytes[ICMPField.type]) }

  /// What it says more precisely.
  @inlinable
  public var code: Version.MessageCode { Version.MessageCode(rawValue: bytes[ICMPField.code]) }

  /// The checksum over the message, and in ICMPv6 the pseudo-header.
  @inlinable
  public var checksum: UInt16 { bytes.bigEndian16(at: ICMPField.checksum) }

  /// The second word of the header, in host byte order.
  @inlinable
  public var restOfHeader: UInt32 { bytes.bigEndian32(at: ICMPField.restOfHeader) }

  /// The identifier of an echo.
  @inlinable
  public var identifier: UInt16 { bytes.bigEndian16(at: ICMPField.restOfHeader) }

  /// The sequence number of an echo.
  @inlinable
  public var sequenceNumber: UInt16 { bytes.bigEndian16(at: ICMPField.sequenceNumber) }

  /// What follows the header in the bytes given.
  @inlinable
  public var payload: Span<UInt8> {
    @_lifetime(copy self)
    get { bytes.extracting(ICMPHeader<Version>.length..<bytes.count) }
  }

  /// The header as a value.
  @inlinable
  public var header: ICMPHeader<Version> {
    ICMPHeader(type: type, code: code, checksum: checksum, restOfHeader: restOfHeader)
  }
}

/// The header of an ICMP message.
public struct ICMPHeader<Version: ICMPVersion>: Hashable, Sendable {
  /// The length of the header in bytes.
  @inlinable
  public static var length: Int { 8 }

  /// The kind of the message.
  public var type: Version.MessageType
  /// What it says more precisely.
  public var code: Version.MessageCode
  /// The checksum over the message, and in ICMPv6 the pseudo-header.
  public var checksum: UInt16
  /// The second word of the header, in host byte order.
  public var restOfHeader: UInt32

  /// Makes a header of its fields.
  @inlinable
  public init(
    type: Version.MessageType, code: Version.MessageCode = Version.MessageCode(rawValue: 0), checksum: UInt16 = 0,
    restOfHeader: UInt32 = 0
  ) {
    self.type = type
    self.code = code
    self.checksum = checksum
    self.restOfHeader = restOfHeader
  }

  /// Makes the header of an echo request or reply.
  @inlinable
  public init(type: Version.MessageType, identifier: UInt16, sequenceNumber: UInt16, checksum: UInt16 = 0) {
    let rest = UInt32(identifier) << 16 | UInt32(sequenceNumber)
    self.init(type: type, checksum: checksum, restOfHeader: rest)
  }

  /// The eight bytes as one integer in host byte order.
  @inlinable
  public var bits: UInt64 {
    UInt64(type.rawValue) << 56 | UInt64(code.rawValue) << 48 | UInt64(checksum) << 32 | UInt64(restOfHeader)
  }

  /// Writes the 8 bytes, the checksum as given, from `offset` on.
  /// - Precondition: `offset + 8 <= bytes.count`.
  @inlinable
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    bytes.storeBigEndian(bits, at: offset)
  }
}
