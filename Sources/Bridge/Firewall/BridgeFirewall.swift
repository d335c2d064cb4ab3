public import Nftables
public import Primitives

/// The rules of one bridge in the packet filter: a table of its own, `inet culvert_<bridge>`, which is put in and taken
/// out as a whole and touches nothing else.
///
/// To the uplink goes what comes from the bridge's own networks, under the uplink's address; from it comes what
/// belongs to a connection that began on the bridge, or that the owner's own rules lead there (DNAT). That a chain here
/// accepts a packet does not keep another table from dropping it: `obstacles` finds those, and `allowance` is one rule
/// in one of them. What passes between other interfaces, or between the bridge and others than the uplink, is not
/// looked at.
///
///     do {
///       var session = try NftablesSession()                  // in the namespace of the calling thread
///       let found = firewall.obstacles(in: try session.ruleset(), of: try HostFilters.current())
///       try session.apply(firewall.installation)             // all or nothing; replaces what was there
///       ...
///       firewall.counts(in: try session.ruleset())           // for `status`
///       ...
///       try session.apply(try firewall.removal(from: session.ruleset()))   // nothing there any more is fine, too
///     }
public struct BridgeFirewall: Hashable, Sendable {
  /// The bridge's name.
  public let bridge: String
  /// The name of the interface to the outside; nil for none, and then no rule is needed.
  public let uplink: String?
  /// The bridge's IPv4 network.
  public let subnet: IPv4Prefix
  /// The bridge's IPv6 network, if it has one.
  public let ipv6Prefix: IPv6Prefix?

  /// Makes the rules of a bridge.
  /// - Throws: `unusableName` for an interface whose name means something else in a rule.
  public init(
    bridge: String, subnet: IPv4Prefix, uplink: String?, ipv6Prefix: IPv6Prefix? = nil
  ) throws(FirewallError) {
    for name in [bridge, uplink].compactMap({ $0 }) {
      guard Self.isUsable(name) else { throw .unusableName(name) }
    }
    self.bridge = bridge
    self.subnet = subnet
    self.uplink = uplink
    self.ipv6Prefix = ipv6Prefix
  }

