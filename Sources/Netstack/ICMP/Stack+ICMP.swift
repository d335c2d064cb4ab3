import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 792: an ICMP message from a guest.
  mutating func receiveICMPv4<Sink: FrameSink & ~Copyable>(
    _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) throws(WireError) {
    let message = try ICMPv4Message(batch.header(context.frame).extracting(droppingFirst: context.offset))
    guard isChecksumValid(context, of: batch, pseudoHeader: false) else { return }
    if let report = message.guestReport { return try receive(report, context, of: batch, at: now) }
    guard message.type == .echoRequest else { return drop(.unknownProtocol, on: context.port) }
    receiveEcho(message.restOfHeader, context, of: batch, at: now, into: &sink)
  }

  /// Whether an ICMP message is whole and as it was sent; counts it if not.
  mutating func isChecksumValid(
    _ context: PacketContext, of batch: borrowing FrameBatch, pseudoHeader: Bool
  ) -> Bool {
    guard context.byteCount >= ICMPv4Header.length else {
      drop(.malformed, on: context.port)
      return false
    }
    guard context.isChecksumValid(overFirst: context.byteCount, of: batch, pseudoHeader: pseudoHeader) else {
      drop(.badChecksum, on: context.port)
      return false
    }
    return true
  }

  /// An echo request (RFC 792, RFC 4443 section 4.1): answered for the stack's own addresses, else carried to the
  /// outside. `identity` is the second word of its header, the identifier and the sequence number.
  mutating func receiveEcho<Sink: FrameSink & ~Copyable>(
    _ identity: UInt32, _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
    guard !isOwn(context.destination) else {
      return sendEchoReply(identity, context, of: batch, at: now, into: &sink)
    }
    relayEcho(identity, context, of: batch, at: now, into: &sink)
  }

  private mutating func sendEchoReply<Sink: FrameSink & ~Copyable>(
    _ identity: UInt32, _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
    guard let path = path(to: context.source, hint: context.neighbor, at: now, into: &sink) else {
      return drop(.unresolvedNeighbor, on: context.port)
    }
    let data = PayloadSlice(
      frame: context.frame, offset: context.offset + ICMPv4Header.length,
      count: context.byteCount - ICMPv4Header.length)
    let ip = packetHeader(
      path, from: context.destination, to: context.source, context.proto, payloadLength: context.byteCount)
    let header: UInt64
    switch context.source.family {
    case .ipv4:
      header = reply(ICMPv4Header(type: .echoReply, restOfHeader: identity), data, of: batch, in: ip)
    case .ipv6:
      header = reply(ICMPv6Header(type: .echoReply, restOfHeader: identity), data, of: batch, in: ip)
    }
    send(header, data, of: batch, as: ip, by: path, into: &sink)
  }

  @inline(__always)
  private func reply<Version>(
    _ header: ICMPHeader<Version>, _ data: PayloadSlice, of batch: borrowing FrameBatch, in ip: PacketHeader
  ) -> UInt64 {
    var header = header
    var sum = sum(of: header, in: ip)
    sum.add(data, of: batch)
    header.checksum = sum.checksum
    return header.bits
  }

  /// The sum of an ICMP header with its checksum field as zero, and of the pseudo-header that ICMPv6 has
  /// (RFC 4443 section 2.3).
  @inline(__always)
  func sum<Version>(of header: ICMPHeader<Version>, in ip: PacketHeader) -> InternetChecksum {
    var sum = InternetChecksum()
    if ip.destination.family == .ipv6 {
      sum.addPseudoHeader(source: ip.source, destination: ip.destination, proto: ip.proto, length: ip.payloadLength)
    }
    var header = header
    header.checksum = 0
    sum.add(header.bits)
    return sum
  }
}
