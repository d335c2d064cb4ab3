import Primitives

/// Reads a recording block by block.
///
/// What is damaged or breaks off ends it, and what comes before stays readable.
public struct RecordingReader {
  /// Gives the next `count` bytes, fewer only where there are no more.
  public typealias Source = (_ count: Int) throws(RecordingError) -> [UInt8]

  /// What the recording says of itself.
  public let head: RecordingHead
  /// How it has ended; nil before its end.
  public private(set) var end: RecordingEnd?

  private let source: Source
  /// The records of the block that is read.
  var decoder: RecordDecoder

  /// Reads the beginning of a recording.
  public init(_ source: @escaping Source) throws(RecordingError) {
    let preamble = try source(RecordingFormat.preamble.count)
    guard !preamble.isEmpty else { throw .empty }
    guard preamble.starts(with: RecordingFormat.preamble.prefix(RecordingFormat.nameLength)),
      preamble.count == RecordingFormat.preamble.count
    else { throw .notARecording }
    let version = preamble[RecordingFormat.nameLength...].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard version == RecordingHead.version else { throw .unknownVersion(version) }
    self.source = source
    switch try Self.nextBlock(source) {
    case .end: throw .withoutHead
    case .damage: throw .damaged
    case .records(let records):
      decoder = RecordDecoder(records)
    }
    head = try decoder.value()
  }

  /// Reads a recording that lies in memory.
  public init(bytes: [UInt8]) throws(RecordingError) {
    var offset = 0
    try self.init { count in
      let end = min(offset + count, bytes.count)
      defer { offset = end }
      return Array(bytes[offset..<end])
    }
  }

  /// The kind of the next record; nil at the end, of which `end` tells.
  mutating func nextKind() throws(RecordingError) -> RecordKind? {
    while decoder.isAtEnd, end == nil { try readBlock() }
    guard end == nil, let code = decoder.next else { return nil }
    guard let kind = RecordKind(rawValue: code) else { throw .damaged }
    guard kind == .end else { return kind }
    _ = try decoder.byte()
    let cause = try decoder.byte()
    end = RecordingEnd(rawValue: cause) ?? .damaged
    return nil
  }

  /// Ends the reading: what follows means nothing.
  mutating func giveUp(_ cause: RecordingEnd) { end = end ?? cause }

  private mutating func readBlock() throws(RecordingError) {
    switch try Self.nextBlock(source) {
    case .end: end = .brokenOff
    case .damage: end = .damaged
    case .records(let records):
      decoder = RecordDecoder(records)
    }
  }

  private enum Block {
    case records([UInt8])
    case end
    case damage
  }

  private static func nextBlock(_ source: Source) throws(RecordingError) -> Block {
    let header = try source(RecordingFormat.blockHeaderLength)
    guard header.count == RecordingFormat.blockHeaderLength else { return .end }
    let word = header.span.bigEndian32(at: 0).byteSwapped
    let count = Int(word & ~RecordingFormat.packedFlag)
    guard count > 0, count <= RecordingFormat.longestBlock else { return .damage }
    let records = try source(count)
    guard records.count == count else { return .end }
    let digest = header.span.bigEndian64(at: 4).byteSwapped
    guard RecordDigest.of(records.span) == digest else { return .damage }
    guard word & RecordingFormat.packedFlag != 0 else { return .records(records) }
    return ZeroRuns.unpacked(records, atMost: RecordingFormat.longestBlock).map { .records($0) } ?? .damage
  }
}
