import Bridge
import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

extension SystemTests {
  /// What DHCP clients make of the server on a bridge.
  @Suite(.serialized, Requirement.root, Requirement.installed("busybox", "dhclient", "dhcpcd", "dnsmasq"))
  struct BridgeDHCPTests {
    let host: ServedBridge
    let folder: ScratchFolder

    init() throws {
      host = try ServedBridge()
      folder = try ScratchFolder()
      try folder.write(DHCPWorld.script, to: "script")
      try Program.run("chmod", "+x", folder["script"])
    }

    func expect(
      _ variables: [String: String], toContain expected: [String: String],
      sourceLocation: SourceLocation = #_sourceLocation
    ) {
      for (name, value) in expected.sorted(by: { $0.key < $1.key }) {
        #expect(variables[name] == value, "\(name)", sourceLocation: sourceLocation)
      }
    }

    /// Starts a client in a guest, which finds these folders empty.
    func start(_ command: [String], in guest: NetworkNamespace, privateFolders: [String] = []) throws -> DHCPClient {
      let mounts = privateFolders.map { "mount -t tmpfs none \($0) && " }.joined()
      return DHCPClient(
        program: try Program(guest.launcher + ["bash", "-c", mounts + "exec \"$@\"", "bash"] + command))
    }

    func udhcpc(in guest: NetworkNamespace, _ options: String...) throws -> DHCPClient {
      try start(
        ["busybox", "udhcpc", "-f", "-i", "eth0", "-s", folder["script"], "-O", "search", "-O", "domain"] + options,
        in: guest)
    }

    // MARK: busybox

    @Test func `udhcpc gets what the recipe says, renews it and gives it back`() throws {
      let server = try BridgeServer(on: host, ServedBridge.settings())
      let guest = try host.newGuest()
      let client = try udhcpc(in: guest, "-x", "hostname:vm")
      let facts = [
        "ip": "192.168.1.201", "mask": "24", "router": "192.168.1.101", "dns": "8.8.8.8", "domain": "mylan",
        "search": "mylan", "serverid": "192.168.1.101", "lease": "3600",
      ]
      expect(try client.variables(at: "bound"), toContain: facts)
      try server.waitForLeases([201])
      #expect(server.leases.map(\.hostname) == ["vm"])
      // By the kernel's UDP, whose checksum the device would fill in.
      try client.program.send(signal: SIGUSR1)
      expect(try client.variables(at: "renew"), toContain: facts)
      try client.program.send(signal: SIGUSR2)
      try server.waitForLeases([])
    }

    @Test func `udhcpc that asks for a day gets two hours`() throws {
      let server = try BridgeServer(on: host, ServedBridge.settings())
      let client = try udhcpc(in: try host.newGuest(), "-x", "0x33:00015180")
      expect(try client.variables(at: "bound"), toContain: ["lease": "7200"])
      try server.waitForLeases([201])
    }

    @Test func `of a full range the last guest gets nothing, until another gives its address back`() throws {
      let server = try BridgeServer(on: host, ServedBridge.settings(last: 202))
      let guests = try (0..<2).map { _ in try host.newGuest() }
      let clients = try guests.map { try udhcpc(in: $0) }
      for client in clients { _ = try client.variables(at: "bound") }
      try server.waitForLeases([201, 202])
      let late = try host.newGuest()
      let vain = try udhcpc(in: late, "-n", "-t", "2", "-T", "1")
      #expect(try vain.program.waitForExit(seconds: 10) == .status(1))
      try clients[0].program.send(signal: SIGUSR2)
      try server.waitForEvent("a release") { if case .released = $0 { true } else { false } }
      // The script leaves it there, and who still has an address says so.
      try guests[0].run("ip address flush dev eth0")
      _ = try udhcpc(in: late).variables(at: "bound")
      try server.waitForLeases([201, 202])
    }

