import Foundation
import Glibc
import LinuxSystem
import Testing

extension SystemTests {
  /// What DHCP clients make of the network, and Wireshark of the messages that they get.
  @Suite(
    .serialized, Requirement.root,
    Requirement.installed("busybox", "dhclient", "dhcpcd", "/lib/systemd/systemd-networkd", "tshark"))
  struct DHCPClientTests {
    let world: DHCPWorld

    init() throws { world = try DHCPWorld() }

    /// What the variables should be, whatever else there is.
    func expect(
      _ variables: [String: String], toContain expected: [String: String],
      sourceLocation: SourceLocation = #_sourceLocation
    ) {
      for (name, value) in expected.sorted(by: { $0.key < $1.key }) {
        #expect(variables[name] == value, "\(name)", sourceLocation: sourceLocation)
      }
    }

    /// Wireshark has nothing to say against the servers' messages, of which there are at least so many.
    func expectGoodMessages(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let (summaries, complaints) = try world.judgedMessages()
      #expect(summaries.count >= count, "\(summaries)", sourceLocation: sourceLocation)
      #expect(complaints == [], sourceLocation: sourceLocation)
    }

    // MARK: busybox

    @Test func `udhcpc gets, renews and releases a lease`() throws {
      let client = try world.start([
        "busybox", "udhcpc", "-f", "-i", "eth0", "-s", world.scriptPath, "-O", "search", "-O", "mtu",
      ])
      let facts = [
        "ip": "10.0.2.15", "mask": "24", "subnet": "255.255.255.0", "router": "10.0.2.2", "dns": "10.0.2.3",
        "domain": "a.test", "search": "a.test b.test", "hostname": "guest", "mtu": "9000", "serverid": "10.0.2.2",
        "siaddr": "10.0.2.2", "lease": "86400",
      ]
      expect(try client.variables(at: "bound"), toContain: facts)
      try client.program.send(signal: SIGUSR1)
      expect(try client.variables(at: "renew"), toContain: facts)
      try world.expectLeases(["10.0.2.15"])
      try client.program.send(signal: SIGUSR2)
      try client.wait(for: "entering released state")
      try world.expectLeases([])
      try expectGoodMessages(3)
    }

    // MARK: ISC

    /// dhclient with files of its own.
    func dhclient(_ options: String...) throws -> DHCPClient {
      let wishes = """
        subnet-mask, broadcast-address, routers, domain-name, domain-name-servers, domain-search, host-name, \
        interface-mtu, dhcp6.name-servers, dhcp6.domain-search
        """
      let configuration = try world.folder.write("request \(wishes);\n", to: "dhclient.conf")
      // A copy, which AppArmor, where it knows dhclient by its place, does not keep from these files.
      let program = world.folder["dhclient"]
      try Program.run("bash", "-c", "[ -e \(program) ] || cp $(type -P dhclient) \(program)")
      let files = ["-cf", configuration, "-lf", world.folder["leases"], "-pf", world.folder["pid"]]
      return try world.start([program, "-v", "-d", "-sf", world.scriptPath] + files + options + ["eth0"])
    }

    @Test func `dhclient gets a lease, asks for the same again after a start, and releases it`() throws {
      let facts = [
        "new_ip_address": "10.0.2.15", "new_subnet_mask": "255.255.255.0", "new_routers": "10.0.2.2",
        "new_domain_name_servers": "10.0.2.3", "new_domain_name": "a.test", "new_domain_search": "a.test. b.test.",
        "new_host_name": "guest", "new_interface_mtu": "9000", "new_dhcp_server_identifier": "10.0.2.2",
        "new_dhcp_lease_time": "86400", "new_dhcp_renewal_time": "43200", "new_dhcp_rebinding_time": "75600",
      ]
      let first = try dhclient("-4")
      expect(try first.variables(at: "BOUND"), toContain: facts)
      // By now it has written down what it has.
      try first.wait(for: "bound to 10.0.2.15")
      try first.program.send(signal: SIGTERM)
      try first.program.waitForExit(seconds: 5)
      let second = try dhclient("-4")
      expect(try second.variables(at: "REBOOT"), toContain: facts)
      try world.expectLeases(["10.0.2.15"])
      // It ends the one before it.
      let third = try dhclient("-4", "-r")
      _ = try third.variables(at: "RELEASE")
      try third.program.expectSuccess(seconds: 5)
      try world.expectLeases([])
      try expectGoodMessages(3)
    }

    @Test func `dhclient gets an IPv6 lease, and releases it`() throws {
      let client = try dhclient("-6")
      expect(
        try client.variables(at: "BOUND6"),
        toContain: [
          "new_ip6_address": "fec0::15", "new_dhcp6_name_servers": "fec0::3",
          "new_dhcp6_domain_search": "a.test. b.test.", "new_preferred_life": "86400", "new_max_life": "86400",
          "new_renew": "43200", "new_rebind": "69120",
        ])
      try world.expectLeases(["fec0::15"])
      let ending = try dhclient("-6", "-r")
      _ = try ending.variables(at: "RELEASE6")
      try ending.program.expectSuccess(seconds: 5)
      try world.expectLeases([])
      try expectGoodMessages(3)
    }

