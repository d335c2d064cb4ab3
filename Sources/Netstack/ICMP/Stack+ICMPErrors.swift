import BasicContainers
import Buffers
import Primitives
import Wire

/// What a guest is told by ICMP of a packet of its own (RFC 792, RFC 1812 section 5.2.7).
enum ICMPError: Hashable {
  case unreachable(RejectCode)
  case protocolUnreachable
  case timeExceeded

  var header: ICMPv4Header {
    switch self {
    case .unreachable(.network): ICMPv4Header(type: .destinationUnreachable, code: .networkUnreachable)
    case .unreachable(.host): ICMPv4Header(type: .destinationUnreachable, code: .hostUnreachable)
    case .unreachable(.port): ICMPv4Header(type: .destinationUnreachable, code: .portUnreachable)
    case .unreachable(.prohibited): ICMPv4Header(type: .destinationUnreachable, code: .adminProhibited)
    case .protocolUnreachable: ICMPv4Header(type: .destinationUnreachable, code: .protocolUnreachable)
    case .timeExceeded: ICMPv4Header(type: .timeExceeded, code: .timeToLiveExceeded)
    }
  }
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Tells the sender of a packet why it went no further.
  mutating func sendError<Sink: FrameSink & ~Copyable>(
    _ error: ICMPError, _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
    let header = context.offset - EthernetHeader.length
    // RFC 1812 section 4.3.2.3: as much of the packet as keeps the error within 576 bytes.
    let count = min(header + context.byteCount, Self.quoteLimit)
    let quote = PayloadSlice(frame: context.frame, offset: EthernetHeader.length, count: count)
    var bytes = message.mutableSpan
    batch.copy(quote, to: &bytes)
    sendError(error, quoteLength: count, to: context.source, hint: context.neighbor, at: now, into: &sink)
  }

  /// Tells a guest why a flow of its came to nothing, some time after the packet that began it: what is quoted is made
  /// of what the flow is known by (the first eight bytes behind the IP header name it).
  mutating func sendError<Sink: FrameSink & ~Copyable>(
    _ error: ICMPError, _ transport: Transport, from guest: Endpoint, to remote: Endpoint, word: UInt32,
    hint: Int, at now: Instant, into sink: inout Sink
  ) {
    guard let source = guest.address.ipv4, let destination = remote.address.ipv4 else { return }
    var bytes = message.mutableSpan
    IPv4Header(
      dscpECN: 0, totalLength: IPv4Header.length + 8, identification: 0, dontFragment: true, moreFragments: false,
      fragmentOffset: 0, timeToLive: PacketHeader.hopLimit, proto: IPProtocol(rawValue: transport.rawValue),
      source: source, destination: destination
    ).write(to: &bytes)
    bytes.storeBigEndian(guest.port, at: IPv4Header.length)
    bytes.storeBigEndian(remote.port, at: IPv4Header.length + 2)
    bytes.storeBigEndian(word, at: IPv4Header.length + 4)
    sendError(error, quoteLength: IPv4Header.length + 8, to: guest.address, hint: hint, at: now, into: &sink)
  }

  private static var quoteLimit: Int { 576 - IPv4Header.length - ICMPv4Header.length }

  /// Sends an error that quotes the first `quoteLength` bytes of `message`.
  private mutating func sendError<Sink: FrameSink & ~Copyable>(
    _ error: ICMPError, quoteLength: Int, to guest: IPAddress, hint: Int, at now: Instant,
    into sink: inout Sink
  ) {
    guard guest != IPAddress(.any as IPv4Address), let path = path(to: guest, hint: hint, at: now, into: &sink) else {
      return
    }
    let ip = packetHeader(
      path, from: IPAddress(settings.ipv4Gateway), to: guest, .icmp, payloadLength: ICMPv4Header.length + quoteLength)
    let length = ip.length + ICMPv4Header.length
    let slot = SlotRequest(port: path.port, headerLength: length, payloadLength: quoteLength)
    guard let run = reserve(slot, in: &sink) else { return drop(.linkFull, on: path.port) }
    var regions = sink.payload(of: run)
    _ = regions.write(message.span.extracting(0..<quoteLength))
    var header = error.header
    var sum = header.sum
    sum.add(message.span.extracting(0..<quoteLength))
    header.checksum = sum.checksum
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    header.write(to: &bytes, at: ip.length)
    commit(run, on: path.port, headerLength: length, payload: quoteLength, into: &sink)
  }
}
