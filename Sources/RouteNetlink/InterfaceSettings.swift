import LinuxSystem
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

/// What a guest's interface is given where nothing in its namespace asks for it by DHCP.
public struct InterfaceSettings: Hashable, Sendable {
  /// The interface's name.
  public var name: String
  /// The longest packet, in bytes.
  public var mtu: Int
  /// Its addresses.
  public var addresses: [InterfaceAddress]
  /// Where what has no other route goes, one address for each family.
  public var gateways: [IPAddress]

  /// Packets that wait to be read from a TAP at most. The kernel's 1000 are fewer than a window of short packets holds.
  public static let queueLength: UInt32 = 10_000

  /// Makes settings of their parts.
  public init(name: String, mtu: Int, addresses: [InterfaceAddress] = [], gateways: [IPAddress] = []) {
    self.name = name
    self.mtu = mtu
    self.addresses = addresses
    self.gateways = gateways
  }
}

extension RouteSocket {
  /// Sets an interface up: MTU and queue, addresses, up, default routes.
  public mutating func apply(_ settings: InterfaceSettings) throws(RouteError) {
    try change(
      settings.name, InterfaceChange(mtu: UInt32(settings.mtu), queueLength: InterfaceSettings.queueLength))
    for address in settings.addresses {
      try add(address.address, prefixLength: address.prefixLength, to: settings.name)
    }
    try change(settings.name, InterfaceChange(isUp: true))
    for gateway in settings.gateways { try addDefaultRoute(via: gateway, on: settings.name) }
  }

  /// Brings the loopback interface up, which it is not in a new namespace.
  public mutating func bringUpLoopback() throws(RouteError) { try change("lo", InterfaceChange(isUp: true)) }
}
