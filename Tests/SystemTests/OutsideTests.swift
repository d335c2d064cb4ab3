import LinuxSystem
import Testing

extension SystemTests {
  /// A guest behind a host with one neighbour: culvert and the neighbour each in a namespace.
  @Suite(.serialized, Requirement.root)
  struct OutsideTests {
    private static let host = "198.51.100.1"
    private static let neighbor = "198.51.100.2"

    private let near: NetworkNamespace
    private let far: NetworkNamespace
    private let culvert: Culvert
    private let guest: Guest

    init() throws {
      (near, far) = (try NetworkNamespace(), try NetworkNamespace())
      try Program.run(
        "ip", "link", "add", "outside", "netns", near.name, "type", "veth", "peer", "name", "outside", "netns", far.name
      )
      try near.run("ip address add \(Self.host)/30 dev outside && ip link set outside up")
      try far.run("ip address add \(Self.neighbor)/30 dev outside && ip link set outside up")
      culvert = try Culvert(["--hostfwd", "tcp::8000-:7000", "--no-host-loopback"], launcher: near.launcher)
      guest = try Guest(network: culvert.network)
    }

    @Test func `outside the guest is the host, and an outside client is itself`() throws {
      let server = try Program(
        far.launcher + ["socat", "-d", "-d"] + ["TCP4-LISTEN:80,fork", "SYSTEM:echo $SOCAT_PEERADDR"])
      try server.errors.wait(seconds: 10, "socat's start") { $0.contains("listening on") ? () : nil }
      #expect(try guest.output(of: "socat -u TCP4:\(Self.neighbor):80 -") == Self.host)

      try guest.listen(on: "TCP4-LISTEN:7000,reuseaddr,fork", for: "SYSTEM:echo $SOCAT_PEERADDR")
      #expect(try far.run("socat -u TCP4:\(Self.host):8000 -") == Self.neighbor)
    }

    @Test func `an address without a route is unreachable at once`() throws {
      let reply = try guest.run("exec 3<>/dev/tcp/203.0.113.1/80", seconds: 10)
      #expect(reply.output.contains("unreachable") || reply.output.contains("No route to host"), "\(reply)")
    }

    @Test func `the host's loopback is out of reach where it is forbidden`() throws {
      let server = try Program(near.launcher + ["socat", "-d", "-d", "TCP4-LISTEN:8080,bind=127.0.0.1,fork", "PIPE"])
      try server.errors.wait(seconds: 10, "socat's start") { $0.contains("listening on") ? () : nil }
      let reply = try guest.run("timeout 5 bash -c 'exec 3<>/dev/tcp/10.0.2.2/8080'", seconds: 10)
      #expect(reply.status != 0)
      try guest.output(of: "ping -c 1 -W 2 10.0.2.2")
    }
  }
}
