/// The options of a virtual network as an operator writes them, with the names and the syntax of QEMU's
/// `-netdev user` where QEMU has the option. `VirtualNetwork` is what they mean.
public struct NetworkOptions: Codable, Hashable, Sendable {
  /// Whether guests have IPv4; nil for yes, unless IPv6 alone is asked for.
  public var ipv4: Bool?
  /// Whether guests have IPv6; nil for yes, unless IPv4 alone is asked for or the MTU is below 1280 bytes.
  public var ipv6: Bool?
  /// The guests' IPv4 network, `ADDRESS[/LENGTH|/MASK]`; nil for 10.0.2.0/24.
  public var net: String?
  /// The gateway's address, which leads to the host's loopback; nil for the network's x.x.2.2.
  public var host: String?
  /// The virtual resolver's address; nil for the network's x.x.2.3.
  public var dns: String?
  /// The first address that DHCP leases; nil for the network's x.x.2.15.
  public var dhcpstart: String?
  /// The address of the guests' IPv6 network; nil for fec0::.
  public var ipv6Prefix: String?
  /// The number of network bits in the guests' IPv6 addresses; nil for 64.
  public var ipv6Prefixlen: Int?
  /// The gateway's IPv6 address, which leads to the host's loopback; nil for the network's ::2.
  public var ipv6Host: String?
  /// The virtual resolver's IPv6 address; nil for the network's ::3.
  public var ipv6Dns: String?
  /// Whether guests reach nothing but the gateway's own services, and answer only those who come by forwards; nil for
  /// no.
  public var restrict: Bool?
  /// The name that DHCP gives to guests.
  public var hostname: String?
  /// The domain that DHCP gives to guests.
  public var domainname: String?
  /// The domains to search that DHCP gives to guests, in their order.
  public var dnssearch: [String] = []
  /// The file to boot that DHCP names: a path at the TFTP server, or a URL.
  public var bootfile: String?
  /// What DHCPv6 gives out for the file to boot to be told, in its order.
  public var bootfileParam: [String] = []
  /// The folder whose files guests may fetch by TFTP; nil for none.
  public var tftp: String?
  /// The name of the TFTP server that DHCP gives to guests, besides the gateway's address.
  public var tftpServerName: String?
  /// Addresses that DHCP keeps for one guest each, `MAC=ADDRESS[,HOSTNAME]`.
  public var lease: [String] = []
  /// Routes that DHCP gives to guests besides the default one, `PREFIX[,GATEWAY]` each.
  public var route: [String] = []
  /// The longest IP packet that guests are advised to send, in bytes; nil for the link's default.
  public var mtu: Int?
  /// Ports and UNIX sockets of the host that lead to a guest, `[tcp|udp]:[HOSTADDR]:PORT-[GUESTADDR]:PORT` or
  /// `unix:PATH-[GUESTADDR]:PORT` each.
  public var hostfwd: [String] = []
  /// Ports in the guests' network that lead to something of the host's,
  /// `[tcp]:[ADDR]:PORT-cmd:COMMAND|tcp:HOST:PORT|unix:PATH` each.
  public var guestfwd: [String] = []
  /// The folder that guests find as the share `qemu` of an SMB server; nil for none.
  public var smb: String?
  /// The address of that server; nil for the network's x.x.2.4.
  public var smbserver: String?
  /// The servers that the virtual resolver asks, best first, `ADDRESS[:PORT]` each; none for those of the host's
  /// `resolv.conf`.
  public var dnsUpstream: [String] = []
  /// Names that the virtual resolver knows, `NAME=ADDRESS` each; a name may have several addresses.
  public var dnsHost: [String] = []
  /// Whether the gateway's address does not lead to the host's loopback; nil for no.
  public var noHostLoopback: Bool?
  /// Whether guests reach link-local addresses, such as a cloud's metadata service; nil for no.
  public var allowLinkLocal: Bool?
  /// From whom datagrams reach a guest's port that has sent some, `endpoint`, `address` or `port`; nil for `address`.
  public var udpFiltering: String?

  /// QEMU's defaults.
  public init() {}

  /// The name of an option that is given and makes sense only with IPv4, nil where there is none.
  var firstIPv4Option: String? {
    Self.firstName([
      ("net", net != nil), ("host", host != nil), ("dns", dns != nil), ("dhcpstart", dhcpstart != nil),
      ("lease", !lease.isEmpty), ("route", !route.isEmpty),
    ])
  }

  /// The name of an option that is given and makes sense only with IPv6, nil where there is none.
  var firstIPv6Option: String? {
    Self.firstName([
      ("ipv6-prefix", ipv6Prefix != nil), ("ipv6-prefixlen", ipv6Prefixlen != nil), ("ipv6-host", ipv6Host != nil),
      ("ipv6-dns", ipv6Dns != nil),
    ])
  }

  private static func firstName(_ options: [(name: String, isGiven: Bool)]) -> String? {
    options.first(where: \.isGiven)?.name
  }
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
