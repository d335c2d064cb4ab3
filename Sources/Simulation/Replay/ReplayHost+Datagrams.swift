public import Buffers
public import Netstack
public import Primitives

/// A datagram socket of a replay, or one for echo.
struct ReplayDatagrams {
  let peer: Endpoint?
  let isEcho: Bool
  /// What has come back, each datagram behind the one before.
  var bytes: [UInt8] = []
  /// Where each ends in `bytes`, and who has sent it.
  var waiting: [(end: Int, source: Endpoint)] = []
  /// Those to whom a datagram did not get, and with how many bytes.
  var failures: [HostFailure] = []

  var readiness: HostReadiness {
    var readiness = HostReadiness.writable
    if !waiting.isEmpty { readiness.insert(.readable) }
    if !failures.isEmpty { readiness.insert(.failed) }
    return readiness
  }
}

extension ReplayHost {
  /// Opens a datagram socket.
  public mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen {
    open(flow, .datagrams(ReplayDatagrams(peer: destination, isEcho: false)))
    return .ready
  }

  /// Opens a socket for echo.
  public mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen {
    open(flow, .datagrams(ReplayDatagrams(peer: nil, isEcho: true)))
    return .ready
  }

  /// Sends datagrams, which are answered at once.
  public mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    guard let place = place(of: flow), case .datagrams(var socket)? = sockets[place]?.kind else { return .wouldBlock }
    // Not two owners of what waits, or it would be copied.
    sockets[place]?.kind = .listener
    for index in datagrams.indices {
      guard let destination = datagrams[index].destination ?? socket.peer else { continue }
      answer(datagrams[index], of: batch, to: destination, into: &socket)
    }
    let mustWake = socket.readiness != .writable
    sockets[place]?.kind = .datagrams(socket)
    if mustWake { wake(place) }
    return .accepted(datagrams.count)
  }

  private func answer(
    _ datagram: OutgoingDatagram, of batch: borrowing FrameBatch, to destination: Endpoint,
    into socket: inout ReplayDatagrams
  ) {
    guard socket.waiting.count < Self.datagramLimit else { return }
    let start = socket.bytes.count
    if socket.isEcho {
      guard behavior.answersEcho, datagram.payload.count > 0 else { return }
      Self.append(datagram.payload, of: batch, to: &socket.bytes)
      // RFC 792 and RFC 4443 section 4.2: a reply is the request with another type.
      socket.bytes[start] = destination.address.family == .ipv4 ? 0 : 129
      return socket.waiting.append((socket.bytes.count, destination))
    }
    if case .datagrams(let answers)? = recorded {
      for answer in answers { append(answer, to: destination, datagram, of: batch, into: &socket) }
      return
    }
    switch behavior.datagrams(at: destination.port) {
    case .discard: return
    case .refuse:
      guard socket.failures.count < Self.datagramLimit else { return }
      return socket.failures.append(
        HostFailure(
          .refused, report: .portUnreachable, reporter: destination.address, destination: destination, quoteLength: 0))
    case .echo: Self.append(datagram.payload, of: batch, to: &socket.bytes)
    case .answer(let bytes): socket.bytes += bytes
    }
    socket.waiting.append((socket.bytes.count, destination))
  }

  /// What was recorded comes back. A DNS message gets the identifier of the query that it answers: the resolver asks with
  /// those of its own.
  private func append(
    _ answer: [UInt8], to destination: Endpoint, _ datagram: OutgoingDatagram, of batch: borrowing FrameBatch,
    into socket: inout ReplayDatagrams
  ) {
    guard socket.waiting.count < Self.datagramLimit else { return }
    let start = socket.bytes.count
    socket.bytes += answer
    if destination.port == 53, answer.count >= 2, datagram.payload.count >= 2 {
      var identifier: [UInt8] = []
      Self.append(
        PayloadSlice(frame: datagram.payload.frame, offset: datagram.payload.offset, count: 2), of: batch,
        to: &identifier)
      socket.bytes.replaceSubrange(start..<start + 2, with: identifier)
    }
    socket.waiting.append((socket.bytes.count, destination))
  }

  private static func append(_ slice: PayloadSlice, of batch: borrowing FrameBatch, to bytes: inout [UInt8]) {
    guard slice.count > 0 else { return }
    batch.forEachSpan(of: slice) { span in
      bytes.reserveCapacity(bytes.count + span.count)
      for index in span.indices { bytes.append(span[index]) }
    }
  }

  /// Reads the datagrams that wait.
  public mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    batch.removeAll()
    guard let place = place(of: flow), case .datagrams(var socket)? = sockets[place]?.kind else { return .wouldBlock }
    sockets[place]?.kind = .listener
    var (start, taken) = (0, 0)
    for (end, source) in socket.waiting {
      guard batch.append(socket.bytes.span.extracting(start..<end), from: source) else { break }
      start = end
      taken += 1
    }
    if taken == socket.waiting.count {
      socket.waiting.removeAll(keepingCapacity: true)
      socket.bytes.removeAll(keepingCapacity: true)
    } else {
      socket.bytes.removeFirst(start)
      socket.waiting = socket.waiting.dropFirst(taken).map { ($0.end - start, $0.source) }
    }
    sockets[place]?.kind = .datagrams(socket)
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  /// Takes the oldest failure of a flow. What a failed datagram carried is not kept: the ICMP error quotes its headers.
  public mutating func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure? {
    guard let place = place(of: flow), case .datagrams(var socket)? = sockets[place]?.kind, !socket.failures.isEmpty
    else { return nil }
    let failure = socket.failures.removeFirst()
    sockets[place]?.kind = .datagrams(socket)
    return failure
  }
}
