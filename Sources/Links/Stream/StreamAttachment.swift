import Glibc
public import LinuxSystem
public import Primitives

/// What a link has to tell its owner, besides frames.
public enum LinkNotice: Hashable, Sendable {
  /// A peer is there: frames may flow.
  case attached
  /// Another client came while a peer is connected, and was refused.
  case refusedClient
  /// No connection could be made; the reason, and when the next attempt is made.
  case connectFailed(reason: String, retryAfter: Interval)
  /// A client could not be accepted; the reason, and when the link listens again.
  case acceptFailed(reason: String, retryAfter: Interval)
}

/// How a stream link comes to its peer, loses it and comes to the next: the sockets of a link and their life.
///
/// A link has one peer at a time. One that listens takes the next peer when the last has gone; one that connects tries
/// again, after 100 ms at first and 2 s at most; one that was given a connected descriptor has no second.
///
/// Descriptors are watched level-triggered: what a spent budget left unread is told again by the next wait.
public struct StreamAttachment: ~Copyable {
  /// Where the peer is.
  public let endpoint: StreamEndpoint
  private let port: UInt16
  private let registrar: EventRegistrar
  /// Removed while the listener is still open: its inode cannot have been given to another file by then.
  private let path: SocketPath?
  private var listener: Socket?
  private var peer: Socket?
  private var isConnecting = false
  private var watchesWritable = false
  private var generation: UInt32 = 0
  private var delay = Self.shortestDelay
  /// When `advance` is to be called: the next attempt to connect or to accept; `.never` where none is due.
  public private(set) var nextDeadline = Instant.never

  private static let shortestDelay = Interval.milliseconds(100)
  private static let longestDelay = Interval.seconds(2)

  /// Opens what `endpoint` names. The first attempt to connect, or the peer that is already there, comes with the
  /// first `advance`, which is due `now`.
  public init(
    _ endpoint: StreamEndpoint, port: UInt16, registrar: EventRegistrar, at now: Instant
  ) throws(LinkError) {
    var opening = try StreamOpening.open(endpoint)
    if let number = opening.listener.number {
      do {
        try registrar.add(number, for: .readable, data: Self.listenerSource(port: port))
      } catch {
        throw .refused(endpoint, reason: error.description)
      }
    }
    self.endpoint = endpoint
    self.port = port
    self.registrar = registrar
    path = opening.path.take()
    listener = opening.listener.take()
    peer = opening.peer.take()
    isConnecting = peer != nil
    if listener == nil { nextDeadline = now }
  }

  /// The number of the connected peer's socket, nil while there is none.
  public var peerNumber: Int32? { isConnecting ? nil : peer.number }

  /// Whether no peer is there and none will come.
  public var isFinished: Bool {
    guard case .descriptor = endpoint else { return false }
    return peer == nil && listener == nil
  }

  /// The port that a link listens on, for one that asked for any.
  public var localEndpoint: Endpoint? {
    get throws(SystemError) {
      switch listener {
      case .none: nil
      case .some(let socket): try socket.localAddress().endpoint
      }
    }
  }

  /// Whether `source` means a descriptor that this link has now, and not one that it had.
  public func owns(_ source: LinkSource) -> Bool {
    guard source.port == port else { return false }
    switch source.role {
    case .listener: return true
    case .peer: return source.generation == generation
    }
  }

  /// Takes a client, or refuses it where a peer is connected.
  public mutating func acceptClient(at now: Instant) -> LinkNotice? {
    // A peer that has hung up makes room as soon as its last bytes are read; until then the client waits.
    if peer.isHungUp { return nil }
    do throws(SystemError) {
      guard let client = try accept() else { return nil }
      if peer != nil { return .refusedClient }
      return try attach(client)
    } catch {
      // Out of descriptors, say. The client stays in the queue, so the listener would be told for ever.
      let pause = Self.longestDelay
      silenceListener()
      nextDeadline = now + pause
      return .acceptFailed(reason: error.description, retryAfter: pause)
    }
  }

