public import Buffers
public import Primitives

/// One virtual network: a TCP/IP stack that ends the guests' frames and carries their flows on the host's sockets.
///
/// Sans-I/O: frames, host events, time and commands come in by the verbs below; frames go out through the sink that
/// each verb is given; everything else goes through the `HostNetwork`. Given the same inputs it does the same.
///
/// Order of use: `attach` a port, then any of the inputs as they come, and after each turn look at `nextDeadline`.
public struct Stack<Host: HostNetwork & ~Copyable, Watcher: Observer & ~Copyable>: ~Copyable {
  /// The network presented to the guests.
  public let settings: NetworkSettings
  /// The host's sockets.
  public var host: Host
  /// Who watches.
  public var observer: Watcher

  /// Makes a network without ports.
  ///
  /// `seed` is the only source of chance: initial sequence numbers, identifiers and the flow table's secret come of
  /// it. Give it 256 random bits.
  public init(
    settings: NetworkSettings, host: consuming Host, observer: consuming Watcher,
    seed: (UInt64, UInt64, UInt64, UInt64)
  ) {
    self.settings = settings
    self.host = host
    self.observer = observer
  }

  // MARK: Inputs

  /// A link has a peer on `port`: frames may flow.
  public mutating func attach<Sink: FrameSink & ~Copyable>(_ port: PortID, at now: Instant, into sink: inout Sink) {}

  /// The link on `port` has lost its peer. Flows are kept for a while, should it come back.
  public mutating func detach<Sink: FrameSink & ~Copyable>(_ port: PortID, at now: Instant, into sink: inout Sink) {}

  /// Frames came from guests.
  public mutating func receive<Sink: FrameSink & ~Copyable>(
    _ batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {}

  /// The host reports a change of a flow.
  public mutating func hostReady<Sink: FrameSink & ~Copyable>(
    _ flow: FlowID, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {}

  /// The link of `port` has room again after a reservation was refused.
  public mutating func linkReady<Sink: FrameSink & ~Copyable>(
    _ port: PortID, at now: Instant, into sink: inout Sink
  ) {}

  /// Does what is due: timers, and work that an earlier call left for want of budget.
  public mutating func advance<Sink: FrameSink & ~Copyable>(to now: Instant, into sink: inout Sink) {}

  /// Carries out a command.
  public mutating func apply<Sink: FrameSink & ~Copyable>(
    _ command: Command, at now: Instant, into sink: inout Sink
  ) throws(CommandError) {}

  /// Begins to end everything: flows are reset towards the guests, what the host took is delivered.
  /// Done when `isShutDown`, which the owner awaits for a bounded time.
  public mutating func shutDown<Sink: FrameSink & ~Copyable>(at now: Instant, into sink: inout Sink) {}

  // MARK: Questions

  /// When `advance` is to be called at the latest; `.never` if nothing is due, the past if work is waiting.
  public var nextDeadline: Instant { .never }

  /// Whether no flow is left after `shutDown`.
  public var isShutDown: Bool { true }

  /// Calls `body` with each flow, for a log or a table; not on the path of frames.
  public func forEachFlow(_ body: (FlowSummary) -> Void) {}
}
