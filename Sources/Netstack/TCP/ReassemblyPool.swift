import BasicContainers
import Buffers
import Primitives
import Wire

/// Payload that came before its turn: behind a gap, or more than the host's socket took.
///
/// One pool for all connections, of fixed size; each connection has a queue in it, sorted by sequence number and
/// without overlaps (what came first stays). A connection may hold a fixed share, so that one guest's losses leave
/// room for others.
struct ReassemblyPool: ~Copyable {
  /// A connection's part of the pool.
  struct Queue {
    fileprivate var first = none
    fileprivate var last = none
    fileprivate var blockCount: Int32 = 0

    var isEmpty: Bool { first == none }
  }

  struct Node {
    var sequence: SequenceNumber
    var next: Int32
    /// Counts up from node to node: the greatest came last.
    var stamp: UInt32 = 0
    var count: UInt16

    var end: SequenceNumber { sequence + Int(count) }
  }

  private static let none: Int32 = -1
  private static let blockSize = 2048
  /// 8 MiB in all; memory that no gap ever needed is never touched.
  private static let blockCount = 4096
  /// 2 MiB for one connection.
  private static let maximumBlocksPerQueue: Int32 = 1024

  private var blocks = BlockPool(count: ReassemblyPool.blockCount, blockSize: ReassemblyPool.blockSize)
  private var nodes = UniqueArray<Node>(minimumCapacity: ReassemblyPool.blockCount)
  private var firstFree = ReassemblyPool.none
  private var lastStamp: UInt32 = 0

  /// The pool's memory, in which the slices of `gather` lie.
  var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { blocks.batch }
  }

  /// Keeps the bytes of `slice`, which begin at `sequence`, but for those that are there already.
  ///
  /// - Returns: false where the pool had no room for all of them; the guest will send the rest again.
  mutating func insert(
    _ slice: PayloadSlice, of batch: borrowing FrameBatch, at sequence: SequenceNumber, into queue: inout Queue
  ) -> Bool {
    var sequence = sequence
    var slice = slice
    var previous = Self.none
    var node = queue.first
    if queue.last != Self.none && nodes[Int(queue.last)].end <= sequence {
      previous = queue.last
      node = Self.none
    }
    while slice.count > 0 {
      while node != Self.none && nodes[Int(node)].end <= sequence {
        previous = node
        node = nodes[Int(node)].next
      }
      let gap = node == Self.none ? slice.count : min(slice.count, nodes[Int(node)].sequence - sequence)
      let step: Int
      if gap > 0 {
        step = min(gap, Self.blockSize)
        guard let block = take(for: queue) else { return false }
        var part = slice
        part.count = step
        blocks.fill(Int(block), with: part, of: batch)
        lastStamp &+= 1
        nodes[Int(block)] = Node(sequence: sequence, next: node, stamp: lastStamp, count: UInt16(step))
        link(block, behind: previous, before: node, in: &queue)
        previous = block
      } else {
        step = min(slice.count, nodes[Int(node)].end - sequence)
      }
      sequence += step
      slice.offset += step
      slice.count -= step
    }
    return true
  }

  /// Appends to `slices` what follows `sequence` without a gap, and returns the number of bytes.
  func gather(from sequence: SequenceNumber, in queue: Queue, to slices: inout UniqueArray<PayloadSlice>) -> Int {
    var next = sequence
    var node = queue.first
    while node != Self.none, nodes[Int(node)].sequence <= next {
      let entry = nodes[Int(node)]
      let old = next - entry.sequence
      if old < Int(entry.count) {
        let slice = PayloadSlice(frame: Int(node), offset: old, count: Int(entry.count) - old)
        slices.append(slice)
        next = entry.end
      }
      node = entry.next
    }
    return next - sequence
  }

  /// RFC 2018 section 4: the ranges that lie behind a gap, the one that grew last first.
  func blocks(behind sequence: SequenceNumber, in queue: Queue) -> SACKBlocks {
    var newest = NewestRanges()
    var node = queue.first
    while node != Self.none {
      let start = nodes[Int(node)].sequence
      var (end, stamp) = (start, nodes[Int(node)].stamp)
      while node != Self.none && nodes[Int(node)].sequence == end {
        end = nodes[Int(node)].end
        if Int32(bitPattern: nodes[Int(node)].stamp &- stamp) > 0 { stamp = nodes[Int(node)].stamp }
        node = nodes[Int(node)].next
      }
      // What begins at RCV.NXT waits for the host, and behind no gap.
      if start > sequence { newest.insert(SACKBlock(start: start, end: end), stamp) }
    }
    return newest.blocks
  }

  /// Gives back everything before `sequence`.
  mutating func release(upTo sequence: SequenceNumber, in queue: inout Queue) {
    while queue.first != Self.none, nodes[Int(queue.first)].end <= sequence { dropFirst(of: &queue) }
  }

  /// Gives back everything.
  mutating func releaseAll(in queue: inout Queue) {
    while queue.first != Self.none { dropFirst(of: &queue) }
  }

  // MARK: Blocks

  /// Blocks that are in use. Goes through those that are not.
  var usedBlockCount: Int {
    var count = nodes.count
    var node = firstFree
    while node != Self.none {
      count -= 1
      node = nodes[Int(node)].next
    }
    return count
  }

  private mutating func take(for queue: Queue) -> Int32? {
    guard queue.blockCount < Self.maximumBlocksPerQueue else { return nil }
    if firstFree != Self.none {
      let block = firstFree
      firstFree = nodes[Int(block)].next
      return block
    }
    guard nodes.count < Self.blockCount else { return nil }
    nodes.append(Node(sequence: SequenceNumber(0), next: Self.none, count: 0))
    return Int32(nodes.count - 1)
  }

  private mutating func link(_ block: Int32, behind previous: Int32, before next: Int32, in queue: inout Queue) {
    if previous == Self.none { queue.first = block } else { nodes[Int(previous)].next = block }
    if next == Self.none { queue.last = block }
    queue.blockCount += 1
  }

  private mutating func dropFirst(of queue: inout Queue) {
    let block = queue.first
    queue.first = nodes[Int(block)].next
    if queue.first == Self.none { queue.last = Self.none }
    queue.blockCount -= 1
    nodes[Int(block)].next = firstFree
    firstFree = block
  }
}

/// The ranges with the highest stamps, as many as a header has room for, in falling order.
private struct NewestRanges {
  private(set) var blocks = SACKBlocks()
  private var stamps: InlineArray<4, UInt32> = .init(repeating: 0)

  mutating func insert(_ block: SACKBlock, _ stamp: UInt32) {
    var sorted = SACKBlocks()
    var sortedStamps = stamps
    var isPlaced = false
    for index in 0..<blocks.count {
      if !isPlaced && Int32(bitPattern: stamp &- stamps[index]) > 0 {
        place(block, stamp, in: &sorted, &sortedStamps)
        isPlaced = true
      }
      place(blocks[index], stamps[index], in: &sorted, &sortedStamps)
    }
    if !isPlaced { place(block, stamp, in: &sorted, &sortedStamps) }
    (blocks, stamps) = (sorted, sortedStamps)
  }

  private func place(
    _ block: SACKBlock, _ stamp: UInt32, in blocks: inout SACKBlocks, _ stamps: inout InlineArray<4, UInt32>
  ) {
    if blocks.count < SACKBlocks.capacity { stamps[blocks.count] = stamp }
    blocks.append(block)
  }
}
