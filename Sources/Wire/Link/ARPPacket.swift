public import Primitives

// An ARP packet (RFC 826) for Ethernet and IPv4, the only pair that is accepted.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------------------------------+-------------------------------+
//    |      hardware type = 1        |    protocol type = 0x0800     |
//    +---------------+---------------+-------------------------------+
//    |  hlen = 6     |  plen = 4     |           operation           |
//    +---------------+---------------+-------------------------------+
//    |                       sender MAC                              |
//    |                               +-------------------------------+
//    |                               |        sender address         |
//    +-------------------------------+-------------------------------+
//    |      sender address           |          target MAC           |
//    +-------------------------------+                               |
//    |                                                               |
//    +---------------------------------------------------------------+
//    |                       target address                          |
//    +---------------------------------------------------------------+

/// Where the fields lie, in bytes from the first of the packet.
@usableFromInline
enum ARPField {
  @usableFromInline static var hardwareAndProtocol: Int { 0 }
  @usableFromInline static var lengths: Int { 4 }
  @usableFromInline static var operation: Int { 6 }
  @usableFromInline static var senderMAC: Int { 8 }
  @usableFromInline static var senderAddress: Int { 14 }
  @usableFromInline static var targetMAC: Int { 18 }
  @usableFromInline static var targetAddress: Int { 24 }

  /// Hardware type 1 (Ethernet) and protocol type 0x0800 (IPv4).
  @usableFromInline static var ethernetIPv4: UInt32 { 0x0001_0800 }
  /// Six bytes of hardware address, four of protocol address.
  @usableFromInline static var sixAndFour: UInt16 { 0x0604 }
}

/// What an ARP packet asks or says.
public struct ARPOperation: RawRepresentable, Hashable, Sendable {
  /// The number, in host byte order.
  public let rawValue: UInt16

  /// Makes an operation of its number in host byte order.
  @inlinable
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Who has the target address?
  @inlinable
  public static var request: ARPOperation { ARPOperation(rawValue: 1) }
  /// The sender has the sender address.
  @inlinable
  public static var reply: ARPOperation { ARPOperation(rawValue: 2) }
}

/// An ARP packet as received.
public struct ARPPacket: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>

  /// Looks at `bytes` as a packet for Ethernet and IPv4; what follows its 28 bytes is padding.
  @inlinable
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= ARPMessage.length else {
      throw .truncated(needed: ARPMessage.length, available: bytes.count)
    }
    guard bytes.bigEndian32(at: ARPField.hardwareAndProtocol) == ARPField.ethernetIPv4,
      bytes.bigEndian16(at: ARPField.lengths) == ARPField.sixAndFour
    else { throw .unsupportedHardware }
    self.bytes = bytes
  }

  /// What the packet asks or says.
  @inlinable
  public var operation: ARPOperation { ARPOperation(rawValue: bytes.bigEndian16(at: ARPField.operation)) }

  /// The hardware address of the sender.
  @inlinable
  public var senderMAC: MACAddress { MACAddress(bytes, at: ARPField.senderMAC) }

  /// The IPv4 address of the sender; unspecified in a probe (RFC 5227).
  @inlinable
  public var senderAddress: IPv4Address { IPv4Address(bytes, at: ARPField.senderAddress) }

  /// The hardware address of the target; without meaning in a request.
  @inlinable
  public var targetMAC: MACAddress { MACAddress(bytes, at: ARPField.targetMAC) }

  /// The IPv4 address of the target.
  @inlinable
  public var targetAddress: IPv4Address { IPv4Address(bytes, at: ARPField.targetAddress) }

  /// The packet as a value.
  @inlinable
  public var message: ARPMessage {
    ARPMessage(
      operation: operation, senderMAC: senderMAC, senderAddress: senderAddress, targetMAC: targetMAC,
      targetAddress: targetAddress)
  }
}

/// An ARP packet's contents.
public struct ARPMessage: Hashable, Sendable {
  /// The length of the packet in bytes.
  public static var length: Int { 28 }

  /// What the packet asks or says.
  public var operation: ARPOperation
  /// The hardware address of the sender.
  public var senderMAC: MACAddress
  /// The IPv4 address of the sender.
  public var senderAddress: IPv4Address
  /// The hardware address of the target.
  public var targetMAC: MACAddress
  /// The IPv4 address of the target.
  public var targetAddress: IPv4Address

  /// Makes a packet of its fields.
  @inlinable
  public init(
    operation: ARPOperation, senderMAC: MACAddress, senderAddress: IPv4Address, targetMAC: MACAddress,
    targetAddress: IPv4Address
  ) {
    self.operation = operation
    self.senderMAC = senderMAC
    self.senderAddress = senderAddress
    self.targetMAC = targetMAC
    self.targetAddress = targetAddress
  }

  /// Writes the 28 bytes from `offset` on.
  /// - Precondition: `offset + 28 <= bytes.count`.
  @inlinable
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    bytes.storeBigEndian(ARPField.ethernetIPv4, at: offset + ARPField.hardwareAndProtocol)
    bytes.storeBigEndian(ARPField.sixAndFour, at: offset + ARPField.lengths)
    bytes.storeBigEndian(operation.rawValue, at: offset + ARPField.operation)
    senderMAC.write(to: &bytes, at: offset + ARPField.senderMAC)
    bytes.storeBigEndian(senderAddress.bits, at: offset + ARPField.senderAddress)
    targetMAC.write(to: &bytes, at: offset + ARPField.targetMAC)
    bytes.storeBigEndian(targetAddress.bits, at: offset + ARPField.targetAddress)
  }
}
