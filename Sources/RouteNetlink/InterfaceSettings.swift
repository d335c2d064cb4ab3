public import Primitives

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
    for address in settings.addresses { try add(address, to: settings.name) }
    try change(settings.name, InterfaceChange(isUp: true))
    for gateway in settings.gateways { try addDefaultRoute(via: gateway, on: settings.name) }
  }

  /// Brings the loopback interface up, which it is not in a new namespace.
  public mutating func bringUpLoopback() throws(RouteError) { try change("lo", InterfaceChange(isUp: true)) }
}
