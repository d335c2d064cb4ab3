import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 8200: checks an IPv6 packet, follows its headers and hands it to its protocol.
  mutating func receiveIPv6<Sink: FrameSink & ~Copyable>(
    _ frame: Int, of batch: borrowing FrameBatch, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) throws(WireError) {
    let descriptor = batch.descriptor(frame)
    let bytes = batch.header(frame).extracting(droppingFirst: EthernetHeader.length)
    let packet = try IPv6Packet(bytes, byteCount: Int(descriptor.byteCount) - EthernetHeader.length)
    guard packet.source == .any || isGuestAddress(packet.source) else { return drop(.badSource, on: descriptor.port) }
    // RFC 4291 section 2.5.5.2: never on the wire; behind this line it would be an IPv4 address.
    guard !packet.destination.isMapped else { return drop(.forbiddenDestination, on: descriptor.port) }
    let isGroup = packet.destination.isMulticast
    var reader = HeaderChainReader(
      bytes.extracting(0..<min(packet.totalLength, bytes.count)), first: packet.nextHeader, isGroup: isGroup)
    let chain = try reader.read()
    var context = PacketContext(
      frame: frame, port: descriptor.port, neighbor: 0, source: IPAddress(packet.source),
      destination: IPAddress(packet.destination), offset: EthernetHeader.length + IPv6Header.length,
      byteCount: packet.payloadLength, checksum: descriptor.checksum,
      datagramSize: descriptor.segmentation?.datagramSize,
      proto: packet.nextHeader,
      isGroup: isGroup || isGroupFrame(frame, of: batch), hopLimit: packet.hopLimit,
      trafficClass: packet.trafficClass, mayFragment: descriptor.isReassembled)
    var isFragment = false
    switch chain {
    case .upperLayer(let proto, let offset, _): context.advance(to: offset, proto)
    case .fragment: isFragment = true
    case .problem, .discard: break
    }
    guard try isOurs(context, isFragment: isFragment, of: batch, into: &sink) else { return }
    // Neighbor discovery tells hardware addresses by its options, and a packet without a source tells none.
    if packet.source != .any && !isNeighborDiscovery(context, of: batch) {
      let length = descriptor.isReassembled || descriptor.segmentation != nil ? 0 : packet.totalLength
      context.neighbor = heard(context.source, from: hardware, on: descriptor.port, packetLength: length, at: now)
    }
    if packet.hopLimit <= 1 && !isOwn(packet.destination) && !isGroup {
      drop(.hopLimitExceeded, on: descriptor.port)
      return sendError(.timeExceeded, context, of: batch, at: now, into: &sink)
    }
    // RFC 4291 section 2.5.6: what comes from a link-local address leaves no link.
    if packet.source.isLinkLocal && !packet.destination.isLinkLocal && !isOwn(packet.destination) && !isGroup {
      drop(.badSource, on: descriptor.port)
      return sendError(.beyondScope, context, of: batch, at: now, into: &sink)
    }
    try receive(chain, context, of: batch, from: hardware, at: now, into: &sink)
  }

  /// What follows the chain of headers of an IPv6 packet.
  private mutating func receive<Sink: FrameSink & ~Copyable>(
    _ chain: HeaderChain, _ context: PacketContext, of batch: borrowing FrameBatch, from hardware: MACAddress,
    at now: Instant, into sink: inout Sink
  ) throws(WireError) {
    switch chain {
    case .upperLayer(let proto, _, let pointer):
      guard !context.source.isAny || proto == .icmpv6 else { return drop(.badSource, on: context.port) }
      switch proto {
      case .tcp: try receiveTCP(context, of: batch, at: now, into: &sink)
      case .udp: try receiveUDP(context, of: batch, from: hardware, at: now, into: &sink)
      case .icmpv6: try receiveICMPv6(context, of: batch, from: hardware, at: now, into: &sink)
      case .noNextHeader: drop(.unknownProtocol, on: context.port)
      default:
        drop(.unknownProtocol, on: context.port)
        sendError(.unknownProtocol(pointer: pointer), context, of: batch, at: now, into: &sink)
      }
    case .fragment(let header, let offset, let pointer):
      // RFC 8200 section 4.5 knows no fragments of fragments, and a packet without a source is not worth the memory.
      guard !batch.descriptor(context.frame).isReassembled, !context.source.isAny else {
        return drop(.fragment, on: context.port)
      }
      receiveFragment(
        header, at: offset, pointer: pointer, context, of: batch, from: hardware, at: now, into: &sink)
    case .problem(let code, let pointer):
      drop(.unknownProtocol, on: context.port)
      sendError(.parameterProblem(code, pointer: pointer), context, of: batch, at: now, into: &sink)
    case .discard:
      drop(.unknownProtocol, on: context.port)
    }
  }
}
