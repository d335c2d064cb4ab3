import BasicContainers

/// Values at stable places, taken and given back: the state of flows of one kind.
///
/// The capacity is reserved once, so that places never move; memory that was never used is never touched.
struct Slab<Element>: ~Copyable {
  /// The values, for those who put a slab to use within a table of their own: there its subscript is not inlined.
  var elements: UniqueArray<Element>
  private var free = UniqueArray<UInt32>()
  private let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    elements = UniqueArray(minimumCapacity: capacity)
  }

  /// Stores `element` and returns its place, or nil where the slab is full.
  mutating func insert(_ element: Element) -> UInt32? {
    if let place = free.popLast() {
      elements[Int(place)] = element
      return place
    }
    guard elements.count < capacity else { return nil }
    elements.append(element)
    return UInt32(elements.count - 1)
  }

  /// Gives `place` back; the value is left as it is until the place is taken again.
  mutating func remove(at place: UInt32) { free.append(place) }

  subscript(place: UInt32) -> Element {
    @inline(__always) _read { yield elements[Int(place)] }
    @inline(__always) _modify { yield &elements[Int(place)] }
  }
}
