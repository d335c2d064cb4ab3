import Buffers
import Primitives
import Wire

/// Packets of the host's side of flows, made up for a capture: no such frames were ever sent, since the kernel's are its
/// own. Memory for one.
struct HostPacket: ~Copyable {
  /// The Ethernet header, the packet's, and the payload.
  private var bytes = [UInt8](repeating: 0, count: HostPacket.headroom + HostPacket.payloadCapacity)
  /// Bytes of payload so far.
  private(set) var payloadCount = 0

  /// The most payload of one packet: with its headers no packet is too long.
  static let payloadCapacity = 65_400
  /// Room for an Ethernet header, IPv6's, and TCP's without options.
  private static let headroom = 14 + 40 + 20

  /// How much payload still fits.
  var room: Int { Self.payloadCapacity - payloadCount }

  /// Adds to the payload.
  /// - Precondition: there is room.
  mutating func append(_ payload: Span<UInt8>) {
    guard !payload.isEmpty else { return }
    let end = Self.headroom + payloadCount
    var span = bytes.mutableSpan
    span.copy(payload, at: end)
    payloadCount += payload.count
  }

  /// Writes an integer of two bytes into the payload.
  mutating func store(_ value: UInt16, at offset: Int) {
    var span = bytes.mutableSpan
    span.storeBigEndian(value, at: Self.headroom + offset)
  }

  /// Forgets the payload.
  mutating func removeAll() { payloadCount = 0 }

  /// Calls `body` with the frame: the payload as a segment of TCP.
  mutating func withFrame(_ ends: HostEnds, _ header: TCPHeader, _ body: (Span<UInt8>, FrameDescriptor) -> Void) {
    withFrame(ends, .tcp, transportLength: 20, checksumOffset: 16, body) { span, start in
      header.write(to: &span, at: start)
    }
  }

  /// Calls `body` with the frame: the payload as a datagram of UDP.
  mutating func withFrame(_ ends: HostEnds, _ body: (Span<UInt8>, FrameDescriptor) -> Void) {
    let header = UDPHeader(
      sourcePort: ends.source.port, destinationPort: ends.destination.port, length: 8 + payloadCount)
    withFrame(ends, .udp, transportLength: 8, checksumOffset: 6, body) { span, start in
      header.write(to: &span, at: start)
    }
  }

  /// Calls `body` with the frame: the payload, at least two bytes, as a whole message of ICMP.
  mutating func withEcho(_ ends: HostEnds, _ body: (Span<UInt8>, FrameDescriptor) -> Void) {
    withFrame(ends, ends.isIPv4 ? .icmp : .icmpv6, transportLength: 0, checksumOffset: 2, body) { _, _ in }
  }
}

/// Who sends a packet to whom.
struct HostEnds: Hashable {
  var source: Endpoint
  var destination: Endpoint
  /// Whether it leaves the host.
  var isOutgoing: Bool

  var isIPv4: Bool { source.address.family == .ipv4 && destination.address.family == .ipv4 }
}

extension HostPacket {
  /// The hardware addresses of the host, and of everybody else: there are none, or unknown ones.
  private static let (host, world) = (MACAddress(bits: 0x0200_0000_0001), MACAddress(bits: 0x0200_0000_0002))

  private mutating func withFrame(
    _ ends: HostEnds, _ proto: IPProtocol, transportLength: Int, checksumOffset: Int,
    _ body: (Span<UInt8>, FrameDescriptor) -> Void, _ writeTransport: (inout MutableSpan<UInt8>, Int) -> Void
  ) {
    let length = transportLength + payloadCount
    let transport = Self.headroom - transportLength
    let start = transport - (ends.isIPv4 ? 20 : 40) - 14
    var span = bytes.mutableSpan
    EthernetHeader(
      destination: ends.isOutgoing ? Self.world : Self.host, source: ends.isOutgoing ? Self.host : Self.world,
      type: ends.isIPv4 ? .ipv4 : .ipv6
    ).write(to: &span, at: start)
    if let source = ends.source.address.ipv4, let destination = ends.destination.address.ipv4 {
      IPv4Header(totalLength: 20 + length, dontFragment: true, proto: proto, source: source, destination: destination)
        .write(to: &span, at: start + 14)
    } else {
      IPv6Header(
        payloadLength: length, nextHeader: proto, source: ends.source.address.mapped,
        destination: ends.destination.address.mapped
      ).write(to: &span, at: start + 14)
    }
    writeTransport(&span, transport)
    // The thread that writes the capture adds the rest.
    span.storeBigEndian(Self.pseudoHeaderSum(ends, proto, length), at: transport + checksumOffset)
    let end = transport + length
    body(
      span.span.extracting(start..<end),
      FrameDescriptor(
        port: .first, headerLength: 0, byteCount: end - start,
        checksum: .partial(start: UInt16(transport - start), offset: UInt16(checksumOffset))))
  }

  /// The sum of the pseudo-header, which ICMP over IPv4 does not have.
  private static func pseudoHeaderSum(_ ends: HostEnds, _ proto: IPProtocol, _ length: Int) -> UInt16 {
    guard proto != .icmp else { return 0 }
    var sum = InternetChecksum()
    if ends.isIPv4 {
      sum.addPseudoHeader(
        source: ends.source.address, destination: ends.destination.address, proto: proto, length: length)
    } else {
      sum.addPseudoHeader(
        source: ends.source.address.mapped, destination: ends.destination.address.mapped, proto: proto, length: length)
    }
    return sum.folded
  }
}
