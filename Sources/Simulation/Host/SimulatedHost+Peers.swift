public import Netstack
public import Primitives

/// The far ends of the streams, as tests play them.
extension SimulatedHost {
  /// The connections made to `remote` (or accepted by a listener there), the oldest first.
  public func connections(to remote: Endpoint) -> [ConnectionID] {
    connections.indices.filter { connections[$0].remote == remote }.map(ConnectionID.init)
  }

  /// The connections made to one of the host's services, the oldest first.
  public func connections(to service: HostService) -> [ConnectionID] {
    connections.indices.filter { connections[$0].hostService == service }.map(ConnectionID.init)
  }

  /// Everything ever connected, the oldest first.
  public var allConnections: [ConnectionID] { connections.indices.map(ConnectionID.init) }

  /// How the core marked the connection's first packet.
  public func marks(of connection: ConnectionID) -> PacketMarks { connections[connection.index].marks }

  /// What the peer has read.
  public func bytes(at connection: ConnectionID) -> [UInt8] { connections[connection.index].delivered }

  /// How many bytes the peer has read.
  public func byteCount(at connection: ConnectionID) -> Int { connections[connection.index].deliveredCount }

  /// Bytes that wait in the socket for the peer to read.
  public func queuedByteCount(for connection: ConnectionID) -> Int { connections[connection.index].sendBuffer.count }

  /// Bytes in the socket that the core has not removed, and those that wait behind them.
  public func unreadByteCount(of connection: ConnectionID) -> Int {
    connections[connection.index].receiveBuffer.count + connections[connection.index].outbox.count
  }

  /// Whether the peer has read the end of the core's half.
  public func sawEnd(_ connection: ConnectionID) -> Bool { connections[connection.index].peerSawEnd }

  /// Whether the core has reset the connection.
  public func sawReset(_ connection: ConnectionID) -> Bool { connections[connection.index].peerSawReset }

  /// Whether the core has closed its socket.
  public func isClosed(_ connection: ConnectionID) -> Bool { connections[connection.index].flow == nil }

  /// The peer writes: as far as the socket has room at once, the rest as it gets some.
  public mutating func peerWrites(_ bytes: [UInt8], on connection: ConnectionID) {
    connections[connection.index].outbox.append(bytes)
    fillReceiveBuffer(connection.index)
  }

  /// The peer reads up to `limit` bytes that wait for it, and the end behind them.
  public mutating func peerReads(_ limit: Int = .max, on connection: ConnectionID) {
    peerReads(connection, limit: limit)
  }

  mutating func peerReads(_ connection: ConnectionID, limit: Int = .max) {
    let index = connection.index
    if let partner = connections[index].partner { return carry(from: index, to: partner) }
    let count = min(limit, connections[index].sendBuffer.count)
    connections[index].deliveredCount += count
    if connections[index].service.keepsBytes || connections[index].service.echoes {
      let bytes = connections[index].sendBuffer.take(count)
      if connections[index].service.keepsBytes { connections[index].delivered += bytes }
      if connections[index].service.echoes && count > 0 { peerWrites(bytes, on: connection) }
    } else {
      connections[index].sendBuffer.removeFirst(count)
    }
    if connections[index].isWritingFinished && connections[index].sendBuffer.count == 0 {
      if !connections[index].peerSawEnd && connections[index].service.echoes { peerFinishes(connection) }
      connections[index].peerSawEnd = true
    }
    tellOfRoom(index)
  }

  private mutating func tellOfRoom(_ index: Int) {
    guard connections[index].wantsWritable && connections[index].isWritable else { return }
    connections[index].wantsWritable = false
    wake(connections[index].flow)
  }

  /// Carries what one end of a pair has written to the other, as far as there is room, and the end behind it.
  private mutating func carry(from index: Int, to partner: Int) {
    let room = connections[partner].service.receiveBufferSize - connections[partner].receiveBuffer.count
    let bytes = connections[index].sendBuffer.take(max(0, room))
    if !bytes.isEmpty {
      connections[partner].receiveBuffer.append(bytes)
      wake(connections[partner].flow)
    }
    if connections[index].isWritingFinished && connections[index].sendBuffer.count == 0 {
      if !connections[partner].peerFinishes { peerFinishes(ConnectionID(index: partner)) }
    }
    tellOfRoom(index)
  }

  /// The peer ends its half, behind what it has written.
  public mutating func peerFinishes(_ connection: ConnectionID) {
    connections[connection.index].peerFinishes = true
    if connections[connection.index].isReadClosed { wake(connections[connection.index].flow) }
  }

  /// The peer resets the connection: what it wrote and the socket holds can still be read, nothing can be written.
  public mutating func peerResets(_ connection: ConnectionID) {
    let index = connection.index
    connections[index].outbox.removeFirst(connections[index].outbox.count)
    connections[index].sendBuffer.removeFirst(connections[index].sendBuffer.count)
    connections[index].state = .failed
    connections[index].pendingError = .reset
    wake(connections[index].flow)
  }

  /// From now on the peer reads at once, or only when told.
  public mutating func peer(_ connection: ConnectionID, readsAtOnce: Bool) {
    connections[connection.index].service.readsAtOnce = readsAtOnce
    if readsAtOnce { peerReads(connection) }
  }

  /// A client of the world connects to a listener of the core's; nil where nobody listens.
  public mutating func clientConnects(
    from peer: Endpoint, to listener: Endpoint, at local: Endpoint? = nil, service: RemoteService = RemoteService()
  ) -> ConnectionID? {
    connect(to: .port(.tcp, listener), peer, .accepted(peer: peer, local: local ?? listener), service)
  }

  /// A client of the host's own connects to a local place of the core's; nil where nobody listens.
  public mutating func clientConnects(
    toLocal name: String, service: RemoteService = RemoteService()
  ) -> ConnectionID? {
    connect(to: .local(name), Endpoint(.any(.ipv4), port: 0), .acceptedLocal, service)
  }

  private mutating func connect(
    to place: ListeningPlace, _ peer: Endpoint, _ result: HostAccept, _ service: RemoteService
  ) -> ConnectionID? {
    guard let index = listeners.firstIndex(where: { $0.isOpen && $0.place == place }) else { return nil }
    listeners[index].waiting.append((connections.count, result))
    connections.append(Connection(flow: nil, remote: peer, state: .open, service: service))
    wake(listeners[index].flow)
    return ConnectionID(index: connections.count - 1)
  }

  mutating func fillReceiveBuffer(_ index: Int) {
    if let partner = connections[index].partner { return carry(from: partner, to: index) }
    let room = connections[index].service.receiveBufferSize - connections[index].receiveBuffer.count
    let count = min(room, connections[index].outbox.count)
    guard count > 0 else { return }
    let outbox = connections[index].outbox
    outbox.forEachSpan(in: 0..<count) { connections[index].receiveBuffer.append($0) }
    connections[index].outbox.removeFirst(count)
    wake(connections[index].flow)
  }
}
