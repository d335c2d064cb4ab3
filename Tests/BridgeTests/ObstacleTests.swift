import Bridge
import Nftables
import Primitives
import Testing

/// What is found of others' rules, as the kernel has them. Needs root, nft and iptables.
@Suite(.needsRoot) struct ObstacleTests {
  /// The obstacles in a namespace with these rules, those in nft's language and those for iptables-restore.
  func obstacles(
    nft: String = "", iptables: String = "", firewall: BridgeFirewall, filters: HostFilters = HostFilters(),
    servesNames: Bool = false
  ) throws -> [FirewallObstacle] {
    var found: [FirewallObstacle] = []
    try withOwnNetwork {
      try makeInterfaces()
      if !nft.isEmpty { try shell("nft -f -", input: nft) }
      if !iptables.isEmpty { try shell("iptables-nft-restore", input: iptables) }
      var session = try NftablesSession()
      found = firewall.obstacles(in: try session.ruleset(), of: filters, servesNames: servesNames)
    }
    return found
  }

  /// Rules by interface number need interfaces.
  func makeInterfaces() throws { try shell("ip link add virbr0 type bridge") }

  @Test func `an empty packet filter, and the bridge's own table, are in nobody's way`() throws {
    #expect(try obstacles(firewall: try recipe()) == [])
    #expect(try obstacles(nft: try recipe(ipv6: ulaPrefix).script, firewall: try recipe(ipv6: ulaPrefix)) == [])
  }

