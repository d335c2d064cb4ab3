import Bridge
import Nftables
import Primitives
import Testing

/// Putting rules in and taking them out again, in the kernel. Needs root, nft and iptables.
@Suite(.needsRoot) struct AllowanceTests {
  /// Everything there is, without what counters have counted.
  func listing() throws -> String { try shell("nft -s list ruleset") }

  @Test func `what was there before is there after, whoever else has rules`() throws {
    try withOwnNetwork {
      try shell("ip link add virbr0 type bridge")
      try shell("nft -f -", input: ForeignRules.firewalld + ForeignRules.libvirt + ForeignRules.byHand)
      try shell("iptables-nft-restore", input: ForeignRules.docker)
      let before = try listing()
      #expect(before.contains("policy drop"))
      let firewall = try recipe(ipv6: ulaPrefix)
      var session = try NftablesSession()
      try session.apply(firewall.installation)
      // A second `up` is no different from the first.
      let once = try listing()
      try session.apply(firewall.installation)
      #expect(try listing() == once)
      let isInstalled = firewall.isInstalled(in: try session.ruleset())
      #expect(isInstalled)
      for chain in ["filter_FORWARD", "ip filter DOCKER-USER", "inet filter forward"] {
        for _ in 0..<2 {
          let ruleset = try session.ruleset()
          try session.apply(try firewall.allowance(in: chain, of: ruleset, filters: HostFilters()))
        }
      }
      let ruleset = try session.ruleset()
      #expect(firewall.obstacles(in: ruleset, of: HostFilters()) == [])
      #expect(
        firewall.counts(in: ruleset).filter { $0.name == "culvert bridge0" }.map(\.chain.chain).sorted()
          == ["DOCKER-USER", "DOCKER-USER", "filter_FORWARD", "forward"])
      // iptables still understands what it lists.
      #expect(try shell("iptables-nft -S DOCKER-USER").contains("-i bridge0 -o wlo1"))
      try session.apply(firewall.removal(from: ruleset))
      #expect(try listing() == before)
      let rest = firewall.removal(from: try session.ruleset())
      #expect(rest.isEmpty)
      try session.apply(rest)
      #expect(try listing() == before)
    }
  }

  @Test func `the script of a dry run makes the same table`() throws {
    for prefix in [nil, ulaPrefix, globalPrefix] {
      var listings: [String] = []
      let firewall = try recipe(ipv6: prefix)
      try withOwnNetwork {
        var session = try NftablesSession()
        try session.apply(firewall.installation)
        listings.append(try listing())
      }
      try withOwnNetwork {
        try shell("nft -f -", input: firewall.script)
        listings.append(try listing())
      }
      #expect(listings[0] == listings[1])
      #expect(listings[0].contains("masquerade"))
    }
  }

  @Test func `without an uplink the table of an earlier up goes`() throws {
    try withOwnNetwork {
      var session = try NftablesSession()
      try session.apply(try recipe().installation)
      try session.apply(try recipe(uplink: nil).installation)
      #expect(try listing() == "")
    }
  }

  @Test func `two bridges do not touch each other's rules`() throws {
    try withOwnNetwork {
      try shell("iptables-nft-restore", input: ForeignRules.docker)
      let second = try BridgeFirewall(bridge: "bridge1", subnet: lan, uplink: "wlo1")
      var session = try NftablesSession()
      try session.apply(second.installation)
      try session.apply(try second.allowance(in: "DOCKER-USER", of: try session.ruleset(), filters: HostFilters()))
      let before = try listing()
      let first = try recipe()
      try session.apply(first.installation)
      try session.apply(try first.allowance(in: "DOCKER-USER", of: try session.ruleset(), filters: HostFilters()))
      #expect(try listing() != before)
      try session.apply(first.removal(from: try session.ruleset()))
      #expect(try listing() == before)
    }
  }

  @Test(arguments: ["nowhere", "inet filter nowhere", "culvert_bridge0", "ip nat POSTROUTING", "lonely"])
  func `a chain that is none, or of other packets, is refused`(name: String) throws {
    try withOwnNetwork {
      try shell("iptables-nft-restore", input: ForeignRules.docker)
      try shell("nft -f -", input: "table inet filter { chain lonely { accept; }; }\n")
      let firewall = try recipe()
      var session = try NftablesSession()
      try session.apply(firewall.installation)
      let ruleset = try session.ruleset()
      #expect(throws: FirewallError.noSuchChain(name)) {
        try firewall.allowance(in: name, of: ruleset, filters: HostFilters())
      }
    }
  }

  @Test func `a chain of a table that is its maker's own is refused`() throws {
    var ruleset = try Ruleset(
      json: #"""
        {"nftables": [{"table": {"family": "inet", "name": "firewalld", "handle": 1, "flags": "owner"}},
        {"chain": {"family": "inet", "table": "firewalld", "name": "filter_FORWARD", "handle": 1, "type": "filter",
        "hook": "forward", "prio": 10, "policy": "drop"}}]}
        """#)
    let firewall = try recipe()
    #expect(firewall.obstacles(in: ruleset, of: HostFilters()).map(\.allowance) == [nil])
    #expect(throws: FirewallError.ownedTable(ChainName(.inet, "firewalld", "filter_FORWARD"))) {
      try firewall.allowance(in: "filter_FORWARD", of: ruleset, filters: HostFilters())
    }
    ruleset.tables = []
    let isPossible = try firewall.allowance(in: "filter_FORWARD", of: ruleset, filters: HostFilters()).changes.count
    #expect(isPossible == 1)
  }

  @Test func `for pings, and between guests, the rule says so`() throws {
    try withOwnNetwork {
      try shell("ip link add virbr0 type bridge")
      try shell("nft -f -", input: ForeignRules.byHand)
      var session = try NftablesSession()
      let firewall = try recipe()
      var filters = HostFilters()
      filters.bridgesAskIPv4 = true
      let ruleset = try session.ruleset()
      let pings = try firewall.allowance(in: "input", of: ruleset, filters: filters)
      #expect(
        pings.text == """
          insert rule inet filter input iifname "bridge0" meta l4proto { icmp, ipv6-icmp } counter accept \
          comment "culvert bridge0"

          """)
      let forward = try firewall.allowance(in: "forward", of: ruleset, filters: filters)
      #expect(forward.text.contains(#"{ "bridge0" . "wlo1", "wlo1" . "bridge0", "bridge0" . "bridge0" }"#))
      try session.apply(pings)
      try session.apply(forward)
      #expect(firewall.obstacles(in: try session.ruleset(), of: filters) == [])
    }
  }
}
