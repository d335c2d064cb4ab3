public import Nftables
import Primitives

extension BridgeFirewall {
  /// What of others' is in the way. Empty is good.
  ///
  /// Each base chain is asked what it would do with the packets that guests send and get; `PacketWalk` says how. What
  /// `allowance` has put into others' chains counts, so this may be asked again at any time. DHCP is not among what is
  /// asked for: its server has the frames before any packet filter.
  /// - Parameter servesNames: whether guests are told the host as their name server.
  public func obstacles(in ruleset: Ruleset, of filters: HostFilters, servesNames: Bool = false) -> [FirewallObstacle] {
    let walk = PacketWalk(ruleset)
    var obstacles: [FirewallObstacle] = []
    for base in ruleset.chains where base.name.table != table && base.hook?.type == "filter" {
      guard let hook = base.hook?.name, [.ip, .ip6, .inet].contains(base.name.family) else { continue }
      var stopped: [(traffic: FirewallObstacle.Traffic, cause: FirewallObstacle.Cause)] = []
      for packet in packets(at: hook, filters, servesNames) where base.name.family.concerns(packet.family) {
        guard let cause = walk.obstacle(in: base, to: packet) else { continue }
        stopped.append((packet.traffic, cause))
      }
      guard let cause = stopped.first?.cause else { continue }
      let traffic = FirewallObstacle.Traffic.allCases.filter { kind in stopped.contains { $0.traffic == kind } }
      obstacles.append(obstacle(cause, to: traffic, in: base.name, hook: hook, ruleset))
    }
    return obstacles + legacyObstacles(filters)
  }

  /// The packets of the bridge's that pass a hook.
  private func packets(at hook: String, _ filters: HostFilters, _ servesNames: Bool) -> [PacketWalk.Packet] {
    var families = [(TableFamily.ip, IPAddress(subnet.network))]
    if let ipv6Prefix { families.append((.ip6, IPAddress(ipv6Prefix.network))) }
    switch hook {
    case "forward":
      return families.flatMap { forwarded($0.0, $0.1) } + (filters.bridgesAskIPv4 ? [betweenGuests(.ip)] : [])
        + (filters.bridgesAskIPv6 ? [betweenGuests(.ip6)] : [])
    case "input":
      return families.flatMap { arriving($0.0, $0.1, servesNames) }
    default: return []
    }
  }

  private func forwarded(_ family: TableFamily, _ source: IPAddress) -> [PacketWalk.Packet] {
    guard let uplink else { return [] }
    return [
      PacketWalk.Packet(traffic: .outward, family: family, input: bridge, output: uplink, source: source),
      PacketWalk.Packet(traffic: .answers, family: family, input: uplink, output: bridge, isAnswer: true),
    ]
  }

  private func betweenGuests(_ family: TableFamily) -> PacketWalk.Packet {
    let source = family == .ip ? IPAddress(subnet.network) : ipv6Prefix.map { IPAddress($0.network) }
    return PacketWalk.Packet(traffic: .betweenGuests, family: family, input: bridge, output: bridge, source: source)
  }

  private func arriving(_ family: TableFamily, _ source: IPAddress, _ servesNames: Bool) -> [PacketWalk.Packet] {
    let transport: (Int64, String) = family == .ip ? (1, "icmp") : (58, "ipv6-icmp")
    let types = family == .ip ? ["echo-request"] : ["echo-request", "nd-neighbor-solicit"]
    let pings = types.map {
      PacketWalk.Packet(
        traffic: .toHost, family: family, input: bridge, source: source, transport: transport, icmpType: $0)
    }
    guard servesNames else { return pings }
    return pings + [
      PacketWalk.Packet(
        traffic: .names, family: family, input: bridge, source: source, transport: (17, "udp"), port: 53)
    ]
  }

  // MARK: In words

  private func obstacle(
    _ cause: FirewallObstacle.Cause, to traffic: [FirewallObstacle.Traffic], in base: ChainName, hook: String,
    _ ruleset: Ruleset
  ) -> FirewallObstacle {
    let owner = FilterOwner(of: base, in: ruleset)
    let what = traffic.map(words).joined(separator: ", ")
    let subject: String
    switch cause {
    case .rule(_, let chain, let handle): subject = "rule \(handle) of the chain '\(chain)'\(owner.suffix)"
    default: subject = "the policy of the chain '\(base)'\(owner.suffix)"
    }
    // Where others are asked to put rules of their own, if there is such a place.
    let place = owner == .docker && hook == "forward" ? ChainName(base.family, base.table, "DOCKER-USER") : base
    let isByBridgeFilter = traffic.contains(.betweenGuests)
    var remedies = owner.commands(for: traffic, of: self)
    let rules = allowances(in: place, hook: hook, for: traffic).map { command($0, in: place) }
    if !rules.isEmpty { remedies += remedies.isEmpty ? rules : ["or: " + rules.joined(separator: "; ")] }
    if isByBridgeFilter {
      let name = base.family == .ip6 ? "bridge-nf-call-ip6tables" : "bridge-nf-call-iptables"
      remedies.append("or: sysctl -w net.bridge.\(name)=0")
    }
    let isOwned = ruleset.tables.contains { $0.family == base.family && $0.name == base.table && $0.isOwned }
    return FirewallObstacle(
      traffic: traffic, cause: cause, isByBridgeFilter: isByBridgeFilter, summary: "\(subject) drops \(what)",
      remedies: remedies, allowance: isOwned ? nil : place.description)
  }

  private func words(_ traffic: FirewallObstacle.Traffic) -> String {
    switch traffic {
    case .outward: "what goes from \(bridge) to \(uplink ?? "the outside")"
    case .answers: "the answers from \(uplink ?? "the outside") to \(bridge)"
    case .betweenGuests: "what guests on \(bridge) send each other (br_netfilter is on)"
    case .toHost: "guests' pings to the host"
    case .names: "guests' questions to the host's name server"
    case .unknown: "perhaps what is to or from \(bridge)"
    }
  }

  private func legacyObstacles(_ filters: HostFilters) -> [FirewallObstacle] {
    let found =
      [(TableFamily.ip, filters.legacyTables, "iptables")]
      + (ipv6Prefix == nil ? [] : [(.ip6, filters.legacyTables6, "ip6tables")])
    return found.filter { $0.1.contains("filter") }.map { family, tables, program in
      let pairs = uplink.map { [InterfacePair(bridge, $0), InterfacePair($0, bridge)] } ?? []
      return FirewallObstacle(
        traffic: [.unknown], cause: .legacyTables(family, tables), isByBridgeFilter: false,
        summary: "there are tables of \(program)-legacy (\(tables.joined(separator: ", "))), which nftables cannot see;"
          + " look whether they drop what is forwarded: \(program)-legacy -S FORWARD",
        remedies: pairs.map { "\(program)-legacy -I FORWARD -i \($0.input) -o \($0.output) -j ACCEPT" },
        allowance: nil)
    }
  }
}

extension TableFamily {
  /// Whether tables of the family are asked for packets of `family`.
  func concerns(_ family: TableFamily) -> Bool { self == family || self == .inet }
}
