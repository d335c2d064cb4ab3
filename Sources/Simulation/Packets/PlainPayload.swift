public import Primitives

/// What an IP packet of either family carries.
public enum PlainPayload: Hashable, Sendable {
  /// A segment.
  case tcp(PlainTCP)
  /// A datagram.
  case udp(PlainUDP)
  /// A message of the family's ICMP.
  case icmp(PlainICMP)
  /// A part of a packet, or a protocol that the simulation does not speak.
  case raw([UInt8])

  /// The protocol's number in a family; 255 (reserved) for bytes of which nothing is known.
  public func proto(in family: IPAddress.Family) -> UInt8 {
    switch self {
    case .tcp: 6
    case .udp: 17
    case .icmp: family == .ipv4 ? 1 : 58
    case .raw: 255
    }
  }

  /// The bytes behind the IP header, with a valid checksum.
  public func encoded(from source: IPAddress, to destination: IPAddress) -> [UInt8] {
    switch self {
    case .tcp(let segment): segment.encoded(from: source, to: destination)
    case .udp(let datagram): datagram.encoded(from: source, to: destination)
    case .icmp(let message): message.encoded(from: source, to: destination)
    case .raw(let bytes): bytes
    }
  }

  init(
    decoding bytes: [UInt8], _ proto: UInt8, from source: IPAddress, to destination: IPAddress, strictly: Bool
  ) throws(PacketFault) {
    let icmp: UInt8 = source.family == .ipv4 ? 1 : 58
    switch proto {
    case 6: self = .tcp(try PlainTCP(decoding: bytes, from: source, to: destination, strictly: strictly))
    case 17: self = .udp(try PlainUDP(decoding: bytes, from: source, to: destination, strictly: strictly))
    case icmp: self = .icmp(try PlainICMP(decoding: bytes, from: source, to: destination))
    default: self = .raw(bytes)
    }
  }
}
