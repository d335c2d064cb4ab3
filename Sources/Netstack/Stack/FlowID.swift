/// The name of a flow (or a forward's listener): an index into the flow table and the generation of that place.
///
/// Both travel in the 64 bits that epoll keeps with a descriptor, so that an event of a flow that has since ended
/// cannot reach the flow that took its place.
public struct FlowID: Hashable, Sendable {
  /// The place in the flow table, less than 2^31.
  public let index: UInt32
  /// How often the place was taken before.
  public let generation: UInt32

  /// Makes an identifier of its parts.
  @inlinable
  public init(index: UInt32, generation: UInt32) {
    self.index = index
    self.generation = generation
  }

  /// Reads an identifier from the 64 bits of an event.
  @inlinable
  public init(rawValue: UInt64) {
    self.init(index: UInt32(truncatingIfNeeded: rawValue >> 32), generation: UInt32(truncatingIfNeeded: rawValue))
  }

  /// The identifier in 64 bits; the top bit is always 0.
  @inlinable
  public var rawValue: UInt64 { UInt64(index) << 32 | UInt64(generation) }
}

extension FlowID: CustomStringConvertible {
  /// `index.generation`.
  public var description: String { "\(index).\(generation)" }
}
