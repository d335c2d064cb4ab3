public import Netstack
public import Primitives

/// The far end of a stream in the world outside, as a test plays it.
public struct Peer {
  /// The lab whose world it is in.
  public let lab: Lab
  /// Its connection.
  public let id: ConnectionID

  /// Writes: as far as the host's socket has room at once, the rest as it gets some.
  public func write(_ bytes: [UInt8]) { lab.host.peerWrites(bytes, on: id) }
  /// Writes text.
  public func write(_ text: String) { write(Array(text.utf8)) }
  /// Reads up to `limit` bytes that wait for it.
  public func read(_ limit: Int = .max) { lab.host.peerReads(limit, on: id) }
  /// Ends its half, behind what it has written.
  public func finish() { lab.host.peerFinishes(id) }
  /// Resets the connection.
  public func reset() { lab.host.peerResets(id) }
  /// From now on it reads at once, or only when told.
  public func setReadsAtOnce(_ readsAtOnce: Bool) { lab.host.peer(id, readsAtOnce: readsAtOnce) }

  /// What it has read.
  public var bytes: [UInt8] { lab.host.bytes(at: id) }
  /// What it has read, as text.
  public var text: String { String(decoding: bytes, as: UTF8.self) }
  /// Whether it has read the end of the core's half.
  public var sawEnd: Bool { lab.host.sawEnd(id) }
  /// Whether the core has reset it.
  public var sawReset: Bool { lab.host.sawReset(id) }
  /// Whether the core has closed its socket.
  public var isClosed: Bool { lab.host.isClosed(id) }
  /// Bytes that the host's socket holds for it to read.
  public var queuedByteCount: Int { lab.host.queuedByteCount(for: id) }
  /// Bytes of its own that the core has not removed from the host's socket.
  public var unreadByteCount: Int { lab.host.unreadByteCount(of: id) }
}

extension Lab {
  /// The far ends of the connections made to `remote`, the oldest first.
  public func peers(at remote: Endpoint) -> [Peer] {
    host.connections(to: remote).map { Peer(lab: self, id: $0) }
  }

  /// The far ends of the connections made to one of the host's services, the oldest first.
  public func peers(at service: HostService) -> [Peer] {
    host.connections(to: service).map { Peer(lab: self, id: $0) }
  }

  /// A client of the world connects to a listener of the core's; nil where nobody listens.
  public func connectClient(
    from peer: Endpoint, to listener: Endpoint, service: RemoteService = RemoteService()
  ) -> Peer? {
    host.clientConnects(from: peer, to: listener, service: service).map { Peer(lab: self, id: $0) }
  }

  /// A client of the host's own connects to a local place of the core's; nil where nobody listens.
  public func connectClient(toLocal name: String, service: RemoteService = RemoteService()) -> Peer? {
    host.clientConnects(toLocal: name, service: service).map { Peer(lab: self, id: $0) }
  }

  /// How often the core dropped something for `reason`.
  public func drops(_ reason: DropReason) -> Int { stack.observer.count(of: reason) }
}

extension Lab {
  /// Whether no flow is left after `shutDown`.
  public var isShutDown: Bool { stack.isShutDown }

  /// The number of sockets that the core holds.
  public var openSocketCount: Int { host.openSocketCount }

  /// How the flows that ended have ended, in order.
  public var flowEnds: [FlowEnd] { stack.observer.closedFlows.map(\.end) }

  /// The states of the flows in the table, by their place in it.
  public var flowStates: [FlowState] {
    var states: [FlowState] = []
    stack.forEachFlow { states.append($0.state) }
    return states
  }
}

extension Lab {
  /// The flow of the core's datagram socket on `port`.
  public func datagramFlow(onPort port: UInt16) -> FlowID? { host.datagramFlow(onPort: port) }

  /// Datagrams that the core has sent, the oldest first.
  public var sentDatagrams: [SentDatagram] { host.sentDatagrams }
}

extension Lab {
  /// The flows that there are now.
  public var flows: [FlowSummary] {
    var flows: [FlowSummary] = []
    stack.forEachFlow { flows.append($0) }
    return flows
  }
}
