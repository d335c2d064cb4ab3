import LinuxSystem
import Testing

/// A host on a small internet, with culvert on it and a guest behind culvert.
///
/// ```
/// guest ── culvert in host ── first ── second ──────────── outside
///                                          └─ 1280 bytes ─ narrow
/// ```
/// Each link has a network of each family, of those that are for documentation (RFC 5737, RFC 3849). The second router
/// drops, refuses and prohibits what goes to three addresses more. Needs root.
final class RoutedWorld: Sendable {
  /// What one address family calls everything.
  struct Addresses: Sendable, CustomTestStringConvertible {
    let family: String
    /// The gateway, which the guest sees as the first hop, and which stands for the host's loopback.
    let gateway: String
    /// What the outside knows culvert's host by.
    let host: String
    /// The guest, which the host reaches by forwards alone.
    let guest: String
    let first: String
    let second: String
    let outside: String
    let narrow: String
    /// Where the second router drops packets without a word.
    let blackhole: String
    /// What the second router says is unreachable, and prohibited.
    let unreachable: String
    let prohibited: String

    var testDescription: String { family }

    /// The address as it stands in a URL, or in socat's words.
    static func bracketed(_ address: String) -> String { address.contains(":") ? "[\(address)]" : address }

    static let ipv4 = Addresses(
      family: "IPv4", gateway: "10.0.2.2", host: "198.51.100.1", guest: "10.0.2.15", first: "198.51.100.2",
      second: "198.51.100.6",
      outside: "203.0.113.2", narrow: "203.0.113.6",
      blackhole: "192.0.2.1", unreachable: "192.0.2.2", prohibited: "192.0.2.3")
    static let ipv6 = Addresses(
      family: "IPv6", gateway: "fec0::2", host: "2001:db8:1::1", guest: "fec0::5054:ff:fe12:3456",
      first: "2001:db8:1::2", second: "2001:db8:2::2",
      outside: "2001:db8:3::2", narrow: "2001:db8:4::2",
      blackhole: "2001:db8:ff::1", unreachable: "2001:db8:ff::2", prohibited: "2001:db8:ff::3")
    static let all = [ipv4, ipv6]
  }

  /// The MTU of the link to `narrow`, the smallest that IPv6 allows.
  static let narrowMTU = 1280
  /// Ports at `outside` and `narrow`, of both families: HTTP, and UDP echo. iperf3 has its own.
  static let (httpPort, echoPort) = (80, 7)
  /// A port of the host, of both families, that leads to the same one of the guest, by TCP and UDP.
  static let forwardedPort = 7000

  let host: NetworkNamespace
  let outside: NetworkNamespace
  let culvert: Culvert
  let guest: Guest
  private let routers: (first: NetworkNamespace, second: NetworkNamespace)
  private let narrow: NetworkNamespace
  private let servers: [Program]

