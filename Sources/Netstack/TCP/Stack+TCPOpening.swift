import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// A segment that belongs to no connection: a SYN may begin one. `previous` is SND.MAX of a connection of the same
  /// name that it takes the place of.
  mutating func openTCP<Sink: FrameSink & ~Copyable>(
    _ arrival: TCPArrival, _ guest: Endpoint, _ remote: Endpoint, _ context: PacketContext,
    after previous: SequenceNumber? = nil, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {
    guard !arrival.flags.contains(.rst) else { return drop(.noFlow, on: context.port) }
    let verdict = policy.verdict(.tcp, to: remote)
    guard arrival.flags.intersection([.syn, .ack, .fin]) == .syn, guest.port != 0, remote.port != 0 else {
      drop(.noFlow, on: context.port)
      // Nobody answers for an address at which nobody is ever reached.
      if case .drop = verdict { return }
      // RFC 9293 section 3.10.7.1. What no TCP sends (SYN with FIN, nothing at all) is not worth an answer.
      if arrival.flags.contains(.ack) && !arrival.flags.isSuperset(of: [.syn, .fin]) {
        sendReset(to: arrival, context, at: now, into: &sink)
      }
      return
    }
    switch verdict {
    case .connect(let target):
      connectTCP(
        arrival, guest, remote, .endpoint(target), context, after: previous, of: batch, at: now, into: &sink)
    case .service(let service):
      connectTCP(
        arrival, guest, remote, .service(service), context, after: previous, of: batch, at: now, into: &sink)
    case .local(.dns):
      connectTCP(arrival, guest, remote, .resolver, context, after: previous, of: batch, at: now, into: &sink)
    case .reset:
      drop(.forbiddenDestination, on: context.port)
      sendReset(to: arrival, context, at: now, into: &sink)
    case .reject(let code):
      drop(.forbiddenDestination, on: context.port)
      sendError(.unreachable(code), context, of: batch, at: now, into: &sink)
    case .drop(let reason):
      drop(reason, on: context.port)
    case .local, .inspect, .pending:
      preconditionFailure("not a verdict on a connection")
    }
  }

  private mutating func connectTCP<Sink: FrameSink & ~Copyable>(
    _ arrival: TCPArrival, _ guest: Endpoint, _ remote: Endpoint, _ target: StreamTarget,
    _ context: PacketContext, after previous: SequenceNumber?, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
    let key = FlowKey(.tcp, guest: guest, remote: remote)
    // RFC 1122 section 4.2.2.13, (1): a fast connection may have outrun the clock that the numbers are made of.
    var initialSend = initialSequence(key, at: now)
    if let previous { initialSend = SequenceNumber.later(initialSend, previous) }
    var connection = TCPConnection(
      fromGuest: guest, to: remote, host: target.endpoint ?? remote, syn: arrival, mtu: neighbors[context.neighbor].mtu,
      initialSend: initialSend, timestampOffset: timestampOffset(key), at: now)
    connection.neighbor = context.neighbor
    guard let (id, slot) = insert(connection, key: key) else {
      drop(.exhausted, on: context.port)
      return sendReset(to: arrival, context, at: now, into: &sink)
    }
    handshakeBegan(id, slot)
    keepDataOfSynchronize(arrival, slot, of: batch)
    // What is no endpoint may have said something at once.
    if case .endpoint = target {} else { tcp[slot].isReadable = true }
    settle(connect(id, slot, to: target, context, at: now), id, slot, at: now, into: &sink)
  }

  /// Starts to connect a flow to `target`.
  private mutating func connect(
    _ id: FlowID, _ slot: UInt32, to target: StreamTarget, _ context: PacketContext, at now: Instant
  ) -> HostOpen {
    switch target {
    case .endpoint(let endpoint):
      // Where the address stands for something of the host's own the way ends here.
      let hopLimit = endpoint.address == tcp[slot].remote.address ? context.onwardHopLimit : 0
      return host.connect(
        id, to: endpoint, marks: PacketMarks(hopLimit: hopLimit, dscp: context.trafficClass >> 2))
    case .service(let service): return host.connect(id, to: service)
    case .resolver:
      let client = DNSClient(guest: tcp[slot].guest, resolver: tcp[slot].remote, neighbor: context.neighbor)
      return openDNSStream(of: client, to: id, at: now)
    }
  }

  /// RFC 9293 section 3.10.7.2: data that comes with a SYN waits for the handshake's end. It is not acknowledged before,
  /// and so what does not fit is not lost.
  private mutating func keepDataOfSynchronize(_ arrival: TCPArrival, _ slot: UInt32, of batch: borrowing FrameBatch) {
    guard arrival.payload.count > 0, arrival.payload.count <= settings.mtu else { return }
    _ = pool.insert(arrival.payload, of: batch, at: arrival.sequence + 1, into: &tcp[slot].reassembly)
  }

  /// Bytes of IP and TCP headers, by which an MSS option falls short of a packet's length.
  func headerAllowance(_ guest: Endpoint) -> Int {
    PacketHeader.internetLength(guest.address.family) + TCPHeader.minimumLength
  }

  /// Takes a connection that begins into the tables; nil where they are full of others that are of use.
  mutating func insert(_ connection: TCPConnection, key: FlowKey?) -> (FlowID, UInt32)? {
    if flows.isFull && !makeRoomForConnection() { return nil }
    guard let slot = tcp.insert(connection) else { return nil }
    guard let id = flows.insert(.tcp(slot), key: key) else {
      tcp.remove(at: slot)
      return nil
    }
    return (id, slot)
  }

  /// RFC 6528: a clock of 4 microseconds plus a secret function of the connection's name.
  func initialSequence(_ key: FlowKey, at now: Instant) -> SequenceNumber {
    let hash = sequenceHash.hash(
      key.guest.mapped.high, key.guest.mapped.low, key.remote.mapped.high, key.remote.mapped.low, key.word)
    let clock = UInt32(truncatingIfNeeded: now.nanoseconds / 4000)
    return SequenceNumber(clock &+ UInt32(truncatingIfNeeded: hash))
  }

  /// RFC 7323 section 5.4: a secret function of the connection's name, so that our uptime stays our own.
  func timestampOffset(_ key: FlowKey) -> UInt32 {
    let hash = sequenceHash.hash(
      key.guest.mapped.high, key.guest.mapped.low, key.remote.mapped.high, key.remote.mapped.low, key.word | 1 << 63)
    return UInt32(truncatingIfNeeded: hash)
  }

  /// The host reports a change of a flow that is connecting. What the network says comes before the end that it makes.
  mutating func hostReadyConnecting<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    if readiness.contains(.failed), let failure = host.takeError(id, quote: &request) {
      return reportConnecting(failure, id, slot, at: now, into: &sink)
    }
    tcp[slot].isReadable = !readiness.isDisjoint(with: [.readable, .readClosed, .failed])
    settle(host.finishConnecting(id), id, slot, at: now, into: &sink)
  }

  /// The host's connect has come to something, or not yet.
  mutating func settle<Sink: FrameSink & ~Copyable>(
    _ result: HostOpen, _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    switch result {
    case .inProgress: break
    case .ready:
      tcp[slot].hostConnected(at: now)
      _ = tcp[slot].openWindow(space: host.sendSpace(id))
      afterwards(id, slot)
    case .failed(let error): refuse(error, id, slot, at: now, into: &sink)
    }
  }

  /// The host's connect failed: the guest's SYN is answered as the guest's own connect would have been.
  private mutating func refuse<Sink: FrameSink & ~Copyable>(
    _ error: HostError, _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    if error != .refused, let report = NetworkReport(error) {
      let connection = tcp[slot]
      let quote = QuotedPacket.tcp(
        from: connection.guest, to: connection.remote, sequence: connection.initialReceive)
      sendError(
        report.message(in: connection.guest.address.family), about: quote, hint: connection.neighbor, at: now,
        into: &sink)
    } else {
      sendReset(id, slot, at: now, into: &sink)
    }
    if error == .exhausted { drop(.exhausted, on: neighbors[tcp[slot].neighbor].port) }
    forgetTCP(id, slot, .failed(error))
  }
}
