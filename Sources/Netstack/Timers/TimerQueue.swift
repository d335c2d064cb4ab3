import BasicContainers
import Primitives

/// Deadlines of flows, at most one for each, with the earliest at hand.
///
/// A 4-ary heap with the place of each flow's entry kept beside it: setting, moving and cancelling cost the logarithm
/// of the number of flows that have a deadline, looking at the earliest costs nothing. A deadline that moves later
/// (a retransmission timer restarted by every acknowledgment) is only noted, and the entry sinks when it comes up:
/// the common case is constant. A flow without a deadline costs four bytes, one with a deadline twenty.
struct TimerQueue: ~Copyable {
  struct Entry {
    /// When the entry comes up; never later than the flow's deadline.
    var due: Instant
    var flow: UInt32
    /// How much later than that the flow's deadline is, in units of 2.048 microseconds, rounded up.
    private var delay: UInt32 = 0
    private static var unitShift: Int64 { 11 }

    init(_ flow: UInt32, due: Instant) {
      self.flow = flow
      self.due = due
    }

    /// The flow's deadline, up to a unit of the delay late.
    var deadline: Instant { due + Interval(nanoseconds: Int64(delay) << Self.unitShift) }

    /// Notes a deadline that is not earlier than the entry comes up.
    /// - Returns: false where it is too far away to be noted: 146 minutes, more than a connection may be idle.
    mutating func postpone(to deadline: Instant) -> Bool {
      let units = ((deadline - due).nanoseconds + (1 << Self.unitShift) - 1) >> Self.unitShift
      guard units <= Int64(UInt32.max) else { return false }
      delay = UInt32(units)
      return true
    }

    /// Has the entry come up at `deadline`.
    mutating func move(to deadline: Instant) { (due, delay) = (deadline, 0) }
  }

  private var heap = UniqueArray<Entry>()
  /// The place of each flow's entry in the heap, or `absent`.
  private var places = UniqueArray<UInt32>()
  private static var absent: UInt32 { .max }

  /// Makes an empty queue for flows with indices less than `capacity`.
  init(capacity: Int) {
    heap.reserveCapacity(capacity)
    places.reserveCapacity(capacity)
  }

  /// The number of flows that have a deadline.
  var count: Int { heap.count }

  /// When the earliest entry comes up, `.never` if there is none. May be earlier than any flow's deadline.
  var next: Instant { heap.isEmpty ? .never : heap[0].due }

  /// Sets, moves or (with `.never`) cancels the deadline of `flow`.
  mutating func set(_ deadline: Instant, for flow: UInt32) {
    while places.count <= Int(flow) { places.append(Self.absent) }
    let place = places[Int(flow)]
    guard place != Self.absent else {
      guard deadline != .never else { return }
      heap.append(Entry(flow, due: deadline))
      return rise(from: heap.count - 1)
    }
    guard deadline != .never else { return remove(at: Int(place)) }
    if deadline < heap[Int(place)].due {
      heap[Int(place)].move(to: deadline)
      rise(from: Int(place))
    } else if !heap[Int(place)].postpone(to: deadline) {
      heap[Int(place)].move(to: deadline)
      sink(from: Int(place))
    }
  }

  /// Takes a flow whose deadline is `now` or earlier, or nil where there is none.
  mutating func popDue(at now: Instant) -> UInt32? {
    while !heap.isEmpty && heap[0].due <= now {
      let (flow, deadline) = (heap[0].flow, heap[0].deadline)
      guard deadline > now else {
        remove(at: 0)
        return flow
      }
      heap[0].move(to: deadline)
      sink(from: 0)
    }
    return nil
  }

  private mutating func remove(at place: Int) {
    places[Int(heap[place].flow)] = Self.absent
    guard let last = heap.popLast(), place < heap.count else { return }
    heap[place] = last
    places[Int(last.flow)] = UInt32(place)
    rise(from: place)
    sink(from: Int(places[Int(last.flow)]))
  }

  private mutating func rise(from start: Int) {
    let entry = heap[start]
    var place = start
    while place > 0 {
      let parent = (place - 1) / 4
      guard entry.due < heap[parent].due else { break }
      move(parent, to: place)
      place = parent
    }
    put(entry, at: place)
  }

  private mutating func sink(from start: Int) {
    let entry = heap[start]
    var place = start
    while true {
      let first = place * 4 + 1
      guard first < heap.count else { break }
      var smallest = first
      for child in first..<min(first + 4, heap.count) where heap[child].due < heap[smallest].due { smallest = child }
      guard heap[smallest].due < entry.due else { break }
      move(smallest, to: place)
      place = smallest
    }
    put(entry, at: place)
  }

  private mutating func move(_ from: Int, to place: Int) { put(heap[from], at: place) }

  private mutating func put(_ entry: Entry, at place: Int) {
    heap[place] = entry
    places[Int(entry.flow)] = UInt32(place)
  }
}
