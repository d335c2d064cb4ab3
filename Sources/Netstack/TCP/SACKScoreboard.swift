import BasicContainers
import Primitives
import Wire

/// What guests have reported to have beyond SND.UNA (RFC 2018), and what follows from it (RFC 6675).
///
/// One pool of ranges for all connections, of fixed size; each connection has a sorted list in it, without overlaps
/// and with gaps between. A connection may hold a fixed share: reports beyond it are forgotten, which costs no more
/// than sending again what was there.
struct SACKScoreboard: ~Copyable {
  /// A connection's part.
  struct Ranges {
    fileprivate var first = none
    fileprivate var count: UInt16 = 0
    /// The bytes in all ranges.
    @Compact fileprivate(set) var byteCount = 0

    var isEmpty: Bool { first == none }
  }

  /// What a connection knows beside the ranges.
  struct Flight {
    /// SND.UNA, the RFC's HighACK plus one.
    var unacknowledged: SequenceNumber
    /// SND.MAX, the RFC's HighData plus one.
    var maximum: SequenceNumber
    /// HighRxt plus one.
    var retransmitted: SequenceNumber
    /// SMSS, in bytes.
    var segmentSize: Int
  }

  struct Node {
    var start: SequenceNumber
    var end: SequenceNumber
    var next: Int32
  }

  private static let none: Int32 = -1
  /// For all connections together: 192 KiB.
  private static let capacity = 16_384
  /// For one connection: the losses of a window of some hundred segments.
  private static let maximumPerConnection: UInt16 = 256
  /// RFC 6675 section 2: segments above a hole that show it to be lost.
  private static let duplicateThreshold = 3

  private var nodes = UniqueArray<Node>()
  private var firstFree = SACKScoreboard.none

  // MARK: Reports

  /// RFC 6675 section 4, Update(): notes the blocks of a segment, those that make sense.
  /// - Returns: whether they told something new.
  mutating func report(_ blocks: SACKBlocks, _ flight: Flight, in ranges: inout Ranges) -> Bool {
    var isNews = false
    for index in 0..<blocks.count {
      let block = blocks[index]
      // What lies at or before SND.UNA reports a duplicate (RFC 2883), what lies beyond SND.MAX a lie.
      guard block.start >= flight.unacknowledged, block.start < block.end, block.end <= flight.maximum,
        block.end > flight.unacknowledged
      else { continue }
      if insert(block, in: &ranges) { isNews = true }
    }
    return isNews
  }

  private mutating func insert(_ block: SACKBlock, in ranges: inout Ranges) -> Bool {
    var previous = Self.none
    var node = ranges.first
    while node != Self.none && nodes[Int(node)].end < block.start {
      previous = node
      node = nodes[Int(node)].next
    }
    guard node != Self.none && nodes[Int(node)].start <= block.end else {
      return add(block, behind: previous, before: node, in: &ranges)
    }
    guard block.start < nodes[Int(node)].start || block.end > nodes[Int(node)].end else { return false }
    let before = ranges.byteCount
    let start = block.start < nodes[Int(node)].start ? block.start : nodes[Int(node)].start
    var end = SequenceNumber.later(block.end, nodes[Int(node)].end)
    ranges.byteCount -= nodes[Int(node)].end - nodes[Int(node)].start
    var next = nodes[Int(node)].next
    while next != Self.none && nodes[Int(next)].start <= end {
      end = SequenceNumber.later(end, nodes[Int(next)].end)
      ranges.byteCount -= nodes[Int(next)].end - nodes[Int(next)].start
      let absorbed = next
      next = nodes[Int(next)].next
      release(absorbed, of: &ranges)
    }
    nodes[Int(node)] = Node(start: start, end: end, next: next)
    ranges.byteCount += end - start
    return ranges.byteCount > before
  }

  private mutating func add(
    _ block: SACKBlock, behind previous: Int32, before next: Int32, in ranges: inout Ranges
  ) -> Bool {
    guard ranges.count < Self.maximumPerConnection, let place = take() else { return false }
    nodes[Int(place)] = Node(start: block.start, end: block.end, next: next)
    if previous == Self.none { ranges.first = place } else { nodes[Int(previous)].next = place }
    ranges.count += 1
    ranges.byteCount += block.end - block.start
    return true
  }