  /// Whether a rule can name an interface of this name. A `*` would stand for others, and a quotation mark or a space
  /// has no place in a rule's text; no sane interface has either.
  private static func isUsable(_ name: String) -> Bool {
    (1...15).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        let isLetter = (0x41...0x5a).contains(byte & ~0x20)
        return isLetter || (0x30...0x39).contains(byte) || [0x2d, 0x2e, 0x5f].contains(byte)
      }
  }

  /// The table's name: "culvert_bridge0".
  public var table: String { "culvert_" + bridge }

  /// Whether the table is there, with rules in it.
  func isLoaded(in ruleset: Ruleset) -> Bool {
    ruleset.rules.contains { $0.chain.family == .inet && $0.chain.table == table }
  }

  /// The comment of rules that `allowance` puts into others' chains: "culvert bridge0".
  public var comment: String { "culvert " + bridge }

  /// Whether IPv6 packets leave under the uplink's address: those of a unique local prefix (RFC 4193) do, which nobody
  /// outside has a route to; those of any other are the guests' own.
  public var translatesIPv6: Bool { ipv6Prefix.map { $0.network.high >> 57 == 0xfc >> 1 } ?? false }

  // MARK: Putting in, taking out

  /// Puts the table in, in the place of one of the name if there is one: with its counters, a second `up` begins anew.
  /// Without an uplink it only takes that one out.
  public var installation: FilterTransaction {
    var transaction = tableRemoval
    guard let uplink else { return transaction }
    transaction.changes += [
      .addTable(.inet, table), .addChain(postrouting, Self.translation), .addChain(forward, Self.forwarding),
    ]
    transaction.changes += translationRules(uplink).map { .add($0, postrouting) }
    transaction.changes += forwardingRules(uplink).map { .add($0, forward) }
    return transaction
  }

  /// Takes out the table, and the rules that `allowance` has put elsewhere. Of what is gone already nothing is said.
  public func removal(from ruleset: Ruleset) -> FilterTransaction {
    let hasTable = ruleset.tables.contains { $0.family == .inet && $0.name == table }
    return FilterTransaction((hasTable ? tableRemoval.changes : []) + withdrawal(from: ruleset).changes)
  }

  /// Whether the table is there.
  public func isInstalled(in ruleset: Ruleset) -> Bool {
    ruleset.chains.contains { $0.name == forward } && ruleset.chains.contains { $0.name == postrouting }
  }

  /// That there is no such table: who deletes one that is not there fails, so it is made before.
  private var tableRemoval: FilterTransaction {
    FilterTransaction([.addTable(.inet, table), .deleteTable(.inet, table)])
  }

  private var postrouting: ChainName { ChainName(.inet, table, "postrouting") }
  private var forward: ChainName { ChainName(.inet, table, "forward") }

  /// NF_IP_PRI_NAT_SRC and NF_IP_PRI_FILTER: where everybody's such chains are.
  private static var translation: ChainHook { ChainHook(type: "nat", name: "postrouting", priority: 100) }
  private static var forwarding: ChainHook { ChainHook(type: "filter", name: "forward", priority: 0) }

  // MARK: The rules

  private func translationRules(_ uplink: String) -> [FilterRule] {
    var rules = [
      FilterRule([.source4(subnet), .output(uplink), .counter, .masquerade], comment: "to the outside by its address")
    ]
    if let ipv6Prefix, translatesIPv6 {
      rules.append(
        FilterRule(
          [.source6(ipv6Prefix), .output(uplink), .counter, .masquerade], comment: "to the outside by its IPv6 address")
      )
    }
    return rules
  }

  private func forwardingRules(_ uplink: String) -> [FilterRule] {
    let (out, back) = ([RuleStatement.input(bridge), .output(uplink)], [RuleStatement.input(uplink), .output(bridge)])
    var rules = [
      FilterRule(out + [.source4(subnet), .counter, .accept], comment: "guests to the outside"),
      FilterRule(
        out + [.source4(subnet, isNot: true), .counter, .drop], comment: "guests under addresses that are not theirs"),
    ]
    if let ipv6Prefix {
      rules += [
        FilterRule(out + [.source6(ipv6Prefix), .counter, .accept], comment: "guests to the outside by IPv6"),
        FilterRule(
          out + [.source6(ipv6Prefix, isNot: true), .counter, .drop],
          comment: "guests under IPv6 addresses that are not theirs"),
      ]
    }
    return rules + [
      FilterRule(
        back + [.connectionState(["established", "related"]), .counter, .accept], comment: "answers to guests"),
      FilterRule(
        back + [.connectionStatus("dnat"), .counter, .accept], comment: "what the host's rules lead to guests"),
      FilterRule(back + [.counter, .drop], comment: "strangers to guests"),
    ]
  }

  // MARK: What has happened

  /// One rule, and what it has seen.
  public struct RuleCount: Hashable, Sendable {
    /// What the rule is about: "guests to the outside".
    public var name: String
    /// Its chain, in the bridge's own table or another's.
    public var chain: ChainName
    /// Packets that it was for; of translation, one for each connection.
    public var packets: Int64
    /// Their bytes.
    public var bytes: Int64
  }

  /// The rules of the table, and those put into others' chains, with their counters.
  public func counts(in ruleset: Ruleset) -> [RuleCount] {
    ruleset.rules.filter { $0.chain == postrouting || $0.chain == forward || isOurs($0) }.map { rule in
      let count = rule.count ?? (0, 0)
      return RuleCount(name: rule.comment, chain: rule.chain, packets: count.packets, bytes: count.bytes)
    }
  }

  /// Whether a rule is one that `allowance` has put there.
  func isOurs(_ rule: Ruleset.Rule) -> Bool { rule.comment == comment && rule.chain.table != table }
}

// MARK: As a script

extension BridgeFirewall {
  /// What `installation` does, as a script for `nft -f`, for `--dry-run`.
  public var script: String {
    var lines = ["table inet \(table)", "delete table inet \(table)"]
    guard let uplink else { return lines.map { $0 + "\n" }.joined() }
    lines.append("table inet \(table) {")
    for (name, hook, rules) in [
      ("postrouting", "nat hook postrouting priority srcnat", translationRules(uplink)),
      ("forward", "filter hook forward priority filter", forwardingRules(uplink)),
    ] {
      lines += ["\tchain \(name) {", "\t\ttype \(hook); policy accept;"]
      lines += rules.map { "\t\t" + $0.text } + ["\t}"]
    }
    return (lines + ["}"]).map { $0 + "\n" }.joined()
  }
}
