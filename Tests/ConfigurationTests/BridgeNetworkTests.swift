import Configuration
import Primitives
import Testing

@Suite struct BridgeNetworkTests {
  private func network(_ change: (inout BridgeOptions) -> Void = { _ in }) throws -> BridgeNetwork {
    var options = BridgeOptions()
    change(&options)
    return try BridgeNetwork(options)
  }

  @Test func `the defaults are those of the recipe`() throws {
    let settings = try network().settings.map { "\($0) = \($1)" }
    #expect(
      settings == [
        "bridge = \"bridge0\"", "address = \"192.168.1.101/24\"", "uplink = \"auto\"",
        "dhcp = \"192.168.1.201-192.168.1.254\"", "domain = \"mylan\"", "dns = [\"8.8.8.8\"]", "lease = 3600",
        "max-lease = 7200", "global-forward = false",
      ])
  }

  @Test(arguments: [
    ("10.7.0.1/24", "10.7.0.201", "10.7.0.254"), ("10.7.0.250/24", "10.7.0.196", "10.7.0.249"),
    ("10.7.0.1/16", "10.7.255.201", "10.7.255.254"), ("10.7.0.1/30", "10.7.0.2", "10.7.0.2"),
    ("10.7.0.2/30", "10.7.0.1", "10.7.0.1"), ("10.7.0.1/29", "10.7.0.2", "10.7.0.6"),
  ])
  func `DHCP gives out the last addresses of a network, but not the host's`(
    address: String, first: String, last: String
  ) throws {
    let leases = try #require(try network { $0.address = address }.leases)
    #expect(leases == (try #require(IPv4Address(first)))...(try #require(IPv4Address(last))))
  }

  @Test func `nothing is served where DHCP and IPv6 are not wanted`() throws {
    #expect(try network().needsServer)
    #expect(try !network { $0.dhcp = "none" }.needsServer)
    let routed = try network { ($0.dhcp, $0.ipv6) = ("none", "fd00:7::/64") }
    #expect(routed.needsServer && routed.ipv6Address == IPv6Address("fd00:7::1"))
  }

  @Test func `a mistake is told with the option's name`() {
    let mistakes: [(path: String, change: (inout BridgeOptions) -> Void)] = [
      ("bridge", { $0.bridge = "a bridge" }), ("bridge", { $0.bridge = "sixteen-letters-" }),
      ("bridge", { $0.bridge = "../x" }),
      ("bridge", { $0.bridge = "all" }), ("address", { $0.address = "192.168.1.101" }),
      ("address", { $0.address = "10.0.0.0/24" }),
      ("address", { $0.address = "10.0.0.1/31" }), ("address", { $0.address = "127.0.0.1/8" }),
      ("uplink", { $0.uplink = "bridge0" }), ("uplink", { $0.uplink = "" }), ("dhcp", { $0.dhcp = "192.168.1.201" }),
      ("dhcp", { $0.dhcp = "192.168.1.254-192.168.1.201" }), ("dhcp", { $0.dhcp = "192.168.2.1-192.168.2.9" }),
      ("dhcp", { $0.dhcp = "192.168.1.100-192.168.1.102" }), ("dhcp", { $0.dhcp = "192.168.1.200-192.168.1.255" }),
      ("domain", { $0.domain = "a..b" }), ("dns[0]", { $0.dns = ["dns.example"] }),
      ("dns", { $0.dns = Array(repeating: "8.8.8.8", count: 9) }),
      ("lease", { $0.lease = 7201 }), ("lease", { $0.lease = 1 }), ("max-lease", { $0.maximumLease = 0 }),
      ("ipv6", { $0.ipv6 = "fd00::/48" }), ("ipv6", { $0.ipv6 = "fe80::/64" }), ("ipv6", { $0.ipv6 = "fd00::1/64" }),
      ("port", { $0.ports = ["bridge0"] }), ("port", { $0.ports = ["tap 0"] }),
    ]
    for (path, change) in mistakes {
      #expect {
        try network(change)
      } throws: {
        ($0 as? ConfigurationError)?.path == path
      }
    }
  }
}
