public import Primitives

/// On what terms the DHCP server grants addresses. The defaults are those of a virtual network, whose only server it is.
public struct DHCPTerms: Hashable, Sendable {
  /// How long an address is granted to who does not ask for a time, or whose wishes count for nothing.
  public var leaseTime = DHCPServer.leaseTime
  /// How long an address is granted at most to who asks for a time (option 51); nil where nobody is listened to.
  public var maximumLeaseTime: Interval?
  /// The name servers that are told (option 6), perhaps none; nil for the network's virtual resolver.
  public var nameServers: [IPv4Address]?
  /// Whether no other DHCP server is on the link. Who is not alone does not grant an address by a single message
  /// (RFC 4039 section 1), and is silent about what may be another's.
  public var isAlone = true

  /// The shortest time that is granted to who asks for less: below it a client would do nothing but renew.
  static let shortestLeaseTime = Interval.seconds(60)

  /// The default terms.
  public init() {}

  /// The longest that a lease lasts.
  var longestLease: Interval { max(leaseTime, maximumLeaseTime ?? leaseTime) }
}
