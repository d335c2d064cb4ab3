import BasicContainers

/// What the frames of one batch leave for each of several flows: a list for each, in memory shared by all.
///
/// So the payload of a flow is written by one system call, however the frames of other flows lie between its own.
/// Emptied when the batch is done.
struct BatchLists<Element>: ~Copyable {
  /// One flow's elements, in order.
  struct List {
    fileprivate var first: Int32 = -1
    fileprivate var last: Int32 = -1

    var isEmpty: Bool { first < 0 }
  }

  private var elements = UniqueArray<(element: Element, next: Int32)>()

  /// Appends `element` to `list`.
  mutating func append(_ element: Element, to list: inout List) {
    let place = Int32(elements.count)
    elements.append((element, -1))
    if list.last < 0 { list.first = place } else { elements[Int(list.last)].next = place }
    list.last = place
  }

  /// Appends the elements of `list` to `target` and empties the list.
  func move(_ list: inout List, to target: inout UniqueArray<Element>) {
    var place = list.first
    while place >= 0 {
      target.append(elements[Int(place)].element)
      place = elements[Int(place)].next
    }
    list = List()
  }

  /// Forgets all elements; every list must be empty by now.
  mutating func removeAll() { elements.removeAll(keepingCapacity: true) }
}
