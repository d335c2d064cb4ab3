import Primitives

/// What a record says (RFC 1035 section 3.2.2).
public struct DNSRecordType: RawRepresentable, Hashable, Sendable {
  /// The type's number.
  public let rawValue: UInt16

  /// Makes a type of its number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// An IPv4 address.
  public static let a = DNSRecordType(rawValue: 1)
  /// Where a zone begins, and how long it may be remembered that something is not there (RFC 2308).
  public static let soa = DNSRecordType(rawValue: 6)
  /// The name of an address.
  public static let ptr = DNSRecordType(rawValue: 12)
  /// An IPv6 address (RFC 3596).
  public static let aaaa = DNSRecordType(rawValue: 28)
  /// EDNS, which says something of the message (RFC 6891).
  public static let opt = DNSRecordType(rawValue: 41)
  /// As a question: what has changed in a zone (RFC 1995).
  public static let incrementalTransfer = DNSRecordType(rawValue: 251)
  /// As a question: a whole zone (RFC 5936).
  public static let transfer = DNSRecordType(rawValue: 252)
  /// As a question: what there is.
  public static let any = DNSRecordType(rawValue: 255)
}

/// The class of a record or question (RFC 1035 section 3.2.4).
public struct DNSClass: RawRepresentable, Hashable, Sendable {
  /// The class's number.
  public let rawValue: UInt16

  /// Makes a class of its number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The Internet.
  public static let internet = DNSClass(rawValue: 1)
  /// As a question: whichever.
  public static let any = DNSClass(rawValue: 255)
}

/// The question of a message, which stands behind its header.
public struct DNSQuestion: Hashable, Sendable {
  /// Bytes of the name: it is never compressed, since nothing stands before it to point at.
  public var nameLength: Int
  /// What is asked for.
  public var type: DNSRecordType
  /// In which class.
  public var recordClass: DNSClass

  /// Bytes of the question.
  public var length: Int { nameLength + 4 }
  /// Where the name lies in the message.
  public var nameRange: Range<Int> { DNSHeader.length..<(DNSHeader.length + nameLength) }
  /// Where the question lies in the message.
  public var range: Range<Int> { DNSHeader.length..<(DNSHeader.length + length) }
}

/// What the sender of a message says by EDNS (RFC 6891 section 6.1).
public struct EDNS: Hashable, Sendable {
  /// The longest message by UDP that the sender takes, in bytes, as received.
  public var payloadSize: UInt16
  /// The upper eight bits of the response code.
  public var upperResponseCode: UInt8 = 0
  /// The version of EDNS.
  public var version: UInt8 = 0
  /// DO: the sender takes the records of DNSSEC (RFC 3225).
  public var wantsSecurity = false

  /// Makes what a sender of version 0 says.
  public init(payloadSize: UInt16) { self.payloadSize = payloadSize }

  /// Bytes of the record without options.
  public static var length: Int { 11 }
  /// RFC 6891 section 6.2.3: a smaller size counts as this, which every message by UDP may be long.
  public static var minimumPayloadSize: Int { 512 }
}

/// A DNS message as received (RFC 1035 section 4).
public struct DNSMessage: ~Escapable {
  private let bytes: Span<UInt8>
  /// The header.
  public let header: DNSHeader

  /// Looks at `bytes` as a whole message; only the header is read.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    header = try DNSHeader(bytes)
    self.bytes = bytes
  }

  /// The question, or the first of them; nil where there is none.
  public func question() throws(WireError) -> DNSQuestion? {
    guard header.questionCount > 0 else { return nil }
    let end = try Self.endOfName(bytes, at: DNSHeader.length, mayPoint: false)
    guard end + 4 <= bytes.count else { throw .truncated(needed: end + 4, available: bytes.count) }
    return DNSQuestion(
      nameLength: end - DNSHeader.length, type: DNSRecordType(rawValue: bytes.bigEndian16(at: end)),
      recordClass: DNSClass(rawValue: bytes.bigEndian16(at: end + 2)))
  }

  /// Walks over all records behind `question`, and returns what is said by EDNS, nil where nothing is. Throws where the
  /// message ends before its records do, or has EDNS twice (RFC 6891 section 6.1.1).
  ///
  /// A record has eleven bytes at least, so that no count, however false, makes the walk long.
  public func edns(behind question: DNSQuestion?) throws(WireError) -> EDNS? {
    let count = Int(header.answerCount) + Int(header.authorityCount) + Int(header.additionalCount)
    let firstAdditional = count - Int(header.additionalCount)
    var offset = question?.range.upperBound ?? DNSHeader.length
    var found: EDNS?
    for record in 0..<count {
      let fields = try Self.endOfName(bytes, at: offset, mayPoint: true)
      guard fields + Self.recordFields <= bytes.count else {
        throw .truncated(needed: fields + Self.recordFields, available: bytes.count)
      }
      let end = fields + Self.recordFields + Int(bytes.bigEndian16(at: fields + 8))
      guard end <= bytes.count else { throw .badTotalLength(end, available: bytes.count) }
      let type = DNSRecordType(rawValue: bytes.bigEndian16(at: fields))
      if type == .opt && record >= firstAdditional {
        guard found == nil, fields == offset + 1 else { throw .badRecord(at: offset) }
        found = edns(at: fields)
      }
      offset = end
    }
    return found
  }

  /// Type, class, time to live and length of the data.
  private static var recordFields: Int { 10 }

  private func edns(at fields: Int) -> EDNS {
    var edns = EDNS(payloadSize: bytes.bigEndian16(at: fields + 2))
    edns.upperResponseCode = bytes[fields + 4]
    edns.version = bytes[fields + 5]
    edns.wantsSecurity = bytes[fields + 6] & 0x80 != 0
    return edns
  }

  /// Where the name at `offset` ends. Pointers are not followed: nobody here needs to know where to.
  private static func endOfName(_ bytes: Span<UInt8>, at offset: Int, mayPoint: Bool) throws(WireError) -> Int {
    var next = offset
    while true {
      guard next < bytes.count else { throw .truncated(needed: next + 1, available: bytes.count) }
      let length = Int(bytes[next])
      // RFC 1035 section 4.1.4: two one bits make a pointer; one alone means nothing.
      if length >= 0xc0 {
        guard mayPoint else { throw .badName(at: offset) }
        guard next + 2 <= bytes.count else { throw .truncated(needed: next + 2, available: bytes.count) }
        return next + 2
      }
      next += 1 + length
      guard length <= DNSName.longestLabel, next - offset <= DNSName.longest else { throw .badName(at: offset) }
      if length == 0 { return next }
    }
  }
}