  /// The one of the suite that runs.
  static var current: RoutedWorld { get throws { try #require(running) } }
  @TaskLocal fileprivate static var running: RoutedWorld?

  init() throws {
    (host, outside, narrow) = (try NetworkNamespace(), try NetworkNamespace(), try NetworkNamespace())
    routers = (try NetworkNamespace(), try NetworkNamespace())
    let (first, second) = routers
    try Self.join(host, "198.51.100.1/30", "2001:db8:1::1/64", first, "198.51.100.2/30", "2001:db8:1::2/64")
    try Self.join(first, "198.51.100.5/30", "2001:db8:2::1/64", second, "198.51.100.6/30", "2001:db8:2::2/64")
    try Self.join(second, "203.0.113.1/30", "2001:db8:3::1/64", outside, "203.0.113.2/30", "2001:db8:3::2/64")
    try Self.join(
      second, "203.0.113.5/30", "2001:db8:4::1/64", narrow, "203.0.113.6/30", "2001:db8:4::2/64", mtu: Self.narrowMTU)
    try Self.route(host, by: "198.51.100.2", "2001:db8:1::2")
    try Self.route(first, by: "198.51.100.6", "2001:db8:2::2")
    try Self.route(second, by: "198.51.100.5", "2001:db8:2::1")
    try Self.route(outside, by: "203.0.113.1", "2001:db8:3::1")
    try Self.route(narrow, by: "203.0.113.5", "2001:db8:4::1")
    for addresses in Addresses.all {
      try second.run(
        """
        ip route add blackhole \(addresses.blackhole)
        ip route add unreachable \(addresses.unreachable)
        ip route add prohibit \(addresses.prohibited)
        """)
    }
    // Everybody may ping, as most distributions have it.
    try host.run("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range")
    servers = try [outside, narrow].flatMap { try Self.startServers(in: $0) } + [Self.startNameServer(in: host)]
    let forwards = ["tcp", "udp"].flatMap { transport in
      Addresses.all.flatMap { addresses in
        let (near, far) = (Addresses.bracketed(addresses.host), Addresses.bracketed(addresses.guest))
        return ["--hostfwd", "\(transport):\(near):\(Self.forwardedPort)-\(far):\(Self.forwardedPort)"]
      }
    }
    culvert = try Culvert(["--dns-upstream", "127.0.0.1:53"] + forwards, launcher: host.launcher)
    guest = try Guest(network: culvert.network)
    // The guest has its lease by now, and IPv6 once it has heard a router and nobody else has its address.
    try guest.output(
      of: """
        until ip -6 address show dev eth0 scope site -tentative | grep -q inet6 &&
          ip -6 route show default | grep -q .
        do usleep 20000; done
        """)
  }

  // MARK: Links and routes

  /// Joins two namespaces by a link.
  private static func join(
    _ near: NetworkNamespace, _ nearIPv4: String, _ nearIPv6: String,
    _ far: NetworkNamespace, _ farIPv4: String, _ farIPv6: String, mtu: Int = 1500
  ) throws {
    let (nearName, farName) = ("to-\(far.name.suffix(8))", "to-\(near.name.suffix(8))")
    try Program.run(
      "ip", "link", "add", nearName, "netns", near.name, "type", "veth", "peer", "name", farName, "netns", far.name)
    for (end, name, ipv4, ipv6) in [(near, nearName, nearIPv4, nearIPv6), (far, farName, farIPv4, farIPv6)] {
      // Nobody else has the address: without waiting to find that out it is good at once.
      try end.run(
        """
        ip link set \(name) mtu \(mtu) up
        ip address add \(ipv4) dev \(name)
        ip address add \(ipv6) dev \(name) nodad
        """)
    }
  }

  /// Sends what has no way of its own to a neighbour, and has the namespace forward, and speak of errors at any rate.
  private static func route(_ namespace: NetworkNamespace, by ipv4: String, _ ipv6: String) throws {
    try namespace.run(
      """
      ip route add default via \(ipv4)
      ip route add default via \(ipv6)
      cd /proc/sys/net
      for file in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 >$file; done
      for file in ipv4/icmp_ratelimit ipv6/icmp/ratelimit; do echo 0 >$file; done
      """)
  }

  // MARK: Servers

  private static func startServers(in namespace: NetworkNamespace) throws -> [Program] {
    let small = try Program(namespace.launcher + ["python3", "-u", "-c", smallServers])
    let throughput = try Program(namespace.launcher + ["iperf3", "--server", "--forceflush"])
    try small.output.wait(seconds: 10, "the servers' start") { $0.contains("ready") ? () : nil }
    try throughput.output.wait(seconds: 10, "iperf3's start") { $0.contains("Server listening") ? () : nil }
    return [small, throughput]
  }

  /// A web server that says who asks, and one that returns every datagram, those without a byte too, which no common
  /// tool does.
  private static let smallServers = """
    import http.server, socket, threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            client = self.client_address[0].removeprefix("::ffff:").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(client)))
            self.end_headers()
            self.wfile.write(client)

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6

    web = Server(("::", \(httpPort)), Handler)
    threading.Thread(target=web.serve_forever).start()
    echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    echo.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    echo.bind(("::", \(echoPort)))
    print("ready")
    while True:
        data, client = echo.recvfrom(65535)
        echo.sendto(data, client)
    """

  /// The name server of the host: the TXT record of long.test takes more than any link's MTU here, less than 4096 bytes.
  private static func startNameServer(in namespace: NetworkNamespace) throws -> Program {
    let text = Array(repeating: String(repeating: "x", count: 250), count: 14).joined(separator: ",")
    let command = Dnsmasq.command(port: 53, names: ["outside.test": Addresses.ipv4.outside])
    let program = try Program(
      namespace.launcher + command + ["--edns-packet-max=4096", "--txt-record=long.test,\(text)"])
    try program.errors.wait(seconds: 10, "dnsmasq's start") { $0.contains("started, version") ? () : nil }
    return program
  }
}

/// Makes one world for all tests of a suite, and checks at the end that culvert still ran and stopped as it should.
struct RoutedWorldTrait: SuiteTrait, TestScoping {
  let isRecursive = false

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let world = try RoutedWorld()
    try await RoutedWorld.$running.withValue(world) { try await function() }
    try #require(try world.culvert.program.isRunning, "culvert ended under the tests\n\(world.culvert.log)")
    #expect(try world.culvert.stop().exit == .status(0))
  }
}

extension Trait where Self == RoutedWorldTrait {
  /// Makes one routed world for all tests of the suite.
  static var routedWorld: RoutedWorldTrait { RoutedWorldTrait() }
}
