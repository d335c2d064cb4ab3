/// ICMP for IPv4 (RFC 792).
public enum ICMPv4: ICMPVersion {
  /// The kinds of messages.
  public typealias MessageType = ICMPv4Type
  /// What a message says more precisely than its type.
  public typealias MessageCode = ICMPv4Code
}

/// An ICMP message for IPv4 as received.
public typealias ICMPv4Message = ICMPMessage<ICMPv4>
/// The header of an ICMP message for IPv4.
public typealias ICMPv4Header = ICMPHeader<ICMPv4>

/// The kinds of ICMP messages (RFC 792).
public struct ICMPv4Type: ICMPNumber {
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
public struct ICMPv4Code: ICMPNumber {
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
  /// Destination unreachable: the network is forbidden by the administrator (RFC 1122 section 3.2.2.1).
  @inlinable
  public static var networkProhibited: ICMPv4Code { ICMPv4Code(rawValue: 9) }
  /// Destination unreachable: the host is forbidden by the administrator (RFC 1122 section 3.2.2.1).
  @inlinable
  public static var hostProhibited: ICMPv4Code { ICMPv4Code(rawValue: 10) }
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

extension ICMPHeader<ICMPv4> {
  /// Makes the header of "fragmentation needed" (RFC 1191 section 4).
  @inlinable
  public init(fragmentationNeededFor nextHopMTU: UInt16) {
    self.init(type: .destinationUnreachable, code: .fragmentationNeeded, restOfHeader: UInt32(nextHopMTU))
  }
}
