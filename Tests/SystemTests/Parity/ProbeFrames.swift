import Primitives
import Simulation

/// Who is who on the default network.
enum ProbeAddress {
  static let guest = IPv4Address(10, 0, 2, 15)
  static let gateway = IPv4Address(10, 0, 2, 2)
  static let resolver = IPv4Address(10, 0, 2, 3)
  static let guest6 = site(0x15)
  static let gateway6 = site(2)
  static let resolver6 = site(3)
  static let router = IPv6Address(high: 0xfe80 << 48, low: 2)
  static let guestLinkLocal = IPv6Address(high: 0xfe80 << 48, low: 0x15)
  static let allRouters = IPv6Address(high: 0xff02 << 48, low: 2)
  static let allServers = IPv6Address(high: 0xff02 << 48, low: 0x1_0002)
  static let guestMAC = MACAddress(bits: 0x5254_0012_3456)
  static let gatewayMAC = MACAddress(bits: 0x5255_0a00_0202)
  static let gatewayMAC6 = MACAddress(bits: 0x5256_0000_0002)

  /// An address of fec0::/64.
  static func site(_ low: UInt64) -> IPv6Address { IPv6Address(high: 0xfec0 << 48, low: low) }
}

extension IPv4Address {
  /// The four bytes in wire order.
  var bytes: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bits >> $0) } }
}

extension PlainFrame {
  static func arpRequest(for address: IPv4Address) -> PlainFrame {
    let message = PlainARP(
      operation: 1, senderMAC: ProbeAddress.guestMAC, senderAddress: ProbeAddress.guest, targetAddress: address)
    return PlainFrame(destination: .broadcast, source: ProbeAddress.guestMAC, .arp(message))
  }

  static func arpReply(to request: PlainARP) -> PlainFrame {
    let message = PlainARP(
      operation: 2, senderMAC: ProbeAddress.guestMAC, senderAddress: request.targetAddress,
      targetMAC: request.senderMAC, targetAddress: request.senderAddress)
    return PlainFrame(destination: request.senderMAC, source: ProbeAddress.guestMAC, .arp(message))
  }

  static func ipv4(
    from source: IPv4Address = ProbeAddress.guest, to destination: IPv4Address, _ payload: PlainPayload,
    hardware: MACAddress = ProbeAddress.guestMAC, timeToLive: UInt8 = 64
  ) -> PlainFrame {
    var packet = PlainIPv4(from: source, to: destination, payload)
    packet.timeToLive = timeToLive
    let receiver = destination == .broadcast ? MACAddress.broadcast : ProbeAddress.gatewayMAC
    return PlainFrame(destination: receiver, source: hardware, .ipv4(packet))
  }

  static func ipv6(
    from source: IPv6Address = ProbeAddress.guest6, to destination: IPv6Address, _ payload: PlainPayload,
    hopLimit: UInt8 = 64
  ) -> PlainFrame {
    var packet = PlainIPv6(from: source, to: destination, payload)
    packet.hopLimit = hopLimit
    // RFC 2464 section 7: 33:33 and the last four bytes of a group.
    let receiver =
      destination.isMulticast
      ? MACAddress(bits: 0x3333 << 32 | destination.low & 0xffff_ffff) : ProbeAddress.gatewayMAC6
    return PlainFrame(destination: receiver, source: ProbeAddress.guestMAC, .ipv6(packet))
  }

  static func neighborSolicitation(for target: IPv6Address) -> PlainFrame {
    let question = PlainDiscovery(
      type: 135, target: target, options: [.linkLayer(1, ProbeAddress.guestMAC)])
    let group = IPv6Address(high: 0xff02 << 48, low: 0x1_ff00_0000 | target.low & 0xff_ffff)
    return .ipv6(to: group, .icmp(question.message), hopLimit: 255)
  }

  static func neighborAdvertisement(to asker: IPv6Address, of target: IPv6Address) -> PlainFrame {
    let answer = PlainDiscovery(
      type: 136, rest: 0x6000_0000, target: target, options: [.linkLayer(2, ProbeAddress.guestMAC)])
    return .ipv6(from: target, to: asker, .icmp(answer.message), hopLimit: 255)
  }

  static var routerSolicitation: PlainFrame {
    let question = PlainDiscovery(type: 133, options: [.linkLayer(1, ProbeAddress.guestMAC)])
    return .ipv6(
      from: ProbeAddress.guestLinkLocal, to: ProbeAddress.allRouters, .icmp(question.message), hopLimit: 255)
  }
}

extension PlainPayload {
  static func udp(_ source: UInt16, _ destination: UInt16, _ payload: [UInt8]) -> PlainPayload {
    .udp(PlainUDP(sourcePort: source, destinationPort: destination, payload: payload))
  }

  static func echo(_ type: UInt8 = 8, byteCount: Int = 56) -> PlainPayload {
    .icmp(PlainICMP(type: type, rest: 0x1234_0001, payload: (0..<byteCount).map { UInt8(truncatingIfNeeded: $0) }))
  }

  /// A segment without data. All that a guest may offer in a SYN is offered.
  static func segment(
    _ flags: PlainTCP.Flags, from source: UInt16, to destination: UInt16, sequence: UInt32 = 1000,
    acknowledging: SequenceNumber = SequenceNumber(0), _ payload: [UInt8] = []
  ) -> PlainPayload {
    var segment = PlainTCP()
    segment.sourcePort = source
    segment.destinationPort = destination
    segment.flags = flags
    segment.sequence = SequenceNumber(sequence)
    segment.acknowledgment = acknowledging
    segment.window = 64_240
    segment.payload = payload
    if flags.contains(.syn) {
      segment.options = [.mss(1460), .sackPermitted, .timestamps(77, echo: 0), .windowScale(7)]
    }
    return .tcp(segment)
  }
}

/// A DHCP message of a client (RFC 2131 section 2), without an option 53 a BOOTP request.
struct DHCPQuestion {
  var type: UInt8?
  var client = ProbeAddress.guestMAC
  var ciaddr = IPv4Address.any
  var options: [(UInt8, [UInt8])] = []

  /// The frame that carries it, from the unspecified address to everybody.
  var frame: PlainFrame {
    var bytes: [UInt8] = [1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0] + ciaddr.bytes
    bytes += [UInt8](repeating: 0, count: 12)
    bytes += (0..<6).map { UInt8(truncatingIfNeeded: client.bits >> (40 - 8 * $0)) }
    bytes += [UInt8](repeating: 0, count: 10 + 64 + 128) + [99, 130, 83, 99]
    if let type { bytes += [53, 1, type] }
    for (code, value) in options { bytes += [code, UInt8(value.count)] + value }
    bytes += [255]
    return .ipv4(from: .any, to: .broadcast, .udp(68, 67, bytes), hardware: client)
  }

  static func request(_ address: IPv4Address, client: MACAddress = ProbeAddress.guestMAC) -> DHCPQuestion {
    DHCPQuestion(type: 3, client: client, options: [(50, address.bytes), (54, ProbeAddress.gateway.bytes)])
  }
}

/// A DNS query for one name and type, class IN (RFC 1035 section 4.1).
func dnsQuery(_ name: String, type: UInt16 = 1, more: [UInt8] = [], additional: UInt8 = 0) -> [UInt8] {
  var bytes: [UInt8] = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional]
  for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
  return bytes + [0, UInt8(type >> 8), UInt8(truncatingIfNeeded: type), 0, 1] + more
}
