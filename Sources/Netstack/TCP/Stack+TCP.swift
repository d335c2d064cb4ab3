import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: Segments from guests

  /// RFC 9293: a segment from a guest.
  mutating func receiveTCP<Sink: FrameSink & ~Copyable>(
    _ context: PacketContext, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) throws(WireError) {
    // RFC 1122 section 4.2.3.10, and for the frame section 3.3.6: neither opened nor answered.
    guard !context.isGroup else { return drop(.forbiddenDestination, on: context.port) }
    let segment = try TCPSegment(batch.header(context.frame).extracting(droppingFirst: context.offset))
    guard segment.headerLength <= context.byteCount else { return drop(.malformed, on: context.port) }
    guard context.isChecksumValid(overFirst: context.byteCount, of: batch) else {
      return drop(.badChecksum, on: context.port)
    }
    let arrival = TCPArrival(
      sourcePort: segment.sourcePort, destinationPort: segment.destinationPort, sequence: segment.sequenceNumber,
      acknowledgment: segment.acknowledgmentNumber, flags: segment.flags,
      window: segment.window, options: segment.options,
      payload: PayloadSlice(
        frame: context.frame, offset: context.offset + segment.headerLength,
        count: context.byteCount - segment.headerLength))
    let guest = Endpoint(context.source, port: segment.sourcePort)
    let remote = Endpoint(context.destination, port: segment.destinationPort)
    if arrival.flags.contains(.syn), let mss = arrival.options.mss {
      raiseMTU(of: context.neighbor, to: Int(mss) + headerAllowance(guest))
    }
    guard case (let id, .tcp(let slot))? = flows.find(FlowKey(.tcp, guest: guest, remote: remote)) else {
      return openTCP(arrival, guest, remote, context, of: batch, at: now, into: &sink)
    }
    tcp[slot].neighbor = context.neighbor
    if case .reopen = arrive(arrival, id, slot, context, of: batch, at: now, into: &sink) {
      let previous = tcp[slot].sendMaximum
      endTCP(id, slot, .finished, abortively: false)
      openTCP(arrival, guest, remote, context, after: previous, of: batch, at: now, into: &sink)
    }
  }

  /// Gives a segment to its connection and does what follows at once; the rest waits as the connection's work.
  private mutating func arrive<Sink: FrameSink & ~Copyable>(
    _ arrival: TCPArrival, _ id: FlowID, _ slot: UInt32, _ context: PacketContext,
    of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) -> TCPOutcome {
    let outcome = tcp[slot].arrive(arrival, mtu: neighbors[context.neighbor].mtu, at: now, &scoreboard)
    switch outcome {
    case .carryOn, .reopen: break
    case .established:
      handshakeEnded(slot)
      observer.opened(summary(of: tcp[slot], id))
    case .deliver(let payload):
      if tcp[slot].deliveries.isEmpty { touched.append(id) }
      payloads.append(payload, to: &tcp[slot].deliveries)
    case .keep(let payload, let sequence):
      if !pool.insert(payload, of: batch, at: sequence, into: &tcp[slot].reassembly) {
        drop(.exhausted, on: context.port)
      }
    case .unacceptable: drop(.unacceptableSegment, on: context.port)
    case .stray: sendReset(to: arrival, context, at: now, into: &sink)
    case .reset:
      deliverPayloads(id, slot, of: batch, at: now)
      drain(id, slot, .resetByGuest, at: now)
      return outcome
    case .finished:
      endTCP(id, slot, .finished, abortively: false)
      return outcome
    }
    afterwards(id, slot)
    return outcome
  }

  /// Keeps the timer queue and the work queue in step with a connection that was changed.
  mutating func afterwards(_ id: FlowID, _ slot: UInt32) {
    timers.set(tcp[slot].nextDeadline, for: id.index)
    if !tcp[slot].work.isEmpty || tcp[slot].isDiscardDue { enqueue(id, slot) }
  }

  // MARK: The host's events

  /// The host reports a change of a TCP flow.
  mutating func hostReadyTCP<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    // Also of one that is connecting: it may have spoken and finished already, and that is not told again.
    if readiness.contains(.readClosed) { tcp[slot].isReadClosed = true }
    if tcp[slot].state == .connecting {
      return hostReadyConnecting(id, slot, readiness, at: now, into: &sink)
    }
    if !readiness.isDisjoint(with: [.readable, .readClosed, .failed]) {
      tcp[slot].isReadable = true
      tcp[slot].work.insert(.pump)
    }
    if readiness.contains(.writable) { tcp[slot].work.formUnion([.deliver, .updateWindow]) }
    // Once both halves are done it says no more than that.
    if readiness.contains(.failed) && !tcp[slot].isWriteFinished {
      tcp[slot].hasHostFailed = true
      // A failure behind the end of the stream cannot be read: only a half-closed flow has it.
      if tcp[slot].hostEnd == .finished { tcp[slot].hostEnd = .failed }
    }
    enqueue(id, slot)
  }

  /// The deadline of a connection has passed.
  mutating func timerFiredTCP<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    switch tcp[slot].timerFired(at: now, &scoreboard) {
    case .carryOn: break
    case .probe: probe(id, slot, at: now, into: &sink)
    case .keepAlive: askWhetherAlive(slot, at: now, into: &sink)
    case .abort:
      sendReset(id, slot, at: now, into: &sink)
      return endTCP(id, slot, .timedOut, abortively: true)
    case .finished:
      return endTCP(id, slot, .finished, abortively: false)
    case .drain:
      if host.unacknowledgedByteCount(id) == 0 || !tcp[slot].drainAgain(at: now) {
        return endTCP(id, slot, .resetByGuest, abortively: true)
      }
    }
    afterwards(id, slot)
  }

  // MARK: Ending

  /// The guest is out of it: what the host took before is delivered first, then its peer is reset.
  private mutating func drain(_ id: FlowID, _ slot: UInt32, _ end: FlowEnd, at now: Instant) {
    let isConnected = tcp[slot].isSynchronized && !tcp[slot].isHostClosed
    guard isConnected && host.unacknowledgedByteCount(id) > 0 else {
      return endTCP(id, slot, end, abortively: true)
    }
    pool.releaseAll(in: &tcp[slot].reassembly)
    scoreboard.releaseAll(in: &tcp[slot].sacked)
    tcp[slot].beginDraining(at: now)
    timers.set(tcp[slot].nextDeadline, for: id.index)
  }

  /// Bytes, and ends of streams, that guests which have nothing more to say have said, and the host's peers have not
  /// acknowledged.
  public mutating func undeliveredByteCount() -> Int {
    var count = 0
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), case .tcp(let slot) = flows.slot(of: id), tcp[slot].isFinishUnderWay else {
        continue
      }
      count += host.unacknowledgedByteCount(id)
      // Behind the bytes that wait for room in the socket.
      if tcp[slot].state != .draining && !tcp[slot].isWriteFinished { count += 1 }
    }
    return count
  }

  /// Ends a connection for a shutdown of the network.
  mutating func shutDownTCP<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    guard tcp[slot].state != .draining else { return }
    if tcp[slot].isSynchronized && tcp[slot].state != .timeWait { sendReset(id, slot, at: now, into: &sink) }
    drain(id, slot, .shutDown, at: now)
  }

  /// Ends a connection and closes its socket.
  mutating func endTCP(_ id: FlowID, _ slot: UInt32, _ end: FlowEnd, abortively: Bool) {
    if !tcp[slot].isHostClosed { host.close(id, abortively: abortively) }
    forgetTCP(id, slot, end)
  }

  /// Forgets a connection whose socket is closed.
  mutating func forgetTCP(_ id: FlowID, _ slot: UInt32, _ end: FlowEnd) {
    // In TIME-WAIT it was told already.
    if !tcp[slot].isHostClosed { observer.closed(summary(of: tcp[slot], id), end: end) }
    if tcp[slot].isHalfOpen { handshakeEnded(slot) }
    pool.releaseAll(in: &tcp[slot].reassembly)
    scoreboard.releaseAll(in: &tcp[slot].sacked)
    timers.set(.never, for: id.index)
    flows.remove(id)
    tcp.remove(at: slot)
  }

  func summary(of connection: TCPConnection, _ id: FlowID) -> FlowSummary {
    FlowSummary(
      id: id, transport: .tcp, guest: connection.guest, remote: connection.remote, host: connection.host,
      service: service(of: connection), localPlace: localPlace(of: connection), isInbound: connection.isInbound,
      state: connection.state.public, bytesFromGuest: connection.bytesFromGuest,
      bytesToGuest: connection.bytesToGuest)
  }
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// What a connection leads to, where that is no endpoint. It is found by the address, so that it takes no room in
  /// each connection.
  private func service(of connection: TCPConnection) -> HostService? {
    guard !connection.isInbound, case .service(let service)? = policy.guestForward(at: connection.remote) else {
      return nil
    }
    return service
  }
}

extension TCPConnection.State {
  fileprivate var `public`: FlowState {
    switch self {
    case .connecting: .connecting
    case .synSent: .synSent
    case .synReceived: .synReceived
    case .established: .established
    case .finWait1: .finWait1
    case .finWait2: .finWait2
    case .closeWait: .closeWait
    case .closing: .closing
    case .lastAck: .lastAck
    case .timeWait: .timeWait
    case .draining: .draining
    }
  }
}
