public import Primitives

// The Ethernet II header (RFC 894). There is no FCS: the links that frames come from have none.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------------------------------+-------------------------------+
//    |                         destination                           |
//    |                               +-------------------------------+
//    |                               |            source             |
//    +-------------------------------+                               |
//    |                                                               |
//    +-------------------------------+-------------------------------+
//    |          EtherType            |           payload ...
//    +-------------------------------+

/// Where the fields lie, in bytes from the first of the frame.
@usableFromInline
enum EthernetField {
  @usableFromInline static var destination: Int { 0 }
  @usableFromInline static var source: Int { 6 }
  @usableFromInline static var etherType: Int { 12 }
}

/// An Ethernet frame as received.
public struct EthernetFrame: ~Escapable {
  /// The length of the header in bytes.
  public static var headerLength: Int { 14 }

  @usableFromInline let bytes: Span<UInt8>

  /// Looks at `bytes` as a frame; they may be only its first part, which holds at least the header.
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Self.headerLength else {
      throw .truncated(needed: Self.headerLength, available: bytes.count)
    }
    self.bytes = bytes
  }

  /// The station that the frame is for.
  @inlinable
  public var destination: MACAddress { MACAddress(bytes, at: EthernetField.destination) }

  /// The station that sent it.
  @inlinable
  public var source: MACAddress { MACAddress(bytes, at: EthernetField.source) }

  /// What the frame carries. Below 0x600 it is a length (IEEE 802.3), which nothing here speaks.
  @inlinable
  public var etherType: EtherType { EtherType(rawValue: bytes.bigEndian16(at: EthernetField.etherType)) }

  /// What follows the header in the bytes given, padding included.
  @inlinable
  public var payload: Span<UInt8> {
    @_lifetime(copy self)
    get { bytes.extracting(Self.headerLength..<bytes.count) }
  }

  /// The header as a value.
  @inlinable
  public var header: EthernetHeader { EthernetHeader(destination: destination, source: source, type: etherType) }
}

/// The header of an Ethernet frame.
public struct EthernetHeader: Hashable, Sendable {
  /// The length of the header in bytes.
  public static var length: Int { 14 }

  /// The station that the frame is for.
  public var destination: MACAddress
  /// The station that sends it.
  public var source: MACAddress
  /// What the frame carries.
  public var type: EtherType

  /// Makes a header of its fields.
  @inlinable
  public init(destination: MACAddress, source: MACAddress, type: EtherType) {
    self.destination = destination
    self.source = source
    self.type = type
  }

  /// Writes the 14 bytes from `offset` on.
  /// - Precondition: `offset + 14 <= bytes.count`.
  @inlinable @inline(__always)
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    destination.write(to: &bytes, at: offset + EthernetField.destination)
    source.write(to: &bytes, at: offset + EthernetField.source)
    bytes.storeBigEndian(type.rawValue, at: offset + EthernetField.etherType)
  }
}
