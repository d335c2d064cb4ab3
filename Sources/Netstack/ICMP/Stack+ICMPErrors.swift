import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Tells the sender of a packet why it went no further. `reporter` is who found out, the gateway itself if nil.
  ///
  /// Silent where no error may answer: RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e).
  mutating func sendError<Sink: FrameSink & ~Copyable>(
    _ error: ICMPError, _ context: PacketContext, of batch: borrowing FrameBatch, reporter: IPAddress? = nil,
    at now: Instant, into sink: inout Sink
  ) {
    guard !context.isGroup || error.isForGroups, !isErrorMessage(context, of: batch) else { return }
    let header = context.offset - EthernetHeader.length
    let quote = PayloadSlice(
      frame: context.frame, offset: EthernetHeader.length,
      count: min(header + context.byteCount, quoteLimit(context.source.family)))
    var bytes = message.mutableSpan
    batch.copy(quote, to: &bytes)
    sendError(
      error, quoteLength: quote.count, from: reporter, to: context.source, hint: context.neighbor, at: now, into: &sink
    )
  }

  /// Tells a guest why a packet of its came to nothing, some time after it was sent. `reporter` is who found out, the
  /// gateway itself if nil; `hint` is the guest's place in the neighbor table; `rest` is where in `request` the bytes
  /// are that followed the quoted packet's first, as far as they are known.
  mutating func sendError<Sink: FrameSink & ~Copyable>(
    _ error: ICMPError, about quote: QuotedPacket, followedBy rest: Range<Int> = 0..<0, reporter: IPAddress? = nil,
    hint: Int, at now: Instant, into sink: inout Sink
  ) {
    guard !isGroup(quote.destination) || error.isForGroups else { return }
    let count = min(rest.count, quoteLimit(quote.source.family) - quote.length)
    Self.write(quote, request, rest.lowerBound..<rest.lowerBound + count, to: &message)
    sendError(
      error, quoteLength: quote.length + count, from: reporter, to: quote.source, hint: hint, at: now, into: &sink)
  }

  private static func write(
    _ quote: QuotedPacket, _ known: borrowing UniqueArray<UInt8>, _ rest: Range<Int>,
    to message: inout UniqueArray<UInt8>
  ) {
    var bytes = message.mutableSpan
    quote.write(to: &bytes)
    bytes.copy(known.span.extracting(rest), at: quote.length)
  }

  /// Bytes of a packet that an error quotes at most: as many as keep the error within what every guest takes, 576
  /// bytes in IPv4 (RFC 1812 section 4.3.2.3) and 1280 in IPv6 (RFC 4443 section 2.4 (c)).
  private func quoteLimit(_ family: IPAddress.Family) -> Int {
    let packet = family == .ipv4 ? 576 : 1280
    return min(packet - PacketHeader.internetLength(family) - ICMPv4Header.length, message.count)
  }

  /// Whether a packet is, or may be, itself an ICMP error or an ICMPv6 redirect, which no error answers.
  private func isErrorMessage(_ context: PacketContext, of batch: borrowing FrameBatch) -> Bool {
    let bytes = batch.header(context.frame)
    guard context.source.family == .ipv4 else {
      return HeaderChainReader.mayBeError(bytes.extracting(droppingFirst: EthernetHeader.length))
    }
    guard context.proto == .icmp, context.byteCount > 0 else { return false }
    // The message's type lies beyond the header part: it is not known to be harmless.
    guard context.offset < bytes.count else { return true }
    return ICMPv4Type(rawValue: bytes[context.offset]).isError
  }

  /// Sends an error that quotes the first `quoteLength` bytes of `message`.
  private mutating func sendError<Sink: FrameSink & ~Copyable>(
    _ error: ICMPError, quoteLength: Int, from reporter: IPAddress?, to guest: IPAddress, hint: Int,
    at now: Instant, into sink: inout Sink
  ) {
    guard !guest.isAny, let path = path(to: guest, hint: hint, at: now, into: &sink) else { return }
    guard errorLimit.take(at: now) else { return drop(.rateLimited, on: path.port) }
    var source = gatewayAddress(towards: guest)
    if let reporter, reporter.family == guest.family { source = reporter }
    let isV4 = guest.family == .ipv4
    let ip = packetHeader(
      path, from: source, to: guest, isV4 ? .icmp : .icmpv6, payloadLength: ICMPv4Header.length + quoteLength)
    let length = ip.length + ICMPv4Header.length
    let slot = SlotRequest(port: path.port, headerLength: length, payloadLength: quoteLength)
    guard let run = reserve(slot, in: &sink) else { return drop(.linkFull, on: path.port) }
    var regions = sink.payload(of: run)
    _ = regions.write(message.span.extracting(0..<quoteLength))
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    if isV4 {
      write(error.headerV4, ip, quoteLength: quoteLength, to: &bytes)
    } else {
      write(error.headerV6, ip, quoteLength: quoteLength, to: &bytes)
    }
    commit(run, on: path.port, headerLength: length, payload: quoteLength, into: &sink)
  }

  @inline(__always)
  private func write<Version>(
    _ header: ICMPHeader<Version>, _ ip: PacketHeader, quoteLength: Int, to bytes: inout MutableSpan<UInt8>
  ) {
    var header = header
    var sum = sum(of: header, in: ip)
    sum.add(message.span.extracting(0..<quoteLength))
    header.checksum = sum.checksum
    header.write(to: &bytes, at: ip.length)
  }
}
