public import Primitives

/// Writes a DHCP message: the fixed part, then options one after another, then the end.
///
/// Options that find no room behind the fixed part go to its fields `file` and `sname` where that is allowed (RFC 2132
/// section 9.3). One that finds none there either is left out whole, so add the important ones first.
public struct DHCPMessageWriter: ~Copyable, ~Escapable {
  /// The shortest message in bytes: BOOTP's, which some clients and relays insist on (RFC 1542 section 2.1).
  public static var minimumLength: Int { 300 }

  /// A field of the fixed part with options in it.
  private struct Field {
    /// What option 52 says where it is used.
    let flag: UInt8
    /// Where the next option goes.
    var offset: Int
    let end: Int
  }

  private var bytes: MutableSpan<UInt8>
  private var offset = DHCPHeader.length
  private var file = Field(flag: 1, offset: DHCPField.file, end: DHCPField.cookie)
  private var sname = Field(flag: 2, offset: DHCPField.sname, end: DHCPField.file)
  private var overload: UInt8 = 0
  private let mayOverload: Bool
  private var hasBootFile = false
  /// Whether an option found no room.
  public private(set) var isIncomplete = false

  /// The bytes of option 52, for which room is kept.
  private static var overloadLength: Int { 3 }

  /// Begins a message of at most `limit` bytes in `bytes`; a receiver that knows only BOOTP finds no options in
  /// `file` and `sname`, so for one of those it must not overload.
  @_lifetime(&bytes)
  public init(
    _ header: DHCPHeader, into bytes: inout MutableSpan<UInt8>, limit: Int = .max, mayOverload: Bool = true
  ) throws(WireError) {
    guard bytes.count >= Self.minimumLength else {
      throw .truncated(needed: Self.minimumLength, available: bytes.count)
    }
    bytes.fill(at: 0, length: Self.minimumLength)
    header.write(to: &bytes)
    let end = min(bytes.count, max(limit, Self.minimumLength))
    self.bytes = bytes._mutatingExtracting(0..<end)
    self.mayOverload = mayOverload
  }

  /// The longest name that fits the field `file`, in bytes: it ends with a zero.
  public static var longestBootFile: Int { DHCPField.cookie - DHCPField.file - 1 }

  /// Puts the name of the file to boot into the field `file`; no options go there then.
  /// - Precondition: the name fits, and comes before the options.
  public mutating func setBootFile(_ name: String) {
    let name = Array(name.utf8)
    precondition(name.count <= Self.longestBootFile && overload == 0, "the name does not fit, or comes too late")
    bytes.copy(name.span, at: DHCPField.file)
    hasBootFile = true
  }

  /// Adds an option; a value longer than 255 bytes in parts (RFC 3396).
  /// - Returns: whether there was room.
  @discardableResult
  public mutating func append(_ code: DHCPOptionCode, _ value: Span<UInt8>) -> Bool {
    let parts = max(1, (value.count + 254) / 255)
    let length = 2 * parts + value.count
    // The last byte is kept for the end.
    if offset + length + (mayOverload ? Self.overloadLength : 0) < bytes.count {
      for part in 0..<parts {
        write(code, value.extracting((part * 255)..<min(value.count, part * 255 + 255)), at: offset)
        offset += 2 + min(value.count - part * 255, 255)
      }
    } else if mayOverload, !hasBootFile, file.offset + length < file.end {
      write(code, value, at: file.offset)
      file.offset += length
      overload |= file.flag
    } else if mayOverload, sname.offset + length < sname.end {
      write(code, value, at: sname.offset)
      sname.offset += length
      overload |= sname.flag
    } else {
      isIncomplete = true
      return false
    }
    return true
  }

  private mutating func write(_ code: DHCPOptionCode, _ value: Span<UInt8>, at offset: Int) {
    bytes[offset] = code.rawValue
    bytes[offset + 1] = UInt8(value.count)
    bytes.copy(value, at: offset + 2)
  }

  /// Adds an option of bytes.
  /// - Returns: whether there was room.
  @discardableResult
  public mutating func append(_ code: DHCPOptionCode, _ value: [UInt8]) -> Bool { append(code, value.span) }

  /// Adds an option whose value is one byte.
  public mutating func append(_ code: DHCPOptionCode, _ value: UInt8) { append(code, [value]) }

  /// Adds an option whose value is a 16-bit integer.
  public mutating func append(_ code: DHCPOptionCode, _ value: UInt16) {
    append(code, [UInt8(value >> 8), UInt8(value & 0xff)])
  }

  /// Adds an option whose value is a 32-bit integer.
  public mutating func append(_ code: DHCPOptionCode, _ value: UInt32) {
    append(code, (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) })
  }

  /// Adds an option whose value is an address.
  public mutating func append(_ code: DHCPOptionCode, _ value: IPv4Address) { append(code, value.bits) }

  /// Adds an option whose value is text.
  public mutating func append(_ code: DHCPOptionCode, _ value: String) { append(code, Array(value.utf8)) }

  /// Adds the end and returns the length of the message in bytes, zeroes up to the shortest included.
  public consuming func finish() -> Int {
    if overload != 0 {
      write(.overload, [overload].span, at: offset)
      offset += Self.overloadLength
    }
    for field in [file, sname] where overload & field.flag != 0 { bytes[field.offset] = DHCPOptionCode.end.rawValue }
    bytes[offset] = DHCPOptionCode.end.rawValue
    return max(offset + 1, Self.minimumLength)
  }
}
