import Primitives
import Testing

@testable import Configuration

struct GuestForwardRuleTests {
  private static func network(
    _ rules: [String], _ change: (inout NetworkOptions) -> Void = { _ in }
  ) throws(ConfigurationError) -> VirtualNetwork {
    var options = NetworkOptions()
    options.guestfwd = rules
    change(&options)
    return try VirtualNetwork(options)
  }

  @Test(arguments: [
    ("tcp:10.0.2.100:1234-tcp:10.10.1.1:4321", "tcp:10.0.2.100:1234-tcp:10.10.1.1:4321"),
    (":10.0.2.100:1234-unix:/run/printer", "tcp:10.0.2.100:1234-unix:/run/printer"),
    ("tcp::7-unix:relative-path", "tcp:10.0.2.4:7-unix:relative-path"),
    ("::65535-tcp:localhost:22", "tcp:10.0.2.4:65535-tcp:127.0.0.1:22"),
    ("tcp:10.0.578:1-tcp:[::1]:80", "tcp:10.0.2.66:1-tcp:[::1]:80"),
    ("tcp:[fec0::100]:9100-unix:/run/printer", "tcp:[fec0::100]:9100-unix:/run/printer"),
    ("tcp:10.0.2.100:1234-cmd:netcat 10.10.1.1 4321", "tcp:10.0.2.100:1234-cmd:netcat 10.10.1.1 4321"),
    ("tcp::25-cmd:sh -c 'cat >&2'", "tcp:10.0.2.4:25-cmd:sh -c 'cat >&2'"),
  ])
  func `a rule in QEMU's syntax is read`(rule: String, canonical: String) throws {
    let forward = try #require(try Self.network([rule]).guestForwards.first)
    #expect(forward.description == canonical)
    #expect(try Self.network([canonical]).guestForwards == [forward])
  }

  @Test func `without an address it is the network's x.x.2.4, as QEMU has it`() throws {
    let wide = try Self.network(["tcp::7-unix:a"]) { $0.net = "172.20.0.0/16" }
    #expect(wide.guestForwards.map(\.endpoint) == [Endpoint(IPv4Address(172, 20, 2, 4), port: 7)])
    let narrow = try Self.network(["tcp::7-unix:a"]) { $0.net = "192.168.76.0/28" }
    #expect(narrow.guestForwards.map(\.endpoint) == [Endpoint(IPv4Address(192, 168, 76, 4), port: 7)])
  }

  @Test(arguments: [
    "", "tcp", "tcp:10.0.2.100", "tcp:10.0.2.100:1234", "udp:10.0.2.100:1234-unix:a", "tcp:10.0.2.256:1234-unix:a",
    "tcp:printer:1234-unix:a", "tcp:10.0.2.100:0-unix:a", "tcp:10.0.2.100:65536-unix:a", "tcp:10.0.2.100:x-unix:a",
    "tcp:10.0.2.100:-unix:a", "tcp:[fec0::100:1-unix:a", "TCP:10.0.2.100:1234-unix:a",
  ])
  func `a rule that is none is refused in QEMU's words`(rule: String) {
    let error = #expect(throws: ConfigurationError.self) { try Self.network([rule]) }
    #expect(error?.path == "guestfwd[0]")
    #expect(error?.message == "Invalid guest forwarding rule '\(rule)'")
  }

