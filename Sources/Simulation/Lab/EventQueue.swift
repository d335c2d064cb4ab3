import Primitives

/// What is to happen, by time and then in the order in which it was planned: a binary heap.
struct EventQueue<Event> {
  private struct Entry {
    let time: Instant
    let order: UInt64
    let event: Event

    func precedes(_ other: Entry) -> Bool { time == other.time ? order < other.order : time < other.time }
  }

  private var heap: [Entry] = []
  private var nextOrder: UInt64 = 0

  /// When the next event is.
  var next: Instant { heap.first?.time ?? .never }

  mutating func schedule(_ event: Event, at time: Instant) {
    heap.append(Entry(time: time, order: nextOrder, event: event))
    nextOrder += 1
    var child = heap.count - 1
    while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Removes the next event if it is due at `now`.
  mutating func popDue(at now: Instant) -> Event? {
    guard let first = heap.first, first.time <= now else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].precedes(heap[least]) {
        least = child
      }
      guard least != parent else { break }
      heap.swapAt(parent, least)
      parent = least
    }
    return first.event
  }
}