    @Test func `dhclient that asks for information only is told the name server and the domains`() throws {
      let client = try dhclient("-6", "-S", "-1")
      let variables = try client.variables(at: "RENEW6")
      expect(
        variables, toContain: ["new_dhcp6_name_servers": "fec0::3", "new_dhcp6_domain_search": "a.test. b.test."])
      #expect(variables["new_ip6_address"] == nil)
      try world.expectLeases([])
      try expectGoodMessages(1)
    }

    // MARK: dhcpcd

    @Test func `dhcpcd gets leases of both families in one exchange each, and releases them`() throws {
      let configuration = try world.folder.write(
        """
        duid
        option rapid_commit
        option domain_name_servers, domain_name, domain_search, host_name, interface_mtu
        require dhcp_server_identifier
        noarp
        script \(world.scriptPath)

        """, to: "dhcpcd.conf")
      let client = try world.start(
        ["dhcpcd", "-f", configuration, "-d", "-B", "eth0"], privateFolders: ["/run", "/var/lib/dhcpcd"])
      let ipv4 = try client.variables(at: "BOUND")
      expect(
        ipv4,
        toContain: [
          "new_ip_address": "10.0.2.15", "new_subnet_cidr": "24", "new_routers": "10.0.2.2",
          "new_domain_name_servers": "10.0.2.3", "new_domain_name": "a.test", "new_domain_search": "a.test b.test",
          "new_host_name": "guest", "new_interface_mtu": "9000", "new_dhcp_server_identifier": "10.0.2.2",
        ])
      #expect(ipv4["new_rapid_commit"] != nil)
      expect(
        try client.variables(at: "ROUTERADVERT"),
        toContain: [
          "nd1_flags": "MO", "nd1_from": "fe80::2", "nd1_mtu": "9000", "nd1_rdnss1_servers": "fec0::3",
          "nd1_dnssl1_search": "a.test b.test", "nd1_prefix_information1_prefix": "fec0::",
        ])
      let ipv6 = try client.variables(at: "BOUND6")
      expect(
        ipv6,
        toContain: [
          "new_dhcp6_ia_na1_ia_addr1": "fec0::15", "new_dhcp6_name_servers": "fec0::3",
          "new_dhcp6_domain_search": "a.test b.test",
        ])
      #expect(ipv6["new_dhcp6_rapid_commit"] != nil)
      try world.expectLeases(["10.0.2.15", "fec0::15"])
      // Who takes its address away at once must know already where to send the last word.
      try world.guest.run("ping -c 1 -W 5 10.0.2.2")
      // Its signal for "release and end".
      try client.program.send(signal: SIGALRM)
      try client.program.waitForExit(seconds: 10)
      try world.expectLeases([])
      try expectGoodMessages(3)
    }

    // MARK: systemd

    @Test func `systemd-networkd configures the device by DHCP, DHCPv6 and router advertisements`() throws {
      try world.folder.write(
        """
        [Match]
        Name=eth0
        [Network]
        DHCP=yes
        [DHCPv4]
        UseDomains=yes
        [DHCPv6]
        UseDomains=yes
        [IPv6AcceptRA]
        UseDomains=yes

        """, to: "guest.network")
      // It takes a device for its own without udev where /sys is read only, as in a container.
      let client = try world.start([
        "bash", "-c",
        """
        mount -t tmpfs none /run && mount -o remount,bind,ro /sys &&
        mkdir -p /run/systemd/network /run/systemd/netif/{leases,links,lldp} &&
        chown -R systemd-network: /run/systemd/netif && cp \(world.folder["guest.network"]) /run/systemd/network &&
        SYSTEMD_LOG_TARGET=console exec /lib/systemd/systemd-networkd
        """,
      ])
      try client.wait(for: "DHCPv4 address 10.0.2.15/24, gateway 10.0.2.2 acquired from 10.0.2.2")
      try client.wait(for: "DHCPv6 address fec0::15/128")
      // What it has learned is in its state, once all is configured.
      let state = try Program.run(
        "nsenter", "--target", "\(client.program.processID)", "--mount", "--net", "bash", "-c",
        """
        cd /run/systemd/netif
        until grep -q OPER_STATE=routable links/* && grep -q '^DNS=.*fec0::3' links/*; do sleep 0.02; done
        cat leases/* links/* && ip address show dev eth0
        """)
      for fact in [
        "ADDRESS=10.0.2.15", "NETMASK=255.255.255.0", "ROUTER=10.0.2.2", "MTU=9000", "T1=43200", "T2=75600",
        "LIFETIME=86400", "DOMAINNAME=a.test", "DOMAIN_SEARCH_LIST=a.test b.test", "HOSTNAME=guest",
        "DNS=10.0.2.3 fec0::3", "inet 10.0.2.15/24", "inet6 fec0::15/128",
      ] {
        #expect(state.contains(fact), "\(fact) of\n\(state)")
      }
      try world.expectLeases(["10.0.2.15", "fec0::15"])
      try expectGoodMessages(4)
    }
  }
}
