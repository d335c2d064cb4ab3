import BasicContainers
import Buffers
import Primitives

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: Commands

  mutating func addForward(_ forward: PortForward) throws(CommandError) {
    guard let slot = listeners.insert(Listener(forward: forward)) else { throw .tableFull }
    guard let id = flows.insert(.listener(slot), key: nil) else {
      listeners.remove(at: slot)
      throw .tableFull
    }
    var opened = host.listen(id, at: forward.host)
    if opened == .failed(.addressInUse), case .port(.udp, let local) = forward.host, endMappings(onPort: local.port) {
      opened = host.listen(id, at: forward.host)
    }
    guard case .failed(let error) = opened else { return }
    flows.remove(id)
    listeners.remove(at: slot)
    throw .cannotListen(forward, error)
  }

  mutating func removeForward(from place: ListeningPlace) throws(CommandError) {
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), case .listener(let slot) = flows.slot(of: id) else { continue }
      guard listeners[slot].forward.host == place else { continue }
      endDatagramClients(of: id)
      return endListener(id, slot)
    }
    throw .noSuchForward(place)
  }

  /// Ends the flows of a forward's clients by UDP, which have no socket but the forward's.
  private mutating func endDatagramClients(of listener: FlowID) {
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), case .udp(let slot) = flows.slot(of: id),
        case .forwarded(listener, _, _) = udp[slot].kind
      else { continue }
      endUDP(id, slot, .evicted)
    }
  }

  mutating func endListener(_ id: FlowID, _ slot: UInt32) {
    host.close(id, abortively: false)
    flows.remove(id)
    listeners.remove(at: slot)
  }

  // MARK: Clients

  /// A forward's socket has something: connections to accept, or datagrams.
  mutating func hostReadyListener<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    if readiness.contains(.failed) { reportFailures(id, at: now, into: &sink) }
    // One that waits in the queue reads in its turn.
    if !listeners[slot].isQueued { readListener(id, slot, at: now, into: &sink) }
  }

  /// Takes what waits in a forward's socket, within a budget.
  mutating func readListener<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    listeners[slot].isQueued = false
    guard !isShuttingDown else { return }
    switch listeners[slot].forward.transport {
    case .tcp: acceptConnections(id, slot, at: now, into: &sink)
    case .udp: acceptDatagrams(id, slot, at: now, into: &sink)
    }
  }

  /// Lets a forward wait for its next share: there may be more, of which no event tells.
  private mutating func postponeListener(_ id: FlowID, _ slot: UInt32) {
    listeners[slot].isQueued = true
    work.postpone(id)
  }

  /// Puts a forward into the queue of flows with work.
  mutating func enqueueListener(_ id: FlowID, _ slot: UInt32) {
    guard !listeners[slot].isQueued else { return }
    listeners[slot].isQueued = true
    work.append(id)
  }

  /// Accepts what waits, within a budget.
  private mutating func acceptConnections<Sink: FrameSink & ~Copyable>(
    _ listener: FlowID, _ place: UInt32, at now: Instant, into sink: inout Sink
  ) {
    let forward = listeners[place].forward
    for _ in 0..<Self.acceptBudget {
      // The connection's name must exist before its socket; its ends are known only behind that.
      let unnamed = TCPConnection(
        toGuest: forward.guest, from: forward.guest, host: forward.guest, initialSend: SequenceNumber(0),
        timestampOffset: 0, at: now)
      guard let (id, slot) = insert(unnamed, key: nil) else {
        return drop(.exhausted, on: .first)
      }
      switch host.accept(from: listener, as: id) {
      case .accepted(let peer, _):
        handshakeBegan(id, slot)
        name(id, slot, forward, client: peer, host: peer, at: now, into: &sink)
      case .acceptedLocal:
        handshakeBegan(id, slot)
        let client = Endpoint(.any(.ipv4), port: port(ofLocalClient: id))
        name(id, slot, forward, client: client, host: Self.localHost(at: place), at: now, into: &sink)
      case .wouldBlock:
        return discard(id, slot)
      case .failed(let error):
        discard(id, slot)
        drop(error == .exhausted ? .exhausted : .hostRefused, on: .first)
      }
    }
    postponeListener(listener, place)
  }

  /// Connections that one listener may accept before others have their turn.
  private static var acceptBudget: Int { 64 }

  /// Takes back a connection that never was.
  private mutating func discard(_ id: FlowID, _ slot: UInt32) {
    flows.remove(id)
    tcp.remove(at: slot)
  }

  /// Gives an accepted connection its ends, and asks the guest.
  private mutating func name<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ forward: PortForward, client: Endpoint, host: Endpoint, at now: Instant,
    into sink: inout Sink
  ) {
    guard let remote = appearance(of: client, .tcp, forward) else {
      drop(.exhausted, on: .first)
      return endTCP(id, slot, .evicted, abortively: true)
    }
    let key = FlowKey(.tcp, guest: forward.guest, remote: remote)
    tcp[slot] = TCPConnection(
      toGuest: forward.guest, from: remote, host: host, initialSend: initialSequence(key, at: now),
      timestampOffset: timestampOffset(key), at: now)
    flows.setKey(key, of: id)
    afterwards(id, slot)
  }

  /// The endpoint under which a client of a forward appears to the guest: its own address and port, or the
  /// gateway's address; and another port where that one is taken by another client. Nil where all are taken.
  @inline(__always)
  private func appearance(of client: Endpoint, _ transport: FlowProtocol, _ forward: PortForward) -> Endpoint? {
    var remote = Endpoint(
      policy.appearance(of: client.address, toGuest: forward.guest.address), port: client.port)
    var free: Endpoint?
    for attempt in 0..<Self.appearanceAttempts {
      if attempt > 0 { remote.port = otherPort(for: client, attempt) }
      guard let (_, other) = flows.find(FlowKey(transport, guest: forward.guest, remote: remote)) else {
        free = free ?? remote
        continue
      }
      if case .udp(let slot) = other, case .forwarded(_, client, _) = udp[slot].kind { return remote }
    }
    return free
  }

  private static var appearanceAttempts: UInt64 { 16 }

  /// A port that depends on the client alone, so that it finds it again.
  private func otherPort(for client: Endpoint, _ attempt: UInt64) -> UInt16 {
    let address = client.address.mapped
    return Self.dynamicPort(sequenceHash.hash(address.high, address.low, UInt64(client.port), attempt, 1))
  }

  /// A port of the dynamic range (RFC 6335 section 6).
  private static func dynamicPort(_ hash: UInt64) -> UInt16 { 49_152 + UInt16(truncatingIfNeeded: hash) % 16_384 }

  // MARK: Clients without endpoints

  /// A port for a client that has none, which depends on its connection alone.
  private func port(ofLocalClient id: FlowID) -> UInt16 {
    Self.dynamicPort(sequenceHash.hash(id.rawValue, 0, 0, 0, 2))
  }

  /// What a connection keeps in the place of such a client's endpoint: the address that no peer has, and where its
  /// listener was.
  private static func localHost(at place: UInt32) -> Endpoint {
    Endpoint(.any(.ipv4), port: UInt16(truncatingIfNeeded: place))
  }

  /// The name of the local place by which a connection's client came; nil for a client with an endpoint, empty where
  /// the listener's place has been taken by another.
  func localPlace(of connection: TCPConnection) -> String? {
    let (host, place) = (connection.host, UInt32(connection.host.port))
    guard connection.isInbound, host.address.isAny, place < listeners.elements.count else { return nil }
    let forward = listeners[place].forward
    guard case .local(let name) = forward.host, forward.guest == connection.guest else { return "" }
    return name
  }

  // MARK: Datagrams

  /// Reads one batch of clients' datagrams.
  private mutating func acceptDatagrams<Sink: FrameSink & ~Copyable>(
    _ listener: FlowID, _ listening: UInt32, at now: Instant, into sink: inout Sink
  ) {
    let forward = listeners[listening].forward
    let guest = forward.guest.address
    guard let port = resolvedPort(of: guest, hint: 0, for: listener, at: now, into: &sink) else { return }
    guard !isFull(port) else {
      listeners[listening].isQueued = true
      return work.hold(listener)
    }
    guard case .accepted(let count) = host.receiveDatagrams(listener, into: &inbox) else { return }
    var place = 0
    while place < count {
      let entry = inbox[place]
      let alike = inbox.alike(from: place)
      place = alike.upperBound
      guard
        let (id, slot) = forwardedFlow(
          listener, forward, client: entry.source, local: entry.destination, at: now)
      else {
        for _ in alike { drop(.exhausted, on: .first) }
        continue
      }
      use(slot, of: id, at: now)
      udp[slot].bytesToGuest += inbox.byteCount(alike)
      sendUDP(alike, from: udp[slot].remote, to: forward.guest, hint: udp[slot].neighbor, at: now, into: &sink)
    }
    // A full batch says that more may wait.
    if inbox.isFull { postponeListener(listener, listening) }
  }

  /// The flow of a client of a forward, begun if there is none.
  private mutating func forwardedFlow(
    _ listener: FlowID, _ forward: PortForward, client: Endpoint, local: IPAddress?, at now: Instant
  ) -> (FlowID, UInt32)? {
    guard let remote = appearance(of: client, .udp, forward) else { return nil }
    if let found = findUDP(forward.guest, remote) { return found }
    let kind = UDPFlow.Kind.forwarded(listener: listener, client: client, local: local)
    let flow = UDPFlow(kind, guest: forward.guest, remote: remote, host: client)
    let key = FlowKey(.udp, guest: forward.guest, remote: remote)
    guard let (id, slot) = insert(flow, key: key, at: now) else { return nil }
    // What the guest sends to this client goes another way from now on.
    if let (_, mapping) = findMapping(of: forward.guest) { udp[mapping].isPeerSettled = false }
    observer.opened(summary(of: flow, id))
    return (id, slot)
  }

  /// The flow of a client of a forward, nil where there is none.
  func findForwardedFlow(_ forward: PortForward, client: Endpoint) -> (FlowID, UInt32)? {
    guard let remote = appearance(of: client, .udp, forward) else { return nil }
    guard let (id, slot) = findUDP(forward.guest, remote), udp[slot].host == client else { return nil }
    return (id, slot)
  }
}
