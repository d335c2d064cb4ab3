import Primitives

/// The frame of a recording: its first bytes, and blocks of records.
enum RecordingFormat {
  /// What a recording begins with: a byte that no text has, a name, and the version in two bytes, the lowest first.
  static let preamble: [UInt8] =
    [0x8b] + Array("CULVERT".utf8)
    + [UInt8(truncatingIfNeeded: RecordingHead.version), UInt8(truncatingIfNeeded: RecordingHead.version >> 8)]

  /// Bytes of the preamble without the version.
  static var nameLength: Int { 8 }
  /// Bytes before the records of a block: how many bytes follow (4), and their fingerprint (8), the lowest byte first.
  static var blockHeaderLength: Int { 12 }
  /// The most bytes of records in a block: what one input can bring, and more.
  static var longestBlock: Int { 64 << 20 }
  /// Set in the number of bytes where they are packed.
  static var packedFlag: UInt32 { 1 << 31 }

  /// Room for the header of a block.
  static let emptyBlockHeader = [UInt8](repeating: 0, count: blockHeaderLength)

  /// Fills in the header of the block that begins at byte `start`, and whose records are all that follows it.
  static func closeBlock(of encoder: inout RecordEncoder, from start: Int, isPacked: Bool = false) {
    let records = start + blockHeaderLength
    if isPacked { encoder.replace(from: records, by: ZeroRuns.packed(encoder.bytes[records...])) }
    var header = emptyBlockHeader
    var target = header.mutableSpan
    writeHeader(of: encoder.bytes.span.extracting(records..<encoder.bytes.count), isPacked: isPacked, to: &target)
    encoder.change(start..<records) { $0.copy(header.span) }
  }

  /// Writes the header of a block of these records, which may be packed already.
  static func writeHeader(of records: Span<UInt8>, isPacked: Bool, to header: inout MutableSpan<UInt8>) {
    let word = UInt32(truncatingIfNeeded: records.count) | (isPacked ? packedFlag : 0)
    header.storeBigEndian(word.byteSwapped, at: 0)
    header.storeBigEndian(RecordDigest.of(records).byteSwapped, at: 4)
  }
}
