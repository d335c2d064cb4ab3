/// The options of a virtual network as an operator writes them, with the names and the syntax of QEMU's
/// `-netdev user` where QEMU has the option. `VirtualNetwork` is what they mean.
public struct NetworkOptions: Codable, Hashable, Sendable {
  /// The guests' IPv4 network, `ADDRESS[/LENGTH|/MASK]`; nil for 10.0.2.0/24.
  public var net: String?
  /// The gateway's address, which leads to the host's loopback; nil for the network's x.x.2.2.
  public var host: String?
  /// The virtual resolver's address; nil for the network's x.x.2.3.
  public var dns: String?
  /// The first address that DHCP leases; nil for the network's x.x.2.15.
  public var dhcpstart: String?
  /// The name that DHCP gives to guests.
  public var hostname: String?
  /// The domain that DHCP gives to guests.
  public var domainname: String?
  /// The domains to search that DHCP gives to guests, in their order.
  public var dnssearch: [String] = []
  /// The longest IP packet that guests are advised to send, in bytes; nil for the link's default.
  public var mtu: Int?
  /// Ports of the host that lead to a guest, `[tcp|udp]:[HOSTADDR]:PORT-[GUESTADDR]:PORT` each.
  public var hostfwd: [String] = []
  /// The server that the virtual resolver asks, `ADDRESS[:PORT]`; nil for the first of the host's `resolv.conf`.
  public var dnsUpstream: String?
  /// Whether the gateway's address does not lead to the host's loopback.
  public var noHostLoopback = false
  /// Whether guests reach link-local addresses, such as a cloud's metadata service.
  public var allowLinkLocal = false
  /// From whom datagrams reach a guest's port that has sent some, `endpoint`, `address` or `port`; nil for `address`.
  public var udpFiltering: String?

  /// QEMU's defaults.
  public init() {}
}

/// From whom datagrams reach a guest's port that has sent some (RFC 4787 section 5).
public enum UDPFilteringOption: String, Codable, CaseIterable, Hashable, Sendable {
  /// From everybody.
  case endpoint
  /// From the addresses that it has sent to.
  case address
  /// From the addresses and ports that it has sent to.
  case port
}
