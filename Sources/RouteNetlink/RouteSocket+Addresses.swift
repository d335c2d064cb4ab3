public import Primitives

/// An address of an interface, with the length of its network's prefix.
public struct InterfaceAddress: Hashable, Sendable, CustomStringConvertible {
  /// The address.
  public var address: IPAddress
  /// Bits of the network.
  public var prefixLength: Int

  /// Makes an address of its parts.
  public init(_ address: IPAddress, prefixLength: Int) {
    self.address = address
    self.prefixLength = prefixLength
  }

  /// Reads "10.0.2.15/24".
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]) else { return nil }
    guard (0...(address.family == .ipv4 ? 32 : 128)).contains(length) else { return nil }
    self.init(address, prefixLength: length)
  }

  /// "10.0.2.15/24".
  public var description: String { "\(address)/\(prefixLength)" }
}

/// An address, and the interface that has it.
public struct AssignedAddress: Hashable, Sendable {
  /// The address.
  public var address: InterfaceAddress
  /// The number of the interface that has it.
  public var interface: UInt32

  /// Reads what follows a message's header: `struct ifaddrmsg` and attributes.
  ///
  /// ```
  /// 0 ifa_family   1 ifa_prefixlen   2 ifa_flags   3 ifa_scope   4 ifa_index   8 ...
  /// ```
  init?(_ body: ArraySlice<UInt8>) {
    guard body.count >= 8 else { return nil }
    let fields = NetlinkAttributes(body.dropFirst(8))
    // Of a link between two, `address` is the other's; where there is no such thing, IPv6 leaves `local` out.
    guard let address = fields.address(AddressAttribute.local) ?? fields.address(AddressAttribute.address) else {
      return nil
    }
    self.address = InterfaceAddress(address, prefixLength: Int(body.native(at: 1) as UInt8))
    interface = body.native(at: 4)
  }
}

extension RouteSocket {
  /// Every address of the namespace, of both families.
  public mutating func addresses() throws(RouteError) -> [AssignedAddress] {
    try list(
      RouteMessageKind.getAddress, "list the addresses", { $0.appendAddress(RouteFamily.all, prefixLength: 0, of: 0) },
      read: { $0.type == RouteMessageKind.newAddress ? AssignedAddress($0.body) : nil })
  }

  /// The addresses of an interface.
  public mutating func addresses(of name: String) throws(RouteError) -> [InterfaceAddress] {
    let index = try require(name).index
    return try addresses().filter { $0.interface == index }.map(\.address)
  }

  /// Gives an interface an address; one of IPv6 is used at once, without asking whether somebody has it (RFC 4862
  /// section 5.4: who adds an address here makes the network).
  /// - Throws: EEXIST where the interface has the address.
  public mutating func add(_ address: InterfaceAddress, to name: String) throws(RouteError) {
    let index = try require(name).index
    var message = begin(RouteMessageKind.newAddress, [.create, .exclusive])
    message.append(address, of: index)
    if address.address.family == .ipv6 {
      message.append(AddressAttribute.flags, integer: AddressAttribute.withoutDetection)
    }
    try exchange(message, "add the address", "\(address)")
  }

  /// Takes an address from an interface.
  /// - Throws: EADDRNOTAVAIL where the interface does not have it.
  public mutating func remove(_ address: InterfaceAddress, from name: String) throws(RouteError) {
    let index = try require(name).index
    var message = begin(RouteMessageKind.removeAddress)
    message.append(address, of: index)
    try exchange(message, "remove the address", "\(address)")
  }
}

extension NetlinkMessage {
  /// `struct ifaddrmsg`, without flags, of the whole world's scope.
  mutating func appendAddress(_ family: UInt8, prefixLength: Int, of index: UInt32) {
    append(family)
    append(UInt8(prefixLength))
    append(UInt16(0))
    append(index)
  }

  /// An address of the interface of a number.
  mutating func append(_ address: InterfaceAddress, of index: UInt32) {
    appendAddress(address.address.netlinkFamily, prefixLength: address.prefixLength, of: index)
    append(AddressAttribute.local, address: address.address)
    append(AddressAttribute.address, address: address.address)
  }
}
