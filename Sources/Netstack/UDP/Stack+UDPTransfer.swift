import BasicContainers
import Buffers
import Primitives
import Wire

// Datagrams of a flow, and echoes: many at once, to the host's socket and from it.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Sends what the batch brought for one flow.
  mutating func sendDatagrams<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {
    outgoing.removeAll(keepingCapacity: true)
    datagrams.move(&udp[slot].deliveries, to: &outgoing)
    var socket = id
    if case .forwarded(let listener, _, _) = udp[slot].kind { socket = listener }
    guard flows.slot(of: socket) != nil else { return endUDP(id, slot, .finished) }
    sendOutgoing(of: id, on: socket, neighbor: udp[slot].neighbor, of: batch, at: now, into: &sink)
  }

  /// Sends what `outgoing` holds of a flow on a socket, and says of each datagram that fails why.
  mutating func sendOutgoing<Sink: FrameSink & ~Copyable>(
    of id: FlowID, on socket: FlowID, neighbor: Int, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
    var next = 0
    var attempts = SendAttempts()
    while next < outgoing.count {
      switch host.sendDatagrams(outgoing, from: next, of: batch, on: socket) {
      case .accepted(let count):
        next += max(count, 1)
        attempts = SendAttempts()
      case .wouldBlock:
        for _ in next..<outgoing.count { drop(.hostRefused, on: neighbors[neighbor].port) }
        return
      case .failed(let error):
        let told = reportFailures(socket, at: now, into: &sink)
        guard attempts.isOver(told) else { continue }
        if told.isEmpty || told.tooBig != nil {
          let length = copyQuote(outgoing[next].payload, of: batch)
          let own = HostFailure(
            error, report: told.tooBig, destination: outgoing[next].destination, quoteLength: length)
          report(own, of: id, at: now, into: &sink)
        }
        drop(.hostRefused, on: neighbors[neighbor].port)
        next += 1
        attempts = SendAttempts()
      }
    }
  }

  /// Copies the start of a payload to where a failure's quote is expected, and returns its length.
  private mutating func copyQuote(_ payload: PayloadSlice, of batch: borrowing FrameBatch) -> Int {
    var start = payload
    start.count = min(payload.count, request.count)
    guard start.count > 0 else { return 0 }
    var bytes = request.mutableSpan
    batch.copy(start, to: &bytes)
    return start.count
  }

  // MARK: From the host

  /// The host reports a change of a UDP flow.
  mutating func hostReadyUDP<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    if readiness.contains(.failed) { reportFailures(id, at: now, into: &sink) }
    // One that waits in the queue reads in its turn.
    if readiness.contains(.readable) && !udp[slot].isQueued { readDatagrams(id, slot, at: now, into: &sink) }
  }

  /// Reads one batch of datagrams of a flow and passes them on.
  mutating func readDatagrams<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    udp[slot].isQueued = false
    let (guest, hint) = (udp[slot].guest.address, udp[slot].neighbor)
    guard let port = resolvedPort(of: guest, hint: hint, for: id, at: now, into: &sink) else { return }
    guard !isFull(port) else {
      udp[slot].isQueued = true
      return work.hold(id)
    }
    guard case .accepted(let count) = host.receiveDatagrams(id, into: &inbox) else { return }
    var place = 0
    while place < count {
      let source = inbox[place].source
      let alike = inbox.alike(from: place)
      place = alike.upperBound
      let remote: Endpoint
      switch udp[slot].kind {
      case .connected, .forwarded: remote = udp[slot].remote
      case .mapping:
        guard admits(source, slot, id) else {
          for _ in alike { drop(.filtered, on: neighbors[udp[slot].neighbor].port) }
          continue
        }
        remote = source
      }
      udp[slot].bytesToGuest += inbox.byteCount(alike)
      sendUDP(alike, from: remote, to: udp[slot].guest, hint: udp[slot].neighbor, at: now, into: &sink)
    }
    use(slot, of: id, at: now)
    // A full batch says that more may wait, for which there is no new event.
    guard inbox.isFull else { return }
    udp[slot].isQueued = true
    work.postpone(id)
  }

  /// Puts a flow into the queue of those with work.
  mutating func enqueueUDP(_ id: FlowID, _ slot: UInt32) {
    guard !udp[slot].isQueued else { return }
    udp[slot].isQueued = true
    work.append(id)
  }

  /// Whether a datagram from `source` reaches a mapping's guest (RFC 4787 section 5). Never one that claims to be from
  /// the guests' own networks, the host's loopback or any other place that no guest can have spoken to.
  @inline(__always)
  private func admits(_ source: Endpoint, _ slot: UInt32, _ id: FlowID) -> Bool {
    if peers.isSame(udp[slot].lastPeer, source) { return true }
    switch settings.udpFiltering {
    case .endpointIndependent: return !policy.isForbidden(source.address)
    case .address, .addressAndPort: return peers.contains(source, of: id)
    }
  }
}
