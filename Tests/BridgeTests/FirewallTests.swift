import Bridge
import Nftables
import Primitives
import Testing

let lan = IPv4Prefix(containing: IPv4Address(192, 168, 1, 0), length: 24)
let ulaPrefix = IPv6Prefix(containing: IPv6Address(high: 0xfd12_3456_789a_0001, low: 0), length: 64)
let globalPrefix = IPv6Prefix(containing: IPv6Address(high: 0x2001_0db8_0000_0001, low: 0), length: 64)

/// The recipe's bridge.
func recipe(uplink: String? = "wlo1", ipv6: IPv6Prefix? = nil) throws -> BridgeFirewall {
  try BridgeFirewall(bridge: "bridge0", subnet: lan, uplink: uplink, ipv6Prefix: ipv6)
}

@Suite struct FirewallTests {
  @Test func `the recipe's bridge has this table`() throws {
    let script = try recipe().script
    #expect(
      script == """
        table inet culvert_bridge0
        delete table inet culvert_bridge0
        table inet culvert_bridge0 {
        \tchain postrouting {
        \t\ttype nat hook postrouting priority srcnat; policy accept;
        \t\tip saddr 192.168.1.0/24 oifname "wlo1" counter masquerade comment "to the outside by its address"
        \t}
        \tchain forward {
        \t\ttype filter hook forward priority filter; policy accept;
        \t\tiifname "bridge0" oifname "wlo1" ip saddr 192.168.1.0/24 counter accept comment "guests to the outside"
        \t\tiifname "bridge0" oifname "wlo1" ip saddr != 192.168.1.0/24 counter drop \
        comment "guests under addresses that are not theirs"
        \t\tiifname "wlo1" oifname "bridge0" ct state established,related counter accept comment "answers to guests"
        \t\tiifname "wlo1" oifname "bridge0" ct status dnat counter accept \
        comment "what the host's rules lead to guests"
        \t\tiifname "wlo1" oifname "bridge0" counter drop comment "strangers to guests"
        \t}
        }

        """)
  }

  @Test func `the installation is one transaction, which replaces what was there`() throws {
    let changes = try recipe().installation.changes
    let table = "culvert_bridge0"
    #expect(Array(changes.prefix(3)) == [.addTable(.inet, table), .deleteTable(.inet, table), .addTable(.inet, table)])
    #expect(changes.count == 11)
  }

  @Test func `guests of a unique local prefix leave under the host's IPv6 address, others under their own`() throws {
    #expect(
      try recipe(ipv6: ulaPrefix).script.contains("ip6 saddr fd12:3456:789a:1::/64 oifname \"wlo1\" counter masq"))
    let script = try recipe(ipv6: globalPrefix).script
    #expect(!script.contains("oifname \"wlo1\" counter masquerade comment \"to the outside by its IPv6"))
    #expect(script.contains("ip6 saddr 2001:db8:0:1::/64 counter accept"))
    #expect(script.contains("ip6 saddr != 2001:db8:0:1::/64 counter drop"))
  }

  @Test func `without an uplink there is no table`() throws {
    let firewall = try recipe(uplink: nil)
    #expect(firewall.installation.changes == [.addTable(.inet, firewall.table), .deleteTable(.inet, firewall.table)])
    #expect(firewall.script == "table inet culvert_bridge0\ndelete table inet culvert_bridge0\n")
  }

  @Test(arguments: ["", "a*", "a\"b", "a b", "a/b", "sixteen-letters-", "{"])
  func `a name that means something else in a rule is refused`(name: String) {
    #expect(throws: FirewallError.unusableName(name)) {
      try BridgeFirewall(bridge: name, subnet: lan, uplink: "wlo1")
    }
    #expect(throws: FirewallError.unusableName(name)) {
      try BridgeFirewall(bridge: "br-lan.7_", subnet: lan, uplink: name)
    }
  }

  @Test func `of what is gone already nothing is to be removed`() throws {
    #expect(try recipe().removal(from: Ruleset()).isEmpty)
    #expect(try !recipe().isInstalled(in: Ruleset()))
  }
}
