import BasicContainers
import Buffers
import Primitives
import Wire

// Echo requests to the world outside, and its replies (RFC 792, RFC 4443 section 4, RFC 5508).
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: From guests

  /// An echo request to somebody outside. `identity` is the second word of its header.
  mutating func relayEcho<Sink: FrameSink & ~Copyable>(
    _ identity: UInt32, _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
    // Who may be asked is who may be sent datagrams.
    switch policy.verdict(.udp, to: Endpoint(context.destination, port: 0)) {
    case .drop(let reason): return drop(reason, on: context.port)
    case .reject(let code):
      drop(.forbiddenDestination, on: context.port)
      return sendError(.unreachable(code), context, of: batch, at: now, into: &sink)
    case .connect: break
    case .local, .service, .reset, .inspect, .pending: preconditionFailure("not a verdict on an echo")
    }
    let guest = Endpoint(context.source, port: UInt16(identity >> 16))
    switch echoFlow(guest, to: context.destination, at: now) {
    case .ready(let id, let slot): queue(context, on: id, slot, at: now)
    case .failed(let error):
      drop(error == .exhausted ? .exhausted : .hostRefused, on: context.port)
      if error == .forbidden && !hasToldOfEcho {
        hasToldOfEcho = true
        observer.foundEchoForbidden()
      }
      let report = NetworkReport(error) ?? .prohibited
      sendError(report.message(in: context.source.family), context, of: batch, at: now, into: &sink)
    }
  }

  private enum Opening {
    case ready(FlowID, UInt32)
    case failed(HostError)
  }

  /// The flow of a guest's identifier, opened if there is none.
  private mutating func echoFlow(_ guest: Endpoint, to peer: IPAddress, at now: Instant) -> Opening {
    let key = FlowKey(.icmp, guest: guest, remote: Endpoint(.any(peer.family), port: 0))
    if case (let id, .echo(let slot))? = flows.find(key) {
      if echo[slot].lastPeer != peer { notePeer(peer, slot, id) }
      return .ready(id, slot)
    }
    guard let (id, slot) = insert(EchoFlow(guest: guest, peer: peer), key: key, at: now) else {
      return .failed(.exhausted)
    }
    var opened = host.openEcho(id, family: peer.family, identifier: guest.port)
    if opened == .failed(.exhausted), makeRoomForSocket(sparing: id, at: now) {
      opened = host.openEcho(id, family: peer.family, identifier: guest.port)
    }
    if case .failed(let error) = opened {
      echo.remove(id, at: slot, from: &flows, &timers)
      return .failed(error)
    }
    notePeer(peer, slot, id)
    observer.opened(summary(of: echo[slot], id))
    return .ready(id, slot)
  }

  private mutating func notePeer(_ peer: IPAddress, _ slot: UInt32, _ id: FlowID) {
    echo[slot].lastPeer = peer
    peers.insert(Endpoint(peer, port: 0), of: id)
  }

  private mutating func insert(_ flow: EchoFlow, key: FlowKey, at now: Instant) -> (FlowID, UInt32)? {
    if echo.isFull || flows.isFull {
      guard evictIdlestEcho(at: now) else { return nil }
    }
    return echo.insert(flow, key: key, to: &flows, at: now)
  }

  /// Lets a request wait for the end of the batch, when all of a flow's go out together.
  private mutating func queue(_ context: PacketContext, on id: FlowID, _ slot: UInt32, at now: Instant) {
    echo[slot].neighbor = context.neighbor
    if echo[slot].deliveries.isEmpty {
      touched.append(id)
      useEcho(slot, of: id, at: now)
    }
    let message = PayloadSlice(frame: context.frame, offset: context.offset, count: context.byteCount)
    let marks = PacketMarks(
      hopLimit: context.onwardHopLimit, dscp: context.trafficClass >> 2, mayFragment: context.mayFragment)
    let destination = Endpoint(context.destination, port: 0)
    datagrams.append(
      OutgoingDatagram(payload: message, destination: destination, marks: marks), to: &echo[slot].deliveries)
    echo[slot].bytesFromGuest += UInt64(context.byteCount - ICMPv4Header.length)
  }

  private mutating func useEcho(_ slot: UInt32, of id: FlowID, at now: Instant) {
    echo.use(slot, at: now)
    timers.set(now + EchoFlow.idleTimeout, for: id.index)
  }

  /// Sends what the batch brought for one flow.
  mutating func sendEchoes<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {
    outgoing.removeAll(keepingCapacity: true)
    datagrams.move(&echo[slot].deliveries, to: &outgoing)
    sendOutgoing(of: id, on: id, neighbor: echo[slot].neighbor, of: batch, at: now, into: &sink)
  }

  // MARK: From the host

  /// The host reports a change of an echo flow.
  mutating func hostReadyEcho<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    if readiness.contains(.failed) { reportFailures(id, at: now, into: &sink) }
    // One that waits in the queue reads in its turn.
    if readiness.contains(.readable) && !echo[slot].isQueued { readEchoes(id, slot, at: now, into: &sink) }
  }

  /// Reads one batch of replies and passes them on.
  mutating func readEchoes<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    echo[slot].isQueued = false
    let (guest, hint) = (echo[slot].guest.address, echo[slot].neighbor)
    guard let port = resolvedPort(of: guest, hint: hint, for: id, at: now, into: &sink) else { return }
    guard !isFull(port) else {
      echo[slot].isQueued = true
      return work.hold(id)
    }
    guard case .accepted(let count) = host.receiveDatagrams(id, into: &inbox) else { return }
    for place in 0..<count {
      let source = inbox[place].source.address
      guard echo[slot].lastPeer == source || peers.contains(Endpoint(source, port: 0), of: id) else {
        drop(.filtered, on: neighbors[echo[slot].neighbor].port)
        continue
      }
      sendReply(place, from: source, slot, at: now, into: &sink)
    }
    useEcho(slot, of: id, at: now)
    // A full batch says that more may wait, for which there is no new event.
    guard inbox.isFull else { return }
    echo[slot].isQueued = true
    work.postpone(id)
  }

  /// Puts a flow into the queue of those with work.
  mutating func enqueueEcho(_ id: FlowID, _ slot: UInt32) {
    guard !echo[slot].isQueued else { return }
    echo[slot].isQueued = true
    work.append(id)
  }

  /// Sends reply `place` of the inbox to the guest, with the guest's identifier.
  private mutating func sendReply<Sink: FrameSink & ~Copyable>(
    _ place: Int, from remote: IPAddress, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    let (guest, byteCount) = (echo[slot].guest, inbox[place].byteCount)
    guard byteCount >= ICMPv4Header.length, remote.family == guest.address.family else {
      return drop(.malformed, on: neighbors[echo[slot].neighbor].port)
    }
    guard let path = path(to: guest.address, hint: echo[slot].neighbor, at: now, into: &sink) else {
      return drop(.unresolvedNeighbor, on: .first)
    }
    echo[slot].bytesToGuest += UInt64(byteCount - ICMPv4Header.length)
    let isV4 = guest.address.family == .ipv4
    let ip = packetHeader(
      path, from: remote, to: guest.address, isV4 ? .icmp : .icmpv6, payloadLength: byteCount)
    let sequence = inbox.payload(place).bigEndian16(at: 6)
    let header =
      isV4
      ? reply(ICMPv4Header(type: .echoReply, identifier: guest.port, sequenceNumber: sequence), place, ip)
      : reply(ICMPv6Header(type: .echoReply, identifier: guest.port, sequenceNumber: sequence), place, ip)
    send(header, inbox: place, from: ICMPv4Header.length, as: ip, by: path, into: &sink)
  }

  @inline(__always)
  private func reply<Version>(_ header: ICMPHeader<Version>, _ place: Int, _ ip: PacketHeader) -> UInt64 {
    var header = header
    var sum = sum(of: header, in: ip)
    sum.add(inbox.payload(place).extracting(droppingFirst: ICMPHeader<Version>.length))
    header.checksum = sum.checksum
    return header.bits
  }

  // MARK: Ending

  /// Ends the flow that was unused for longest; false where none was found.
  mutating func evictIdlestEcho(at now: Instant, sparing spared: FlowID? = nil) -> Bool {
    guard let (id, slot) = echo.idlest(in: flows, at: now, where: { $0.index != spared?.index }) else { return false }
    endEcho(id, slot, .evicted)
    return true
  }

  /// Ends a flow and closes its socket.
  mutating func endEcho(_ id: FlowID, _ slot: UInt32, _ end: FlowEnd) {
    observer.closed(summary(of: echo[slot], id), end: end)
    host.close(id, abortively: false)
    echo.remove(id, at: slot, from: &flows, &timers)
  }

  func summary(of flow: EchoFlow, _ id: FlowID) -> FlowSummary {
    let everyone = Endpoint(.any(flow.guest.address.family), port: 0)
    return FlowSummary(
      id: id, transport: .icmp, guest: flow.guest, remote: everyone, host: everyone, isInbound: false, state: .echo,
      bytesFromGuest: flow.bytesFromGuest, bytesToGuest: flow.bytesToGuest)
  }
}
