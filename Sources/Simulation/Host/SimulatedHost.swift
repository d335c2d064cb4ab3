public import Netstack
public import Primitives

/// The host's network in memory: sockets that behave as Linux's do, and a scripted world behind them.
///
/// The core calls it as it calls the kernel; tests act as the world: `services` says who answers, `peer...` methods
/// are the far ends. Readiness gathers in a list, as epoll's, until `takeEvents`. What a correct core never does
/// (calls for a flow that is not open, removal of bytes that it has not seen) is noted in `misuses`.
public struct SimulatedHost: HostNetwork, ~Copyable {
  /// What time it is; the lab sets it before each call of the core.
  public var now = Instant.zero
  /// Who answers where.
  public var services: [Endpoint: RemoteService] = [:]
  /// What the host has behind each of its services, by their numbers.
  public var hostServices: [Int: RemoteService] = [:]
  /// Who answers everywhere else.
  public var defaultService = RemoteService(.fails(.refused))
  /// Who answers datagrams where.
  public var datagramServices: [Endpoint: DatagramService] = [:]
  /// The way to those who are not next door.
  public var paths: [IPAddress: NetworkPath] = [:]
  /// Who answers echo requests.
  public var echoResponders: Set<IPAddress> = []
  /// Whether the core may have sockets for echo.
  public var offersEcho = true
  /// The addresses by which the host itself is known in the world.
  public var hostAddresses: Set<IPAddress> = []
  /// The longest IP packet that the host's own interface takes, in bytes.
  public var interfaceMTU = 65_575
  /// How many sockets may be opened yet; nil for no limit.
  public var descriptorsLeft: Int?
  /// What is served to guests, by path.
  public var files: [String: SimulatedFile] = [:]
  /// Failures of attempts to listen.
  public var listenFailures: [ListeningPlace: HostError] = [:]
  /// Sees how many bytes a flow's socket has taken from the core, in the order in which they are written.
  public var writeWatcher: ((FlowID, Int) -> Void)?
  /// How often the core has called.
  public var calls = HostCalls()
  /// What a correct core never does, in words.
  public private(set) var misuses: [String] = []

  var sockets: [Socket?] = []
  var connections: [Connection] = []
  var listeners: [ListenerState] = []
  var datagramSockets: [DatagramSocket] = []
  /// Ports taken by datagram sockets come from here where the preferred one is taken.
  var nextEphemeralPort: UInt16 = 32_768
  /// Datagrams that the core has sent, the oldest first.
  public internal(set) var sentDatagrams: [SentDatagram] = []
  /// Echo requests that the core has sent, as the world sees them, the oldest first.
  public internal(set) var sentEchoes: [SentDatagram] = []
  /// Whether they are kept.
  public var keepsDatagrams = true
  private var ready: [FlowID] = []

  /// Makes a world without anybody in it.
  public init() {}

  /// A socket of the core's.
  struct Socket {
    enum Kind {
      /// A place in `connections`.
      case stream(Int)
      /// A place in `listeners`.
      case listener(Int)
      /// A place in `datagramSockets`.
      case datagrams(Int)
      /// A name in `files`.
      case file(String)
    }
    let flow: FlowID
    var kind: Kind
    var isQueued = false
  }

  /// A listening stream socket.
  struct ListenerState {
    let flow: FlowID
    let place: ListeningPlace
    var isOpen = true
    var waiting: [(connection: Int, result: HostAccept)] = []
  }

  // MARK: Events

  /// What epoll_wait would return: each flow that changed, once, with all that it is ready for now.
  public mutating func takeEvents(_ body: (FlowID, HostReadiness) -> Void) {
    for flow in ready {
      guard let socket = socket(flow) else { continue }
      sockets[Int(flow.index)]?.isQueued = false
      let readiness = readiness(of: socket)
      if !readiness.isEmpty { body(flow, readiness) }
    }
    ready.removeAll(keepingCapacity: true)
  }

  /// Whether `takeEvents` has something.
  public var hasEvents: Bool { !ready.isEmpty }

  /// When the world next does something by itself, `.never` if it does not.
  public var nextEvent: Instant {
    var next = Instant.never
    for connection in connections {
      if case .connecting(let due, _) = connection.state { next = min(next, due) }
    }
    return next
  }

