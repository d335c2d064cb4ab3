public import Buffers
public import Netstack
import Primitives

/// The host of a replay: sockets that need no system, and behind them who does what `ReplayBehavior` says.
///
/// Unlike `SimulatedHost`, which tests play with and look into, it forgets a connection with its socket and bounds what
/// each holds, so that a capture of any length can be replayed, and quickly.
public struct ReplayHost: HostNetwork, ~Copyable {
  /// The most bytes that wait in a stream towards the guest.
  static var queueLimit: Int { 256 * 1024 }
  /// The most datagrams that wait in a socket; more are lost.
  static var datagramLimit: Int { 256 }

  /// What the world does.
  public let behavior: ReplayBehavior

  /// What was recorded of those to whom the frame is that the core has now.
  var recorded: RecordedAnswer?
  /// The sockets, by the places of their flows.
  var sockets: [Socket?] = []
  /// Flows that have changed, the first in front.
  private var ready: [FlowID] = []
  /// Those that have changed before, the first behind.
  private var reported: [FlowID] = []

  /// Makes a host without sockets.
  public init(_ behavior: ReplayBehavior) { self.behavior = behavior }

  /// A socket of the core's.
  struct Socket {
    enum Kind {
      case stream(ReplayStream)
      case datagrams(ReplayDatagrams)
      case listener
    }
    let flow: FlowID
    var kind: Kind
    var isQueued = false
  }

  // MARK: Events

  /// Whether a flow has changed.
  @inline(__always)
  public var hasEvents: Bool { !ready.isEmpty || !reported.isEmpty }

  /// Takes the flow that has changed first, with all that it is ready for now; nil where there is none.
  public mutating func takeEvent() -> (FlowID, HostReadiness)? {
    while hasEvents {
      if reported.isEmpty {
        // The first shall be the last, from where it is taken without moving the others.
        swap(&reported, &ready)
        reported.reverse()
      }
      guard let flow = reported.popLast(), let place = place(of: flow) else { continue }
      sockets[place]?.isQueued = false
      let readiness = readiness(at: place)
      if !readiness.isEmpty { return (flow, readiness) }
    }
    return nil
  }

  private func readiness(at place: Int) -> HostReadiness {
    switch sockets[place]?.kind {
    case .stream(let stream)?: stream.readiness(room: room(of: stream))
    case .datagrams(let datagrams)?: datagrams.readiness
    case .listener?, nil: []
    }
  }

  /// Has the core told of the socket at a place.
  mutating func wake(_ place: Int) {
    guard let socket = sockets[place], !socket.isQueued else { return }
    sockets[place]?.isQueued = true
    ready.append(socket.flow)
  }

  // MARK: Sockets

  /// Where the socket of a flow is; nil where it has none.
  @inline(__always)
  func place(of flow: FlowID) -> Int? {
    let place = Int(flow.index)
    guard place < sockets.count, sockets[place]?.flow == flow else { return nil }
    return place
  }

  /// Takes the place of a flow.
  mutating func open(_ flow: FlowID, _ kind: Socket.Kind) {
    while sockets.count <= Int(flow.index) { sockets.append(nil) }
    sockets[Int(flow.index)] = Socket(flow: flow, kind: kind)
  }

  /// Closes the flow's socket.
  public mutating func close(_ flow: FlowID, abortively: Bool) {
    guard let place = place(of: flow) else { return }
    if case .stream(let stream)? = sockets[place]?.kind, let partner = stream.partner {
      tellOfEnd(partner, isGone: true)
    }
    sockets[place] = nil
  }

  /// Starts to listen; nobody ever comes.
  public mutating func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen {
    open(flow, .listener)
    return .ready
  }

  /// There is no client.
  public mutating func accept(from listener: FlowID, as flow: FlowID) -> HostAccept { .wouldBlock }

  // MARK: Files

  /// There are no files.
  public mutating func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen { .failed(.notFound) }

  /// There are no files.
  public mutating func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead {
    .endOfStream
  }
}
