import Buffers
import HostSockets
import Netstack
import Primitives
import Wire

/// Shows the host's side of flows as packets between the host and its peers, for a capture: so that both sides of the
/// address translation can be seen.
///
/// The packets are made up of what passes the sockets: sequence numbers begin at 0, each write and each read is a segment
/// or several, acknowledgments come with them. What the kernel really sends, and when, is not known here. A stream
/// without endpoints (to a command, or a UNIX socket) has no packets. Memory: one packet, and a line for each flow.
///
/// Used by the thread of its loop alone.
final class HostScribe {
  private var tap: CaptureTap
  private var packet = HostPacket()
  private var streams: [FlowID: Stream] = [:]
  private var sockets: [FlowID: DatagramSocket] = [:]

  /// A stream, as its packets have it.
  private struct Stream {
    let local: Endpoint
    let remote: Endpoint
    /// The next sequence number of each side.
    var localNext = SequenceNumber(0)
    var remoteNext = SequenceNumber(0)
    /// Bytes that were read, the first `removed` of which are no longer in the socket.
    var received = 0
    var removed = 0
    /// Whether each side has ended.
    var isLocalFinished = false
    var isRemoteFinished = false
    /// Whether a reset was seen: nothing comes behind it.
    var isReset = false
  }

  /// A socket for datagrams, or for echo, of which the local end is not known.
  private enum DatagramSocket {
    case datagrams(local: Endpoint, remote: Endpoint?)
    case echo(identifier: UInt16)

    var local: Endpoint? {
      if case .datagrams(let local, _) = self { local } else { nil }
    }

    var remote: Endpoint? {
      if case .datagrams(_, let remote) = self { remote } else { nil }
    }
  }

  /// Shows flows that begin from now on to whoever reads `feed`.
  init(_ feed: CaptureFeed, at now: Instant) { tap = CaptureTap(feed, at: now) }

  /// Notes the time of a turn.
  func beginTurn(at now: Instant) { tap.beginTurn(at: now) }

  /// Wakes whoever writes.
  func endTurn() { tap.endTurn() }

  // MARK: Segments

  /// Shows the packet's payload as a segment of a stream, and forgets it.
  private func segment(_ stream: inout Stream, isOutgoing: Bool, _ flags: TCPFlags) {
    let (source, destination) = isOutgoing ? (stream.local, stream.remote) : (stream.remote, stream.local)
    let (next, other) = isOutgoing ? (stream.localNext, stream.remoteNext) : (stream.remoteNext, stream.localNext)
    let header = TCPHeader(
      sourcePort: source.port, destinationPort: destination.port, sequenceNumber: next,
      acknowledgmentNumber: flags.contains(.ack) ? other : SequenceNumber(0), flags: flags, window: .max)
    packet.withFrame(HostEnds(source: source, destination: destination, isOutgoing: isOutgoing), header) {
      tap.take($0, as: $1)
    }
    let length = packet.payloadCount + (flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
    if isOutgoing { stream.localNext += length } else { stream.remoteNext += length }
    packet.removeAll()
  }

  /// Adds bytes to the packet, which is shown whenever it is full.
  private func add(_ bytes: Span<UInt8>, to stream: inout Stream, isOutgoing: Bool) {
    var rest = bytes
    while !rest.isEmpty {
      let count = min(rest.count, packet.room)
      packet.append(rest.extracting(first: count))
      rest = rest.extracting(droppingFirst: count)
      if packet.room == 0 { segment(&stream, isOutgoing: isOutgoing, [.ack]) }
    }
  }

  private func endOfData(_ stream: inout Stream, isOutgoing: Bool) {
    if packet.payloadCount > 0 { segment(&stream, isOutgoing: isOutgoing, [.ack, .psh]) }
  }

  /// Changes a stream that is known and was not reset.
  private func change(_ flow: FlowID, _ body: (inout Stream) -> Void) {
    guard var stream = streams[flow], !stream.isReset else { return }
    body(&stream)
    streams[flow] = stream
  }

  private func establish(_ stream: inout Stream, isInbound: Bool) {
    segment(&stream, isOutgoing: isInbound, [.syn, .ack])
    segment(&stream, isOutgoing: !isInbound, [.ack])
  }
}

extension HostScribe: HostWitness {
  func beginStream(_ flow: FlowID, local: Endpoint, remote: Endpoint, isInbound: Bool) {
    var stream = Stream(local: local, remote: remote)
    segment(&stream, isOutgoing: !isInbound, [.syn])
    if isInbound { establish(&stream, isInbound: true) }
    streams[flow] = stream
  }

  func connect(_ flow: FlowID) { change(flow) { establish(&$0, isInbound: false) } }

