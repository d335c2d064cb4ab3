import Primitives
import Testing

@testable import Configuration

struct LinkAddressTests {
  @Test(arguments: [
    ("unix:/run/net.sock", LinkAddress.listenUnix(path: "/run/net.sock")),
    ("unix:a:b", .listenUnix(path: "a:b")),
    ("tcp:127.0.0.1:5555", .listenTCP(Endpoint(.loopback, port: 5555))),
    ("tcp:[::1]:5555", .listenTCP(Endpoint(IPAddress(IPv6Address.loopback), port: 5555))),
    ("fd:3", .descriptor(3)),
    ("connect:unix:/run/net.sock", .connectUnix(path: "/run/net.sock")),
    ("connect:tcp:10.1.2.3:1", .connectTCP(Endpoint(IPv4Address(10, 1, 2, 3), port: 1))),
    ("tap:tap0", .device(name: "tap0")),
    ("netns:4711", .namespace(.process(4711), interface: "tap0")),
    ("netns:/run/netns/a:b", .namespace(.path("/run/netns/a:b"), interface: "tap0")),
    ("netns:./relative,ifname=eth0", .namespace(.path("./relative"), interface: "eth0")),
    ("netns:blue", .namespace(.name("blue"), interface: "tap0")),
  ])
  func `a link is read and written`(text: String, link: LinkAddress) throws {
    #expect(try LinkAddress(text) == link)
    #expect(link.description == text)
  }

  @Test func `a namespace is found by its process, by its name among those of 'ip netns', or by its path`() {
    #expect(NamespacePlace.process(4711).path == "/proc/4711/ns/net")
    #expect(NamespacePlace.name("blue").path == "/run/netns/blue")
    #expect(NamespacePlace.path("./blue").path == "./blue")
  }

  @Test func `localhost is the IPv4 loopback`() throws {
    #expect(try LinkAddress("tcp:localhost:5555") == .listenTCP(Endpoint(.loopback, port: 5555)))
  }

  @Test(arguments: [
    ("/run/net.sock", "/run/net.sock: a link has its kind first; did you mean unix:/run/net.sock?"),
    ("unix:", "unix:: the path of the socket is missing"),
    ("connect:unix:", "connect:unix:: the path of the socket is missing"),
    ("fd:x", "fd:x: the number of an open descriptor belongs after 'fd:'"),
    ("fd:-1", "fd:-1: the number of an open descriptor belongs after 'fd:'"),
    ("vde:/x", "vde:/x: no such kind of link; give \(LinkAddress.syntax)"),
    ("connect:fd:3", "connect:fd:3: no such kind of link; give \(LinkAddress.syntax)"),
    ("net", "net: no such kind of link; give \(LinkAddress.syntax)"),
    ("tap:", "tap:: the name of an interface has 1 to 15 bytes, without spaces, '/' and ':'"),
    ("tap:a/b", "tap:a/b: the name of an interface has 1 to 15 bytes, without spaces, '/' and ':'"),
    (
      "tap:sixteen-letters-",
      "tap:sixteen-letters-: the name of an interface has 1 to 15 bytes, without spaces, '/' and ':'"
    ),
    ("netns:", "netns:: the number of a process, or the name or path of a namespace, belongs after 'netns:'"),
    ("netns:0", "netns:0: a process has a number above 0"),
    (
      "netns:1,mtu=9", "netns:1,mtu=9: 'mtu=9' is not understood; 'ifname=NAME' may stand behind the namespace"
    ),
    ("netns:1,ifname=..", "netns:1,ifname=..: the name of an interface has 1 to 15 bytes, without spaces, '/' and ':'"),
  ])
  func `a wrong link is refused with advice`(text: String, message: String) {
    #expect {
      try LinkAddress(text)
    } throws: { error in
      "\(error)" == message
    }
  }

  @Test(arguments: [
    "tcp:5555", "tcp::5555", "tcp:127.0.0.1", "tcp:127.0.0.1:0", "tcp:host.example:5555", "connect:tcp:x",
  ])
  func `a TCP link wants an address and a port`(text: String) {
    #expect(throws: ConfigurationError.self) { try LinkAddress(text) }
  }

  @Test func `where every link is a device the ordinary MTU is the default`() throws {
    func mtu(_ links: String..., given: Int? = nil) throws -> Int {
      var options = ServiceOptions()
      options.network.mtu = given
      options.adoptDefaults(of: try links.map { try LinkAddress($0) })
      return try options.checkedNetwork.mtu
    }
    #expect(try mtu("tap:tap0") == 1500)
    #expect(try mtu("tap:tap0", "netns:1") == 1500)
    #expect(try mtu("tap:tap0", "unix:x") == 65_520)
    #expect(try mtu("fd:3") == 65_520)
    #expect(try mtu() == 65_520)
    #expect(try mtu("netns:1", given: 9000) == 9000)
  }

  @Test func `a path fits a socket address`() throws {
    let longest = String(repeating: "a", count: 107)
    #expect(try LinkAddress("unix:" + longest) == .listenUnix(path: longest))
    #expect(throws: ConfigurationError.self) { try LinkAddress("unix:a" + longest) }
  }

  @Test(arguments: [
    ("unix:/run/net.sock", "stream,id=net0,server=off,addr.type=unix,addr.path=/run/net.sock"),
    ("unix:/run/a,b", "stream,id=net0,server=off,addr.type=unix,addr.path=/run/a,,b"),
    ("connect:unix:q", "stream,id=net0,server=on,addr.type=unix,addr.path=q"),
    ("tcp:0.0.0.0:5555", "stream,id=net0,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port=5555"),
    ("tcp:[::]:5555", "stream,id=net0,server=off,addr.type=inet,addr.host=::1,addr.port=5555"),
    ("connect:tcp:[::1]:5555", "stream,id=net0,server=on,addr.type=inet,addr.host=::1,addr.port=5555"),
  ])
  func `each link has the options that attach QEMU to it`(text: String, netdev: String) throws {
    #expect(
      try LinkAddress(text).qemuOptions() == ["-netdev", netdev, "-device", "virtio-net-pci,netdev=net0"])
  }

  @Test func `an inherited descriptor tells nothing of its other end`() {
    #expect(LinkAddress.descriptor(3).qemuOptions() == nil)
  }
}
