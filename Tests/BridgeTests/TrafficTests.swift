import Bridge
import LinuxSystem
import Nftables
import Primitives
import Testing

/// Packets through the rules: a guest on the bridge of the calling thread's namespace, and somebody outside.
@Suite(.needsRoot, .serialized) struct TrafficTests {
  /// Builds the world, and removes it behind `body`.
  func withWorld(_ body: () throws -> Void) throws {
    let name = "culvert-bridge-\(ProcessControl.processID)"
    try withOwnNetwork {
      defer {
        do { try shell("ip netns delete \(name)-g; ip netns delete \(name)-o") } catch { print("\(error)") }
      }
      try shell(
        """
        set -e
        g=\(name)-g o=\(name)-o
        ip netns add $g; ip netns add $o
        ip link add bridge0 type bridge; ip link add p0 type veth peer name eth0 netns $g
        ip link add wlo1 type veth peer name eth0 netns $o
        ip link set p0 master bridge0
        for link in lo p0 wlo1 bridge0; do ip link set $link up; done
        ip address add 192.168.1.101/24 dev bridge0; ip address add 172.16.0.2/24 dev wlo1
        ip address add fd12:3456:789a:1::1/64 dev bridge0 nodad; ip address add fd77::2/64 dev wlo1 nodad
        echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        for ns in $g $o; do ip -n $ns link set lo up; ip -n $ns link set eth0 up; done
        ip -n $g address add 192.168.1.102/24 dev eth0; ip -n $g route add default via 192.168.1.101
        ip -n $g address add fd12:3456:789a:1::2/64 dev eth0 nodad
        ip -n $g -6 route add default via fd12:3456:789a:1::1
        ip -n $o address add 172.16.0.1/24 dev eth0; ip -n $o address add fd77::1/64 dev eth0 nodad
        ip -n $o route add 192.168.1.0/24 via 172.16.0.2; ip -n $o -6 route add fd12:3456:789a:1::/64 via fd77::2
        """)
      try body()
    }
  }

  private var guest: String { "ip netns exec culvert-bridge-\(ProcessControl.processID)-g" }
  private var outside: String { "ip netns exec culvert-bridge-\(ProcessControl.processID)-o" }

  /// Whether one of two pings is answered.
  func isAnswered(_ command: String) throws -> Bool {
    try shell("\(command) -c 2 -i 0.2 -W 1 >/dev/null && echo yes || echo no") == "yes\n"
  }

  func counts(_ firewall: BridgeFirewall) throws -> [String: Int64] {
    var session = try NftablesSession()
    let counts = firewall.counts(in: try session.ruleset())
    return Dictionary(counts.map { ($0.name, $0.packets) }, uniquingKeysWith: +)
  }

  @Test func `guests reach the outside under the host's address, strangers do not reach guests`() throws {
    try withWorld {
      let firewall = try recipe(ipv6: ulaPrefix)
      var session = try NftablesSession()
      // Without the rules the outside, which has a route here, reaches the guest.
      #expect(try isAnswered("\(outside) ping 192.168.1.102"))
      try session.apply(firewall.installation)
      #expect(try isAnswered("\(guest) ping 172.16.0.1"))
      #expect(try isAnswered("\(guest) ping -6 fd77::1"))
      #expect(try isAnswered("\(guest) ping 192.168.1.101"))
      #expect(try isAnswered("ping 192.168.1.102"))
      #expect(try !isAnswered("\(outside) ping 192.168.1.102"))
      #expect(try !isAnswered("\(outside) ping -6 fd12:3456:789a:1::2"))
      // A source that is not the bridge's.
      try shell("\(guest) ip address add 10.9.9.9/32 dev eth0; ip route add 10.9.9.9/32 dev bridge0")
      #expect(try !isAnswered("\(guest) ping -I 10.9.9.9 172.16.0.1"))
      let counts = try counts(firewall)
      #expect(counts["to the outside by its address"] == 1)
      #expect(counts["to the outside by its IPv6 address"] == 1)
      #expect(counts["guests to the outside"] == 2)
      #expect(counts["guests to the outside by IPv6"] == 2)
      #expect(counts["answers to guests"] == 4)
      #expect(counts["strangers to guests"] == 4)
      #expect(counts["guests under addresses that are not theirs"] == 2)
    }
  }

  @Test func `a port that the host's own rules lead to a guest stays open`() throws {
    try withWorld {
      let rules = """
        table ip mine {
          chain p {
            type nat hook prerouting priority dstnat;
            iifname "wlo1" icmp type echo-request dnat to 192.168.1.102
          }
        }

        """
      try shell("nft -f -", input: rules)
      var session = try NftablesSession()
      let firewall = try recipe()
      try session.apply(firewall.installation)
      #expect(try isAnswered("\(outside) ping 172.16.0.2"))
      #expect(try counts(firewall)["what the host's rules lead to guests"] ?? 0 > 0)
    }
  }

  @Test(arguments: ["FORWARD", "DOCKER-USER"])
  func `through Docker's policy guests get with the one rule, and both ways`(chain: String) throws {
    try withWorld {
      try shell("iptables-nft-restore", input: ForeignRules.docker)
      var session = try NftablesSession()
      let firewall = try recipe()
      try session.apply(firewall.installation)
      #expect(try !isAnswered("\(guest) ping 172.16.0.1"))
      #expect(
        try firewall.obstacles(in: session.ruleset(), of: HostFilters()).map(\.traffic) == [[.outward, .answers]])
      try session.apply(try firewall.allowance(in: chain, of: try session.ruleset(), filters: HostFilters()))
      #expect(try firewall.obstacles(in: session.ruleset(), of: HostFilters()) == [])
      #expect(try isAnswered("\(guest) ping 172.16.0.1"))
      // What the rule would let in, the bridge's own table does not.
      #expect(try !isAnswered("\(outside) ping 192.168.1.102"))
    }
  }

  @Test func `what is found in firewalld's rules is what is lost, and its head is the place for ours`() throws {
    try withWorld {
      try shell("nft -f -", input: ForeignRules.firewalld)
      var session = try NftablesSession()
      let firewall = try recipe()
      try session.apply(firewall.installation)
      #expect(try isAnswered("\(guest) ping 192.168.1.101"))
      #expect(try !isAnswered("\(guest) ping 172.16.0.1"))
      let found = firewall.obstacles(in: try session.ruleset(), of: HostFilters())
      #expect(found.map(\.traffic) == [[.outward]])
      let chain = try #require(found.first?.allowance)
      try session.apply(try firewall.allowance(in: chain, of: try session.ruleset(), filters: HostFilters()))
      #expect(try isAnswered("\(guest) ping 172.16.0.1"))
    }
  }
}
