import Primitives

/// Recordings put together of bytes that nobody has recorded, so that what comes of them is seen behind their
/// fingerprints, too.
package enum RecordingBlocks {
  /// A recording of one block, with `records` in it, the head first.
  package static func recording(of records: [UInt8]) -> [UInt8] {
    guard !records.isEmpty else { return RecordingFormat.preamble }
    return RecordingFormat.preamble + block(records, isPacked: false)
  }

  /// The bytes with the preamble of a recording and with blocks that have the lengths and fingerprints that they say:
  /// one that is to be longer than what is left ends there, and the last few bytes, of which none can be made, are as
  /// they were. A recording that is whole stays what it is.
  package static func mended(_ bytes: [UInt8]) -> [UInt8] {
    var mended = RecordingFormat.preamble
    var rest = bytes.dropFirst(RecordingFormat.preamble.count)
    while rest.count > RecordingFormat.blockHeaderLength {
      let word = lengthWord(rest)
      rest = rest.dropFirst(RecordingFormat.blockHeaderLength)
      let records = Array(rest.prefix(max(1, count(of: word))))
      rest = rest.dropFirst(records.count)
      mended += block(records, isPacked: word & RecordingFormat.packedFlag != 0)
    }
    return mended + rest
  }

  /// The records of a recording that is whole, without its blocks.
  package static func records(of recording: [UInt8]) -> [UInt8] {
    var records: [UInt8] = []
    var rest = recording.dropFirst(RecordingFormat.preamble.count)
    while rest.count > RecordingFormat.blockHeaderLength {
      let word = lengthWord(rest)
      let content = Array(rest.dropFirst(RecordingFormat.blockHeaderLength).prefix(count(of: word)))
      rest = rest.dropFirst(RecordingFormat.blockHeaderLength + content.count)
      let isPacked = word & RecordingFormat.packedFlag != 0
      records += isPacked ? ZeroRuns.unpacked(content, atMost: RecordingFormat.longestBlock) ?? [] : content
    }
    return records
  }

  private static func lengthWord(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    let word = Array(bytes.prefix(4))
    return word.span.bigEndian32(at: 0).byteSwapped
  }

  private static func count(of word: UInt32) -> Int { Int(word & ~RecordingFormat.packedFlag) }

  private static func block(_ records: [UInt8], isPacked: Bool) -> [UInt8] {
    var header = RecordingFormat.emptyBlockHeader
    var target = header.mutableSpan
    RecordingFormat.writeHeader(of: records.span, isPacked: isPacked, to: &target)
    return header + records
  }
}
