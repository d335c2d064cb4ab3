public import Netstack
public import Primitives

/// The far end of a stream in the world outside, as a test plays it.
public struct Peer {
  /// The lab whose world it is in.
  public let lab: Lab
  /// The loop whose socket is the near end.
  public var loop = 0
  /// Its connection.
  public let id: ConnectionID

  /// Makes the far end of a connection whose near end is a loop's.
  public init(lab: Lab, loop: Int = 0, id: ConnectionID) {
    self.lab = lab
    self.loop = loop
    self.id = id
  }

  /// Writes: as far as the host's socket has room at once, the rest as it gets some.
  public func write(_ bytes: [UInt8]) { lab[host: loop].peerWrites(bytes, on: id) }
  /// Writes text.
  public func write(_ text: String) { write(Array(text.utf8)) }
  /// Reads up to `limit` bytes that wait for it.
  public func read(_ limit: Int = .max) { lab[host: loop].peerReads(limit, on: id) }
  /// Ends its half, behind what it has written.
  public func finish() { lab[host: loop].peerFinishes(id) }
  /// Resets the connection.
  public func reset() { lab[host: loop].peerResets(id) }
  /// From now on it reads at once, or only when told.
  public func setReadsAtOnce(_ readsAtOnce: Bool) { lab[host: loop].peer(id, readsAtOnce: readsAtOnce) }

  /// What it has read.
  public var bytes: [UInt8] { lab[host: loop].bytes(at: id) }
  /// What it has read, as text.
  public var text: String { String(decoding: bytes, as: UTF8.self) }
  /// Whether it has read the end of the core's half.
  public var sawEnd: Bool { lab[host: loop].sawEnd(id) }
  /// Whether the core has reset it.
  public var sawReset: Bool { lab[host: loop].sawReset(id) }
  /// Whether the core has closed its socket.
  public var isClosed: Bool { lab[host: loop].isClosed(id) }
  /// Bytes that the host's socket holds for it to read.
  public var queuedByteCount: Int { lab[host: loop].queuedByteCount(for: id) }
  /// Bytes of its own that the core has not removed from the host's socket.
  public var unreadByteCount: Int { lab[host: loop].unreadByteCount(of: id) }
}

extension Lab {
  /// The far ends of the connections made to `remote`, the oldest first.
  public func peers(at remote: Endpoint) -> [Peer] {
    loops.flatMap { loop in
      self[host: loop].connections(to: remote).map { Peer(lab: self, loop: loop, id: $0) }
    }
  }

  /// The far ends of the connections made to one of the host's services, the oldest first.
  public func peers(at service: HostService) -> [Peer] {
    host.connections(to: service).map { Peer(lab: self, id: $0) }
  }

  /// A client of the world connects to a listener of the core's; nil where nobody listens.
  public func connectClient(
    from peer: Endpoint, to listener: Endpoint, service: RemoteService = RemoteService()
  ) -> Peer? {
    for loop in loops {
      if let id = self[host: loop].clientConnects(from: peer, to: listener, service: service) {
        return Peer(lab: self, loop: loop, id: id)
      }
    }
    return nil
  }

  /// A client of the host's own connects to a local place of the core's; nil where nobody listens.
  public func connectClient(toLocal name: String, service: RemoteService = RemoteService()) -> Peer? {
    host.clientConnects(toLocal: name, service: service).map { Peer(lab: self, id: $0) }
  }

  /// How often the core dropped something for `reason`.
  public func drops(_ reason: DropReason) -> Int {
    loops.reduce(0) { $0 + self[stack: $1].observer.count(of: reason) }
  }
}

extension Lab {
  /// Whether no flow is left after `shutDown`.
  public var isShutDown: Bool { loops.allSatisfy { self[stack: $0].isShutDown } }

  /// The number of sockets that the core holds.
  public var openSocketCount: Int { loops.reduce(0) { $0 + self[host: $1].openSocketCount } }

  /// How the flows that ended have ended, in order, loop by loop.
  public var flowEnds: [FlowEnd] { loops.flatMap { self[stack: $0].observer.closedFlows.map(\.end) } }

  /// The states of the flows in the table, by their place in it.
  public var flowStates: [FlowState] {
    flows.map(\.state)
  }
}

extension Lab {
  /// The flow of the core's datagram socket on `port`.
  public func datagramFlow(onPort port: UInt16) -> FlowID? { host.datagramFlow(onPort: port) }

  /// A datagram comes from the world to the core's socket on `port`.
  public func deliver(_ bytes: [UInt8], from source: Endpoint, toPort port: UInt16) {
    for loop in loops {
      guard let flow = self[host: loop].datagramFlow(onPort: port) else { continue }
      return self[host: loop].deliver(bytes, from: source, to: flow)
    }
  }

  /// Datagrams that the core has sent, the oldest first.
  public var sentDatagrams: [SentDatagram] { loops.flatMap { self[host: $0].sentDatagrams } }
}

extension Lab {
  /// The flows that there are now.
  public var flows: [FlowSummary] {
    var flows: [FlowSummary] = []
    for loop in loops { self[stack: loop].forEachFlow { flows.append($0) } }
    return flows
  }
}
