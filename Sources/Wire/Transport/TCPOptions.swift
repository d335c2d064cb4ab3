public import Primitives

// The options of a TCP header: a kind, for all but two kinds a length that counts both bytes before the value, the
// value. They are written in groups of whole words, each value aligned, with NOPs before it:
//
//     02 04 mm mm                                    maximum segment size
//     04 02 08 0a vv vv vv vv ee ee ee ee            SACK permitted and timestamps together
//     01 01 04 02   or   01 01 08 0a vv ... ee       either alone
//     01 03 03 ss                                    window scale
//     01 01 05 ll ss ss ss ss ee ee ee ee ...        SACK, one to four blocks

/// The kinds of options (RFC 9293 section 3.2 and those named below).
@usableFromInline
enum TCPOptionKind {
  @usableFromInline static var end: UInt8 { 0 }
  @usableFromInline static var noOperation: UInt8 { 1 }
  @usableFromInline static var maximumSegmentSize: UInt8 { 2 }
  @usableFromInline static var windowScale: UInt8 { 3 }
  @usableFromInline static var sackPermitted: UInt8 { 4 }
  @usableFromInline static var sack: UInt8 { 5 }
  @usableFromInline static var timestamps: UInt8 { 8 }

  /// NOP, NOP, timestamps of length 10: how nearly every segment with data begins its options.
  @usableFromInline static var alignedTimestamps: UInt32 { 0x0101_080a }
  @usableFromInline static var sackPermittedAndTimestamps: UInt32 { 0x0402_080a }
  @usableFromInline static var alignedSACKPermitted: UInt32 { 0x0101_0402 }
}

/// The timestamps option (RFC 7323 section 3).
public struct TCPTimestamps: Hashable, Sendable {
  /// The sender's clock (TSval).
  public var value: UInt32
  /// The clock of a segment that the sender received (TSecr).
  public var echo: UInt32

  /// Makes an option of its fields.
  @inlinable
  public init(value: UInt32, echo: UInt32) {
    self.value = value
    self.echo = echo
  }
}

/// The options of a TCP segment.
public struct TCPOptions: Hashable, Sendable {
  /// The most bytes of options that a header holds.
  public static var maximumByteCount: Int { 40 }

  /// The longest segment that the sender takes, in bytes of data (RFC 9293 section 3.7.1).
  public var mss: UInt16?
  /// The binary logarithm of the unit of the sender's windows (RFC 7323 section 2), at most 14.
  public var windowScale: UInt8?
  /// Whether the sender takes selective acknowledgments (RFC 2018 section 2).
  public var isSACKPermitted: Bool
  /// The timestamps.
  public var timestamps: TCPTimestamps?
  /// What the sender has received beyond the acknowledgment number (RFC 2018 section 3).
  public var sackBlocks: SACKBlocks

  /// Makes a set of options.
  @inlinable
  public init(
    mss: UInt16? = nil, windowScale: UInt8? = nil, isSACKPermitted: Bool = false, timestamps: TCPTimestamps? = nil,
    sackBlocks: SACKBlocks = SACKBlocks()
  ) {
    self.mss = mss
    self.windowScale = windowScale
    self.isSACKPermitted = isSACKPermitted
    self.timestamps = timestamps
    self.sackBlocks = sackBlocks
  }

  /// Reads the options of a header. What is malformed ends the reading; what was read before it counts.
  @inlinable @inline(__always)
  public init(_ bytes: Span<UInt8>) {
    self.init()
    guard !bytes.isEmpty else { return }
    if bytes.count == 12, bytes.bigEndian32(at: 0) == TCPOptionKind.alignedTimestamps {
      timestamps = TCPTimestamps(value: bytes.bigEndian32(at: 4), echo: bytes.bigEndian32(at: 8))
    } else {
      parse(bytes)
    }
  }

