public import Primitives

// The fragment header of IPv6 (RFC 8200 section 4.5).
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------+---------------+-------------------------+---+-+
//    |  next header  |   reserved    |     fragment offset     |res|M|
//    +---------------+---------------+-------------------------+---+-+
//    |                         identification                        |
//    +---------------------------------------------------------------+

/// The fragment header of a part of an IPv6 packet.
public struct IPv6FragmentHeader: Hashable, Sendable {
  /// The length of the header in bytes.
  @inlinable
  public static var length: Int { 8 }

  /// What the whole packet carries behind the headers that each fragment repeats.
  public var nextHeader: IPProtocol
  /// Where the part belongs in what follows the repeated headers, in bytes: a multiple of 8 up to 65,528.
  public var offset: Int
  /// Whether further fragments follow.
  public var moreFragments: Bool
  /// What the fragments of one packet have in common.
  public var identification: UInt32

  /// Makes a header of its fields.
  @inlinable
  public init(nextHeader: IPProtocol, offset: Int, moreFragments: Bool, identification: UInt32) {
    self.nextHeader = nextHeader
    self.offset = offset
    self.moreFragments = moreFragments
    self.identification = identification
  }

  /// Reads the 8 bytes at the start of `bytes`; the reserved bits are ignored.
  @inlinable
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Self.length else { throw .truncated(needed: Self.length, available: bytes.count) }
    nextHeader = IPProtocol(rawValue: bytes[0])
    let word = bytes.bigEndian16(at: 2)
    offset = Int(word & 0xfff8)
    moreFragments = word & 1 != 0
    identification = bytes.bigEndian32(at: 4)
  }

  /// Writes the 8 bytes from `position` on.
  /// - Precondition: `position + 8 <= bytes.count`, and the offset is a multiple of 8 up to 65,528.
  @inlinable
  public func write(to bytes: inout MutableSpan<UInt8>, at position: Int = 0) {
    precondition(offset & 7 == 0 && offset <= 0xfff8, "a fragment begins at a multiple of 8 bytes")
    let word = UInt32(offset) | (moreFragments ? 1 : 0)
    bytes.storeBigEndian(UInt32(nextHeader.rawValue) << 24 | word, at: position)
    bytes.storeBigEndian(identification, at: position + 4)
  }
}
