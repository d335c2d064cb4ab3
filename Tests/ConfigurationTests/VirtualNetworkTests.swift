import Primitives
import Testing

@testable import Configuration

struct VirtualNetworkTests {
  @Test func `without options the network is QEMU's`() throws {
    let network = try VirtualNetwork(NetworkOptions())
    let ipv4 = try #require(network.ipv4)
    #expect(ipv4.prefix.description == "10.0.2.0/24")
    #expect(ipv4.gateway == IPv4Address(10, 0, 2, 2))
    #expect(ipv4.resolver == IPv4Address(10, 0, 2, 3))
    #expect(ipv4.firstLease == IPv4Address(10, 0, 2, 15))
    let ipv6 = try #require(network.ipv6)
    #expect(ipv6.prefix.description == "fec0::/64")
    #expect(ipv6.gateway.description == "fec0::2" && ipv6.resolver.description == "fec0::3")
    #expect(network.mtu == 65_520)
    #expect(network.upstreamResolvers.isEmpty && network.hostNames.isEmpty)
    #expect(network.allowsHostLoopback && !network.allowsLinkLocal)
    #expect(network.udpFiltering == .address)
  }

  @Test(arguments: UDPFilteringOption.allCases)
  func `filtering is named by what a sender must have in common with those sent to`(
    option: UDPFilteringOption
  ) throws {
    var options = NetworkOptions()
    options.udpFiltering = option.rawValue
    #expect(try VirtualNetwork(options).udpFiltering == option)
  }

  @Test(arguments: [
    ("192.168.76.0/24", "192.168.76.0/24", "192.168.76.2", "192.168.76.3", "192.168.76.15"),
    ("192.168.76.9/255.255.255.0", "192.168.76.0/24", "192.168.76.2", "192.168.76.3", "192.168.76.15"),
    ("10.0.2.0", "10.0.0.0/8", "10.0.2.2", "10.0.2.3", "10.0.2.15"),
    ("172.20.0.0", "172.16.0.0/12", "172.16.2.2", "172.16.2.3", "172.16.2.15"),
    ("172.32.0.0", "172.32.0.0/16", "172.32.2.2", "172.32.2.3", "172.32.2.15"),
    ("192.168.9.0", "192.168.0.0/16", "192.168.2.2", "192.168.2.3", "192.168.2.15"),
    ("198.19.0.0", "198.18.0.0/15", "198.18.2.2", "198.18.2.3", "198.18.2.15"),
    ("230.1.2.0", "230.1.2.0/24", "230.1.2.2", "230.1.2.3", "230.1.2.15"),
    ("200.1.2.0", "200.1.2.0/28", "200.1.2.2", "200.1.2.3", "200.1.2.15"),
    ("10.1.0.0/16", "10.1.0.0/16", "10.1.2.2", "10.1.2.3", "10.1.2.15"),
  ])
  func `addresses follow the network by QEMU's rules`(
    net: String, prefix: String, gateway: String, resolver: String, firstLease: String
  ) throws {
    var options = NetworkOptions()
    options.net = net
    let network = try #require(VirtualNetwork(options).ipv4)
    #expect(network.prefix.description == prefix)
    #expect(network.gateway.description == gateway)
    #expect(network.resolver.description == resolver)
    #expect(network.firstLease.description == firstLease)
  }

  @Test(
    arguments: [
      (nil, nil, true, true), (true, nil, true, false), (nil, true, false, true), (false, nil, false, true),
      (nil, false, true, false), (true, true, true, true),
    ] as [(Bool?, Bool?, Bool, Bool)])
  func `a family that alone is asked for is the only one`(
    ipv4: Bool?, ipv6: Bool?, hasIPv4: Bool, hasIPv6: Bool
  ) throws {
    var options = NetworkOptions()
    (options.ipv4, options.ipv6) = (ipv4, ipv6)
    let network = try VirtualNetwork(options)
    #expect((network.ipv4 != nil, network.ipv6 != nil) == (hasIPv4, hasIPv6))
  }

