import Foundation
import Primitives
import Testing

extension SystemTests {
  /// A guest on a host with routers before it, over IPv4 and IPv6, seen with the programs that people use.
  @Suite(.serialized, Requirement.root, .routedWorld)
  struct RoutedWorldTests {
    typealias Addresses = RoutedWorld.Addresses

    let world: RoutedWorld
    var guest: Guest { world.guest }

    init() throws { world = try .current }

    // MARK: What the guest is told

    @Test func `the guest makes its IPv6 address of the advertised prefix, with a default route`() throws {
      #expect(try guest.output(of: "ip -6 address show dev eth0").contains("fec0::5054:ff:fe12:3456/64"))
      #expect(try guest.output(of: "ip -6 route show default").contains("via fe80::"))
    }

    @Test func `a solicited advertisement has the prefix, the MTU and the name server (RFC 8106)`() throws {
      let advertisement = try guest.output(of: "rdisc6 -1 -w 2000 eth0")
      for fact in ["Prefix                   : fec0::/64", "Recursive DNS server     : fec0::3", "MTU  "] {
        #expect(advertisement.contains(fact), "\(advertisement)")
      }
    }

    // MARK: Datagrams

    @Test(arguments: Addresses.all)
    func `a datagram without a byte and its echo arrive`(of addresses: Addresses) throws {
      // socat sends one at the end of its input, and takes one for the end: it waits 10 s where none comes.
      let address = socat("UDP", addresses.outside, RoutedWorld.echoPort)
      let waiting = try seconds { try guest.output(of: "socat -t 10 - \(address),shut-null,null-eof </dev/null") }
      #expect(waiting.seconds < 5)
    }

    @Test(arguments: Addresses.all, ["", "--reverse"])
    func `iperf3 loses next to no datagrams in either direction`(of addresses: Addresses, direction: String) throws {
      let report = try guest.output(
        of: "iperf3 --client \(addresses.outside) --udp --bitrate 10M --time 1 --length 1200 --json \(direction)")
      let figures = try JSONDecoder().decode(ThroughputReport.self, from: Data(report.utf8)).end.sum
      #expect(figures.packets > 500)
      #expect(figures.lost_packets * 50 <= figures.packets, "\(figures.lost_packets) of \(figures.packets)")
    }

    @Test(arguments: ["10.0.2.3", "fec0::3"])
    func `an answer of 3.5 KB comes by UDP to a resolver that takes 4096 bytes`(from server: String) throws {
      let output = try guest.output(of: "dig +bufsize=4096 +ignore +noretry @\(server) TXT long.test")
      #expect(output.contains("ANSWER: 1"), "\(output)")
      #expect(output.contains("(UDP)"), "\(output)")
      #expect(!output.contains(" tc "), "\(output)")
    }

    // MARK: Streams

    @Test(arguments: Addresses.all)
    func `a server outside sees the host, and is reached over a narrow link too`(of addresses: Addresses) throws {
      for address in [addresses.outside, addresses.narrow] {
        #expect(try guest.output(of: "curl --silent --show-error --max-time 5 \(url(address))") == addresses.host)
      }
    }

    @Test func `fec0::2 reaches the host's ::1`() throws {
      let server = try Program(
        world.host.launcher + ["socat", "-d", "-d", "TCP6-LISTEN:8080,bind=[::1],fork", "SYSTEM:echo loopback"])
      try server.errors.wait(seconds: 10, "socat's start") { $0.contains("listening on") ? () : nil }
      #expect(try guest.output(of: "socat -u TCP6:[fec0::2]:8080 -") == "loopback")
    }

    // MARK: Forwards

    @Test(arguments: Addresses.all, ["tcp", "udp"])
    func `a client outside reaches the guest, which sees its true address`(
      of addresses: Addresses, transport: String
    ) throws {
      try startNamingServer(transport, addresses)
      #expect(try address(seen: world.outside.run(namingClient(transport, addresses))) == IPAddress(addresses.outside))
    }

    @Test(arguments: Addresses.all, ["tcp", "udp"])
    func `the guest reaches itself by the host's outside address (RFC 4787 REQ-9, RFC 5382 REQ-8)`(
      of addresses: Addresses, transport: String
    ) throws {
      try startNamingServer(transport, addresses)
      #expect(try address(seen: guest.output(of: namingClient(transport, addresses))) == IPAddress(addresses.host))
    }

    /// Has the guest tell one client who it is.
    private func startNamingServer(_ transport: String, _ addresses: Addresses) throws {
      let kind = transport.uppercased() + (addresses.family == "IPv4" ? "4" : "6")
      let address = transport == "tcp" ? "\(kind)-LISTEN" : "\(kind)-RECVFROM"
      // It reads before it speaks: socat ends without an answer where nobody takes the question.
      try guest.listen(
        on: "\(address):\(RoutedWorld.forwardedPort),reuseaddr", for: "SYSTEM:read line; echo $SOCAT_PEERADDR")
    }

    /// Asks at the host's forward, and prints what comes.
    private func namingClient(_ transport: String, _ addresses: Addresses) -> String {
      let place = "/dev/\(transport)/\(addresses.host)/\(RoutedWorld.forwardedPort)"
      return "bash -c 'exec 3<>\(place) && echo >&3 && timeout 10 head -n 1 <&3'"
    }

    /// The address in socat's words, which has brackets around one of IPv6.
    private func address(seen text: String) -> IPAddress? {
      IPAddress(text.trimmingCharacters(in: CharacterSet(charactersIn: "[]\n")))
    }

    // MARK: What cannot be reached

    @Test(arguments: Addresses.all)
    func `a connection hears at once why there is none`(of addresses: Addresses) throws {
      // Linux as a router says "host unreachable" over IPv4, "no route" over IPv6; and only over IPv6 does it have a
      // word of its own for a connection that is prohibited.
      let isIPv4 = addresses.family == "IPv4"
      let ends = [
        (addresses.outside, 81, "Connection refused"),
        (addresses.unreachable, 80, isIPv4 ? "No route to host" : "Network is unreachable"),
        (addresses.prohibited, 80, isIPv4 ? "No route to host" : "Permission denied"),
      ]
      for (address, port, word) in ends {
        let reply = try seconds { try guest.run("exec 3<>/dev/tcp/\(address)/\(port)") }
        #expect(reply.result.output.contains(word), "\(address): \(reply)")
        #expect(reply.seconds < 4, "\(address): \(reply)")
      }
    }

    @Test(arguments: Addresses.all)
    func `a hundred connections into a black hole hold up no other`(of addresses: Addresses) throws {
      let output = try guest.output(
        of: """
          for port in {1000..1099}; do (exec 3<>/dev/tcp/\(addresses.blackhole)/$port) 2>/dev/null & done
          for turn in 1 2 3; do curl --silent --show-error --max-time 5 \(url(addresses.outside)) >/dev/null || exit; done
          jobs -r | wc -l
          kill $(jobs -p)
          """)
      // All of them still wait.
      #expect(output == "100")
    }

    // MARK: Words

    func url(_ address: String, port: Int = RoutedWorld.httpPort) -> String {
      "'http://\(Addresses.bracketed(address)):\(port)/'"
    }

    func socat(_ transport: String, _ address: String, _ port: Int) -> String {
      "\(transport)\(address.contains(":") ? 6 : 4):\(Addresses.bracketed(address)):\(port)"
    }

    /// What is of interest in iperf3's report on datagrams.
    private struct ThroughputReport: Decodable {
      struct End: Decodable {
        struct Sum: Decodable { let packets, lost_packets: Int }
        let sum: Sum
      }
      let end: End
    }
  }
}
