public import Primitives

// The TCP header (RFC 9293 section 3.1).
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------------------------------+-------------------------------+
//    |          source port          |       destination port        |
//    +-------------------------------+-------------------------------+
//    |                        sequence number                        |
//    +---------------------------------------------------------------+
//    |                     acknowledgment number                     |
//    +-------+-------+---------------+-------------------------------+
//    | offset|  0    |     flags     |            window             |
//    +-------+-------+---------------+-------------------------------+
//    |           checksum            |        urgent pointer         |
//    +-------------------------------+-------------------------------+
//    |                options, up to 40 bytes ...

/// Where the fields lie, in bytes from the first of the header.
@usableFromInline
enum TCPField {
  @usableFromInline static var sourcePort: Int { 0 }
  @usableFromInline static var destinationPort: Int { 2 }
  @usableFromInline static var sequenceNumber: Int { 4 }
  @usableFromInline static var acknowledgmentNumber: Int { 8 }
  @usableFromInline static var dataOffset: Int { 12 }
  @usableFromInline static var flags: Int { 13 }
  @usableFromInline static var window: Int { 14 }
  @usableFromInline static var checksum: Int { 16 }
  @usableFromInline static var urgentPointer: Int { 18 }
  @usableFromInline static var options: Int { 20 }
}

/// A TCP segment as received.
public struct TCPSegment: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  /// The length of the header in bytes, options included: 20 to 60.
  public let headerLength: Int

  /// Looks at `bytes`, which hold at least the header of a segment.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= TCPHeader.minimumLength else {
      throw .truncated(needed: TCPHeader.minimumLength, available: bytes.count)
    }
    headerLength = Int(bytes[TCPField.dataOffset] >> 4) * 4
    guard headerLength >= TCPHeader.minimumLength else { throw .badHeaderLength(headerLength) }
    guard headerLength <= bytes.count else { throw .truncated(needed: headerLength, available: bytes.count) }
    self.bytes = bytes
  }

  /// The sender's port.
  @inlinable
  public var sourcePort: UInt16 { bytes.bigEndian16(at: TCPField.sourcePort) }

  /// The receiver's port.
  @inlinable
  public var destinationPort: UInt16 { bytes.bigEndian16(at: TCPField.destinationPort) }

  /// The sequence number of the first byte of data, or of the SYN before it (SEG.SEQ).
  @inlinable
  public var sequenceNumber: SequenceNumber { SequenceNumber(bytes.bigEndian32(at: TCPField.sequenceNumber)) }

  /// The next sequence number that the sender expects (SEG.ACK), where `flags` has `.ack`.
  @inlinable
  public var acknowledgmentNumber: SequenceNumber {
    SequenceNumber(bytes.bigEndian32(at: TCPField.acknowledgmentNumber))
  }

  /// The control bits.
  @inlinable
  public var flags: TCPFlags { TCPFlags(rawValue: bytes[TCPField.flags]) }

  /// The window, unscaled, as received.
  @inlinable
  public var window: UInt16 { bytes.bigEndian16(at: TCPField.window) }

  /// The checksum over pseudo-header, header and data.
  @inlinable
  public var checksum: UInt16 { bytes.bigEndian16(at: TCPField.checksum) }

  /// Where urgent data ends, counted from the sequence number, where `flags` has `.urg`.
  @inlinable
  public var urgentPointer: UInt16 { bytes.bigEndian16(at: TCPField.urgentPointer) }

  /// The options, parsed at each call.
  @inlinable @inline(__always)
  public var options: TCPOptions { TCPOptions(bytes.extracting(TCPField.options..<headerLength)) }

  /// The part of the data that lies in the bytes given.
  @inlinable
  public var payload: Span<UInt8> {
    @_lifetime(copy self)
    get { bytes.extracting(headerLength..<bytes.count) }
  }

  /// The header as a value.
  @inlinable
  public var header: TCPHeader {
    TCPHeader(
      sourcePort: sourcePort, destinationPort: destinationPort, sequenceNumber: sequenceNumber,
      acknowledgmentNumber: acknowledgmentNumber, flags: flags, window: window, checksum: checksum,
      urgentPointer: urgentPointer, options: options)
  }
}

/// The header of a TCP segment.
public struct TCPHeader: Hashable, Sendable {
  /// The length of a header without options, in bytes.
  public static var minimumLength: Int { 20 }

  /// The sender's port.
  public var sourcePort: UInt16
  /// The receiver's port.
  public var destinationPort: UInt16
  /// The sequence number of the first byte of data, or of the SYN before it.
  public var sequenceNumber: SequenceNumber
  /// The next sequence number that the sender expects, where `flags` has `.ack`.
  public var acknowledgmentNumber: SequenceNumber
  /// The control bits.
  public var flags: TCPFlags
  /// The window, already scaled down.
  public var window: UInt16
  /// The checksum over pseudo-header, header and data.
  public var checksum: UInt16
  /// Where urgent data ends, counted from the sequence number.
  public var urgentPointer: UInt16
  /// The options.
  public var options: TCPOptions

  /// Makes a header of its fields.
  @inlinable
  public init(
    sourcePort: UInt16, destinationPort: UInt16, sequenceNumber: SequenceNumber,
    acknowledgmentNumber: SequenceNumber = SequenceNumber(0), flags: TCPFlags, window: UInt16, checksum: UInt16 = 0,
    urgentPointer: UInt16 = 0, options: TCPOptions = TCPOptions()
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.sequenceNumber = sequenceNumber
    self.acknowledgmentNumber = acknowledgmentNumber
    self.flags = flags
    self.window = window
    self.checksum = checksum
    self.urgentPointer = urgentPointer
    self.options = options
  }

  /// The length of the header in bytes, options and their padding included.
  @inlinable
  public var headerLength: Int { Self.minimumLength + options.byteCount }

  /// Writes the `headerLength` bytes, the checksum as given, from `offset` on.
  /// - Precondition: `offset + headerLength <= bytes.count`.
  @inlinable @inline(__always)
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    bytes.storeBigEndian(UInt32(sourcePort) << 16 | UInt32(destinationPort), at: offset)
    bytes.storeBigEndian(sequenceNumber.value, at: offset + TCPField.sequenceNumber)
    bytes.storeBigEndian(acknowledgmentNumber.value, at: offset + TCPField.acknowledgmentNumber)
    let offsetFlagsWindow = UInt32(headerLength / 4) << 28 | UInt32(flags.rawValue) << 16 | UInt32(window)
    bytes.storeBigEndian(offsetFlagsWindow, at: offset + TCPField.dataOffset)
    bytes.storeBigEndian(UInt32(checksum) << 16 | UInt32(urgentPointer), at: offset + TCPField.checksum)
    options.write(to: &bytes, at: offset + TCPField.options)
  }
}