    @Test func `an address that a guest uses by hand is not given to another`() throws {
      let server = try BridgeServer(on: host, ServedBridge.settings())
      let squatter = try host.newGuest()
      try squatter.run("ip address add 192.168.1.201/24 dev eth0")
      let client = try udhcpc(in: try host.newGuest())
      expect(try client.variables(at: "bound"), toContain: ["ip": "192.168.1.202"])
      try server.waitForLeases([202])
      #expect(
        server.events.contains {
          if case .inUse(IPv4Address(192, 168, 1, 201), _?) = $0 { true } else { false }
        })
    }

    // MARK: ISC

    func dhclient(in guest: NetworkNamespace, _ configuration: String, leases: String? = nil) throws -> DHCPClient {
      let file = try folder.write(configuration, to: "dhclient.conf")
      if let leases { try folder.write(leases, to: "leases") }
      // A copy, which AppArmor, where it knows dhclient by its place, does not keep from these files.
      let program = folder["dhclient"]
      try Program.run("bash", "-c", "[ -e \(program) ] || cp $(type -P dhclient) \(program)")
      return try start(
        [
          program, "-v", "-d", "-4", "-sf", folder["script"], "-cf", file, "-lf", folder["leases"], "-pf",
          folder["pid"], "eth0",
        ], in: guest)
    }

    static let wishes = """
      request subnet-mask, routers, domain-name, domain-name-servers, domain-search;

      """

    @Test func `dhclient gets what the recipe says, for the longest time`() throws {
      let server = try BridgeServer(on: host, ServedBridge.settings())
      let client = try dhclient(in: try host.newGuest(), Self.wishes + "send dhcp-lease-time 86400;\n")
      expect(
        try client.variables(at: "BOUND"),
        toContain: [
          "new_ip_address": "192.168.1.201", "new_subnet_mask": "255.255.255.0", "new_routers": "192.168.1.101",
          "new_domain_name_servers": "8.8.8.8", "new_domain_name": "mylan", "new_domain_search": "mylan.",
          "new_dhcp_lease_time": "7200", "new_dhcp_renewal_time": "3600", "new_dhcp_rebinding_time": "6300",
          "new_dhcp_server_identifier": "192.168.1.101",
        ])
      try server.waitForLeases([201])
    }

    @Test func `dhclient with an address from elsewhere is refused it, and starts over`() throws {
      let server = try BridgeServer(on: host, ServedBridge.settings())
      let old = """
        lease {
          interface "eth0";
          fixed-address 10.0.2.15;
          option subnet-mask 255.255.255.0;
          option dhcp-lease-time 86400;
          option dhcp-server-identifier 10.0.2.2;
          renew 5 2036/01/04 00:00:00;
          rebind 5 2036/01/04 00:00:00;
          expire 5 2036/01/04 00:00:00;
        }

        """
      let client = try dhclient(in: try host.newGuest(), Self.wishes, leases: old)
      try client.wait(for: "DHCPNAK from 192.168.1.101")
      expect(try client.variables(at: "BOUND"), toContain: ["new_ip_address": "192.168.1.201"])
      try server.waitForEvent("a refusal") { if case .refused = $0 { true } else { false } }
    }

    /// Times of the client's own, since the server's shortest are too long for a test.
    static let hurry = """
      initial-interval 1;
      backoff-cutoff 1;
      supersede dhcp-renewal-time 1;
      supersede dhcp-rebinding-time 4;
      supersede dhcp-lease-time 8;

      """

    @Test func `dhclient renews, rebinds with a server that was restarted, and lets an address expire`() throws {
      var server: BridgeServer? = try BridgeServer(on: host, ServedBridge.settings())
      let client = try dhclient(in: try host.newGuest(), Self.wishes + Self.hurry)
      _ = try client.variables(at: "BOUND")
      expect(try client.variables(at: "RENEW"), toContain: ["new_ip_address": "192.168.1.201"])
      let leases = server?.leases ?? []
      #expect(leases.count == 1)
      try server?.stop()
      server = nil
      // Its own server is silent; now it asks everybody.
      let said = client.program.errors.count
      try client.program.errors.wait(seconds: 15, from: said, "a question to everybody") {
        $0.contains("DHCPREQUEST for 192.168.1.201 on eth0 to 255.255.255.255 port 67") ? () : nil
      }
      let asked = client.program.errors.count
      server = try BridgeServer(on: host, ServedBridge.settings(), leases: leases)
      // To its script it calls that a renewal, too.
      try client.program.errors.wait(seconds: 15, from: asked, "a new server's answer") {
        $0.contains("DHCPACK of 192.168.1.201 from 192.168.1.101") ? () : nil
      }
      try server?.waitForLeases([201])
      try server?.stop()
      server = nil
      _ = try client.variables(at: "EXPIRE")
    }

