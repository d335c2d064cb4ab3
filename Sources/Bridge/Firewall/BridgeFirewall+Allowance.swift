public import Nftables

extension BridgeFirewall {
  /// The rule that lets the bridge's packets pass in a chain of somebody else's, at its head, and under our comment: one,
  /// or in a chain of iptables', whose language has no pairs, one for each way. One that is there already is replaced.
  ///
  /// The bridge's own table still sees to it that strangers stay outside: what it drops is dropped, whatever others
  /// accept.
  /// - Parameters:
  ///   - text: the chain, as `--allow-in` has it: "filter_FORWARD", "inet firewalld filter_FORWARD". A name that chains
  ///     of both families have, as iptables' "FORWARD", means both, as far as the bridge has them.
  ///   - filters: whether packets between guests come there, too.
  public func allowance(
    in text: String, of ruleset: Ruleset, filters: HostFilters
  ) throws(FirewallError) -> FilterTransaction {
    var transaction = FilterTransaction()
    for chain in ruleset.chains.map(\.name) where isNamed(chain, text) && isConcerned(chain.family) {
      guard let hook = hook(above: chain, in: ruleset) else { continue }
      let isOwned = ruleset.tables.contains { $0.family == chain.family && $0.name == chain.table && $0.isOwned }
      guard !isOwned else { throw .ownedTable(chain) }
      let asks = chain.family == .ip6 ? filters.bridgesAskIPv6 : filters.bridgesAskIPv4
      let traffic: [FirewallObstacle.Traffic] =
        hook == "input" ? [.toHost] : (uplink == nil ? [] : [.outward, .answers]) + (asks ? [.betweenGuests] : [])
      transaction.changes += ruleset.rules(of: chain).filter(isOurs).map { .delete(handle: $0.handle, chain) }
      transaction.changes += allowances(in: chain, hook: hook, for: traffic).map { .insert($0, chain) }
    }
    guard !transaction.isEmpty else { throw .noSuchChain(text) }
    return transaction
  }

  /// Removes what `allowance` has put in, wherever it is. Nothing there is fine.
  public func withdrawal(from ruleset: Ruleset) -> FilterTransaction {
    FilterTransaction(ruleset.rules.filter(isOurs).map { .delete(handle: $0.handle, $0.chain) })
  }

  private func isNamed(_ chain: ChainName, _ text: String) -> Bool {
    chain.table != table && (chain.chain == text || chain.description == text)
  }

  private func isConcerned(_ family: TableFamily) -> Bool {
    family == .ip || family == .inet || family == .ip6 && ipv6Prefix != nil
  }

  /// The hook at which a chain is asked, itself or by a jump from another: "forward" or "input".
  private func hook(above chain: ChainName, in ruleset: Ruleset) -> String? {
    var seen: Set<ChainName> = []
    var next = [chain]
    while let name = next.popLast() {
      guard seen.insert(name).inserted else { continue }
      if let hook = ruleset.chains.first(where: { $0.name == name })?.hook {
        if hook.type == "filter", hook.name == "forward" || hook.name == "input" { return hook.name }
        continue
      }
      let callers = ruleset.rules.filter { rule in
        rule.chain.family == name.family && rule.chain.table == name.table && rule.leads(to: name.chain)
      }
      next += callers.map(\.chain)
    }
    return nil
  }

  /// The rules that let packets pass in a chain.
  func allowances(in chain: ChainName, hook: String, for traffic: [FirewallObstacle.Traffic]) -> [FilterRule] {
    guard hook == "forward" else { return [FilterRule(arrivals(in: chain, traffic), comment: comment)] }
    var pairs: [InterfacePair] = []
    if let uplink, traffic.contains(.outward) { pairs.append(InterfacePair(bridge, uplink)) }
    if let uplink, traffic.contains(.answers) { pairs.append(InterfacePair(uplink, bridge)) }
    if traffic.contains(.betweenGuests) { pairs.append(InterfacePair(bridge, bridge)) }
    guard !pairs.isEmpty else { return [] }
    // Who lists them by iptables is shown only what that could have written itself.
    if chain.isOfIPTables {
      return pairs.map { FilterRule([.input($0.input), .output($0.output), .counter, .accept], comment: comment) }
    }
    return [FilterRule([.passes(pairs), .counter, .accept], comment: comment)]
  }

  private func arrivals(in chain: ChainName, _ traffic: [FirewallObstacle.Traffic]) -> [RuleStatement] {
    // Questions for names go by UDP and TCP: for a name server that is the host's own, all from the bridge may come in.
    guard !traffic.contains(.names) else { return [.input(bridge), .counter, .accept] }
    let transport = [TableFamily.ip: ["icmp"], .ip6: ["ipv6-icmp"]][chain.family] ?? ["icmp", "ipv6-icmp"]
    return [.input(bridge), .transport(transport), .counter, .accept]
  }

  /// The command by which the owner of a chain would put in a rule.
  func command(_ rule: FilterRule, in chain: ChainName) -> String {
    guard chain.isOfIPTables else { return "nft 'insert rule \(chain) \(rule.text)'" }
    let words = rule.statements.compactMap { statement -> String? in
      switch statement {
      case .input(let name, _): "-i \(name)"
      case .output(let name, _): "-o \(name)"
      case .transport(let names): "-p \(names[0])"
      default: nil
      }
    }
    // From outside only what belongs to a connection that began inside.
    let isInward = rule.statements.contains(.output(bridge)) && !rule.statements.contains(.input(bridge))
    let state = isInward ? ["-m conntrack --ctstate RELATED,ESTABLISHED"] : []
    let program = chain.family == .ip6 ? "ip6tables" : "iptables"
    return (["\(program) -I \(chain.chain)"] + words + state + ["-j ACCEPT"]).joined(separator: " ")
  }
}

extension ChainName {
  /// Whether the table is one that iptables-nft keeps.
  var isOfIPTables: Bool {
    (family == .ip || family == .ip6) && ["filter", "nat", "mangle", "raw", "security"].contains(table)
  }
}

extension Ruleset.Rule {
  /// Whether it jumps to a chain of its table, or goes there.
  fileprivate func leads(to chain: String) -> Bool {
    statements.contains { statement in
      guard let (kind, value) = statement.onlyMember else { return false }
      if kind == "jump" || kind == "goto" { return value["target"]?.string == chain }
      let verdicts = kind == "vmap" ? value["data"]?["set"]?.array?.compactMap { $0.array?.last } ?? [] : []
      return verdicts.contains { $0["jump"]?["target"]?.string == chain || $0["goto"]?["target"]?.string == chain }
    }
  }
}
