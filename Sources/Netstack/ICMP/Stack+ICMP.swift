import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 792: answers an echo request to one of the stack's own addresses.
  mutating func receiveICMP<Sink: FrameSink & ~Copyable>(
    _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) throws(WireError) {
    let message = try ICMPv4Message(batch.header(context.frame).extracting(droppingFirst: context.offset))
    guard context.byteCount >= ICMPv4Header.length else { return drop(.malformed, on: context.port) }
    let whole = PayloadSlice(frame: context.frame, offset: context.offset, count: context.byteCount)
    guard context.checksum == .verified || checksum(of: whole, in: batch).checksum == 0 else {
      return drop(.badChecksum, on: context.port)
    }
    guard message.type == .echoRequest, let destination = context.destination.ipv4 else {
      return drop(.unknownProtocol, on: context.port)
    }
    guard isOwn(destination) else {
      drop(.forbiddenDestination, on: context.port)
      guard !isGroup(destination) else { return }
      return sendError(.unreachable(.prohibited), context, of: batch, at: now, into: &sink)
    }
    sendEchoReply(message.header, context, of: batch, at: now, into: &sink)
  }

  private mutating func sendEchoReply<Sink: FrameSink & ~Copyable>(
    _ request: ICMPv4Header, _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
    guard let path = path(to: context.source, hint: context.neighbor, at: now, into: &sink) else {
      return drop(.unresolvedNeighbor, on: context.port)
    }
    let data = PayloadSlice(
      frame: context.frame, offset: context.offset + ICMPv4Header.length,
      count: context.byteCount - ICMPv4Header.length)
    let ip = packetHeader(
      path, from: context.destination, to: context.source, .icmp, payloadLength: context.byteCount)
    guard ip.length - EthernetHeader.length + context.byteCount <= path.mtu else {
      return drop(.linkFull, on: context.port)
    }
    let length = ip.length + ICMPv4Header.length
    let slot = SlotRequest(port: path.port, headerLength: length, payloadLength: data.count)
    guard let run = reserve(slot, in: &sink) else { return drop(.linkFull, on: path.port) }
    var regions = sink.payload(of: run)
    var region = regions[0]
    batch.copy(data, to: &region)
    var reply = ICMPv4Header(type: .echoReply, restOfHeader: request.restOfHeader)
    reply.checksum = checksum(of: data, in: batch, after: reply.sum).checksum
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    reply.write(to: &bytes, at: ip.length)
    commit(run, on: path.port, headerLength: length, payload: data.count, into: &sink)
  }

  /// A sum with the bytes of a range of a frame added to it.
  func checksum(
    of slice: PayloadSlice, in batch: borrowing FrameBatch, after start: InternetChecksum = InternetChecksum()
  ) -> InternetChecksum {
    var sum = start
    batch.forEachSpan(of: slice) { sum.add($0) }
    return sum
  }
}

extension ICMPv4Header {
  /// The sum of the header with its checksum field as zero.
  var sum: InternetChecksum {
    var sum = InternetChecksum()
    sum.add(UInt16(type.rawValue) << 8 | UInt16(code.rawValue))
    sum.add(restOfHeader)
    return sum
  }
}
