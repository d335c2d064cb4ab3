import BasicContainers

/// Flows in the order in which they came into a state; the oldest makes room for the newest.
///
/// Whoever leaves the state stays in the queue until it is met there, so that leaving costs nothing; the owner looks
/// whether what it takes is still what it was.
struct FlowQueue: ~Copyable {
  private var flows = UniqueArray<FlowID>()
  private var head = 0

  /// The number of entries, those that are out of date included.
  var count: Int { flows.count - head }

  mutating func append(_ flow: FlowID) {
    if head > 64 && head * 2 > flows.count { closeGap() }
    flows.append(flow)
  }

  /// Takes the oldest entry.
  mutating func popFirst() -> FlowID? {
    guard head < flows.count else { return nil }
    head += 1
    return flows[head - 1]
  }

  private mutating func closeGap() {
    for place in head..<flows.count { flows[place - head] = flows[place] }
    flows.removeLast(head)
    head = 0
  }
}
