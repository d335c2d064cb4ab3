public import Primitives

/// The fixed part of a DHCP message for Ethernet, without `sname` and `file`.
public struct DHCPHeader: Hashable, Sendable {
  /// The length in bytes, the magic cookie included.
  public static var length: Int { DHCPField.options }

  /// Whether the message asks or answers.
  public var operation: DHCPOperation
  /// What the messages of one exchange have in common.
  public var xid: UInt32
  /// The seconds since the client began to ask.
  public var secs: UInt16
  /// Whether the client cannot take unicast before it has its address.
  public var isBroadcast: Bool
  /// The address that the client has and answers ARP for, if any.
  public var ciaddr: IPv4Address
  /// The address that the server gives.
  public var yiaddr: IPv4Address
  /// The server from which the client boots.
  public var siaddr: IPv4Address
  /// The relay that the message came through, if any.
  public var giaddr: IPv4Address
  /// The client's hardware address (`chaddr`).
  public var clientHardware: MACAddress

  /// Makes a fixed part of its fields.
  public init(
    operation: DHCPOperation, xid: UInt32, secs: UInt16 = 0, isBroadcast: Bool = false, ciaddr: IPv4Address = .any,
    yiaddr: IPv4Address = .any, siaddr: IPv4Address = .any, giaddr: IPv4Address = .any, clientHardware: MACAddress
  ) {
    self.operation = operation
    self.xid = xid
    self.secs = secs
    self.isBroadcast = isBroadcast
    self.ciaddr = ciaddr
    self.yiaddr = yiaddr
    self.siaddr = siaddr
    self.giaddr = giaddr
    self.clientHardware = clientHardware
  }

  /// Writes the 240 bytes, `sname` and `file` empty, from `offset` on.
  /// - Precondition: `offset + 240 <= bytes.count`.
  public func write(to bytes: inout MutableSpan<UInt8>, at offset: Int = 0) {
    bytes.fill(at: offset, length: Self.length)
    bytes[offset + DHCPField.operation] = operation.rawValue
    bytes[offset + DHCPField.hardwareType] = 1
    bytes[offset + DHCPField.hardwareLength] = 6
    bytes.storeBigEndian(xid, at: offset + DHCPField.xid)
    bytes.storeBigEndian(secs, at: offset + DHCPField.secs)
    bytes.storeBigEndian(isBroadcast ? DHCPField.broadcastFlag : 0, at: offset + DHCPField.flags)
    bytes.storeBigEndian(ciaddr.bits, at: offset + DHCPField.ciaddr)
    bytes.storeBigEndian(yiaddr.bits, at: offset + DHCPField.yiaddr)
    bytes.storeBigEndian(siaddr.bits, at: offset + DHCPField.siaddr)
    bytes.storeBigEndian(giaddr.bits, at: offset + DHCPField.giaddr)
    clientHardware.write(to: &bytes, at: offset + DHCPField.chaddr)
    bytes.storeBigEndian(DHCPField.magicCookie, at: offset + DHCPField.cookie)
  }
}
