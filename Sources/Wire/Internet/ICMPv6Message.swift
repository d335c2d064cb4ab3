public import Primitives

// An ICMP message for IPv6 (RFC 4443 section 2.1): the layout of ICMP for IPv4, but the checksum includes a
// pseudo-header. The second word is the identifier and sequence number of an echo, the MTU of "packet too big", the
// pointer of "parameter problem", the flags of a neighbour advertisement; the rest has it 0.

/// The kinds of ICMPv6 messages.
public struct ICMPv6Type: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a type of its number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A packet could not be delivered; the code says why (RFC 4443 section 3.1).
  @inlinable
  public static var destinationUnreachable: ICMPv6Type { ICMPv6Type(rawValue: 1) }
  /// A packet was longer than the next link takes (RFC 4443 section 3.2).
  @inlinable
  public static var packetTooBig: ICMPv6Type { ICMPv6Type(rawValue: 2) }
  /// A packet's hop limit, or the time for putting its fragments together, ran out (RFC 4443 section 3.3).
  @inlinable
  public static var timeExceeded: ICMPv6Type { ICMPv6Type(rawValue: 3) }
  /// A field of a packet's header is wrong (RFC 4443 section 3.4).
  @inlinable
  public static var parameterProblem: ICMPv6Type { ICMPv6Type(rawValue: 4) }
  /// A request to send the data back (RFC 4443 section 4.1).
  @inlinable
  public static var echoRequest: ICMPv6Type { ICMPv6Type(rawValue: 128) }
  /// The answer to an echo request (RFC 4443 section 4.2).
  @inlinable
  public static var echoReply: ICMPv6Type { ICMPv6Type(rawValue: 129) }
  /// Asks routers to advertise themselves (RFC 4861 section 4.1).
  @inlinable
  public static var routerSolicitation: ICMPv6Type { ICMPv6Type(rawValue: 133) }
  /// A router says what the network is like (RFC 4861 section 4.2).
  @inlinable
  public static var routerAdvertisement: ICMPv6Type { ICMPv6Type(rawValue: 134) }
  /// Who has the target address? (RFC 4861 section 4.3)
  @inlinable
  public static var neighborSolicitation: ICMPv6Type { ICMPv6Type(rawValue: 135) }
  /// The sender has the target address (RFC 4861 section 4.4).
  @inlinable
  public static var neighborAdvertisement: ICMPv6Type { ICMPv6Type(rawValue: 136) }
  /// A better first hop for a destination (RFC 4861 section 4.5).
  @inlinable
  public static var redirect: ICMPv6Type { ICMPv6Type(rawValue: 137) }

  /// Whether the message reports an error about another packet: never answered by an error (RFC 4443 section 2.4).
  @inlinable
  public var isError: Bool { rawValue < 128 }
}

/// What a message says more precisely than its type; its meaning depends on the type.
public struct ICMPv6Code: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a code of its number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The only code of types that need none.
  @inlinable
  public static var none: ICMPv6Code { ICMPv6Code(rawValue: 0) }

  /// Destination unreachable: no route.
  @inlinable
  public static var noRoute: ICMPv6Code { ICMPv6Code(rawValue: 0) }
  /// Destination unreachable: forbidden by the administrator.
  @inlinable
  public static var adminProhibited: ICMPv6Code { ICMPv6Code(rawValue: 1) }
  /// Destination unreachable: the host does not answer.
  @inlinable
  public static var addressUnreachable: ICMPv6Code { ICMPv6Code(rawValue: 3) }
  /// Destination unreachable: nobody is at the port.
  @inlinable
  public static var portUnreachable: ICMPv6Code { ICMPv6Code(rawValue: 4) }

  /// Time exceeded: in transit.
  @inlinable
  public static var hopLimitExceeded: ICMPv6Code { ICMPv6Code(rawValue: 0) }
  /// Time exceeded: while fragments were waiting for the others.
  @inlinable
  public static var reassemblyTimeExceeded: ICMPv6Code { ICMPv6Code(rawValue: 1) }

  /// Parameter problem: a next header that the receiver does not speak.
  @inlinable
  public static var unrecognizedNextHeader: ICMPv6Code { ICMPv6Code(rawValue: 1) }
}

/// An ICMP message for IPv6 as received.
public struct ICMPv6Message: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>

  /// Looks at `bytes`, which hold at least the header of a message.
  @inlinable
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= ICMPv6Header.length else {
      throw .truncated(needed: ICMPv6Header.length, available: bytes.count)
    }
    self.bytes = bytes
  }

  /// The kind of the message.
  @inlinable
  public var type: ICMPv6Type { ICMPv6Type(rawValue: bytes[ICMPField.type]) }

  /// What it says more precisely.
  @inlinable
  public var code: ICMPv6Code { ICMPv6Code(rawValue: bytes[ICMPField.code]) }

  /// The checksum over pseudo-header and message.
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
    get { bytes.extracting(ICMPv6Header.length..<bytes.count) }
  }

  /// The header as a value.
  @inlinable
  public var header: ICMPv6Header {
    ICMPv6Header(type: type, code: code, checksum: checksum, restOfHeader: restOfHeader)
  }
}

/// The header of an ICMP message for IPv6.
public struct ICMPv6Header: Hashable, Sendable {
  /// The length of the header in bytes.
  public static var length: Int { 8 }

  /// The kind of the message.
  public var type: ICMPv6Type
  /// What it says more precisely.
  public var code: ICMPv6Code
  /// The checksum over pseudo-header and message.
  public var checksum: UInt16
  /// The second word of the header, in host byte order.
  public var restOfHeader: UInt32

  /// Makes a header of its fields.
  @inlinable
  public init(type: ICMPv6Type, code: ICMPv6Code = .none, checksum: UInt16 = 0, restOfHeader: UInt32 = 0) {
    self.type = type
    self.code = code
    self.checksum = checksum
    self.restOfHeader = restOfHeader
  }

  /// Makes the header of an echo request or reply.
  @inlinable
  public init(type: ICMPv6Type, identifier: UInt16, sequenceNumber: UInt16, checksum: UInt16 = 0) {
    let rest = UInt32(identifier) << 16 | UInt32(sequenceNumber)
    self.init(type: type, checksum: checksum, restOfHeader: rest)
  }

  /// Makes the header of "packet too big".
  @inlinable
  public init(packetTooBigFor nextHopMTU: UInt32) { self.init(type: .packetTooBig, restOfHeader: nextHopMTU) }

  /// Writes the 8 bytes, the checksum as given, from `offset` on.
  /// - Precondition: `offset + 8 <= bytes.count`.
  @inlinable
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    let first = UInt32(type.rawValue) << 24 | UInt32(code.rawValue) << 16 | UInt32(checksum)
    bytes.storeBigEndian(first, at: offset)
    bytes.storeBigEndian(restOfHeader, at: offset + ICMPField.restOfHeader)
  }
}