  @Test func `an MTU too small for IPv6 leaves IPv4 alone`() throws {
    var options = NetworkOptions()
    options.mtu = 1279
    let network = try VirtualNetwork(options)
    #expect(network.ipv4 != nil && network.ipv6 == nil)
  }

  @Test(
    arguments: [
      ("2001:db8:7::", nil, "2001:db8:7::/64", "2001:db8:7::2", "2001:db8:7::3"),
      ("2001:db8::1:0", 112, "2001:db8::1:0/112", "2001:db8::1:2", "2001:db8::1:3"),
      ("fd00::99", 8, "fd00::/8", "fd00::2", "fd00::3"),
    ] as [(String, Int?, String, String, String)])
  func `IPv6 addresses follow the prefix`(
    address: String, length: Int?, prefix: String, gateway: String, resolver: String
  ) throws {
    var options = NetworkOptions()
    (options.ipv6Prefix, options.ipv6Prefixlen) = (address, length)
    let network = try #require(VirtualNetwork(options).ipv6)
    #expect(network.prefix.description == prefix)
    #expect(network.gateway.description == gateway)
    #expect(network.resolver.description == resolver)
  }

  /// A wrong option: how to set it, and the message it brings.
  struct Mistake: Sendable, CustomTestStringConvertible {
    let message: String
    let apply: @Sendable (inout NetworkOptions) -> Void

    init(_ message: String, _ apply: @escaping @Sendable (inout NetworkOptions) -> Void) {
      self.message = message
      self.apply = apply
    }

    var testDescription: String { message }
  }

  private static let routeForm =
    "is not NETWORK/LENGTH[,GATEWAY] with a network's first address, as 192.0.2.0/24,10.0.2.20"

