import Primitives

// The messages of the Trivial File Transfer Protocol (RFC 1350, RFC 2347).
//
//                2 bytes     string    1 byte    string   1 byte
//    RRQ, WRQ | opcode 1, 2 | file name |  0  |    mode    |  0  | option | 0 | value | 0 | ...
//                2 bytes     2 bytes
//    DATA     | opcode 3    | block number | 0 to blksize bytes
//    ACK      | opcode 4    | block number
//    ERROR    | opcode 5    | error code   | message | 0
//    OACK     | opcode 6    | option | 0 | value | 0 | ...

/// What a message of TFTP is.
public struct TFTPOpcode: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt16

  /// Makes an opcode of its number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Asks for a file (RRQ).
  public static let readRequest = TFTPOpcode(rawValue: 1)
  /// Asks to write a file (WRQ).
  public static let writeRequest = TFTPOpcode(rawValue: 2)
  /// A block of a file (DATA).
  public static let data = TFTPOpcode(rawValue: 3)
  /// Acknowledges a block, or the options (ACK).
  public static let acknowledgment = TFTPOpcode(rawValue: 4)
  /// Ends the transfer (ERROR).
  public static let error = TFTPOpcode(rawValue: 5)
  /// Accepts options (OACK).
  public static let optionAcknowledgment = TFTPOpcode(rawValue: 6)
}

/// Why a transfer ends, or does not begin (RFC 1350 appendix, RFC 2347).
public struct TFTPErrorCode: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt16

  /// Makes a code of its number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// See the message.
  public static let undefined = TFTPErrorCode(rawValue: 0)
  /// There is no such file.
  public static let fileNotFound = TFTPErrorCode(rawValue: 1)
  /// The file is not for this client.
  public static let accessViolation = TFTPErrorCode(rawValue: 2)
  /// A message that the server does not understand, or not now.
  public static let illegalOperation = TFTPErrorCode(rawValue: 4)
  /// The message belongs to no transfer.
  public static let unknownTransfer = TFTPErrorCode(rawValue: 5)
  /// The options are refused.
  public static let optionsRefused = TFTPErrorCode(rawValue: 8)
}

/// The first four bytes of DATA, ACK and ERROR.
public struct TFTPHeader: Hashable, Sendable {
  /// The length in bytes.
  public static var length: Int { 4 }

  /// What the message is.
  public var opcode: TFTPOpcode
  /// The block's number, or the error's; in requests it means nothing.
  public var number: UInt16

  /// Makes a header of its fields.
  @inlinable
  public init(_ opcode: TFTPOpcode, number: UInt16) {
    self.opcode = opcode
    self.number = number
  }

  /// Reads the header at the start of `bytes`.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Self.length else { throw .truncated(needed: Self.length, available: bytes.count) }
    self.init(TFTPOpcode(rawValue: bytes.bigEndian16(at: 0)), number: bytes.bigEndian16(at: 2))
  }

  /// The four bytes as one integer in host byte order.
  public var bits: UInt32 { UInt32(opcode.rawValue) << 16 | UInt32(number) }

  /// Writes the four bytes from `offset` on.
  /// - Precondition: `offset + 4 <= bytes.count`.
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    bytes.storeBigEndian(bits, at: offset)
  }

  /// Writes a whole ERROR message with `text` for people.
  /// - Precondition: there is room for the text and five bytes.
  /// - Returns: the length of the message in bytes.
  public static func writeError(_ code: TFTPErrorCode, _ text: String, to bytes: inout MutableSpan<UInt8>) -> Int {
    TFTPHeader(.error, number: code.rawValue).write(to: &bytes)
    var offset = length
    bytes.appendTerminated(text, at: &offset)
    return offset
  }
}

extension MutableSpan<UInt8> {
  /// Stores a text and the zero that ends it, and moves `offset` behind it.
  mutating func appendTerminated(_ text: String, at offset: inout Int) {
    for byte in text.utf8 {
      self[offset] = byte
      offset += 1
    }
    self[offset] = 0
    offset += 1
  }
}
