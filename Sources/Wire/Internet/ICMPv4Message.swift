public import Primitives

// An ICMP message for IPv4 (RFC 792).
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------+---------------+-------------------------------+
//    |     type      |     code      |           checksum            |
//    +---------------+---------------+-------------------------------+
//    |   rest of header: identifier and sequence number of an echo,  |
//    |   unused and next-hop MTU of "fragmentation needed", or 0     |
//    +---------------------------------------------------------------+
//    |   data: of an echo; of an error, the packet that caused it    |

/// Where the fields lie, in bytes from the first of the message; those of ICMPv6 lie in the same places.
@usableFromInline
enum ICMPField {
  @usableFromInline static var type: Int { 0 }
  @usableFromInline static var code: Int { 1 }
  @usableFromInline static var checksum: Int { 2 }
  @usableFromInline static var restOfHeader: Int { 4 }
  @usableFromInline static var sequenceNumber: Int { 6 }
}

/// The kinds of ICMP messages (RFC 792).
public struct ICMPv4Type: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a type of its number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The answer to an echo request.
  @inlinable
  public static var echoReply: ICMPv4Type { ICMPv4Type(rawValue: 0) }
  /// A packet could not be delivered; the code says why.
  @inlinable
  public static var destinationUnreachable: ICMPv4Type { ICMPv4Type(rawValue: 3) }
  /// A better gateway for a destination.
  @inlinable
  public static var redirect: ICMPv4Type { ICMPv4Type(rawValue: 5) }
  /// A request to send the data back.
  @inlinable
  public static var echoRequest: ICMPv4Type { ICMPv4Type(rawValue: 8) }
  /// A packet's time to live, or the time for putting its fragments together, ran out.
  @inlinable
  public static var timeExceeded: ICMPv4Type { ICMPv4Type(rawValue: 11) }
  /// A field of a packet's header is wrong.
  @inlinable
  public static var parameterProblem: ICMPv4Type { ICMPv4Type(rawValue: 12) }

  /// Whether the message reports an error about another packet: never answered by an error (RFC 1122 section 3.2.2).
  @inlinable
  public var isError: Bool { [3, 4, 5, 11, 12].contains(rawValue) }
}

/// What a message says more precisely than its type; its meaning depends on the type.
public struct ICMPv4Code: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a code of its number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The only code of types that need none.
  @inlinable
  public static var none: ICMPv4Code { ICMPv4Code(rawValue: 0) }

  /// Destination unreachable: no route to the network.
  @inlinable
  public static var networkUnreachable: ICMPv4Code { ICMPv4Code(rawValue: 0) }
  /// Destination unreachable: the host does not answer.
  @inlinable
  public static var hostUnreachable: ICMPv4Code { ICMPv4Code(rawValue: 1) }
  /// Destination unreachable: the host does not speak the protocol.
  @inlinable
  public static var protocolUnreachable: ICMPv4Code { ICMPv4Code(rawValue: 2) }
  /// Destination unreachable: nobody is at the port.
  @inlinable
  public static var portUnreachable: ICMPv4Code { ICMPv4Code(rawValue: 3) }
  /// Destination unreachable: longer than the next link takes, and may not be fragmented.
  @inlinable
  public static var fragmentationNeeded: ICMPv4Code { ICMPv4Code(rawValue: 4) }
  /// Destination unreachable: forbidden by the administrator (RFC 1812 section 5.2.7.1).
  @inlinable
  public static var adminProhibited: ICMPv4Code { ICMPv4Code(rawValue: 13) }

  /// Time exceeded: in transit.
  @inlinable
  public static var timeToLiveExceeded: ICMPv4Code { ICMPv4Code(rawValue: 0) }
  /// Time exceeded: while fragments were waiting for the others.
  @inlinable
  public static var reassemblyTimeExceeded: ICMPv4Code { ICMPv4Code(rawValue: 1) }
}

/// An ICMP message for IPv4 as received.
public struct ICMPv4Message: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>

  /// Looks at `bytes`, which hold at least the header of a message.
  @inlinable
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= ICMPv4Header.length else {
      throw .truncated(needed: ICMPv4Header.length, available: bytes.count)
    }
    self.bytes = bytes
  }

  /// The kind of the message.
  @inlinable
  public var type: ICMPv4Type { ICMPv4Type(rawValue: bytes[ICMPField.type]) }

  /// What it says more precisely.
  @inlinable
  public var code: ICMPv4Code { ICMPv4Code(rawValue: bytes[ICMPField.code]) }

  /// The checksum over the message.
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
    get { bytes.extracting(ICMPv4Header.length..<bytes.count) }
  }

  /// The header as a value.
  @inlinable
  public var header: ICMPv4Header {
    ICMPv4Header(type: type, code: code, checksum: checksum, restOfHeader: restOfHeader)
  }
}

/// The header of an ICMP message for IPv4.
public struct ICMPv4Header: Hashable, Sendable {
  /// The length of the header in bytes.
  public static var length: Int { 8 }

  /// The kind of the message.
  public var type: ICMPv4Type
  /// What it says more precisely.
  public var code: ICMPv4Code
  /// The checksum over the message.
  public var checksum: UInt16
  /// The second word of the header, in host byte order.
  public var restOfHeader: UInt32

  /// Makes a header of its fields.
  @inlinable
  public init(type: ICMPv4Type, code: ICMPv4Code = .none, checksum: UInt16 = 0, restOfHeader: UInt32 = 0) {
    self.type = type
    self.code = code
    self.checksum = checksum
    self.restOfHeader = restOfHeader
  }

  /// Makes the header of an echo request or reply.
  @inlinable
  public init(type: ICMPv4Type, identifier: UInt16, sequenceNumber: UInt16, checksum: UInt16 = 0) {
    let rest = UInt32(identifier) << 16 | UInt32(sequenceNumber)
    self.init(type: type, checksum: checksum, restOfHeader: rest)
  }

  /// Makes the header of "fragmentation needed" (RFC 1191 section 4).
  @inlinable
  public init(fragmentationNeededFor nextHopMTU: UInt16) {
    self.init(type: .destinationUnreachable, code: .fragmentationNeeded, restOfHeader: UInt32(nextHopMTU))
  }

  /// Writes the 8 bytes, the checksum as given, from `offset` on.
  /// - Precondition: `offset + 8 <= bytes.count`.
  @inlinable
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    let first = UInt32(type.rawValue) << 24 | UInt32(code.rawValue) << 16 | UInt32(checksum)
    bytes.storeBigEndian(first, at: offset)
    bytes.storeBigEndian(restOfHeader, at: offset + ICMPField.restOfHeader)
  }
}
