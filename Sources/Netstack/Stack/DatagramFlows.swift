import BasicContainers
import Primitives

/// A flow that ends when nothing was said for a while, and makes room for another before that if need be.
protocol DatagramFlow {
  /// The flow's place in the flow table.
  var index: UInt32 { get set }
  /// What the current batch brought for it, as a list in the stack's `datagrams`.
  var deliveries: BatchLists<OutgoingDatagram>.List { get }
  /// What stands for the state at `place` in the flow table.
  static func slot(at place: UInt32) -> FlowSlot
}

/// The flows of one kind, and the order in which they were last used.
struct DatagramFlows<Flow: DatagramFlow>: ~Copyable {
  private var states: Slab<Flow>
  private var recency = RecencyList()
  private let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    states = Slab(capacity: capacity)
  }

  subscript(place: UInt32) -> Flow {
    @inline(__always) _read { yield states.elements[Int(place)] }
    @inline(__always) _modify { yield &states.elements[Int(place)] }
  }

  /// Whether there is no place for another.
  var isFull: Bool { recency.count >= capacity }

  /// Takes a flow in, which is in use from now on; nil where a table is full.
  mutating func insert(
    _ flow: Flow, key: FlowKey?, to flows: inout FlowTable, at now: Instant
  ) -> (FlowID, UInt32)? {
    guard let place = states.insert(flow) else { return nil }
    guard let id = flows.insert(Flow.slot(at: place), key: key) else {
      states.remove(at: place)
      return nil
    }
    states[place].index = id.index
    recency.append(place, at: now)
    return (id, place)
  }

  /// Forgets a flow.
  mutating func remove(_ id: FlowID, at place: UInt32, from flows: inout FlowTable, _ timers: inout TimerQueue) {
    recency.remove(place)
    timers.set(.never, for: id.index)
    flows.remove(id)
    states.remove(at: place)
  }

  /// Notes that a flow is in use.
  @inline(__always)
  mutating func use(_ place: UInt32, at now: Instant) { recency.touch(place, at: now) }

  /// The flow that was unused for longest, of those that `mayGo`, nil where none was found. What has come for a flow in
  /// this very batch keeps it.
  mutating func idlest(in flows: borrowing FlowTable, at now: Instant, where mayGo: (Flow) -> Bool) -> (FlowID, UInt32)?
  {
    for _ in 0..<Self.evictionAttempts {
      guard let place = recency.idlest, let id = flows.id(at: states[place].index) else { return nil }
      if states[place].deliveries.isEmpty && mayGo(states[place]) { return (id, place) }
      recency.move(place, at: now)
    }
    return nil
  }

  /// Flows looked at to find one that may go.
  private static var evictionAttempts: Int { 16 }
}