  static let mistakes = [
    Mistake("net: Failed to parse netmask") { $0.net = "10.0.2" + ".x" },
    Mistake("net: Failed to parse netmask (trailing chars)") { $0.net = "10.0.2.0/24x" },
    Mistake("net: Invalid netmask provided (must be in range 4-32)") { $0.net = "10.0.2.0/3" },
    Mistake("net: Invalid netmask provided (must be in range 4-32)") { $0.net = "10.0.2.0/33" },
    Mistake("net: Invalid netmask provided (must be in range 4-32)") { $0.net = "10.0.2.0/255.0.255.0" },
    Mistake("host: Failed to parse host") { $0.host = "gateway" },
    Mistake("host: Host doesn't belong to network") { $0.host = "10.0.3.2" },
    Mistake("dns: Failed to parse DNS") { $0.dns = "dns" },
    Mistake("dns: DNS must be different from host") { $0.dns = "10.0.2.2" },
    Mistake("dhcpstart: Failed to parse DHCP start address") { $0.dhcpstart = "first" },
    Mistake("dhcpstart: DHCP doesn't belong to network") { $0.dhcpstart = "10.0.3.15" },
    Mistake("dhcpstart: DHCP must be different from host and DNS") { $0.dhcpstart = "10.0.2.3" },
    Mistake("ipv6-prefix: Failed to parse IPv6 prefix") { $0.ipv6Prefix = "fec0::/64" },
    Mistake("ipv6-prefixlen: Invalid IPv6 prefix provided (IPv6 prefix length must be between 0 and 126)") {
      $0.ipv6Prefixlen = 127
    },
    Mistake("ipv6-host: Failed to parse IPv6 host") { $0.ipv6Host = "10.0.2.2" },
    Mistake("ipv6-host: IPv6 Host doesn't belong to network") { $0.ipv6Host = "fec0:0:0:1::2" },
    Mistake("ipv6-dns: Failed to parse IPv6 DNS") { $0.ipv6Dns = "dns" },
    Mistake("ipv6-dns: IPv6 DNS must be different from IPv6 host") { $0.ipv6Dns = "fec0::2" },
    Mistake("dns: DNS doesn't belong to network") { ($0.restrict, $0.dns) = (true, "192.0.2.53") },
    Mistake("ipv6-dns: IPv6 DNS doesn't belong to network") { ($0.restrict, $0.ipv6Dns) = (true, "2001:db8::53") },
    Mistake("ipv4, ipv6: IPv4 and IPv6 disabled") { ($0.ipv4, $0.ipv6) = (false, false) },
    Mistake("net: IPv4 disabled but netmask/host/dns provided") { ($0.ipv6, $0.net) = (true, "10.0.2.0/24") },
    Mistake("ipv6-host: IPv6 disabled but prefix/host6/dns6 provided") { ($0.ipv4, $0.ipv6Host) = (true, "fec0::2") },
    Mistake("mtu: 1279 is too small for IPv6; give 1280 or more, or ipv6=off") { ($0.ipv6, $0.mtu) = (true, 1279) },
    Mistake("hostname: 'vhostname' parameter cannot exceed 255 bytes") {
      $0.hostname = String(repeating: "a", count: 256)
    },
    Mistake("domainname: 'domainname' parameter cannot be empty") { $0.domainname = "" },
    Mistake("domainname: 'domainname' parameter cannot exceed 255 bytes") {
      $0.domainname = String(repeating: "a", count: 256)
    },
    Mistake("dnssearch[1]: 'a..b' is not a domain name") { $0.dnssearch = ["example.org", "a..b"] },
    Mistake("tftp-server-name: 'tftp-server-name' parameter cannot exceed 255 bytes") {
      $0.tftpServerName = String(repeating: "a", count: 256)
    },
    Mistake("bootfile: 'bootfile' cannot exceed 255 bytes") { $0.bootfile = String(repeating: "a", count: 256) },
    Mistake("bootfile-param: there is no file to boot that could be told; give 'bootfile' as well") {
      $0.bootfileParam = ["quiet"]
    },
    Mistake("bootfile-param[1]: a parameter has 1 to 255 bytes, not 0") {
      ($0.bootfile, $0.bootfileParam) = ("linux", ["quiet", ""])
    },
    Mistake("bootfile-param[0]: a parameter has 1 to 255 bytes, not 256") {
      ($0.bootfile, $0.bootfileParam) = ("linux", [String(repeating: "a", count: 256)])
    },
    Mistake("bootfile-param: 17 are too many; give 16 at most") {
      ($0.bootfile, $0.bootfileParam) = ("linux", Array(repeating: "a", count: 17))
    },
    Mistake("lease[0]: 'x' is not MAC=ADDRESS[,HOSTNAME], as 52:54:00:12:34:56=10.0.2.20,web") { $0.lease = ["x"] },
    Mistake("lease[0]: 10.0.2.2 is not for a guest of 10.0.2.0/24") { $0.lease = ["52:54:00:00:00:01=10.0.2.2"] },
    Mistake("lease[0]: 10.0.2.255 is not for a guest of 10.0.2.0/24") { $0.lease = ["52:54:00:00:00:01=10.0.2.255"] },
    Mistake("lease[0]: 10.0.3.9 is not for a guest of 10.0.2.0/24") { $0.lease = ["52:54:00:00:00:01=10.0.3.9"] },
    Mistake("lease[1]: '52:54:00:00:00:02=10.0.2.9' has the address or the guest of another lease") {
      $0.lease = ["52:54:00:00:00:01=10.0.2.9", "52:54:00:00:00:02=10.0.2.9"]
    },
    Mistake("lease: IPv4 disabled but netmask/host/dns provided") {
      ($0.ipv4, $0.lease) = (false, ["52:54:00:00:00:01=10.0.2.9"])
    },
    Mistake("route[1]: 'x' \(routeForm)") { $0.route = ["192.0.2.0/24", "x"] },
    Mistake("route[0]: '192.0.2.1/24' \(routeForm)") { $0.route = ["192.0.2.1/24"] },
    Mistake("route[0]: '192.0.2.0' \(routeForm)") { $0.route = ["192.0.2.0"] },
    Mistake("route[0]: '192.0.2.0/33' \(routeForm)") { $0.route = ["192.0.2.0/33"] },
    Mistake("route[0]: '192.0.2.0/+8' \(routeForm)") { $0.route = ["192.0.2.0/+8"] },
    Mistake("route[0]: '2001:db8::/32' \(routeForm)") { $0.route = ["2001:db8::/32"] },
    Mistake("route[0]: '192.0.2.0/24,' \(routeForm)") { $0.route = ["192.0.2.0/24,"] },
    Mistake("route[0]: the gateway 10.0.3.2 is not a host of 10.0.2.0/24") { $0.route = ["192.0.2.0/24,10.0.3.2"] },
    Mistake("route[0]: the gateway 10.0.2.255 is not a host of 10.0.2.0/24") {
      $0.route = ["192.0.2.0/24,10.0.2.255"]
    },
    Mistake("route[1]: another route leads to 192.0.2.0/24") { $0.route = ["192.0.2.0/24", "192.0.2.0/24,10.0.2.9"] },
    Mistake("route: 17 are too many; give 16 at most") { $0.route = (0..<17).map { "192.0.2.\($0)/32" } },
    Mistake("route: IPv4 disabled but netmask/host/dns provided") { ($0.ipv4, $0.route) = (false, ["192.0.2.0/24"]) },
    Mistake("mtu: 575 is out of range; give 576 to 65520 bytes") { $0.mtu = 575 },
    Mistake("mtu: 65521 is out of range; give 576 to 65520 bytes") { $0.mtu = 65_521 },
    Mistake("hostfwd[1]: Invalid host forwarding rule 'x' (No : separators)") { $0.hostfwd = ["tcp::1-:1", "x"] },
    Mistake("udp-filtering: 'symmetric' is not endpoint, address or port") { $0.udpFiltering = "symmetric" },
    Mistake("dns-upstream[0]: 'dns.example' is not ADDRESS[:PORT]; write IPv6 with a port as [::1]:53") {
      $0.dnsUpstream = ["dns.example"]
    },
  ]

