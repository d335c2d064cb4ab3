import Buffers
import Primitives
import Wire

/// Whose a packet is.
private enum PacketOwner {
  /// The loop's to which it came: nothing is kept of it.
  case anyone
  case loop(Int)
  /// All loops learn from it.
  case everyone
}

// Several loops serve one network, and a link gives a packet to any of them.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Whether a packet is to be received here. What belongs to another loop is handed to that; what all learn from, to
  /// all others, too.
  @inline(__always)
  mutating func isOurs<Sink: FrameSink & ~Copyable>(
    _ context: PacketContext, isFragment: Bool, of batch: borrowing FrameBatch, into sink: inout Sink
  ) throws(WireError) -> Bool {
    guard steering.isShared else { return true }
    switch try owner(of: context, isFragment: isFragment, in: batch) {
    case .anyone, .loop(steering.loop): return true
    case .loop(let other):
      handOver(context.frame, of: batch, to: other, into: &sink)
      return false
    case .everyone:
      share(context.frame, of: batch, into: &sink)
      return true
    }
  }

  /// Hands a frame that came by a link to all other loops.
  mutating func share<Sink: FrameSink & ~Copyable>(
    _ frame: Int, of batch: borrowing FrameBatch, into sink: inout Sink
  ) {
    guard steering.isShared, !isHandedOver else { return }
    for other in 0..<steering.count where other != steering.loop { handOver(frame, of: batch, to: other, into: &sink) }
  }

  private mutating func handOver<Sink: FrameSink & ~Copyable>(
    _ frame: Int, of batch: borrowing FrameBatch, to loop: Int, into sink: inout Sink
  ) {
    counters.framesHandedOver += 1
    if !sink.handOver(frame, of: batch, to: loop) { drop(.loopFull, on: batch.descriptor(frame).port) }
  }

  private mutating func owner(
    of context: PacketContext, isFragment: Bool, in batch: borrowing FrameBatch
  ) throws(WireError) -> PacketOwner {
    if isFragment { return .loop(0) }
    switch context.proto {
    case .tcp: return owner(of: context, .tcp, in: batch)
    case .udp: return owner(of: context, .udp, in: batch)
    case .icmp:
      let message = try ICMPv4Message(batch.header(context.frame).extracting(droppingFirst: context.offset))
      if message.type == .echoRequest { return ownerOfEcho(message.restOfHeader, context) }
      return message.guestReport == nil ? .anyone : try ownerOfQuote(context, in: batch)
    case .icmpv6:
      if isNeighborDiscovery(context, of: batch) { return .everyone }
      let message = try ICMPv6Message(batch.header(context.frame).extracting(droppingFirst: context.offset))
      if message.type == .echoRequest { return ownerOfEcho(message.restOfHeader, context) }
      return message.guestReport == nil ? .anyone : try ownerOfQuote(context, in: batch)
    default: return .anyone
    }
  }

  private func owner(
    of context: PacketContext, _ transport: Transport, in batch: borrowing FrameBatch
  ) -> PacketOwner {
    let bytes = batch.header(context.frame).extracting(droppingFirst: context.offset)
    guard bytes.count >= 4 else { return .anyone }
    let remote = Endpoint(context.destination, port: bytes.bigEndian16(at: 2))
    switch policy.verdict(transport, to: remote) {
    case .local(.dhcp), .local(.dhcpv6), .local(.dns): return .loop(0)
    default:
      let guest = Endpoint(context.source, port: bytes.bigEndian16(at: 0))
      return .loop(steering.owner(of: guest, FlowProtocol(transport)))
    }
  }

  /// `identity` is the second word of the message: the identifier and the sequence number.
  private func ownerOfEcho(_ identity: UInt32, _ context: PacketContext) -> PacketOwner {
    let guest = Endpoint(context.source, port: UInt16(truncatingIfNeeded: identity >> 16))
    return .loop(steering.owner(of: guest, .icmp))
  }

  private mutating func ownerOfQuote(
    _ context: PacketContext, in batch: borrowing FrameBatch
  ) throws(WireError) -> PacketOwner {
    guard let key = try quotedPacket(context, of: batch)?.key, let transport = key.transport else { return .anyone }
    return .loop(steering.owner(of: Endpoint(key.guest, port: key.guestPort), transport))
  }
}