    // MARK: dhcpcd

    @Test func `dhcpcd gets a lease, and with a prefix an IPv6 address, a router and a name server`() throws {
      var settings = ServedBridge.settings()
      settings.ipv6Prefix = IPv6Prefix(containing: IPv6Address(high: 0xfd12_3456_789a_0001, low: 0), length: 64)
      settings.ipv6NameServers = [IPv6Address(high: 0x2001_4860_4860 << 16, low: 0x8888)]
      let server = try BridgeServer(on: host, settings)
      let guest = try host.newGuest()
      let configuration = try folder.write(
        """
        duid
        slaac hwaddr
        option rapid_commit
        option domain_name_servers, domain_name, domain_search
        require dhcp_server_identifier
        script \(folder["script"])

        """, to: "dhcpcd.conf")
      let client = try start(
        ["dhcpcd", "-f", configuration, "-d", "-B", "eth0"], in: guest, privateFolders: ["/run", "/var/lib/dhcpcd"])
      let router = try client.variables(at: "ROUTERADVERT")
      expect(
        router,
        toContain: [
          "nd1_from": "fe80::5054:ff:fe00:1", "nd1_prefix_information1_prefix": "fd12:3456:789a:1::",
          "nd1_rdnss1_servers": "2001:4860:4860::8888", "nd1_dnssl1_search": "mylan", "nd1_mtu": "1500",
        ])
      #expect(router["nd1_flags"] ?? "" == "")
      let ipv4 = try client.variables(at: "BOUND")
      expect(
        ipv4,
        toContain: [
          "new_ip_address": "192.168.1.201", "new_subnet_cidr": "24", "new_routers": "192.168.1.101",
          "new_domain_name_servers": "8.8.8.8", "new_domain_name": "mylan", "new_domain_search": "mylan",
          "new_dhcp_lease_time": "3600",
        ])
      // With another server perhaps on the link, an address takes two exchanges.
      #expect(ipv4["new_rapid_commit"] == nil)
      try server.waitForLeases([201])
      #expect(try guest.run("ip -6 address show dev eth0").contains("fd12:3456:789a:1:"))
    }

    // MARK: Another server

    @Test func `a guest that accepts another server's offer frees ours`() throws {
      let server = try BridgeServer(on: host, ServedBridge.settings(last: 201))
      let rival = try host.newGuest()
      try rival.run("ip address add 192.168.1.1/24 dev eth0")
      // It does not ask whether an address is free, and so is the faster.
      let dnsmasq = try Program(
        rival.launcher + [
          "dnsmasq", "-d", "-C", "/dev/null", "-p", "0", "-i", "eth0", "--no-ping", "--log-dhcp", "-l",
          folder["dnsmasq.leases"], "-F", "192.168.1.50,192.168.1.60,1h",
        ])
      try dnsmasq.errors.wait(seconds: 10, "the start of dnsmasq") { $0.contains("DHCP, IP range") ? () : nil }
      let client = try udhcpc(in: try host.newGuest())
      expect(try client.variables(at: "bound"), toContain: ["serverid": "192.168.1.1"])
      try server.waitForEvent("that another server was chosen") { $0 == .otherServer(IPv4Address(192, 168, 1, 1)) }
      #expect(server.leases == [])
      // Ours gets its turn when that one is silent.
      try dnsmasq.send(signal: SIGTERM)
      try dnsmasq.waitForExit(seconds: 5)
      let second = try udhcpc(in: try host.newGuest())
      expect(try second.variables(at: "bound"), toContain: ["ip": "192.168.1.201", "serverid": "192.168.1.101"])
    }
  }
}
