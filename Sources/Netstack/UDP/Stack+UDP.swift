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
    // More than any sender puts together would take memory of ours by the frame.
    if let size = context.datagramSize, payload.count > size * DatagramBatch.segmentCapacity {
      return drop(.malformed, on: context.port)
    }
    let mapping = findMapping(of: guest)
    if let (id, slot) = mapping, udp[slot].isSettled(for: remote) {
      return queue(payload, on: id, slot, to: remote, context, at: now)
    }
    if let (id, slot) = findUDP(guest, remote) { return queue(payload, on: id, slot, to: nil, context, at: now) }
    if settings.servesFiles {
      if case (let id, .transfer(let place))? = flows.find(FlowKey(.udp, guest: guest, remote: remote)) {
        return try receiveTransfer(payload, id, place, context, of: batch, at: now)
      }
      if refuseStranger(from: guest, to: remote, context, at: now, into: &sink) { return }
    }
    switch policy.verdict(.udp, to: remote) {
    case .local(.dhcp):
      try receiveDHCP(payload, from: hardware, on: context.port, of: batch, at: now, into: &sink)
    case .local(.dhcpv6):
      try receiveDHCPv6(payload, context, from: hardware, of: batch, at: now, into: &sink)
    case .local(.dns):
      receiveDNS(payload, from: guest, to: remote, context, of: batch, at: now, into: &sink)
    case .local(.tftp):
      try receiveTFTP(payload, from: guest, to: remote, context, of: batch, at: now, into: &sink)
    case .drop(let reason):
      drop(reason, on: context.port)
    case .reject(let code):
      drop(.forbiddenDestination, on: context.port)
      sendError(.unreachable(code), context, of: batch, at: now, into: &sink)
    case .connect(let target):
      guard !context.source.isAny else { return drop(.badSource, on: context.port) }
      let isDirect = target == remote
      switch isDirect ? map(guest, mapping, to: remote, at: now) : connect(guest, remote, to: target, at: now) {
      case .flow(let id, let slot): queue(payload, on: id, slot, to: isDirect ? remote : nil, context, at: now)
      case .failed(let error):
        drop(error == .exhausted ? .exhausted : .hostRefused, on: context.port)
        let report = NetworkReport(error) ?? .prohibited
        sendError(report.message(in: context.source.family), context, of: batch, at: now, into: &sink)
      }
    case .service, .reset, .inspect, .pending:
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
    _ payload: PayloadSlice, on id: FlowID, _ slot: UInt32, to destination: Endpoint?, _ context: PacketContext,
    at now: Instant
  ) {
    udp[slot].neighbor = context.neighbor
    if udp[slot].deliveries.isEmpty {
      touched.append(id)
      use(slot, of: id, at: now)
    }
    var datagram = OutgoingDatagram(payload: payload, destination: destination, marks: marks(context, of: slot))
    if case .forwarded(_, let client, let local) = udp[slot].kind {
      datagram.destination = client
      datagram.source = local
    }
    udp[slot].bytesFromGuest += UInt64(payload.count)
    // A frame that stands for several datagrams is taken as these.
    while let size = context.datagramSize, datagram.payload.count > size {
      datagram.payload.count = size
      datagrams.append(datagram, to: &udp[slot].deliveries)
      datagram.payload.offset += size
      datagram.payload.count = payload.offset + payload.count - datagram.payload.offset
    }
    datagrams.append(datagram, to: &udp[slot].deliveries)
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
    case flow(FlowID, UInt32)
    case failed(HostError)
  }

  /// The UDP flow between two endpoints, as the guest sees them.
  @inline(__always)
  func findUDP(_ guest: Endpoint, _ remote: Endpoint) -> (FlowID, UInt32)? {
    guard case (let id, .udp(let slot))? = flows.find(FlowKey(.udp, guest: guest, remote: remote)) else { return nil }
    return (id, slot)
  }

  /// The mapping of a guest's endpoint.
  @inline(__always)
  func findMapping(of guest: Endpoint) -> (FlowID, UInt32)? {
    findUDP(guest, Endpoint(.any(guest.address.family), port: 0))
  }

  /// The mapping of `guest`, the one `found` or a new one, for what goes to `remote`, which may answer from now on.
  private mutating func map(
    _ guest: Endpoint, _ found: (FlowID, UInt32)?, to remote: Endpoint, at now: Instant
  ) -> Outbound {
    let outbound: Outbound
    if let (id, slot) = found {
      outbound = .flow(id, slot)
    } else {
      let everyone = Endpoint(.any(remote.address.family), port: 0)
      outbound = openFlow(UDPFlow(.mapping, guest: guest, remote: everyone, host: everyone), connectedTo: nil, at: now)
    }
    guard case .flow(let id, let slot) = outbound else { return outbound }
    if !peers.isSame(udp[slot].lastPeer, remote) { peers.insert(remote, of: id) }
    udp[slot].lastPeer = remote
    udp[slot].isPeerSettled = true
    return outbound
  }

  /// A new flow for what goes to something of the host's.
  private mutating func connect(
    _ guest: Endpoint, _ remote: Endpoint, to target: Endpoint, at now: Instant
  ) -> Outbound {
    openFlow(UDPFlow(.connected, guest: guest, remote: remote, host: target), connectedTo: target, at: now)
  }

  /// Opens a flow on a socket of its own, connected where `target` is given.
  private mutating func openFlow(_ flow: UDPFlow, connectedTo target: Endpoint?, at now: Instant) -> Outbound {
    let key = FlowKey(.udp, guest: flow.guest, remote: flow.remote)
    guard let (id, slot) = insert(flow, key: key, at: now) else { return .failed(.exhausted) }
    let family = (target ?? flow.remote).address.family
    var opened = host.openDatagrams(id, family: family, destination: target, preferredPort: flow.guest.port)
    if opened == .failed(.exhausted), makeRoomForSocket(sparing: id, at: now) {
      opened = host.openDatagrams(id, family: family, destination: target, preferredPort: flow.guest.port)
    }
    if case .failed(let error) = opened {
      udp.remove(id, at: slot, from: &flows, &timers)
      return .failed(error)
    }
    observer.opened(summary(of: flow, id))
    return .flow(id, slot)
  }

  /// Takes a flow into the tables; where they are full, the one unused for longest makes room. Nil where all are in
  /// use now, or the tables are full of others.
  mutating func insert(_ flow: UDPFlow, key: FlowKey, at now: Instant) -> (FlowID, UInt32)? {
    if udp.isFull || flows.isFull {
      guard evictIdlestUDP(at: now) else { return nil }
    }
    return udp.insert(flow, key: key, to: &flows, at: now)
  }

  /// Gives up a socket of a flow unused for long, so that the one that is being opened has one; false where none was
  /// found. Datagrams go before echoes: there are more of them, and they are more often forgotten by their guests.
  mutating func makeRoomForSocket(sparing id: FlowID, at now: Instant) -> Bool {
    evictIdlestUDP(at: now, withSocket: true, sparing: id) || evictIdlestEcho(at: now, sparing: id)
  }

  /// Ends the flow that was unused for longest, one that has a socket if that is what is wanted; false where none was
  /// found.
  private mutating func evictIdlestUDP(
    at now: Instant, withSocket: Bool = false, sparing spared: FlowID? = nil
  ) -> Bool {
    let idlest = udp.idlest(in: flows, at: now) { ($0.ownsSocket || !withSocket) && $0.index != spared?.index }
    guard let (id, slot) = idlest else { return false }
    endUDP(id, slot, .evicted)
    return true
  }

  /// Notes that a flow is in use.
  mutating func use(_ slot: UInt32, of id: FlowID, at now: Instant) {
    udp.use(slot, at: now)
    timers.set(now + UDPFlow.idleTimeout, for: id.index)
  }

  /// Ends a flow and closes its socket.
  mutating func endUDP(_ id: FlowID, _ slot: UInt32, _ end: FlowEnd) {
    observer.closed(summary(of: udp[slot], id), end: end)
    if udp[slot].ownsSocket { host.close(id, abortively: false) }
    udp.remove(id, at: slot, from: &flows, &timers)
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
