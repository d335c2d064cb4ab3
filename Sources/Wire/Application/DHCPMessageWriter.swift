public import Primitives

/// Writes a DHCP message: the fixed part, then options one after another, then the end.
///
/// An option that finds no room is left out whole, so add the important ones first.
public struct DHCPMessageWriter: ~Copyable, ~Escapable {
  /// The shortest message in bytes: BOOTP's, which some clients and relays insist on (RFC 1542 section 2.1).
  public static var minimumLength: Int { 300 }

  private var bytes: MutableSpan<UInt8>
  private var offset = DHCPHeader.length
  /// Whether an option found no room.
  public private(set) var isIncomplete = false

  /// Begins a message of at most `limit` bytes in `bytes`.
  @_lifetime(&bytes)
  public init(
    _ header: DHCPHeader, into bytes: inout MutableSpan<UInt8>, limit: Int = .max
  ) throws(WireError) {
    guard bytes.count >= Self.minimumLength else {
      throw .truncated(needed: Self.minimumLength, available: bytes.count)
    }
    bytes.fill(at: 0, length: Self.minimumLength)
    header.write(to: &bytes)
    let end = min(bytes.count, max(limit, Self.minimumLength))
    self.bytes = bytes._mutatingExtracting(0..<end)
  }

  /// Adds an option; a value longer than 255 bytes in parts (RFC 3396).
  public mutating func append(_ code: DHCPOptionCode, _ value: Span<UInt8>) {
    let parts = max(1, (value.count + 254) / 255)
    // The last byte is kept for the end.
    guard offset + 2 * parts + value.count < bytes.count else {
      isIncomplete = true
      return
    }
    for part in 0..<parts {
      let content = value.extracting((part * 255)..<min(value.count, part * 255 + 255))
      bytes[offset] = code.rawValue
      bytes[offset + 1] = UInt8(content.count)
      bytes.copy(content, at: offset + 2)
      offset += 2 + content.count
    }
  }

  /// Adds an option of bytes.
  public mutating func append(_ code: DHCPOptionCode, _ value: [UInt8]) { append(code, value.span) }

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
    bytes[offset] = DHCPOptionCode.end.rawValue
    return max(offset + 1, Self.minimumLength)
  }
}
