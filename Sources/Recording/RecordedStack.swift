public import Buffers
public import Netstack
public import Primitives

/// A `Stack` of whose inputs a `Recorder` is told, before they are carried out. Its verbs are those of `Stack`.
public struct RecordedStack<Host: HostNetwork & ~Copyable, Watcher: Observer & ~Copyable>: ~Copyable {
  /// The stack itself, for questions.
  public var core: Stack<Recorded<Host>, Watcher>
  /// Who is told, if anybody.
  public let recorder: Recorder?

  /// Makes a stack, as `Stack.init` does. The recorder's head says the same as `settings`, `seed` and `steering`.
  public init(
    settings: NetworkSettings, host: consuming Host, observer: consuming Watcher,
    seed: (UInt64, UInt64, UInt64, UInt64), steering: PacketSteering = .alone, recorder: Recorder? = nil
  ) {
    core = Stack(
      settings: settings, host: Recorded(host, by: recorder), observer: observer, seed: seed, steering: steering)
    self.recorder = recorder
  }

  /// A link has a peer on `port`.
  public mutating func attach<Sink: FrameSink & ~Copyable>(
    _ port: PortID, offloads: LinkOffloads = [], at now: Instant, into sink: inout Recorded<Sink>
  ) {
    recorder?.noteAttach(port, offloads, at: now)
    core.attach(port, offloads: offloads, at: now, into: &sink)
  }

  /// The link on `port` has lost its peer.
  public mutating func detach<Sink: FrameSink & ~Copyable>(
    _ port: PortID, at now: Instant, into sink: inout Recorded<Sink>
  ) {
    recorder?.noteDetach(port, at: now)
    core.detach(port, at: now, into: &sink)
  }

  /// Frames came from guests, or from another loop.
  public mutating func receive<Sink: FrameSink & ~Copyable>(
    _ batch: borrowing FrameBatch, handedOver: Bool = false, at now: Instant, into sink: inout Recorded<Sink>
  ) {
    recorder?.noteReceive(batch, handedOver: handedOver, at: now)
    core.receive(batch, handedOver: handedOver, at: now, into: &sink)
  }

  /// The host reports a change of a flow.
  public mutating func hostReady<Sink: FrameSink & ~Copyable>(
    _ flow: FlowID, _ readiness: HostReadiness, at now: Instant, into sink: inout Recorded<Sink>
  ) {
    recorder?.noteHostReady(flow, readiness, at: now)
    core.hostReady(flow, readiness, at: now, into: &sink)
  }

  /// The link of `port` has room again.
  public mutating func linkReady<Sink: FrameSink & ~Copyable>(
    _ port: PortID, at now: Instant, into sink: inout Recorded<Sink>
  ) {
    recorder?.noteLinkReady(port, at: now)
    core.linkReady(port, at: now, into: &sink)
  }

  /// Does what is due.
  public mutating func advance<Sink: FrameSink & ~Copyable>(to now: Instant, into sink: inout Recorded<Sink>) {
    recorder?.noteAdvance(to: now)
    core.advance(to: now, into: &sink)
  }

  /// Carries out a command.
  public mutating func apply<Sink: FrameSink & ~Copyable>(
    _ command: Command, at now: Instant, into sink: inout Recorded<Sink>
  ) throws(CommandError) {
    recorder?.noteCommand(command, at: now)
    do throws(CommandError) {
      try core.apply(command, at: now, into: &sink)
    } catch {
      recorder?.noteOutcome(CommandOutcome(error))
      throw error
    }
    recorder?.noteOutcome(.done)
  }

  /// Begins to end everything.
  public mutating func shutDown<Sink: FrameSink & ~Copyable>(at now: Instant, into sink: inout Recorded<Sink>) {
    recorder?.noteShutDown(at: now)
    core.shutDown(at: now, into: &sink)
  }

  /// How much of what guests have said the host's peers have not acknowledged, in bytes. A question, but one that the
  /// host is asked.
  public mutating func undeliveredByteCount(at now: Instant) -> Int {
    recorder?.noteUndelivered(at: now)
    let count = core.undeliveredByteCount()
    recorder?.noteCount(count)
    return count
  }
}