  func fail(_ flow: FlowID) {
    change(flow) { stream in
      segment(&stream, isOutgoing: false, [.rst, .ack])
      stream.isReset = true
    }
  }

  func send(_ flow: FlowID, _ count: Int, of slices: Span<PayloadSlice>, _ batch: borrowing FrameBatch) {
    guard var stream = streams[flow], !stream.isReset else { return }
    var left = count
    for index in slices.indices where left > 0 {
      var slice = slices[index]
      slice.count = min(slice.count, left)
      left -= slice.count
      batch.forEachSpan(of: slice) { add($0, to: &stream, isOutgoing: true) }
    }
    endOfData(&stream, isOutgoing: true)
    streams[flow] = stream
  }

  func receive(_ flow: FlowID, _ count: Int, skipping: Int, _ regions: inout ByteRegions) {
    guard var stream = streams[flow], !stream.isReset else { return }
    // The same bytes are read again where the guest has lost them.
    let end = stream.removed + skipping + count
    var skip = count - (end - stream.received)
    guard end > stream.received, skip >= 0 else { return }
    var left = count
    for index in 0..<regions.count where left > 0 {
      let bytes = regions.bytes(index)
      let part = bytes.extracting(first: min(left, bytes.count))
      left -= part.count
      let seen = min(skip, part.count)
      skip -= seen
      add(part.extracting(droppingFirst: seen), to: &stream, isOutgoing: false)
    }
    endOfData(&stream, isOutgoing: false)
    stream.received = end
    streams[flow] = stream
  }

  func discard(_ flow: FlowID, _ count: Int) { change(flow) { $0.removed += count } }

  func finishWriting(_ flow: FlowID) {
    change(flow) { stream in
      guard !stream.isLocalFinished else { return }
      stream.isLocalFinished = true
      segment(&stream, isOutgoing: true, [.fin, .ack])
    }
  }

  func endOfStream(_ flow: FlowID) {
    change(flow) { stream in
      guard !stream.isRemoteFinished else { return }
      stream.isRemoteFinished = true
      segment(&stream, isOutgoing: false, [.fin, .ack])
    }
  }

  // MARK: Datagrams

  func beginDatagrams(_ flow: FlowID, local: Endpoint, remote: Endpoint?) {
    sockets[flow] = .datagrams(local: local, remote: remote)
  }

  func beginEcho(_ flow: FlowID, identifier: UInt16) { sockets[flow] = .echo(identifier: identifier) }

  func send(_ flow: FlowID, _ count: Int, of datagrams: Span<OutgoingDatagram>, _ batch: borrowing FrameBatch) {
    guard let socket = sockets[flow] else { return }
    for index in 0..<min(count, datagrams.count) {
      let datagram = datagrams[index]
      guard let remote = datagram.destination ?? socket.remote else { continue }
      batch.forEachSpan(of: datagram.payload) { packet.append($0.extracting(first: min($0.count, packet.room))) }
      show(socket, peer: remote, local: datagram.source, isOutgoing: true)
    }
  }

  func receive(_ flow: FlowID, _ datagrams: borrowing DatagramBatch) {
    guard let socket = sockets[flow] else { return }
    for index in 0..<datagrams.count {
      let payload = datagrams.payload(index)
      packet.append(payload.extracting(first: min(payload.count, packet.room)))
      show(socket, peer: datagrams[index].source, local: datagrams[index].destination, isOutgoing: false)
    }
  }

  /// Shows the packet's payload as a datagram from or to `peer`, and forgets it. An address that the host has not told
  /// is the unspecified one.
  private func show(_ socket: DatagramSocket, peer: Endpoint, local: IPAddress?, isOutgoing: Bool) {
    defer { packet.removeAll() }
    var own = socket.local ?? Endpoint(.any(peer.address.family), port: 0)
    if let local { own.address = local }
    if own.address.family != peer.address.family { own.address = .any(peer.address.family) }
    let (source, destination) = isOutgoing ? (own, peer) : (peer, own)
    let ends = HostEnds(source: source, destination: destination, isOutgoing: isOutgoing)
    guard case .echo(let identifier) = socket else { return packet.withFrame(ends) { tap.take($0, as: $1) } }
    // RFC 792 and RFC 4443 section 4.1: the identifier is the fifth byte and the sixth.
    guard packet.payloadCount >= 8 else { return }
    packet.store(identifier, at: 4)
    packet.withEcho(ends) { tap.take($0, as: $1) }
  }

  // MARK: The end

  func close(_ flow: FlowID, abortively: Bool) {
    if abortively {
      change(flow) { stream in
        guard !stream.isLocalFinished || !stream.isRemoteFinished else { return }
        segment(&stream, isOutgoing: true, [.rst, .ack])
      }
    } else {
      finishWriting(flow)
    }
    streams[flow] = nil
    sockets[flow] = nil
  }
}
