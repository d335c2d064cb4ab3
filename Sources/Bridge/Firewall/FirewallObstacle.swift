public import LinuxSystem
public import Nftables

/// Something of others' that keeps packets of the bridge's from their way.
public struct FirewallObstacle: Hashable, Sendable {
  /// Which packets it keeps away.
  public enum Traffic: Hashable, Sendable, CaseIterable {
    /// From guests to the outside.
    case outward
    /// Answers from the outside to guests.
    case answers
    /// Between guests, which is a bridge's own business, unless br_netfilter asks the packet filter, too.
    case betweenGuests
    /// Pings, and for IPv6 neighbor discovery, from guests to the host.
    case toHost
    /// Questions to a name server on the host.
    case names
    /// What exactly, cannot be seen from here.
    case unknown
  }

  /// What is in the way.
  public enum Cause: Hashable, Sendable {
    /// The policy of a base chain, which is to drop.
    case policy(ChainName)
    /// A rule, by its handle in its table; the base chain comes first.
    case rule(ChainName, in: ChainName, handle: Int64)
    /// Tables of iptables-legacy, of which nftables knows nothing: "ip" or "ip6", and their names.
    case legacyTables(TableFamily, [String])
  }

  /// Which packets it keeps away; at least one kind.
  public var traffic: [Traffic]
  /// What is in the way.
  public var cause: Cause
  /// Whether br_netfilter is why packets between guests get there.
  public var isByBridgeFilter: Bool
  /// One line: what is in the way of what.
  public var summary: String
  /// The exact commands that would help, as whoever keeps that chain would write them; any one line that begins with
  /// "or: " takes the place of those before it.
  public var remedies: [String]
  /// What to give to `--allow-in` for us to do it; nil where we cannot.
  public var allowance: String?

  /// Whether packets are known to be lost. Of legacy tables that is not known.
  public var isCertain: Bool { traffic != [.unknown] }
}

/// What besides nftables filters packets in a network namespace.
public struct HostFilters: Hashable, Sendable {
  /// The tables of iptables-legacy that there are.
  public var legacyTables: [String] = []
  /// The tables of ip6tables-legacy that there are.
  public var legacyTables6: [String] = []
  /// Whether IPv4 packets between ports of a bridge are shown to the packet filter as if they were forwarded
  /// (net.bridge.bridge-nf-call-iptables).
  public var bridgesAskIPv4 = false
  /// The same of IPv6 (net.bridge.bridge-nf-call-ip6tables).
  public var bridgesAskIPv6 = false

  /// None.
  public init() {}

  /// Those of the calling thread's network namespace.
  public static func current() throws(SystemError) -> HostFilters {
    var filters = HostFilters()
    filters.legacyTables = try KernelFile.lines(of: "/proc/thread-self/net/ip_tables_names") ?? []
    filters.legacyTables6 = try KernelFile.lines(of: "/proc/thread-self/net/ip6_tables_names") ?? []
    filters.bridgesAskIPv4 = try KernelFile.lines(of: "/proc/sys/net/bridge/bridge-nf-call-iptables") == ["1"]
    filters.bridgesAskIPv6 = try KernelFile.lines(of: "/proc/sys/net/bridge/bridge-nf-call-ip6tables") == ["1"]
    return filters
  }
}
