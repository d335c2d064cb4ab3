import Primitives
import Testing

@testable import Runtime

struct ResolverConfigurationTests {
  @Test(arguments: [
    ("nameserver 192.0.2.1\n", ["192.0.2.1:53"]),
    (
      "# made by hand\nsearch example.org\nnameserver\t192.0.2.1\nnameserver 2001:db8::1 # second\n",
      ["192.0.2.1:53", "[2001:db8::1]:53"]
    ),
    ("  nameserver 192.0.2.1", ["192.0.2.1:53"]),
    ("nameserver 192.0.2.1\r\nnameserver 192.0.2.2\r\n", ["192.0.2.1:53", "192.0.2.2:53"]),
    ("", ["127.0.0.1:53"]),
    ("search example.org\n", ["127.0.0.1:53"]),
    (";nameserver 192.0.2.1\n", ["127.0.0.1:53"]),
    ("nameserver\n", ["127.0.0.1:53"]),
    ("nameserver dns.example.org\nnameserver 192.0.2.2\n", ["192.0.2.2:53"]),
    ("nameserver fe80::1%eth0\nnameserver 192.0.2.2\n", ["192.0.2.2:53"]),
    ("nameservers 192.0.2.1\n", ["127.0.0.1:53"]),
  ])
  func `the servers are read in their order`(text: String, servers: [String]) {
    #expect(ResolverConfiguration(text).servers.map(\.description) == servers)
  }
}
