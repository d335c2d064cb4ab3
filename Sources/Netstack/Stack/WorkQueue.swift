import BasicContainers

/// Flows that have work to do, in the order in which it came up.
///
/// A flow stands in it at most once (its own `isQueued` says so). Each call of the stack's runs a round of what is ready,
/// so a flow that has used up its share of a round waits apart until `advance`: else one that has much would be served
/// with every event of the others'. Work that finds its link full waits apart until the link has room again, so that it
/// does not keep the loop awake.
struct WorkQueue: ~Copyable {
  private var ready = UniqueArray<FlowID>()
  private var running = UniqueArray<FlowID>()
  private var postponed = UniqueArray<FlowID>()
  private var held = UniqueArray<FlowID>()
  /// Those of the held that have filled the link.
  private var sated = UniqueArray<FlowID>()

  /// Whether there is work that can be tried now.
  var isEmpty: Bool { ready.isEmpty && postponed.isEmpty }

  mutating func append(_ flow: FlowID) { ready.append(flow) }

  /// Keeps a flow until `releasePostponed`.
  mutating func postpone(_ flow: FlowID) { postponed.append(flow) }

  /// Makes the flows ready that had their share, behind those that are.
  mutating func releasePostponed() { Self.move(&postponed, to: &ready) }

  /// Keeps a flow until `releaseHeld`, behind those that found no room at all if it is `sated`: has had some.
  mutating func hold(_ flow: FlowID, isSated: Bool = false) {
    if isSated { sated.append(flow) } else { held.append(flow) }
  }

  /// Makes the flows ready that waited for room in a link.
  mutating func releaseHeld() {
    Self.move(&held, to: &ready)
    Self.move(&sated, to: &ready)
  }

  private static func move(_ flows: inout UniqueArray<FlowID>, to target: inout UniqueArray<FlowID>) {
    for place in 0..<flows.count { target.append(flows[place]) }
    flows.removeAll(keepingCapacity: true)
  }

  /// Takes the flows that are ready now for one round; what is appended meanwhile is for the next.
  /// - Returns: how many there are, to be read by `flow(_:)`.
  mutating func beginRound() -> Int {
    running.removeAll(keepingCapacity: true)
    swap(&ready, &running)
    return running.count
  }

  /// Flow `place` of the round.
  func flow(_ place: Int) -> FlowID { running[place] }
}