  @usableFromInline
  mutating func parse(_ bytes: Span<UInt8>) {
    var offset = 0
    while offset < bytes.count, bytes[offset] != TCPOptionKind.end {
      guard bytes[offset] != TCPOptionKind.noOperation else {
        offset += 1
        continue
      }
      guard offset + 2 <= bytes.count else { return }
      let length = Int(bytes[offset + 1])
      guard length >= 2, offset + length <= bytes.count else { return }
      take(kind: bytes[offset], value: bytes.extracting((offset + 2)..<(offset + length)))
      offset += length
    }
  }

  /// Takes one option; one that is unknown or of a wrong length is passed over.
  private mutating func take(kind: UInt8, value: Span<UInt8>) {
    switch (kind, value.count) {
    case (TCPOptionKind.maximumSegmentSize, 2):
      mss = value.bigEndian16(at: 0)
    case (TCPOptionKind.windowScale, 1):
      // RFC 7323 section 2.3: more than 14 counts as 14.
      windowScale = min(value[0], 14)
    case (TCPOptionKind.sackPermitted, 0):
      isSACKPermitted = true
    case (TCPOptionKind.timestamps, 8):
      timestamps = TCPTimestamps(value: value.bigEndian32(at: 0), echo: value.bigEndian32(at: 4))
    case (TCPOptionKind.sack, 8), (TCPOptionKind.sack, 16), (TCPOptionKind.sack, 24), (TCPOptionKind.sack, 32):
      sackBlocks = SACKBlocks()
      for offset in stride(from: 0, to: value.count, by: 8) {
        let start = SequenceNumber(value.bigEndian32(at: offset))
        sackBlocks.append(SACKBlock(start: start, end: SequenceNumber(value.bigEndian32(at: offset + 4))))
      }
    default:
      return
    }
  }

  /// The number of bytes that the options take in a header: a multiple of 4, at most 40.
  @inlinable
  public var byteCount: Int {
    let count = byteCountWithoutSACK
    let blocks = writtenBlockCount
    return blocks == 0 ? count : count + 4 + 8 * blocks
  }

  @inlinable
  var byteCountWithoutSACK: Int {
    (mss == nil ? 0 : 4) + (timestamps == nil ? (isSACKPermitted ? 4 : 0) : 12) + (windowScale == nil ? 0 : 4)
  }

  /// The number of SACK blocks that find room (RFC 2018 section 3: three beside timestamps).
  @inlinable
  var writtenBlockCount: Int { min(sackBlocks.count, (Self.maximumByteCount - 4 - byteCountWithoutSACK) / 8) }

  /// Writes the `byteCount` bytes from `offset` on; the last SACK blocks are left out where there is no room.
  /// - Precondition: `offset + byteCount <= bytes.count`.
  @inlinable @inline(__always)
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    var offset = offset
    if let mss {
      bytes.storeBigEndian(0x0204_0000 | UInt32(mss), at: offset)
      offset += 4
    }
    if let timestamps {
      bytes.storeBigEndian(
        isSACKPermitted ? TCPOptionKind.sackPermittedAndTimestamps : TCPOptionKind.alignedTimestamps, at: offset)
      bytes.storeBigEndian(timestamps.value, at: offset + 4)
      bytes.storeBigEndian(timestamps.echo, at: offset + 8)
      offset += 12
    } else if isSACKPermitted {
      bytes.storeBigEndian(TCPOptionKind.alignedSACKPermitted, at: offset)
      offset += 4
    }
    if let windowScale {
      bytes.storeBigEndian(0x0103_0300 | UInt32(windowScale), at: offset)
      offset += 4
    }
    if !sackBlocks.isEmpty { writeSACKBlocks(to: &bytes, at: offset) }
  }

  @usableFromInline
  func writeSACKBlocks(to bytes: inout MutableSpan<UInt8>, at offset: Int) {
    let count = writtenBlockCount
    guard count > 0 else { return }
    bytes.storeBigEndian(0x0101_0500 | UInt32(2 + 8 * count), at: offset)
    for index in 0..<count {
      bytes.storeBigEndian(sackBlocks[index].start.value, at: offset + 4 + 8 * index)
      bytes.storeBigEndian(sackBlocks[index].end.value, at: offset + 8 + 8 * index)
    }
  }
}