  /// Lets the world do what is due.
  public mutating func advance(to now: Instant) {
    self.now = now
    for index in connections.indices {
      guard case .connecting(let due, let failure) = connections[index].state, due <= now else { continue }
      connections[index].state = failure == nil ? .open : .failed
      connections[index].pendingError = failure
      wake(connections[index].flow)
    }
  }

  mutating func wake(_ flow: FlowID?) {
    guard let flow, sockets[Int(flow.index)]?.flow == flow, sockets[Int(flow.index)]?.isQueued == false else { return }
    sockets[Int(flow.index)]?.isQueued = true
    ready.append(flow)
  }

  private func readiness(of socket: Socket) -> HostReadiness {
    switch socket.kind {
    case .stream(let index): connections[index].readiness
    case .listener(let index): listeners[index].waiting.isEmpty ? [] : .readable
    case .datagrams(let index): datagramSockets[index].readiness
    case .file: []
    }
  }

  // MARK: Sockets

  func socket(_ flow: FlowID) -> Socket? {
    guard Int(flow.index) < sockets.count, let socket = sockets[Int(flow.index)], socket.flow == flow else {
      return nil
    }
    return socket
  }

  /// Notes something that a correct core never does.
  mutating func misuse(_ words: String, of flow: FlowID? = nil) {
    misuses.append(flow.map { "flow \($0): \(words)" } ?? words)
  }

  /// The connection of a stream flow; notes a misuse where there is none.
  mutating func stream(_ flow: FlowID, for purpose: String) -> Int? {
    if case .stream(let index)? = socket(flow)?.kind { return index }
    misuse("\(purpose) of a stream that is not open", of: flow)
    return nil
  }

  /// Takes a place for a flow, unless the descriptors are used up.
  mutating func open(_ flow: FlowID, _ kind: Socket.Kind) -> Bool {
    if socket(flow) != nil { misuse("opened twice", of: flow) }
    if let left = descriptorsLeft {
      guard left > 0 else { return false }
      descriptorsLeft = left - 1
    }
    while sockets.count <= Int(flow.index) { sockets.append(nil) }
    if let other = sockets[Int(flow.index)], other.flow != flow {
      misuse("opened in the place of \(other.flow), which is still open", of: flow)
    }
    sockets[Int(flow.index)] = Socket(flow: flow, kind: kind)
    return true
  }

  mutating func forget(_ flow: FlowID) {
    sockets[Int(flow.index)] = nil
    if let left = descriptorsLeft { descriptorsLeft = left + 1 }
  }

  /// Whether the core has a socket by this name.
  public func isOpen(_ flow: FlowID) -> Bool { socket(flow) != nil }

  /// The number of sockets that the core holds.
  public var openSocketCount: Int { sockets.count { $0 != nil } }

  /// Closes the flow's socket.
  public mutating func close(_ flow: FlowID, abortively: Bool) {
    guard let socket = socket(flow) else { return misuse("closed, but it is not open", of: flow) }
    switch socket.kind {
    case .stream(let index): closeStream(index, abortively: abortively)
    case .listener(let index):
      listeners[index].isOpen = false
      for entry in listeners[index].waiting { connections[entry.connection].peerSawReset = true }
    case .datagrams(let index):
      datagramSockets[index].isOpen = false
    case .file: break
    }
    forget(flow)
  }

  /// Starts to listen on the host for a forward.
  public mutating func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen {
    if let error = listenFailures[place] { return .failed(error) }
    switch place {
    case .port(.tcp, _), .local:
      guard !listeners.contains(where: { $0.isOpen && $0.place == place }) else { return .failed(.addressInUse) }
      guard open(flow, .listener(listeners.count)) else { return .failed(.exhausted) }
      listeners.append(ListenerState(flow: flow, place: place))
    case .port(.udp, let local):
      guard !isTaken(local, isEcho: false) else { return .failed(.addressInUse) }
      guard open(flow, .datagrams(datagramSockets.count)) else { return .failed(.exhausted) }
      datagramSockets.append(DatagramSocket(flow: flow, local: local))
    }
    return .ready
  }
}