  /// After a writable event while connecting: how it ended.
  public mutating func finishConnecting(at now: Instant) -> LinkNotice? {
    guard isConnecting, let socket = peer.take() else { return nil }
    do throws(SystemError) {
      let failure = try socket.takeError()
      guard failure == 0 else { throw SystemError(failure, "connect to", target?.description ?? "") }
      try registrar.remove(socket.rawValue)
      return try attach(socket)
    } catch {
      return connectFailed(error, at: now)
    }
  }

  /// Whether an attempt to connect is under way.
  public var awaitsConnection: Bool { isConnecting }

  /// Does what is due.
  public mutating func advance(to now: Instant) -> LinkNotice? {
    guard now >= nextDeadline else { return nil }
    nextDeadline = .never
    do throws(SystemError) {
      if let number = listener.number {
        try registrar.modify(number, for: .readable, data: Self.listenerSource(port: port))
        return nil
      }
      if isConnecting, let given = peer.take() { return try attach(given) }
      return try connect()
    } catch {
      return connectFailed(error, at: now)
    }
  }

  /// Lets go of the peer; another may come.
  public mutating func detach(at now: Instant) {
    peer = nil
    isConnecting = false
    watchesWritable = false
    generation &+= 1
    if target != nil { nextDeadline = now + delay }
  }

  /// Asks to be told, or not, when the peer's socket has room to write.
  public mutating func watchWritable(_ wanted: Bool) throws(SystemError) {
    guard wanted != watchesWritable, let number = peerNumber else { return }
    let events: Events = wanted ? [.readable, .readClosed, .writable] : [.readable, .readClosed]
    try registrar.modify(number, for: events, data: peerSource)
    watchesWritable = wanted
  }
}

extension StreamAttachment {
  /// Where to connect to, on links that do.
  private var target: SocketAddress? {
    switch endpoint {
    case .connectUnix(let path): .path(path)
    case .connectTCP(let remote): .internet(remote)
    case .unix, .tcp, .descriptor: nil
    }
  }

  private static func listenerSource(port: UInt16) -> UInt64 {
    LinkSource(.listener, port: port, generation: 0).rawValue
  }

  /// The mark of the present peer's events.
  private var peerSource: UInt64 { LinkSource(.peer, port: port, generation: generation).rawValue }

  private func accept() throws(SystemError) -> Socket? {
    guard let number = listener.number else { return nil }
    return try Socket.accept(from: number)
  }

  private mutating func attach(_ socket: consuming Socket) throws(SystemError) -> LinkNotice {
    generation &+= 1
    isConnecting = false
    watchesWritable = false
    if try socket.value(of: .family) != AF_UNIX { try socket.set(.noDelay, to: true) }
    try registrar.add(socket.rawValue, for: [.readable, .readClosed], data: peerSource)
    peer = consume socket
    delay = Self.shortestDelay
    nextDeadline = .never
    return .attached
  }

  private mutating func connect() throws(SystemError) -> LinkNotice? {
    guard let target else { return nil }
    let socket = try Socket(.stream, for: target)
    if try socket.connect(to: target) { return try attach(socket) }
    generation &+= 1
    try registrar.add(socket.rawValue, for: .writable, data: peerSource)
    peer = consume socket
    isConnecting = true
    return nil
  }

  /// Stops being told of clients; a listener that cannot be silenced is merely told again.
  private func silenceListener() {
    guard let number = listener.number else { return }
    do { try registrar.modify(number, for: [], data: Self.listenerSource(port: port)) } catch {}
  }

  private mutating func connectFailed(_ error: SystemError, at now: Instant) -> LinkNotice {
    detach(at: now)
    let wait = delay
    delay = min(delay * 2, Self.longestDelay)
    return .connectFailed(reason: error.description, retryAfter: wait)
  }
}

extension Optional where Wrapped == Socket {
  /// The socket's number, nil where there is none.
  fileprivate var number: Int32? {
    switch self {
    case .none: nil
    case .some(let socket): socket.rawValue
    }
  }

  /// Whether there is a peer, and it has gone.
  fileprivate var isHungUp: Bool {
    switch self {
    case .none: false
    case .some(let socket): socket.isHungUp
    }
  }
}
