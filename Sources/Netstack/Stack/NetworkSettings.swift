public import Primitives

/// The virtual network that a `Stack` presents, as QEMU's `-netdev user` does by default.
public struct NetworkSettings: Hashable, Sendable {
  /// Whether guests have IPv4.
  public var isIPv4Enabled = true
  /// Whether guests have IPv6; needs an MTU of at least 1280 (RFC 8200 section 5).
  public var isIPv6Enabled: Bool {
    get { wantsIPv6 && mtu >= 1280 }
    set { wantsIPv6 = newValue }
  }
  private var wantsIPv6 = true
  /// The guests' IPv4 network.
  public var ipv4Prefix = IPv4Prefix(containing: IPv4Address(10, 0, 2, 0), length: 24)
  /// The gateway, which is also the guests' name for the host's loopback.
  public var ipv4Gateway = IPv4Address(10, 0, 2, 2)
  /// The virtual resolver.
  public var ipv4Resolver = IPv4Address(10, 0, 2, 3)
  /// The first address that DHCP leases.
  public var ipv4FirstLease = IPv4Address(10, 0, 2, 15)
  /// How many addresses DHCP leases.
  public var ipv4LeaseCount = 16
  /// How many addresses DHCPv6 leases.
  public var ipv6LeaseCount = 16
  /// Addresses that DHCP keeps for one guest each.
  public var staticLeases: [StaticLease] = []
  /// The guests' IPv6 network.
  public var ipv6Prefix = IPv6Prefix(containing: IPv6Address(high: 0xfec0 << 48, low: 0), length: 64)
  /// The IPv6 name for the host's loopback.
  public var ipv6Gateway = IPv6Address(high: 0xfec0 << 48, low: 2)
  /// The virtual resolver over IPv6.
  public var ipv6Resolver = IPv6Address(high: 0xfec0 << 48, low: 3)
  /// The gateway's link-local address, from which it speaks as a router (RFC 4861 section 4.2).
  public var ipv6LinkLocal = IPv6Address(high: 0xfe80 << 48, low: 2)
  /// The longest IP packet that guests are advised to send and may be sent, in bytes (DHCP option 26).
  public var mtu = 65_520
  /// The guest's name that DHCP gives out (option 12), empty for none.
  public var hostname = ""
  /// The domain that DHCP gives out (option 15), empty for none.
  public var domainName = ""
  /// The file to boot that DHCP gives out (the field `file`, option 67), a path for TFTP or a URL; empty for none.
  public var bootFile = ""
  /// What DHCPv6 gives out for the file to boot to be told (RFC 5970), each less than 64 KiB.
  public var bootFileParameters: [String] = []
  /// The name of the TFTP server that DHCP gives out (option 66), empty for none.
  public var tftpServerName = ""
  /// Whether the gateway serves the host's files to guests by TFTP.
  public var servesFiles = false
  /// Routes that DHCP gives out (option 121), besides the default one.
  public var staticRoutes: [StaticRoute] = []
  /// The domains to search that DHCP gives out (option 119).
  public var searchDomains: [String] = []
  /// Ports in the guests' network behind which there is something of the host's.
  public var guestForwards: [GuestForward] = []
  /// Names that the virtual resolver knows, besides its own and the guests'.
  public var localNames: [LocalName] = []
  /// Whether guests reach nothing but the gateway's own services and `guestForwards`, and answer only those who come by
  /// forwards.
  public var isRestricted = false
  /// Whether guests reach the host's loopback through the gateway's address.
  public var allowsHostLoopback = true
  /// Whether guests reach link-local addresses, where clouds serve their metadata.
  public var allowsLinkLocal = false
  /// From whom datagrams reach a guest's mapping.
  public var udpFiltering = UDPFiltering.address
  /// The most flows at once, listeners included.
  public var maximumFlows = 16_384
  /// The most UDP flows at once; the one unused for longest makes room for another.
  public var maximumUDPFlows = 10_000
  /// The most echo identifiers at once, likewise.
  public var maximumEchoFlows = 1024

  /// The default network.
  public init() {}

  /// The hardware address under which the stack answers, made of the gateway's address: 52:55:0a:00:02:02.
  public var gatewayMAC: MACAddress { Self.hardwareAddress(of: ipv4Gateway) }

  /// The hardware address of an IPv4 address of the stack: 52:55 and the four bytes of the address.
  public static func hardwareAddress(of address: IPv4Address) -> MACAddress {
    MACAddress(bits: 0x5255 << 32 | UInt64(address.bits))
  }

  /// The hardware address under which the stack answers in IPv6: 52:56:00:00:00:02.
  public var ipv6GatewayMAC: MACAddress { Self.hardwareAddress(of: ipv6Gateway) }

  /// The hardware address of an IPv6 address of the stack: 52:56 and the last four bytes of the address.
  public static func hardwareAddress(of address: IPv6Address) -> MACAddress {
    MACAddress(bits: 0x5256 << 32 | address.low & 0xffff_ffff)
  }

  /// The hardware address of an address of the stack.
  static func hardwareAddress(of address: IPAddress) -> MACAddress {
    address.ipv4.map { hardwareAddress(of: $0) } ?? hardwareAddress(of: address.mapped)
  }
}

/// An address that DHCP keeps for one guest.
public struct StaticLease: Hashable, Sendable {
  /// The guest's hardware address.
  public var hardware: MACAddress
  /// The address, of the guests' network.
  public var address: IPv4Address
  /// The name that the guest is given (option 12), empty for the network's.
  public var hostname: String

  /// Makes a lease of its parts.
  public init(hardware: MACAddress, address: IPv4Address, hostname: String = "") {
    self.hardware = hardware
    self.address = address
    self.hostname = hostname
  }
}

/// A route that DHCP gives to guests.
public struct StaticRoute: Hashable, Sendable {
  /// Where it leads.
  public var destination: IPv4Prefix
  /// Who of the guests' network passes packets on to there.
  public var router: IPv4Address

  /// Makes a route of its parts.
  public init(to destination: IPv4Prefix, via router: IPv4Address) {
    self.destination = destination
    self.router = router
  }
}

/// Who of the world may send datagrams to a guest's mapping (RFC 4787 section 5).
public enum UDPFiltering: CaseIterable, Hashable, Sendable {
  /// Everybody.
  case endpointIndependent
  /// The addresses that the guest has sent to from there (address-dependent).
  case address
  /// The addresses and ports that the guest has sent to from there (address- and port-dependent).
  case addressAndPort
}
