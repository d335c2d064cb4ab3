/// What bridge mode sets up, as an operator writes it. `BridgeNetwork` is what it means.
///
/// The defaults are those of the recipe that many follow by hand: a bridge of its own network behind the host's
/// address, since a Wi-Fi interface cannot be a bridge's port.
public struct BridgeOptions: Codable, Hashable, Sendable {
  /// The bridge's name (`bridge`).
  public var bridge = "bridge0"
  /// The host's address on the bridge, with the length of its network's prefix (`address`).
  public var address = "192.168.1.101/24"
  /// The interface that leads to the outside, `auto` for that of the default route, `none` for none (`uplink`).
  public var uplink = "auto"
  /// The addresses that DHCP gives out, `FIRST-LAST`, or `none`; nil for the last of the network (`dhcp`).
  public var dhcp: String?
  /// The domain that DHCP gives to guests, `none` for none (`domain`).
  public var domain = "mylan"
  /// The name servers that DHCP gives to guests, in their order, or `none` (`dns`).
  public var dns: [String] = []
  /// How long a lease lasts unless a guest asks for another time, in seconds (`lease`).
  public var lease = 3600
  /// How long a lease lasts at most, in seconds (`max-lease`).
  public var maximumLease = 7200
  /// The bridge's IPv6 network, `PREFIX/64`; nil for none (`ipv6`).
  public var ipv6: String?
  /// Whether packets are forwarded between all interfaces of the host, and not only between the bridge and the uplink
  /// (`global-forward`).
  public var forwardsGlobally = false
  /// The chain of somebody else's in which one rule may let the bridge's packets pass, `[FAMILY] TABLE CHAIN`; nil for
  /// none (`allow-in`).
  public var allowIn: String?
  /// Interfaces that become ports of the bridge (`port`).
  public var ports: [String] = []

  /// The name server that DHCP gives to guests where none is named.
  public static let defaultNameServer = "8.8.8.8"

  /// The recipe's.
  public init() {}
}
