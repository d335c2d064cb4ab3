import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 4443: an ICMPv6 message from a guest.
  mutating func receiveICMPv6<Sink: FrameSink & ~Copyable>(
    _ context: PacketContext, of batch: borrowing FrameBatch, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) throws(WireError) {
    let message = try ICMPv6Message(batch.header(context.frame).extracting(droppingFirst: context.offset))
    guard isChecksumValid(context, of: batch, pseudoHeader: true) else { return }
    if let report = message.guestReport { return try receive(report, context, of: batch, at: now) }
    switch message.type {
    case .neighborSolicitation, .neighborAdvertisement, .routerSolicitation:
      try receiveNeighborDiscovery(context, of: batch, from: hardware, at: now, into: &sink)
    case .listenerReport, .listenerReport2, .listenerDone:
      break  // RFC 2710, RFC 3810: whoever listens to whatever, the link has no other router to tell.
    case .echoRequest:
      guard !context.source.isAny else { return drop(.badSource, on: context.port) }
      var context = context
      // RFC 4443 section 4.2: to a group that we are in, under an address of our own.
      if context.destination.mapped == .allNodes || context.destination.mapped == .allRouters {
        context.destination = gatewayAddress(towards: context.source)
      }
      receiveEcho(message.restOfHeader, context, of: batch, at: now, into: &sink)
    default:
      drop(.unknownProtocol, on: context.port)
    }
  }

  /// Whether a packet is a message of neighbor discovery (RFC 4861 section 4), by its type alone.
  func isNeighborDiscovery(_ context: PacketContext, of batch: borrowing FrameBatch) -> Bool {
    let bytes = batch.header(context.frame)
    guard context.proto == .icmpv6, context.byteCount > 0, context.offset < bytes.count else { return false }
    return (ICMPv6Type.routerSolicitation.rawValue...ICMPv6Type.redirect.rawValue).contains(bytes[context.offset])
  }
}
