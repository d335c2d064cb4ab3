public import Primitives

/// A range of sequence numbers that was received (RFC 2018 section 3).
public struct SACKBlock: Hashable, Sendable {
  /// The first sequence number of the range.
  public var start: SequenceNumber
  /// The sequence number behind the last of the range.
  public var end: SequenceNumber

  /// Makes a block of its edges.
  @inlinable
  public init(start: SequenceNumber, end: SequenceNumber) {
    self.start = start
    self.end = end
  }
}

/// Up to four SACK blocks, in place: as many as a header has room for.
public struct SACKBlocks: RandomAccessCollection, Hashable, Sendable {
  /// The most blocks.
  public static var capacity: Int { 4 }

  // Unused places stay zero, so that equal lists are equal in every byte.
  @usableFromInline var first = SACKBlock(start: SequenceNumber(0), end: SequenceNumber(0))
  @usableFromInline var second = SACKBlock(start: SequenceNumber(0), end: SequenceNumber(0))
  @usableFromInline var third = SACKBlock(start: SequenceNumber(0), end: SequenceNumber(0))
  @usableFromInline var fourth = SACKBlock(start: SequenceNumber(0), end: SequenceNumber(0))
  /// The number of blocks.
  @inlinable
  public var count: Int { Int(length) }
  @usableFromInline var length: UInt8 = 0

  /// Makes an empty list.
  @inlinable
  public init() {}

  /// Appends a block.
  /// - Returns: false, with nothing changed, where the list is full.
  @inlinable
  @discardableResult
  public mutating func append(_ block: SACKBlock) -> Bool {
    switch count {
    case 0: first = block
    case 1: second = block
    case 2: third = block
    case 3: fourth = block
    default: return false
    }
    length += 1
    return true
  }

  /// The position of the first block.
  @inlinable
  public var startIndex: Int { 0 }
  /// The position behind the last block.
  @inlinable
  public var endIndex: Int { count }

  /// Block `index`.
  /// - Precondition: `index` is less than `count`.
  @inlinable
  public subscript(index: Int) -> SACKBlock {
    precondition(index >= 0 && index < count, "no such block")
    switch index {
    case 0: return first
    case 1: return second
    case 2: return third
    default: return fourth
    }
  }
}