  /// Forgets what the cumulative acknowledgment has reached.
  mutating func release(upTo acknowledged: SequenceNumber, in ranges: inout Ranges) {
    while ranges.first != Self.none && nodes[Int(ranges.first)].start < acknowledged {
      let node = nodes[Int(ranges.first)]
      guard node.end <= acknowledged else {
        ranges.byteCount -= acknowledged - node.start
        nodes[Int(ranges.first)].start = acknowledged
        return
      }
      ranges.byteCount -= node.end - node.start
      let first = ranges.first
      ranges.first = node.next
      release(first, of: &ranges)
    }
  }

  /// Forgets everything: the guest may have changed its mind (RFC 2018 section 8), or the connection ends.
  mutating func releaseAll(in ranges: inout Ranges) {
    while ranges.first != Self.none {
      let first = ranges.first
      ranges.first = nodes[Int(first)].next
      release(first, of: &ranges)
    }
    ranges = Ranges()
  }

  // MARK: What is lost, and what is in flight

  /// RFC 6675 section 4, IsLost() for the first byte that is missing.
  func isFirstLost(_ flight: Flight, in ranges: Ranges) -> Bool {
    isLost(above: ranges.byteCount, Int(ranges.count), flight)
  }

  private func isLost(above bytes: Int, _ count: Int, _ flight: Flight) -> Bool {
    count >= Self.duplicateThreshold || bytes > (Self.duplicateThreshold - 1) * flight.segmentSize
  }

  /// RFC 6675 section 4, SetPipe(): an estimate of the bytes that are on their way.
  func pipe(_ flight: Flight, in ranges: Ranges) -> Int {
    var pipe = 0
    var (bytes, count) = (ranges.byteCount, Int(ranges.count))
    var start = flight.unacknowledged
    var node = ranges.first
    while node != Self.none {
      let range = nodes[Int(node)]
      if !isLost(above: bytes, count, flight) { pipe += range.start - start }
      pipe += min(max(0, flight.retransmitted - start), range.start - start)
      bytes -= range.end - range.start
      count -= 1
      start = range.end
      node = range.next
    }
    return pipe + (flight.maximum - start) + max(0, flight.retransmitted - start)
  }

  /// RFC 6675 section 4, NextSeg() rule 1: the first bytes that are lost and were not sent again yet.
  func nextLost(_ flight: Flight, in ranges: Ranges) -> SACKBlock? {
    var (bytes, count) = (ranges.byteCount, Int(ranges.count))
    var start = flight.unacknowledged
    var node = ranges.first
    while node != Self.none && isLost(above: bytes, count, flight) {
      let range = nodes[Int(node)]
      let first = SequenceNumber.later(start, flight.retransmitted)
      if first < range.start { return SACKBlock(start: first, end: range.start) }
      bytes -= range.end - range.start
      count -= 1
      start = range.end
      node = range.next
    }
    return nil
  }

  /// The first range that ends behind `sequence`, nil where there is none.
  func range(behind sequence: SequenceNumber, in ranges: Ranges) -> SACKBlock? {
    var node = ranges.first
    while node != Self.none {
      let range = nodes[Int(node)]
      if range.end > sequence { return SACKBlock(start: range.start, end: range.end) }
      node = range.next
    }
    return nil
  }

  /// The bytes in ranges before `sequence`.
  func byteCount(before sequence: SequenceNumber, in ranges: Ranges) -> Int {
    var count = 0
    var node = ranges.first
    while node != Self.none && nodes[Int(node)].start < sequence {
      let range = nodes[Int(node)]
      count += min(range.end - range.start, sequence - range.start)
      node = range.next
    }
    return count
  }

  // MARK: Places

  /// Ranges of all connections. Goes through the places that are free.
  var rangeCount: Int {
    var count = nodes.count
    var node = firstFree
    while node != Self.none {
      count -= 1
      node = nodes[Int(node)].next
    }
    return count
  }

  private mutating func take() -> Int32? {
    if firstFree != Self.none {
      let place = firstFree
      firstFree = nodes[Int(place)].next
      return place
    }
    guard nodes.count < Self.capacity else { return nil }
    nodes.append(Node(start: SequenceNumber(0), end: SequenceNumber(0), next: Self.none))
    return Int32(nodes.count - 1)
  }

  private mutating func release(_ place: Int32, of ranges: inout Ranges) {
    nodes[Int(place)].next = firstFree
    firstFree = place
    ranges.count -= 1
  }
}