  @Test func `of firewalld what it rejects is found, and its own command is named`() throws {
    let found = try obstacles(nft: ForeignRules.firewalld, firewall: try recipe())
    let obstacle = try #require(found.first)
    #expect(found.count == 1)
    #expect(obstacle.traffic == [.outward])
    guard case .rule(let base, let chain, _) = obstacle.cause else {
      Issue.record("\(obstacle.cause)")
      return
    }
    #expect(base == ChainName(.inet, "firewalld", "filter_FORWARD"))
    #expect(chain.chain == "filter_FWD_public")
    #expect(obstacle.summary.contains("(firewalld's) drops what goes from bridge0 to wlo1"))
    #expect(
      obstacle.remedies == [
        "firewall-cmd --zone=trusted --change-interface=bridge0",
        "or: nft 'insert rule inet firewalld filter_FORWARD iifname . oifname { \"bridge0\" . \"wlo1\" } counter accept "
          + "comment \"culvert bridge0\"'",
      ])
    #expect(obstacle.allowance == "inet firewalld filter_FORWARD")
    #expect(obstacle.isCertain)
  }

  @Test func `where firewalld trusts the bridge nothing is found`() throws {
    let trusting = ForeignRules.firewalld.replacing("trusted0", with: "bridge0")
    #expect(try obstacles(nft: trusting, firewall: try recipe()) == [])
  }

  @Test func `of ufw what its policy drops is found`() throws {
    let found = try obstacles(iptables: ForeignRules.ufw, firewall: try recipe())
    #expect(found.map(\.traffic) == [[.outward]])
    #expect(found.map(\.cause) == [.policy(ChainName(.ip, "filter", "FORWARD"))])
    #expect(found.first?.remedies.first == "ufw route allow in on bridge0 out on wlo1")
    #expect(found.first?.remedies.last == "or: iptables -I FORWARD -i bridge0 -o wlo1 -j ACCEPT")
    // What ufw would add.
    let allowed = ForeignRules.ufw.replacing(
      "COMMIT", with: "-A ufw-user-forward -i bridge0 -o wlo1 -j ACCEPT\nCOMMIT")
    #expect(try obstacles(iptables: allowed, firewall: try recipe()) == [])
  }

  @Test func `of Docker both ways are found, and where it wants others' rules`() throws {
    let found = try obstacles(iptables: ForeignRules.docker, firewall: try recipe())
    #expect(found.map(\.traffic) == [[.outward, .answers]])
    #expect(found.first?.allowance == "ip filter DOCKER-USER")
    #expect(
      found.first?.remedies == [
        "iptables -I DOCKER-USER -i bridge0 -o wlo1 -j ACCEPT",
        "iptables -I DOCKER-USER -i wlo1 -o bridge0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      ])
    // The very commands help, with a comment or without.
    let allowed = ForeignRules.docker.replacing(
      "-A DOCKER-USER -j RETURN",
      with: """
        -A DOCKER-USER -i bridge0 -o wlo1 -m comment --comment "guests" -j ACCEPT
        -A DOCKER-USER -i wlo1 -o bridge0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        -A DOCKER-USER -j RETURN
        """)
    #expect(try obstacles(iptables: allowed, firewall: try recipe()) == [])
  }

  @Test func `a REJECT of iptables' is found, a LOG that speaks of one is none`() throws {
    let found = try obstacles(iptables: ForeignRules.rejecting, firewall: try recipe())
    #expect(found.map(\.traffic) == [[.outward, .answers]])
    guard case .rule(_, _, let handle)? = found.first?.cause else {
      Issue.record("\(found)")
      return
    }
    let only = ForeignRules.rejecting.replacing("-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n", with: "")
    #expect(handle > 0)
    #expect(try obstacles(iptables: only, firewall: try recipe()) == [])
  }

  @Test func `of libvirt, which looks after its own network only, nothing is found`() throws {
    #expect(try obstacles(nft: ForeignRules.libvirt, firewall: try recipe()) == [])
  }

  @Test func `maps and patterns are understood, sets by name are not relied on`() throws {
    let found = try obstacles(nft: ForeignRules.byHand, firewall: try recipe(ipv6: globalPrefix), servesNames: true)
    #expect(found.map(\.traffic) == [[.names], [.outward]])
    #expect(found.map(\.allowance) == ["inet filter input", "inet filter forward"])
    // Of the bridge's own name the rule for pings speaks no more.
    let narrower = ForeignRules.byHand.replacing("br*", with: "virbr*")
    let toHost = try obstacles(nft: narrower, firewall: try recipe()).first
    #expect(toHost?.traffic == [.toHost])
    #expect(toHost?.remedies.first?.contains("iifname \"bridge0\" meta l4proto { icmp, ipv6-icmp }") == true)
  }

  @Test func `between guests br_netfilter asks, where it is on`() throws {
    var filters = HostFilters()
    #expect(try obstacles(iptables: ForeignRules.docker, firewall: try recipe(uplink: nil)) == [])
    filters.bridgesAskIPv4 = true
    let found = try obstacles(iptables: ForeignRules.docker, firewall: try recipe(uplink: nil), filters: filters)
    #expect(found.map(\.traffic) == [[.betweenGuests]])
    #expect(found.first?.isByBridgeFilter == true)
    #expect(
      found.first?.remedies == [
        "iptables -I DOCKER-USER -i bridge0 -o bridge0 -j ACCEPT",
        "or: sysctl -w net.bridge.bridge-nf-call-iptables=0",
      ])
  }

  @Test func `IPv6 tables count where the bridge has a prefix`() throws {
    let rules = """
      table ip6 filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }

      """
    #expect(try obstacles(nft: rules, firewall: try recipe()) == [])
    let found = try obstacles(nft: rules, firewall: try recipe(ipv6: globalPrefix))
    #expect(found.map(\.traffic) == [[.outward, .answers]])
    #expect(found.first?.remedies.first == "ip6tables -I FORWARD -i bridge0 -o wlo1 -j ACCEPT")
  }

  @Test func `tables of iptables-legacy cannot be looked into, and are told of`() throws {
    var filters = HostFilters()
    filters.legacyTables = ["nat"]
    #expect(try obstacles(firewall: try recipe(), filters: filters) == [])
    filters.legacyTables = ["filter", "nat"]
    let found = try obstacles(firewall: try recipe(), filters: filters)
    #expect(found.map(\.cause) == [.legacyTables(.ip, ["filter", "nat"])])
    #expect(found.first?.isCertain == false)
    #expect(found.first?.remedies.first == "iptables-legacy -I FORWARD -i bridge0 -o wlo1 -j ACCEPT")
  }

  @Test func `a new namespace has no filters besides nftables`() throws {
    try withOwnNetwork {
      let filters = try HostFilters.current()
      #expect(filters.legacyTables == [])
      #expect(filters.legacyTables6 == [])
    }
  }
}