  @Test(arguments: [
    ("", "'' is nothing to connect to; give cmd:COMMAND, tcp:HOST:PORT or unix:PATH"),
    ("stdio", "'stdio' is nothing to connect to; give cmd:COMMAND, tcp:HOST:PORT or unix:PATH"),
    ("pipe:/tmp/p", "there is nothing like 'pipe' here; give cmd:COMMAND, tcp:HOST:PORT or unix:PATH"),
    ("chardev:c0", "there is nothing like 'chardev' here; give cmd:COMMAND, tcp:HOST:PORT or unix:PATH"),
    ("tcp::22", "':22' is not an address and a port, as 127.0.0.1:5555, localhost:5555 or [::1]:5555"),
    (
      "tcp:example.com:22",
      "'example.com:22' is not an address and a port, as 127.0.0.1:5555, localhost:5555 or [::1]:5555"
    ),
    ("tcp:127.0.0.1:0", "'127.0.0.1:0' is not an address and a port, as 127.0.0.1:5555, localhost:5555 or [::1]:5555"),
    (
      "tcp:127.0.0.1:22,server=on",
      "a connection is made for each of the guest's; leave out what follows the comma in 'tcp:127.0.0.1:22,server=on'"
    ),
    ("cmd:", "the command is missing"),
    ("cmd: # cat", "the command is missing"),
    ("cmd:echo 'never", "a quotation in 'echo 'never' has no end"),
    ("cmd:echo \0", "the command holds a zero byte"),
    ("unix:", "the path of a socket has 1 to 107 bytes"),
    ("unix:/" + String(repeating: "x", count: 107), "the path of a socket has 1 to 107 bytes"),
  ])
  func `a target that there is not is refused, with what there is`(target: String, reason: String) {
    let error = #expect(throws: ConfigurationError.self) { try Self.network(["tcp:10.0.2.100:1234-\(target)"]) }
    #expect(error?.message == "Could not open guest forwarding device 'guestfwd.tcp.1234': \(reason)")
  }

  @Test(arguments: [
    ["tcp:10.0.3.1:1-unix:a"], ["tcp:10.0.2.2:1-unix:a"], ["tcp:10.0.2.3:1-unix:a"], ["tcp:10.0.2.15:1-unix:a"],
    ["tcp:10.0.2.0:1-unix:a"], ["tcp:10.0.2.255:1-unix:a"], ["tcp:10.0.2.20:1-unix:a"],
    ["tcp:[fec0::2]:1-unix:a"], ["tcp:[fec0::3]:1-unix:a"], ["tcp:[fec0::]:1-unix:a"], ["tcp:[2001:db8::1]:1-unix:a"],
    ["tcp::1-unix:a", "tcp:10.0.2.4:1-unix:b"],
  ])
  func `an address that is not of the network, or somebody's, and a port twice, are conflicts in QEMU's words`(
    rules: [String]
  ) {
    let error = #expect(throws: ConfigurationError.self) {
      try Self.network(rules) { $0.lease = ["52:54:00:00:00:01=10.0.2.20"] }
    }
    #expect(error?.path == "guestfwd[\(rules.count - 1)]")
    #expect(error?.message == "Conflicting/invalid host:port in guest forwarding rule '\(rules[rules.count - 1])'")
  }

  @Test func `without IPv4 a rule has an address of IPv6`() throws {
    let error = #expect(throws: ConfigurationError.self) { try Self.network(["tcp::1-unix:a"]) { $0.ipv4 = false } }
    #expect(error?.message == "Invalid guest forwarding rule 'tcp::1-unix:a': without IPv4 it needs an address")
    #expect(try Self.network(["tcp:[fec0::4]:1-unix:a"]) { $0.ipv4 = false }.guestForwards.count == 1)
  }

  @Test func `rules are counted`() throws {
    let rules = (1...257).map { "tcp::\($0)-unix:a" }
    #expect(try Self.network(rules.dropLast()).guestForwards.count == 256)
    let error = #expect(throws: ConfigurationError.self) { try Self.network(rules) }
    #expect(error?.description == "guestfwd: more than 256 rules")
  }

  @Test func `the options of '-netdev user' may repeat it, and what comes of it is printed`() throws {
    let options = try NetworkOptions(
      user: "user,id=n,guestfwd=tcp::7-unix:/a,,b,guestfwd=tcp:10.0.2.9:7-tcp:127.0.0.1:8")
    #expect(options.guestfwd == ["tcp::7-unix:/a,b", "tcp:10.0.2.9:7-tcp:127.0.0.1:8"])
    let settings = try VirtualNetwork(NetworkOptions(user: "guestfwd=tcp::7-unix:/a")).settings
    #expect(settings.first { $0.name == "guestfwd" }?.value == .list(["tcp:10.0.2.4:7-unix:/a"]))
  }
}