  @Test(arguments: mistakes)
  func `a wrong option is refused with its name`(mistake: Mistake) {
    var options = NetworkOptions()
    mistake.apply(&options)
    #expect {
      try VirtualNetwork(options)
    } throws: { error in
      "\(error)" == mistake.message
    }
  }

  @Test(arguments: [("", ""), (",web-1", "web-1")])
  func `a lease has a guest, an address, and perhaps a name`(suffix: String, name: String) throws {
    var options = NetworkOptions()
    options.lease = ["52:54:00:12:34:57=10.0.2.9" + suffix]
    let lease = try #require(VirtualNetwork(options).ipv4?.staticLeases.first)
    #expect(lease.hardware == MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x57))
    #expect(lease.address == IPv4Address(10, 0, 2, 9) && lease.hostname == name)
  }

  @Test(arguments: ["192.0.2.0/24", "0.0.0.0/0,10.0.2.20", "10.198.122.47/32,10.0.2.2"])
  func `a route has a destination, and perhaps a gateway`(text: String) throws {
    var options = NetworkOptions()
    options.route = [text]
    let network = try VirtualNetwork(options)
    #expect(network.ipv4?.routes.map(\.description) == [text])
    #expect(network.settings.contains { $0.name == "route" && $0.value == .list([text]) })
  }

  @Test func `the file to boot may be told something`() throws {
    var options = NetworkOptions()
    (options.bootfile, options.bootfileParam) = ("linux", ["root=/dev/vda", "quiet"])
    let network = try VirtualNetwork(options)
    #expect(network.bootFileParameters == options.bootfileParam)
    #expect(network.settings.contains { $0.name == "bootfile-param" && $0.value == .list(options.bootfileParam) })
  }

  @Test func `a resolver searches the guests' domain first, once, and no text that is none`() throws {
    func searched(_ domain: String?, _ others: String...) throws -> [String] {
      var options = NetworkOptions()
      options.domainname = domain
      options.dnssearch = others
      return try VirtualNetwork(options).resolverDomains
    }
    #expect(try searched(nil) == [])
    #expect(try searched("a.test") == ["a.test"])
    #expect(try searched("a.test", "b.test", "a.test") == ["a.test", "b.test"])
    #expect(try searched("two words", "b.test", "c\nnameserver") == ["b.test"])
    #expect(try searched("a..test") == [])
  }

  @Test func `the resolver may lie outside the network`() throws {
    var options = NetworkOptions()
    options.dns = "192.0.2.53"
    #expect(try VirtualNetwork(options).ipv4?.resolver == IPv4Address(192, 0, 2, 53))
  }

  @Test(arguments: [
    ("192.0.2.1", "192.0.2.1:53"), ("192.0.2.1:5353", "192.0.2.1:5353"), ("::1", "[::1]:53"),
    ("[::1]:5353", "[::1]:5353"), ("[2001:db8::1]", "[2001:db8::1]:53"),
  ])
  func `an upstream resolver may carry a port`(text: String, endpoint: String) throws {
    var options = NetworkOptions()
    options.dnsUpstream = [text]
    #expect(try VirtualNetwork(options).upstreamResolvers.map(\.description) == [endpoint])
  }

  @Test(arguments: ["", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:+5", "[::1", "[1.2.3.4]:53", "::1:x"])
  func `a wrong upstream resolver is refused`(text: String) {
    var options = NetworkOptions()
    options.dnsUpstream = [text]
    #expect(throws: ConfigurationError.self) { try VirtualNetwork(options) }
  }

  @Test func `a name may have several addresses, and several servers may be asked`() throws {
    var options = NetworkOptions()
    options.dnsHost = ["db.example=192.0.2.7", "db.example.=2001:db8::7", "x=10.0.2.99"]
    options.dnsUpstream = ["192.0.2.53", "[2001:db8::53]:5353"]
    let network = try VirtualNetwork(options)
    #expect(network.hostNames.map(\.description) == options.dnsHost)
    #expect(network.upstreamResolvers.map(\.description) == ["192.0.2.53:53", "[2001:db8::53]:5353"])
  }

  @Test(arguments: ["", "x", "x=", "=192.0.2.7", "a..b=192.0.2.7", ".=192.0.2.7", "x=192.0.2", "x=y", "x=1.2.3.4:53"])
  func `what is no name with an address is refused`(text: String) {
    var options = NetworkOptions()
    options.dnsHost = ["ok=192.0.2.7", text]
    #expect(throws: ConfigurationError("dns-host[1]", "'\(text)' is not NAME=ADDRESS with a domain name")) {
      try VirtualNetwork(options)
    }
  }

  @Test func `more servers than are asked, and more names than are looked through, are refused`() {
    var options = NetworkOptions()
    options.dnsUpstream = Array(repeating: "192.0.2.53", count: 9)
    #expect(throws: ConfigurationError("dns-upstream", "9 are too many; give 8 at most")) {
      try VirtualNetwork(options)
    }
    options.dnsUpstream = []
    options.dnsHost = Array(repeating: "x=192.0.2.53", count: 1025)
    #expect(throws: ConfigurationError("dns-host", "1025 are too many; give 1024 at most")) {
      try VirtualNetwork(options)
    }
  }

  @Test(arguments: [
    ("10.0.2.15", UInt32(0x0a00_020f)), ("10.527", 0x0a00_020f), ("0xa.0.01017", 0x0a00_020f),
    ("0x0a00020f", 0x0a00_020f),
    ("4294967295", 0xffff_ffff), ("0", 0),
  ])
  func `IPv4 addresses are read as inet_aton reads them`(text: String, bits: UInt32) {
    #expect(IPv4Address(inetAton: text)?.bits == bits)
  }

  @Test(arguments: [
    "", ".", "1.", "1..2", "256.1.1.1", "1.2.3.4.5", "1.2.65536", "4294967296", "08", "0x", "-1", "+1", "1 ",
  ])
  func `what inet_aton refuses is refused`(text: String) {
    #expect(IPv4Address(inetAton: text) == nil)
  }
}
