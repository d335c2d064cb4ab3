/// ICMP for IPv6 (RFC 4443).
public enum ICMPv6: ICMPVersion {
  /// The kinds of messages.
  public typealias MessageType = ICMPv6Type
  /// What a message says more precisely than its type.
  public typealias MessageCode = ICMPv6Code
}

/// An ICMP message for IPv6 as received.
public typealias ICMPv6Message = ICMPMessage<ICMPv6>
/// The header of an ICMP message for IPv6.
public typealias ICMPv6Header = ICMPHeader<ICMPv6>

/// The kinds of ICMPv6 messages.
public struct ICMPv6Type: ICMPNumber {
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
  /// A router asks which groups are listened to (RFC 2710 section 3).
  @inlinable
  public static var listenerQuery: ICMPv6Type { ICMPv6Type(rawValue: 130) }
  /// The sender listens to a group (RFC 2710 section 3).
  @inlinable
  public static var listenerReport: ICMPv6Type { ICMPv6Type(rawValue: 131) }
  /// The sender no longer listens to a group (RFC 2710 section 3).
  @inlinable
  public static var listenerDone: ICMPv6Type { ICMPv6Type(rawValue: 132) }
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

  /// Which groups the sender listens to (RFC 3810 section 5.2).
  @inlinable
  public static var listenerReport2: ICMPv6Type { ICMPv6Type(rawValue: 143) }

  /// Whether the message reports an error about another packet: never answered by an error (RFC 4443 section 2.4).
  @inlinable
  public var isError: Bool { rawValue < 128 }
}

/// What a message says more precisely than its type; its meaning depends on the type.
public struct ICMPv6Code: ICMPNumber {
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
  /// Destination unreachable: the source address means nothing there.
  @inlinable
  public static var beyondScope: ICMPv6Code { ICMPv6Code(rawValue: 2) }
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

  /// Parameter problem: a field whose value is wrong.
  @inlinable
  public static var erroneousField: ICMPv6Code { ICMPv6Code(rawValue: 0) }
  /// Parameter problem: a next header that the receiver does not speak.
  @inlinable
  public static var unrecognizedNextHeader: ICMPv6Code { ICMPv6Code(rawValue: 1) }
  /// Parameter problem: an option that the receiver must know and does not.
  @inlinable
  public static var unrecognizedOption: ICMPv6Code { ICMPv6Code(rawValue: 2) }
  /// Parameter problem: a first fragment without the whole chain of headers (RFC 7112 section 5).
  @inlinable
  public static var incompleteHeaderChain: ICMPv6Code { ICMPv6Code(rawValue: 3) }
}

extension ICMPHeader<ICMPv6> {
  /// Makes the header of "packet too big".
  @inlinable
  public init(packetTooBigFor nextHopMTU: UInt32) { self.init(type: .packetTooBig, restOfHeader: nextHopMTU) }
}
