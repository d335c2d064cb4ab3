import Primitives
import Wire

/// Frames around a payload, with right checksums.
enum FrameBuilder {
  static let guestMAC = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  static let gatewayMAC = MACAddress(0x52, 0x55, 0x0a, 0, 2, 2)
  static let guest = IPv4Address(10, 0, 2, 15)
  static let gateway = IPv4Address(10, 0, 2, 2)

  /// An IPv4 packet of the guest's, or to it, around `payload`, whose checksum lies at `checksum` of it.
  static func packet(
    _ proto: IPProtocol, _ payload: [UInt8], checksum place: Int?, toGuest: Bool = false
  ) -> [UInt8] {
    let (source, destination) = toGuest ? (gateway, guest) : (guest, gateway)
    var payload = payload
    if let place {
      var sum = InternetChecksum()
      if proto != .icmp {
        sum.addPseudoHeader(source: source, destination: destination, proto: proto, length: payload.count)
      }
      sum.add(payload.span)
      var span = payload.mutableSpan
      span.storeBigEndian(proto == .udp ? sum.nonzeroChecksum : sum.checksum, at: place)
    }
    var frame = [UInt8](repeating: 0, count: 34) + payload
    var span = frame.mutableSpan
    EthernetHeader(
      destination: toGuest ? guestMAC : gatewayMAC, source: toGuest ? gatewayMAC : guestMAC, type: .ipv4
    ).write(to: &span)
    IPv4Header(
      totalLength: 20 + payload.count, dontFragment: true, proto: proto, source: source, destination: destination
    ).write(to: &span, at: 14)
    return frame
  }

  /// A datagram.
  static func udp(from source: UInt16, to destination: UInt16, _ payload: [UInt8], toGuest: Bool = false) -> [UInt8] {
    let length = 8 + payload.count
    var datagram = [UInt8](repeating: 0, count: 8) + payload
    var span = datagram.mutableSpan
    UDPHeader(sourcePort: source, destinationPort: destination, length: length).write(to: &span)
    return packet(.udp, datagram, checksum: 6, toGuest: toGuest)
  }

  /// A segment.
  static func tcp(_ header: TCPHeader, _ payload: [UInt8] = [], toGuest: Bool = false) -> [UInt8] {
    var segment = [UInt8](repeating: 0, count: header.headerLength) + payload
    var span = segment.mutableSpan
    header.write(to: &span)
    return packet(.tcp, segment, checksum: 16, toGuest: toGuest)
  }

  /// An ICMP message.
  static func icmp(_ header: ICMPv4Header, _ payload: [UInt8], toGuest: Bool = false) -> [UInt8] {
    var message = [UInt8](repeating: 0, count: 8) + payload
    var span = message.mutableSpan
    header.write(to: &span)
    return packet(.icmp, message, checksum: 2, toGuest: toGuest)
  }
}
