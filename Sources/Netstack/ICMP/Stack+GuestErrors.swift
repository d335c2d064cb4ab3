import BasicContainers
import Buffers
import Primitives
import Wire

/// What a report of a guest's, or of a router behind it, means for the flow whose packet it quotes.
enum GuestReport: Hashable {
  /// Nobody is there for the packet, or it is forbidden.
  case refused
  /// The way takes packets of `mtu` bytes at most.
  case tooBig(mtu: Int)
}

// RFC 1122 section 4.2.3.9 has a TCP act on what ICMP says of its segments. Whoever is on the link can say it: it counts
// only if it quotes a sequence number that is in flight (RFC 5927 section 4.1), and it never ends a connection that is
// established (RFC 5927 section 5.2). That a host or network is out of reach may pass, and is left to the timers.
//
// A guest whose client of TFTP has gone ends the transfer so (RFC 1122 section 4.1.3.3). A datagram has no number that
// only its receiver knows, hence it must be the guest itself that says it, which could as well send TFTP's own error.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// An error of ICMP about a packet of ours has come from a guest.
  mutating func receive(
    _ report: GuestReport, _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant
  ) throws(WireError) {
    guard let quote = try quotedPacket(context, of: batch) else { return drop(.noFlow, on: context.port) }
    switch flows.find(quote.key) {
    case (let id, .tcp(let slot))? where tcp[slot].isInFlight(quote.sequence):
      receive(report, id, slot, on: context.port)
    case (let id, .transfer(let place))?
    where report == .refused && transfers[place].phase != .ended && transfers[place].guest.address == context.source:
      endTransfer(id, place, .failed(.refused), at: now)
    default: drop(.noFlow, on: context.port)
    }
  }

  /// Takes a report about a segment that is in flight.
  private mutating func receive(_ report: GuestReport, _ id: FlowID, _ slot: UInt32, on port: PortID) {
    switch report {
    case .refused where tcp[slot].state == .synSent:
      endTCP(id, slot, .failed(.refused), abortively: true)
    case .refused:
      drop(.unacceptableSegment, on: port)
    case .tooBig(let mtu):
      tcp[slot].narrowPath(to: mtu)
      afterwards(id, slot)
    }
  }

  /// The flow of the packet that an error quotes, and the sequence number if it is a segment; nil where it quotes none of
  /// ours.
  mutating func quotedPacket(
    _ context: PacketContext, of batch: borrowing FrameBatch
  ) throws(WireError) -> (key: FlowKey, sequence: SequenceNumber)? {
    let known = context.byteCount - ICMPv4Header.length
    let count = min(known, Self.quoteLength)
    let slice = PayloadSlice(frame: context.frame, offset: context.offset + ICMPv4Header.length, count: count)
    var target = message.mutableSpan
    batch.copy(slice, to: &target)
    let bytes = message.span.extracting(0..<count)
    if context.source.family == .ipv4 {
      let packet = try IPv4Packet(bytes, byteCount: Int(UInt16.max))
      guard packet.fragmentOffset == 0 else { return nil }
      return Self.content(
        packet.proto, of: bytes, at: packet.headerLength, from: IPAddress(packet.source),
        to: IPAddress(packet.destination))
    }
    let packet = try IPv6Packet(bytes, byteCount: Int(UInt32.max))
    // Our packets have no extension headers.
    return Self.content(
      packet.nextHeader, of: bytes, at: IPv6Header.length, from: IPAddress(packet.source),
      to: IPAddress(packet.destination))
  }

  /// As much of a quote as is looked at: the longest IP header that ours may have become, and eight bytes.
  private static var quoteLength: Int { 60 + 8 }

  private static func content(
    _ proto: IPProtocol, of bytes: Span<UInt8>, at offset: Int, from source: IPAddress, to guest: IPAddress
  ) -> (key: FlowKey, sequence: SequenceNumber)? {
    guard proto == .tcp || proto == .udp, bytes.count >= offset + 8 else { return nil }
    let key = FlowKey(
      proto == .tcp ? .tcp : .udp, guest: Endpoint(guest, port: bytes.bigEndian16(at: offset + 2)),
      remote: Endpoint(source, port: bytes.bigEndian16(at: offset)))
    return (key, SequenceNumber(bytes.bigEndian32(at: offset + 4)))
  }
}

extension ICMPMessage<ICMPv4> {
  /// What an error means for a connection; nil for what may pass, and for what is no error.
  var guestReport: GuestReport? {
    guard type == .destinationUnreachable else { return nil }
    switch code {
    case .fragmentationNeeded:
      // RFC 1191 section 5: an old router names no MTU; no link needs less than RFC 791's 68 bytes.
      let mtu = Int(restOfHeader & 0xffff)
      return .tooBig(mtu: mtu == 0 ? 576 : max(mtu, 68))
    case .protocolUnreachable, .portUnreachable, .networkProhibited, .hostProhibited, .adminProhibited:
      return .refused
    default:
      return nil
    }
  }
}

extension ICMPMessage<ICMPv6> {
  /// What an error means for a connection; nil for what may pass, and for what is no error.
  var guestReport: GuestReport? {
    switch (type, code) {
    // RFC 8201 section 4: no link of IPv6 is narrower.
    case (.packetTooBig, _): .tooBig(mtu: max(Int(restOfHeader), 1280))
    case (.destinationUnreachable, .portUnreachable), (.destinationUnreachable, .adminProhibited): .refused
    default: nil
    }
  }
}
