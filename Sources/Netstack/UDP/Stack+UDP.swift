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
    guard isChecksumValid(datagram, context, in: batch) else { return drop(.badChecksum, on: context.port) }
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
      guard let id = outboundFlow(guest, remote, target: target) else {
        drop(.exhausted, on: context.port)
        return sendError(.unreachable(.prohibited), context, of: batch, at: now, into: &sink)
      }
      queue(payload, on: id, to: target == remote ? remote : nil, context, at: now)
    case .reset, .inspect, .pending:
      preconditionFailure("not a verdict on a datagram")
    }
  }

  /// RFC 768: over the pseudo-header and the whole datagram; zero means that there is none, which IPv6 does not allow
  /// (RFC 8200 section 8.1).
  private func isChecksumValid(
    _ datagram: UDPDatagram, _ context: PacketContext, in batch: borrowing FrameBatch
  ) -> Bool {
    if datagram.checksum == 0 { return context.source.family == .ipv4 }
    guard context.checksum == .unverified else { return true }
    let whole = PayloadSlice(frame: context.frame, offset: context.offset, count: datagram.length)
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: context.source, destination: context.destination, proto: .udp, length: datagram.length)
    return checksum(of: whole, in: batch, after: sum).checksum == 0
  }

  /// The flow for what a guest sends from `guest`, opened if there is none; nil where it cannot be.
  private mutating func outboundFlow(
    _ guest: Endpoint, _ remote: Endpoint, target: Endpoint
  ) -> FlowID? {
    guard target == remote else {
      let flow = UDPFlow(.connected, guest: guest, remote: remote, host: target)
      return openFlow(flow, key: FlowKey(.udp, guest: guest, remote: remote), connectedTo: target)
    }
    let everyone = Endpoint(.any(remote.address.family), port: 0)
    let key = FlowKey(.udp, guest: guest, remote: everyone)
    let mapping = UDPFlow(.mapping, guest: guest, remote: everyone, host: everyone)
    let id = flows.find(key) ?? openFlow(mapping, key: key, connectedTo: nil)
    if let id { peers.insert(remote.address, of: id) }
    return id
  }

  private mutating func openFlow(_ flow: UDPFlow, key: FlowKey, connectedTo target: Endpoint?) -> FlowID? {
    guard let (id, slot) = insert(flow, key: key) else { return nil }
    let family = (target ?? flow.remote).address.family
    let opened = host.openDatagrams(id, family: family, destination: target, preferredPort: flow.guest.port)
    if case .failed = opened {
      flows.remove(id)
      udp.remove(at: slot)
      return nil
    }
    observer.opened(summary(of: flow, id))
    return id
  }

  /// Takes a flow into the tables; nil where they are full.
  mutating func insert(_ flow: UDPFlow, key: FlowKey) -> (FlowID, UInt32)? {
    guard let slot = udp.insert(flow) else { return nil }
    guard let id = flows.insert(.udp(slot), key: key) else {
      udp.remove(at: slot)
      return nil
    }
    return (id, slot)
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
    timers.set(now + udp[slot].timeout, for: id.index)
  }

  /// What a guest's packet asks of the way. Where its destination stands for something of the host's own, the way
  /// ends here: only the class of service goes further.
  private func marks(_ context: PacketContext, of slot: UInt32) -> PacketMarks {
    let dscp = context.trafficClass >> 2
    guard udp[slot].isDirect else { return PacketMarks(dscp: dscp) }
    return PacketMarks(hopLimit: context.onwardHopLimit, dscp: dscp, mayFragment: context.mayFragment)
  }

  /// Sends what the batch brought for one flow.
  mutating func sendDatagrams<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {
    outgoing.removeAll(keepingCapacity: true)
    datagrams.move(&udp[slot].deliveries, to: &outgoing)
    var socket = id
    if case .forwarded(let listener, _, _) = udp[slot].kind { socket = listener }
    guard flows.slot(of: socket) != nil else { return endUDP(id, slot, .finished) }
    var next = 0
    var attempts = SendAttempts()
    while next < outgoing.count {
      switch host.sendDatagrams(outgoing, from: next, of: batch, on: socket) {
      case .accepted(let count):
        next += max(count, 1)
        attempts = SendAttempts()
      case .wouldBlock:
        for _ in next..<outgoing.count { drop(.hostRefused, on: neighbors[udp[slot].neighbor].port) }
        return
      case .failed(let error):
        let told = reportFailures(socket, at: now, into: &sink)
        guard attempts.isOver(told) else { continue }
        if told.isEmpty || told.tooBig != nil {
          var own = HostFailure(error, destination: outgoing[next].destination)
          own.report = told.tooBig
          reportFailure(own, id, slot, at: now, into: &sink)
        }
        drop(.hostRefused, on: neighbors[udp[slot].neighbor].port)
        next += 1
        attempts = SendAttempts()
      }
    }
  }

  // MARK: From the host

  /// The host reports a change of a UDP flow.
  mutating func hostReadyUDP<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    if readiness.contains(.failed) { reportFailures(id, at: now, into: &sink) }
    if readiness.contains(.readable) { readDatagrams(id, slot, at: now, into: &sink) }
  }

  /// Reads one batch of datagrams of a flow and passes them on.
  mutating func readDatagrams<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    udp[slot].isQueued = false
    guard case .accepted(let count) = host.receiveDatagrams(id, into: &inbox) else { return }
    for place in 0..<count {
      let source = inbox[place].source
      let remote: Endpoint
      switch udp[slot].kind {
      case .connected, .forwarded: remote = udp[slot].remote
      case .mapping:
        guard peers.contains(source.address, of: id) else {
          drop(.filtered, on: neighbors[udp[slot].neighbor].port)
          continue
        }
        remote = source
      }
      udp[slot].bytesToGuest += UInt64(inbox[place].byteCount)
      sendUDP(place, from: remote, to: udp[slot].guest, hint: udp[slot].neighbor, at: now, into: &sink)
    }
    timers.set(now + udp[slot].timeout, for: id.index)
    // A full batch says that more may wait, for which there is no new event.
    if count == inbox.capacity && !udp[slot].isQueued {
      udp[slot].isQueued = true
      work.append(id)
    }
  }

  /// Takes the failures that wait at a socket and tells the guests whose datagrams they are about.
  @discardableResult
  mutating func reportFailures<Sink: FrameSink & ~Copyable>(
    _ socket: FlowID, at now: Instant, into sink: inout Sink
  ) -> ToldFailures {
    var told = ToldFailures()
    while told.count < ToldFailures.limit, let failure = host.takeError(socket, quote: &request) {
      told.count += 1
      // What the host itself did not send is a matter of the datagram that it is about, which is being sent.
      if failure.reporter == nil, case .tooBig? = failure.report {
        told.tooBig = failure.report
      } else if case .udp(let slot) = flows.slot(of: socket) {
        reportFailure(failure, socket, slot, at: now, into: &sink)
      }
    }
    return told
  }

  /// Tells the guest that its datagrams do not arrive, as far as ICMP has words for it.
  private mutating func reportFailure<Sink: FrameSink & ~Copyable>(
    _ failure: HostFailure, _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    guard udp[slot].kind == .connected else { return }
    let code: RejectCode
    switch failure.error {
    case .refused: code = .port
    case .hostUnreachable, .timedOut: code = .host
    case .networkUnreachable: code = .network
    case .forbidden: code = .prohibited
    case .reset, .addressInUse, .addressUnavailable, .exhausted, .messageTooLong, .other: return
    }
    let (guest, remote) = (udp[slot].guest, udp[slot].remote)
    let quote = QuotedPacket.udp(from: guest, to: remote)
    sendError(.unreachable(code), about: quote, hint: udp[slot].neighbor, at: now, into: &sink)
  }

  /// Ends a flow and closes its socket.
  mutating func endUDP(_ id: FlowID, _ slot: UInt32, _ end: FlowEnd) {
    observer.closed(summary(of: udp[slot], id), end: end)
    switch udp[slot].kind {
    case .mapping, .connected: host.close(id, abortively: false)
    case .forwarded: break
    }
    timers.set(.never, for: id.index)
    flows.remove(id)
    udp.remove(at: slot)
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
