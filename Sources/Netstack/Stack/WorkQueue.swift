import BasicContainers

/// Flows that have work to do, in the order in which it came up.
///
/// A flow stands in it at most once (its own `isQueued` says so). Work that finds its link full waits apart until the
/// link has room again, so that it does not keep the loop awake.
struct WorkQueue: ~Copyable {
  private var ready = UniqueArray<FlowID>()
  private var running = UniqueArray<FlowID>()
  private var held = UniqueArray<FlowID>()

  /// Whether there is work that can be tried now.
  var isEmpty: Bool { ready.isEmpty }

  mutating func append(_ flow: FlowID) { ready.append(flow) }

  /// Keeps a flow until `releaseHeld`.
  mutating func hold(_ flow: FlowID) { held.append(flow) }

  /// Makes the flows ready that waited for room in a link.
  mutating func releaseHeld() {
    for place in 0..<held.count { ready.append(held[place]) }
    held.removeAll(keepingCapacity: true)
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
