import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: From guests

  /// RFC 768: a datagram from a guest.
  mutating func receiveUDP<Sink: FrameSink & ~Copyable>(
    _ context: PacketContext, of batch: borrowing FrameBatch, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) throws(WireError) {
    let bytes = batch.header(context.frame).extracting(droppingFirst: context.offset)
    let datagram = try UDPDatagram(bytes, byteCount: context.byteCount)
    guard isChecksumValid(datagram, context, of: batch) else { return drop(.badChecksum, on: context.port) }
    let guest = Endpoint(context.source, port: datagram.sourcePort)
    let remote = Endpoint(context.destination, port: datagram.destinationPort)
    let payload = PayloadSlice(
      frame: context.frame, offset: context.offset + UDPHeader.length, count: datagram.payloadLength)
    guard guest.port != 0 && remote.port != 0 else { return drop(.malformed, on: context.port) }
    if let id = flows.find(FlowKey(.udp, guest: guest, remote: remote)) {
      return queue(payload, on: id, to: nil, context, at: now)
    }
    switch policy.verdict(.udp, to: remote) {
    case .local(.dhcp):
      try receiveDHCP(payload, from: hardware, on: context.port, of: batch, at: now, into: &sink)
    case .drop(let reason):
      drop(reason, on: context.port)
    case .reject(let code):
      drop(.forbiddenDestination, on: context.port)
      sendError(.unreachable(code), context, of: batch, at: now, into: &sink)
    case .connect(let target):
      guard !context.source.isAny else { return drop(.badSource, on: context.port) }
      switch outboundFlow(guest, remote, target: target, at: now) {
      case .flow(let id): queue(payload, on: id, to: target == remote ? remote : nil, context, at: now)
      case .failed(let error):
        drop(error == .exhausted ? .exhausted : .hostRefused, on: context.port)
        let report = NetworkReport(error) ?? .prohibited
        sendError(report.message(in: context.source.family), context, of: batch, at: now, into: &sink)
      }
    case .reset, .inspect, .pending:
      preconditionFailure("not a verdict on a datagram")
    }
  }

  /// RFC 768: over the pseudo-header and the whole datagram; zero means that there is none, which IPv6 does not allow
  /// (RFC 8200 section 8.1).
  @inline(__always)
  private func isChecksumValid(
    _ datagram: UDPDatagram, _ context: PacketContext, of batch: borrowing FrameBatch
  ) -> Bool {
    if datagram.checksum == 0 { return context.source.family == .ipv4 }
    return context.isChecksumValid(overFirst: datagram.length, of: batch)
  }

  /// Lets a datagram wait for the end of the batch, when all of a flow's go out together.
  private mutating func queue(
    _ payload: PayloadSlice, on id: FlowID, to destination: Endpoint?, _ context: PacketContext, at now: Instant
  ) {
    guard case .udp(let slot) = flows.slot(of: id) else { return }
    udp[slot].neighbor = context.neighbor
    if udp[slot].deliveries.isEmpty { touched.append(id) }
    var datagram = OutgoingDatagram(payload: payload, destination: destination, marks: marks(context, of: slot))
    if case .forwarded(_, let client, let local) = udp[slot].kind {
      datagram.destination = client
      datagram.source = local
    }
    datagrams.append(datagram, to: &udp[slot].deliveries)
    udp[slot].bytesFromGuest += UInt64(payload.count)
    use(slot, of: id, at: now)
  }

  /// What a guest's packet asks of the way. Where its destination stands for something of the host's own, the way
  /// ends here: only the class of service goes further.
  @inline(__always)
  private func marks(_ context: PacketContext, of slot: UInt32) -> PacketMarks {
    let dscp = context.trafficClass >> 2
    guard udp[slot].isDirect else { return PacketMarks(dscp: dscp) }
    return PacketMarks(hopLimit: context.onwardHopLimit, dscp: dscp, mayFragment: context.mayFragment)
  }

  // MARK: Flows

  /// The flow for what a guest sends, or why there is none.
  private enum Outbound {
    case flow(FlowID)
    case failed(HostError)
  }

  /// The flow for what a guest sends from `guest`, opened if there is none.
  private mutating func outboundFlow(
    _ guest: Endpoint, _ remote: Endpoint, target: Endpoint, at now: Instant
  ) -> Outbound {
    guard target == remote else {
      let flow = UDPFlow(.connected, guest: guest, remote: remote, host: target)
      return openFlow(flow, key: FlowKey(.udp, guest: guest, remote: remote), connectedTo: target, at: now)
    }
    let everyone = Endpoint(.any(remote.address.family), port: 0)
    let key = FlowKey(.udp, guest: guest, remote: everyone)
    if let id = flows.find(key), case .udp(let slot) = flows.slot(of: id) {
      noteRemote(remote, slot, id)
      return .flow(id)
    }
    let mapping = UDPFlow(.mapping, guest: guest, remote: everyone, host: everyone)
    let opened = openFlow(mapping, key: key, connectedTo: nil, at: now)
    if case .flow(let id) = opened, case .udp(let slot) = flows.slot(of: id) { noteRemote(remote, slot, id) }
    return opened
  }

  /// Lets a mapping's new peer answer.
  private mutating func noteRemote(_ remote: Endpoint, _ slot: UInt32, _ id: FlowID) {
    guard !peers.isSame(udp[slot].lastPeer, remote) else { return }
    udp[slot].lastPeer = remote
    peers.insert(remote, of: id)
  }

  private mutating func openFlow(
    _ flow: UDPFlow, key: FlowKey, connectedTo target: Endpoint?, at now: Instant
  ) -> Outbound {
    guard let (id, slot) = insert(flow, key: key, at: now) else { return .failed(.exhausted) }
    let family = (target ?? flow.remote).address.family
    var opened = host.openDatagrams(id, family: family, destination: target, preferredPort: flow.guest.port)
    if opened == .failed(.exhausted), makeRoomForSocket(sparing: id, at: now) {
      opened = host.openDatagrams(id, family: family, destination: target, preferredPort: flow.guest.port)
    }
    if case .failed(let error) = opened {
      remove(id, slot)
      return .failed(error)
    }
    observer.opened(summary(of: flow, id))
    return .flow(id)
  }

  /// Takes a flow into the tables; where they are full, the one unused for longest makes room. Nil where all are in
  /// use now, or the tables are full of others.
  mutating func insert(_ flow: UDPFlow, key: FlowKey, at now: Instant) -> (FlowID, UInt32)? {
    if udpUse.count >= settings.maximumUDPFlows || flows.isFull {
      guard evictIdlestUDP(at: now) else { return nil }
    }
    guard let slot = udp.insert(flow) else { return nil }
    guard let id = flows.insert(.udp(slot), key: key) else {
      udp.remove(at: slot)
      return nil
    }
    udp[slot].index = id.index
    udpUse.append(slot, at: now)
    return (id, slot)
  }

  private mutating func remove(_ id: FlowID, _ slot: UInt32) {
    udpUse.remove(slot)
    timers.set(.never, for: id.index)
    flows.remove(id)
    udp.remove(at: slot)
  }

  /// Gives up a socket of a flow unused for long, so that the one that is being opened has one; false where none was
  /// found. Datagrams go before echoes: there are more of them, and they are more often forgotten by their guests.
  mutating func makeRoomForSocket(sparing id: FlowID, at now: Instant) -> Bool {
    evictIdlestUDP(at: now, withSocket: true, sparing: id) || evictIdlestEcho(at: now, sparing: id)
  }

  /// Ends the flow that was unused for longest, one that has a socket if that is what is wanted; false where none was
  /// found. What has come in this very batch is not given up.
  private mutating func evictIdlestUDP(at now: Instant, withSocket: Bool = false, sparing spared: FlowID? = nil) -> Bool
  {
    for _ in 0..<Self.evictionAttempts {
      guard let slot = udpUse.idlest, let id = flows.id(at: udp[slot].index) else { return false }
      if udp[slot].deliveries.isEmpty && (udp[slot].ownsSocket || !withSocket) && id != spared {
        endUDP(id, slot, .evicted)
        return true
      }
      udpUse.move(slot, at: now)
    }
    return false
  }

  /// Flows looked at to find one that may go.
  static var evictionAttempts: Int { 16 }

  /// Notes that a flow is in use.
  mutating func use(_ slot: UInt32, of id: FlowID, at now: Instant) {
    udpUse.touch(slot, at: now)
    timers.set(now + udp[slot].timeout, for: id.index)
  }

  /// Ends a flow and closes its socket.
  mutating func endUDP(_ id: FlowID, _ slot: UInt32, _ end: FlowEnd) {
    observer.closed(summary(of: udp[slot], id), end: end)
    if udp[slot].ownsSocket { host.close(id, abortively: false) }
    remove(id, slot)
  }

  /// Ends the mappings that may have kept this port of their guests, because a forward is to have it; false where
  /// there is none. The guest's next datagram opens another.
  mutating func endMappings(onPort port: UInt16) -> Bool {
    var hasEnded = false
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), case .udp(let slot) = flows.slot(of: id) else { continue }
      guard udp[slot].kind == .mapping && udp[slot].guest.port == port else { continue }
      endUDP(id, slot, .evicted)
      hasEnded = true
    }
    return hasEnded
  }

  /// Ends the flows to the virtual resolver, whose server has changed.
  mutating func endResolverFlows() {
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), case .udp(let slot) = flows.slot(of: id) else { continue }
      if udp[slot].kind == .connected && udp[slot].remote.port == UDPFlow.resolverPort { endUDP(id, slot, .finished) }
    }
  }

  func summary(of flow: UDPFlow, _ id: FlowID) -> FlowSummary {
    var state = FlowState.mapped
    var isInbound = false
    switch flow.kind {
    case .mapping: break
    case .connected: state = .connected
    case .forwarded:
      state = .forwarded
      isInbound = true
    }
    return FlowSummary(
      id: id, transport: .udp, guest: flow.guest, remote: flow.remote, host: flow.host, isInbound: isInbound,
      state: state, bytesFromGuest: flow.bytesFromGuest, bytesToGuest: flow.bytesToGuest)
  }
}
