public import Primitives

/// Writes an answer to a DNS message: header and question, then records one after another as far as there is room, then
/// EDNS.
public struct DNSMessageWriter: ~Copyable, ~Escapable {
  /// Where a record's owner name stands.
  public enum Owner {
    /// It is the question's name, of which the first bytes, whole labels, are left out.
    case question(skipping: Int)
    /// It is written out.
    case name(DNSName)
  }

  /// Which part of the message a record belongs to.
  public enum Section {
    case answer, authority
  }

  private var bytes: MutableSpan<UInt8>
  private var header: DNSHeader
  private var offset = DNSHeader.length
  /// Bytes kept for EDNS.
  private let reserve: Int
  private let edns: EDNS?

  /// Begins an answer of at most `limit` bytes to `query`, whose question it repeats as it was asked.
  ///
  /// `bytes` must hold the header, the question and EDNS in any case.
  @_lifetime(&bytes)
  public init(
    _ header: DNSHeader, question: DNSQuestion?, of query: Span<UInt8>, edns: EDNS? = nil, limit: Int = .max,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let end = min(bytes.count, limit)
    self.bytes = bytes._mutatingExtracting(0..<end)
    self.header = header
    self.header.questionCount = question == nil ? 0 : 1
    self.edns = edns
    reserve = edns == nil ? 0 : EDNS.length
    guard let question else { return }
    self.bytes.copy(query.extracting(question.range), at: offset)
    offset = question.range.upperBound
  }

  /// Adds a record; one for which there is no room is left out, and TC says so (RFC 2181 section 9).
  public mutating func append(
    _ type: DNSRecordType, of owner: Owner, in section: Section = .answer, timeToLive: UInt32, data: Span<UInt8>
  ) {
    let ownerLength =
      switch owner {
      case .question: 2
      case .name(let name): name.bytes.count
      }
    guard offset + ownerLength + 10 + data.count + reserve <= bytes.count, !header.flags.isTruncated else {
      header.flags.isTruncated = true
      return
    }
    switch owner {
    case .question(let skipped):
      // RFC 1035 section 4.1.4: two one bits, then the offset from the message's first byte.
      bytes.storeBigEndian(0xc000 | UInt16(DNSHeader.length + skipped), at: offset)
    case .name(let name): bytes.copy(name.bytes.span, at: offset)
    }
    offset += ownerLength
    writeFields(type, DNSClass.internet.rawValue, timeToLive, dataLength: data.count)
    bytes.copy(data, at: offset)
    offset += data.count
    switch section {
    case .answer: header.answerCount += 1
    case .authority: header.authorityCount += 1
    }
  }

  /// Adds the address of a name.
  public mutating func append(_ address: IPAddress, of owner: Owner, timeToLive: UInt32) {
    if let address = address.ipv4 {
      let data = (0..<4).map { UInt8(truncatingIfNeeded: address.bits >> UInt32(24 - 8 * $0)) }
      append(.a, of: owner, timeToLive: timeToLive, data: data.span)
    } else {
      let (high, low) = (address.mapped.high, address.mapped.low)
      let data = (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 % 8))) }
      append(.aaaa, of: owner, timeToLive: timeToLive, data: data.span)
    }
  }

  private mutating func writeFields(
    _ type: DNSRecordType, _ recordClass: UInt16, _ timeToLive: UInt32, dataLength: Int
  ) {
    bytes.storeBigEndian(type.rawValue, at: offset)
    bytes.storeBigEndian(recordClass, at: offset + 2)
    bytes.storeBigEndian(UInt32(timeToLive), at: offset + 4)
    bytes.storeBigEndian(UInt16(dataLength), at: offset + 8)
    offset += 10
  }

  /// Adds EDNS, where it was asked with it, writes the header, and returns the length of the message in bytes.
  public consuming func finish() -> Int {
    if let edns {
      bytes[offset] = 0
      offset += 1
      let flags: UInt32 = edns.wantsSecurity ? 0x8000 : 0
      writeFields(
        .opt, edns.payloadSize, UInt32(edns.upperResponseCode) << 24 | UInt32(edns.version) << 16 | flags,
        dataLength: 0)
      header.additionalCount += 1
    }
    header.write(to: &bytes)
    return offset
  }
}
