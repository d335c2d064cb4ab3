import Primitives

// The header of a DNS message (RFC 1035 section 4.1.1).
//
//      0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
//    +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
//    |                      ID                       |
//    |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
//    |                    QDCOUNT                    |
//    |                    ANCOUNT                    |
//    |                    NSCOUNT                    |
//    |                    ARCOUNT                    |
//    +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+

/// Where the fields lie, in bytes from the first of the message.
enum DNSField {
  static var identifier: Int { 0 }
  static var flags: Int { 2 }
  static var questionCount: Int { 4 }
  static var answerCount: Int { 6 }
  static var authorityCount: Int { 8 }
  static var additionalCount: Int { 10 }
}

/// What a message asks for.
public struct DNSOpcode: RawRepresentable, Hashable, Sendable {
  /// The code, four bits.
  public let rawValue: UInt8

  /// Makes an operation of its code.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A question (RFC 1035).
  public static let query = DNSOpcode(rawValue: 0)
  /// A zone has changed (RFC 1996).
  public static let notify = DNSOpcode(rawValue: 4)
  /// Change a zone (RFC 2136).
  public static let update = DNSOpcode(rawValue: 5)
}

/// What came of it.
public struct DNSResponseCode: RawRepresentable, Hashable, Sendable {
  /// The code: four bits in the header, eight more before them in the EDNS record.
  public let rawValue: UInt16

  /// Makes a response code of its number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// NOERROR: the answer is there, or there is none of the type.
  public static let noError = DNSResponseCode(rawValue: 0)
  /// FORMERR: the query cannot be read.
  public static let formatError = DNSResponseCode(rawValue: 1)
  /// SERVFAIL: the server could not find out.
  public static let serverFailure = DNSResponseCode(rawValue: 2)
  /// NXDOMAIN: there is no such name.
  public static let nameError = DNSResponseCode(rawValue: 3)
  /// NOTIMP: the server does not do such things.
  public static let notImplemented = DNSResponseCode(rawValue: 4)
  /// REFUSED: the server does not do it for this client.
  public static let refused = DNSResponseCode(rawValue: 5)
  /// BADVERS: the version of EDNS is not spoken (RFC 6891 section 9).
  public static let badVersion = DNSResponseCode(rawValue: 16)
}

/// The second 16 bits of the header.
public struct DNSFlags: RawRepresentable, Hashable, Sendable {
  /// The bits, in host byte order.
  public var rawValue: UInt16

  /// Makes flags of their bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// QR: the message answers.
  public var isResponse: Bool {
    get { self[0x8000] }
    set { self[0x8000] = newValue }
  }
  /// What the message asks for.
  public var opcode: DNSOpcode { DNSOpcode(rawValue: UInt8(rawValue >> 11 & 0x0f)) }
  /// AA: the server knows, and has not asked another.
  public var isAuthoritative: Bool {
    get { self[0x0400] }
    set { self[0x0400] = newValue }
  }
  /// TC: the message is longer than its way allows, and was cut.
  public var isTruncated: Bool {
    get { self[0x0200] }
    set { self[0x0200] = newValue }
  }
  /// RA: the server asks others.
  public var isRecursionAvailable: Bool {
    get { self[0x0080] }
    set { self[0x0080] = newValue }
  }
  /// The response code, as far as it stands here: its lower four bits.
  public var responseCode: DNSResponseCode {
    get { DNSResponseCode(rawValue: rawValue & 0x0f) }
    set { rawValue = rawValue & ~0x0f | newValue.rawValue & 0x0f }
  }

  /// The flags of an answer from here: the operation, RD (RFC 1035 section 4.1.1) and CD (RFC 4035 section 3.1.6) as
  /// they were asked.
  public func answer(_ code: DNSResponseCode) -> DNSFlags {
    var flags = DNSFlags(rawValue: rawValue & 0x7910)
    flags.isResponse = true
    flags.isRecursionAvailable = true
    flags.responseCode = code
    return flags
  }

  private subscript(mask: UInt16) -> Bool {
    get { rawValue & mask != 0 }
    set { rawValue = newValue ? rawValue | mask : rawValue & ~mask }
  }
}

/// The header of a DNS message.
public struct DNSHeader: Hashable, Sendable {
  /// The length of the header in bytes.
  public static var length: Int { 12 }

  /// By which an answer is told from others; its question and its way tell as well.
  public var identifier: UInt16
  /// What the message is.
  public var flags: DNSFlags
  /// Questions in the message; of an UPDATE, zones.
  public var questionCount: UInt16
  /// Records that answer.
  public var answerCount: UInt16 = 0
  /// Records that name who knows.
  public var authorityCount: UInt16 = 0
  /// Other records, EDNS (RFC 6891) among them.
  public var additionalCount: UInt16 = 0

  /// Makes a header of a message without records.
  public init(identifier: UInt16, flags: DNSFlags, questionCount: UInt16) {
    self.identifier = identifier
    self.flags = flags
    self.questionCount = questionCount
  }

  /// Reads the header at the start of `bytes`.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Self.length else { throw .truncated(needed: Self.length, available: bytes.count) }
    identifier = bytes.bigEndian16(at: DNSField.identifier)
    flags = DNSFlags(rawValue: bytes.bigEndian16(at: DNSField.flags))
    questionCount = bytes.bigEndian16(at: DNSField.questionCount)
    answerCount = bytes.bigEndian16(at: DNSField.answerCount)
    authorityCount = bytes.bigEndian16(at: DNSField.authorityCount)
    additionalCount = bytes.bigEndian16(at: DNSField.additionalCount)
  }

  /// Writes the header to the start of `bytes`.
  /// - Precondition: `bytes` holds 12.
  public func write(to bytes: inout MutableSpan<UInt8>) {
    bytes.storeBigEndian(identifier, at: DNSField.identifier)
    bytes.storeBigEndian(flags.rawValue, at: DNSField.flags)
    bytes.storeBigEndian(questionCount, at: DNSField.questionCount)
    bytes.storeBigEndian(answerCount, at: DNSField.answerCount)
    bytes.storeBigEndian(authorityCount, at: DNSField.authorityCount)
    bytes.storeBigEndian(additionalCount, at: DNSField.additionalCount)
  }
}
