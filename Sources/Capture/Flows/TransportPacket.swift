public import Primitives
public import Wire

/// Who speaks to whom in a frame, and where the transport's header and payload lie: as much of a frame as tells its flow.
public struct TransportPacket: Hashable, Sendable {
  /// TCP, UDP, ICMP or ICMPv6.
  public var proto: IPProtocol
  /// The sender; of an echo the port is its identifier.
  public var source: Endpoint
  /// The receiver, likewise.
  public var destination: Endpoint
  /// Where the transport's header and payload lie, as far as they are there, in bytes from the frame's first.
  public var range: Range<Int>
  /// Bytes of both on the wire.
  public var length: Int
  /// Whether the packet is in fragments, of which this is the first.
  public var isFragment = false

  /// Finds the packet in a frame; nil where there is none with ports, or an identifier, that can be read. Of a packet in
  /// fragments only the first has them.
  public init?(_ frame: Span<UInt8>, originalLength: Int? = nil) {
    guard let ethernet = try? EthernetFrame(frame) else { return nil }
    let whole = Extent(range: 0..<frame.count, missing: max(0, (originalLength ?? frame.count) - frame.count))
    let extent = whole.dropping(EthernetHeader.length)
    switch ethernet.etherType {
    case .ipv4: self.init(ipv4: frame, extent)
    case .ipv6: self.init(ipv6: frame, extent)
    default: return nil
    }
  }

  /// Finds the packet that an ICMP error is about; nil where this is none, or too little of the other is there.
  public init?(quotedIn error: TransportPacket, _ frame: Span<UInt8>) {
    guard error.isError(frame), error.range.count > 8 else { return nil }
    // What is quoted ends somewhere.
    let extent = Extent(range: error.range.dropFirst(8), missing: .max / 2)
    if error.proto == .icmp { self.init(ipv4: frame, extent) } else { self.init(ipv6: frame, extent) }
  }

  private init?(ipv4 frame: Span<UInt8>, _ extent: Extent) {
    guard let packet = try? IPv4Packet(frame.extracting(extent.range), byteCount: extent.count),
      packet.fragmentOffset == 0
    else { return nil }
    let whole = extent.prefix(packet.totalLength).dropping(packet.headerLength)
    self.init(
      packet.proto, IPAddress(packet.source), IPAddress(packet.destination), whole, frame,
      isFragment: packet.isFragment)
  }

  private init?(ipv6 frame: Span<UInt8>, _ extent: Extent) {
    guard let packet = try? IPv6Packet(frame.extracting(extent.range), byteCount: extent.count) else { return nil }
    var rest = extent.prefix(packet.totalLength).dropping(IPv6Header.length)
    var next = packet.nextHeader
    var isFragment = false
    while let length = next.extensionLength(frame, rest.range) {
      guard length <= rest.range.count else { return nil }
      if next == .fragmentHeader {
        guard let header = try? IPv6FragmentHeader(frame.extracting(rest.range)), header.offset == 0 else { return nil }
        isFragment = header.moreFragments
      }
      next = IPProtocol(rawValue: frame[rest.range.lowerBound])
      rest = rest.dropping(length)
    }
    self.init(
      next, IPAddress(packet.source), IPAddress(packet.destination), rest, frame, isFragment: isFragment)
  }

  private init?(
    _ proto: IPProtocol, _ source: IPAddress, _ destination: IPAddress, _ extent: Extent, _ frame: Span<UInt8>,
    isFragment: Bool
  ) {
    guard extent.range.count >= 8 else { return nil }
    let start = extent.range.lowerBound
    let ports: (UInt16, UInt16)
    switch proto {
    case .tcp, .udp: ports = (frame.bigEndian16(at: start), frame.bigEndian16(at: start + 2))
    // The word of an error is no identifier, but errors are flows of nobody's.
    case .icmp, .icmpv6: ports = (frame.bigEndian16(at: start + 4), frame.bigEndian16(at: start + 4))
    default: return nil
    }
    self.proto = proto
    self.source = Endpoint(source, port: ports.0)
    self.destination = Endpoint(destination, port: ports.1)
    range = extent.range
    length = extent.count
    self.isFragment = isFragment
  }

  /// Whether it is a request or a reply of echo.
  func isEcho(_ frame: Span<UInt8>) -> (isRequest: Bool, isEcho: Bool) {
    let type = frame[range.lowerBound]
    if proto == .icmp {
      return (type == ICMPv4Type.echoRequest.rawValue, type == 8 || type == ICMPv4Type.echoReply.rawValue)
    }
    guard proto == .icmpv6 else { return (false, false) }
    return (type == ICMPv6Type.echoRequest.rawValue, type == 128 || type == ICMPv6Type.echoReply.rawValue)
  }

  /// Whether it is an ICMP error.
  func isError(_ frame: Span<UInt8>) -> Bool {
    let type = frame[range.lowerBound]
    if proto == .icmp { return ICMPv4Type(rawValue: type).isError }
    return proto == .icmpv6 && ICMPv6Type(rawValue: type).isError
  }

  /// The TCP segment in it; nil where it is none.
  @_lifetime(copy frame)
  public func segment(_ frame: Span<UInt8>) -> TCPSegment? {
    guard proto == .tcp else { return nil }
    return try? TCPSegment(frame.extracting(range))
  }
}
