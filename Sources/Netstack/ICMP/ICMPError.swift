import Primitives
import Wire

/// What a guest is told by ICMP of a packet of its own (RFC 792, RFC 1812 section 5.2.7; RFC 4443 section 3).
enum ICMPError: Hashable {
  case unreachable(RejectCode)
  /// The source address means nothing where the packet is to go (IPv6 only).
  case beyondScope
  /// The packet is longer than the next link takes, which is `mtu` bytes, and may not be fragmented.
  case packetTooBig(mtu: Int)
  /// The time to live, or hop limit, ran out.
  case timeExceeded
  /// The other fragments did not come in time.
  case reassemblyTimeExceeded
  /// Nobody speaks what the packet carries. `pointer` is where it says so (IPv6 only), in bytes from its first.
  case unknownProtocol(pointer: Int)
  /// A field of the IP header, or of an extension header, is wrong: the one `pointer` bytes behind the first.
  case parameterProblem(ICMPv6Code, pointer: Int)

  /// The header of the message in IPv4.
  var headerV4: ICMPv4Header {
    switch self {
    case .unreachable(.network): ICMPv4Header(type: .destinationUnreachable, code: .networkUnreachable)
    case .unreachable(.host): ICMPv4Header(type: .destinationUnreachable, code: .hostUnreachable)
    case .unreachable(.port): ICMPv4Header(type: .destinationUnreachable, code: .portUnreachable)
    case .unreachable(.prohibited): ICMPv4Header(type: .destinationUnreachable, code: .adminProhibited)
    case .beyondScope: ICMPv4Header(type: .destinationUnreachable, code: .networkUnreachable)
    case .packetTooBig(let mtu): ICMPv4Header(fragmentationNeededFor: UInt16(clamping: mtu))
    case .timeExceeded: ICMPv4Header(type: .timeExceeded, code: .timeToLiveExceeded)
    case .reassemblyTimeExceeded: ICMPv4Header(type: .timeExceeded, code: .reassemblyTimeExceeded)
    case .unknownProtocol: ICMPv4Header(type: .destinationUnreachable, code: .protocolUnreachable)
    case .parameterProblem(_, let pointer):
      // RFC 792: the pointer is the first byte of the second word.
      ICMPv4Header(type: .parameterProblem, restOfHeader: UInt32(UInt8(clamping: pointer)) << 24)
    }
  }

  /// The header of the message in IPv6.
  var headerV6: ICMPv6Header {
    switch self {
    case .unreachable(.network): ICMPv6Header(type: .destinationUnreachable, code: .noRoute)
    case .unreachable(.host): ICMPv6Header(type: .destinationUnreachable, code: .addressUnreachable)
    case .unreachable(.port): ICMPv6Header(type: .destinationUnreachable, code: .portUnreachable)
    case .unreachable(.prohibited): ICMPv6Header(type: .destinationUnreachable, code: .adminProhibited)
    case .beyondScope: ICMPv6Header(type: .destinationUnreachable, code: .beyondScope)
    case .packetTooBig(let mtu): ICMPv6Header(packetTooBigFor: UInt32(clamping: mtu))
    case .timeExceeded: ICMPv6Header(type: .timeExceeded, code: .hopLimitExceeded)
    case .reassemblyTimeExceeded: ICMPv6Header(type: .timeExceeded, code: .reassemblyTimeExceeded)
    case .unknownProtocol(let pointer):
      ICMPv6Header(type: .parameterProblem, code: .unrecognizedNextHeader, restOfHeader: UInt32(clamping: pointer))
    case .parameterProblem(let code, let pointer):
      ICMPv6Header(type: .parameterProblem, code: code, restOfHeader: UInt32(clamping: pointer))
    }
  }

  /// Whether it is sent even about a packet to a group, so that path MTU discovery and options work for groups
  /// (RFC 4443 section 2.4 (e.3)).
  var isForGroups: Bool {
    switch self {
    case .packetTooBig, .parameterProblem(.unrecognizedOption, _): true
    default: false
    }
  }
}

/// The start of a packet of a guest's, as far as an ICMP error quotes it, made of what is known of the packet when
/// the packet itself is gone.
struct QuotedPacket {
  /// The guest's address.
  var source: IPAddress
  var destination: IPAddress
  var proto: IPProtocol
  /// DSCP and ECN as the guest sent them.
  var trafficClass: UInt8 = 0
  /// Time to live or hop limit: as it would have arrived where the error was made.
  var hopLimit: UInt8 = 1
  /// Whether the guest lets routers fragment the packet (IPv4).
  var mayFragment = false
  /// Bytes behind the IP header of the packet.
  var byteCount: Int
  /// The first eight bytes behind the IP header, in host byte order; they name the flow.
  var first: UInt64

  /// The quote of a UDP datagram with `payloadLength` bytes of data.
  static func udp(from guest: Endpoint, to remote: Endpoint, payloadLength: Int = 0) -> QuotedPacket {
    let length = UDPHeader.length + payloadLength
    let header = UDPHeader(
      sourcePort: guest.port, destinationPort: remote.port, length: min(length, Int(UInt16.max)))
    return QuotedPacket(
      source: guest.address, destination: remote.address, proto: .udp, byteCount: length, first: header.bits)
  }

  /// The quote of a TCP segment: its ports and its sequence number.
  static func tcp(from guest: Endpoint, to remote: Endpoint, sequence: SequenceNumber) -> QuotedPacket {
    let ports = UInt64(guest.port) << 48 | UInt64(remote.port) << 32
    return QuotedPacket(
      source: guest.address, destination: remote.address, proto: .tcp, byteCount: TCPHeader.minimumLength,
      first: ports | UInt64(sequence.value))
  }

  /// The quote of an echo request; `identity` is its identifier and sequence number.
  static func echo(from guest: IPAddress, to remote: IPAddress, identity: UInt32, dataLength: Int) -> QuotedPacket {
    let isV4 = guest.family == .ipv4
    let first =
      isV4
      ? ICMPv4Header(type: .echoRequest, restOfHeader: identity).bits
      : ICMPv6Header(type: .echoRequest, restOfHeader: identity).bits
    return QuotedPacket(
      source: guest, destination: remote, proto: isV4 ? .icmp : .icmpv6, byteCount: ICMPv4Header.length + dataLength,
      first: first)
  }

  /// Bytes of the quote: the IP header and eight more.
  var length: Int { PacketHeader.internetLength(source.family) + 8 }

  /// Writes the quote to the start of `bytes`.
  func write(to bytes: inout MutableSpan<UInt8>) {
    let headerLength = PacketHeader.internetLength(source.family)
    if let source = source.ipv4, let destination = destination.ipv4 {
      IPv4Header(
        dscpECN: trafficClass, totalLength: min(headerLength + byteCount, Int(UInt16.max)), identification: 0,
        dontFragment: !mayFragment, moreFragments: false, fragmentOffset: 0, timeToLive: hopLimit, proto: proto,
        source: source, destination: destination
      ).write(to: &bytes)
    } else {
      IPv6Header(
        trafficClass: trafficClass, payloadLength: min(byteCount, Int(UInt16.max)), nextHeader: proto,
        hopLimit: hopLimit, source: source.mapped, destination: destination.mapped
      ).write(to: &bytes)
    }
    bytes.storeBigEndian(first, at: headerLength)
  }
}
