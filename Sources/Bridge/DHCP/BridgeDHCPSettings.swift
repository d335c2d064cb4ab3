public import Netstack
public import Primitives
import Wire

/// What guests on a bridge are told by DHCP, and by router advertisements.
public struct BridgeDHCPSettings: Hashable, Sendable {
  /// The host's address on the bridge: the server's, and the guests' gateway.
  public var address: IPv4Address
  /// The bridge's network.
  public var subnet: IPv4Prefix
  /// Whether DHCP is served; where it is not, guests have router advertisements alone.
  public var givesAddresses = true
  /// The first address that is given out.
  public var first: IPv4Address
  /// The last one.
  public var last: IPv4Address
  /// The domain (option 15), empty for none.
  public var domainName = ""
  /// The domains to search (option 119), which IPv6 guests are told, too.
  public var searchDomains: [String] = []
  /// The name servers (option 6), perhaps none.
  public var nameServers: [IPv4Address] = []
  /// Whether guests are told that the host leads to the outside (option 3, and the lifetime in router advertisements).
  public var isRouter = true
  /// How long an address is granted to who does not ask for a time.
  public var leaseTime = Interval.seconds(3600)
  /// How long to who asks for more.
  public var maximumLeaseTime = Interval.seconds(7200)
  /// Addresses that are kept for one guest each, in the range or beside it.
  public var staticLeases: [StaticLease] = []
  /// The longest packet on the bridge, in bytes.
  public var mtu = 1500
  /// The network of which guests make IPv6 addresses; nil for no router advertisements.
  public var ipv6Prefix: IPv6Prefix?
  /// The name servers that IPv6 guests are told.
  public var ipv6NameServers: [IPv6Address] = []

  /// The most addresses that a range holds: each is looked at for each message.
  public static let mostAddresses = 16_384

  /// Makes settings of a range, both ends of which are given out.
  public init(address: IPv4Address, subnet: IPv4Prefix, first: IPv4Address, last: IPv4Address) {
    (self.address, self.subnet, self.first, self.last) = (address, subnet, first, last)
  }

  /// What is wrong with the settings, in one line; nil where they make sense.
  public var complaint: String? {
    guard subnet.contains(address) else { return "address \(address): it is not in the bridge's network \(subnet)" }
    guard subnet.contains(first), subnet.contains(last) else {
      return "dhcp \(first)-\(last): the range is not in the bridge's network \(subnet)"
    }
    guard first <= last else { return "dhcp \(first)-\(last): the range ends before it begins" }
    guard last.bits - first.bits < UInt32(Self.mostAddresses) else {
      return "dhcp \(first)-\(last): the range has more than \(Self.mostAddresses) addresses"
    }
    guard leaseTime >= .seconds(60), leaseTime <= maximumLeaseTime else {
      return "lease \(leaseTime): it is shorter than a minute, or longer than the maximum, \(maximumLeaseTime)"
    }
    guard maximumLeaseTime.nanoseconds / 1_000_000_000 < Int64(UInt32.max) else {
      return "max-lease \(maximumLeaseTime): DHCP has no room for so many seconds"
    }
    guard ipv6Prefix.map({ $0.length == 64 }) ?? true else {
      return "ipv6 \(ipv6Prefix.map(\.description) ?? ""): guests make addresses of prefixes of 64 bits only (RFC 4862)"
    }
    return nil
  }

  /// The settings as the server has them.
  var network: NetworkSettings {
    var settings = NetworkSettings()
    settings.ipv4Prefix = subnet
    // There is no virtual resolver; nobody is given the host's address.
    (settings.ipv4Gateway, settings.ipv4Resolver) = (address, address)
    settings.ipv4FirstLease = first
    // What is left out of the range, the host's own address, makes it no longer at its end.
    let reserved = first <= address && address <= last ? 1 : 0
    let ends = subnet.length <= 30 ? [subnet.network, subnet.broadcast].filter { first <= $0 && $0 <= last }.count : 0
    settings.ipv4LeaseCount = Int(last.bits - first.bits) + 1 - reserved - ends
    settings.staticLeases = staticLeases
    settings.domainName = domainName
    settings.searchDomains = searchDomains
    settings.mtu = mtu
    settings.isRestricted = !isRouter
    return settings
  }

  /// The terms: others may serve the same link, and what clients ask for counts.
  var terms: DHCPTerms {
    var terms = DHCPTerms()
    terms.leaseTime = leaseTime
    terms.maximumLeaseTime = maximumLeaseTime
    terms.nameServers = nameServers
    terms.isAlone = false
    return terms
  }

  /// What the host says of itself as a router of IPv6; nil where it is none.
  func advertisement(from hardware: MACAddress) -> RouterAdvertisement? {
    guard let ipv6Prefix else { return nil }
    var message = RouterAdvertisement(
      lifetime: isRouter ? AdvertisementSchedule.routerLifetime : 0, sourceLinkLayer: hardware,
      mtu: UInt32(clamping: mtu), prefix: ipv6Prefix, validLifetime: 86_400, preferredLifetime: 14_400)
    message.resolvers = ipv6NameServers
    message.searchDomains = searchDomains
    message.resolverLifetime = UInt32(AdvertisementSchedule.routerLifetime)
    return message
  }
}
