import Testing

@testable import Configuration

/// The value of QEMU's `-netdev user,...`.
struct UserNetworkTests {
  /// A string and what it says.
  static let strings: [(String, @Sendable (inout NetworkOptions) -> Void)] = [
    ("user", { _ in }),
    ("user,id=n0", { _ in }),
    ("net=192.168.76.0/24,dhcpstart=192.168.76.9", { ($0.net, $0.dhcpstart) = ("192.168.76.0/24", "192.168.76.9") }),
    ("user,ip=10.1.2.0", { $0.net = "10.1.2.0/24" }),
    ("user,host=10.0.2.1,dns=10.0.2.5", { ($0.host, $0.dns) = ("10.0.2.1", "10.0.2.5") }),
    ("user,hostname=a,,b,domainname=lan", { ($0.hostname, $0.domainname) = ("a,b", "lan") }),
    ("user,dnssearch=a.test,dnssearch=b.test", { $0.dnssearch = ["a.test", "b.test"] }),
    (
      "user,id=n,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:53-:53",
      { $0.hostfwd = ["tcp::2222-:22", "udp:127.0.0.1:53-:53"] }
    ),
    ("user,ipv4=off,ipv6=on", { ($0.ipv4, $0.ipv6) = (false, true) }),
    ("user,bootfile=a,tftp-server-name=b", { ($0.bootfile, $0.tftpServerName) = ("a", "b") }),
    (
      "user,route=192.0.2.0/24,,10.0.2.9,route=198.51.100.0/24",
      {
        $0.route = ["192.0.2.0/24,10.0.2.9", "198.51.100.0/24"]
      }
    ),
    ("user,restrict=y", { $0.restrict = true }),
    ("user,ipv6", { $0.ipv6 = true }),
    ("ipv6", { $0.ipv6 = true }),
    (
      "user,ipv6-prefix=fd00::,ipv6-prefixlen=48,ipv6-host=fd00::9,ipv6-dns=fd00::8",
      { ($0.ipv6Prefix, $0.ipv6Prefixlen, $0.ipv6Host, $0.ipv6Dns) = ("fd00::", 48, "fd00::9", "fd00::8") }
    ),
    ("user,ipv6-net=fd00::/56", { ($0.ipv6Prefix, $0.ipv6Prefixlen) = ("fd00::", 56) }),
    ("user,ipv6-net=fd00::", { $0.ipv6Prefix = "fd00::" }),
    (#"{"type":"user","id":"n0","net":"10.3.0.0/16"}"#, { $0.net = "10.3.0.0/16" }),
  ]

  @Test(arguments: strings.indices)
  func `a string of QEMU's says the same here`(index: Int) throws {
    let (text, apply) = Self.strings[index]
    var options = NetworkOptions()
    apply(&options)
    #expect(try NetworkOptions(user: text) == options)
  }

  @Test(arguments: [
    ("user,nett=10.0.2.0", "user.nett: there is no such option; give ipv4, ipv6, net, "),
    ("user,ipv4=maybe", "user.ipv4: 'maybe' is not on or off"),
    ("user,ipv6-prefixlen=x", "user.ipv6-prefixlen: 'x' is not a number"),
  ])
  func `a wrong string is refused with the option's name`(text: String, start: String) {
    #expect {
      try NetworkOptions(user: text)
    } throws: { error in
      "\(error)".hasPrefix(start)
    }
  }
}
