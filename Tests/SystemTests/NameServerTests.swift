import LinuxSystem
import Testing

extension SystemTests {
  /// What dig and curl are told by the virtual name server, when the host's name servers are dead and when they live.
  @Suite(.serialized, Requirement.root, Requirement.installed("dig", "curl", "dnsmasq"))
  struct NameServerTests {
    /// The addresses of the virtual name server.
    static let resolvers = ["10.0.2.3", "fec0::3"]
    /// Servers of the host: one that hears and never says a word, one that is not there, and one that answers.
    static let (silent, refused, live) = ("127.0.0.9", "127.0.0.1:9", "127.0.0.1")
    /// How long the forwarder waits for one server, and for all, in seconds.
    static let (attemptTime, patience) = (1.0, 5.0)
    static let httpPort = 8080

    let host: NetworkNamespace
    let folder: ScratchFolder
    private let servers: [Program]

    init() throws {
      host = try NetworkNamespace()
      folder = try ScratchFolder()
      try folder.write("hello\n", to: "hello")
      let text = Array(repeating: String(repeating: "x", count: 200), count: 12).joined(separator: ",")
      let dnsmasq = try Program(
        host.launcher + Dnsmasq.command(port: 53, address: Self.live, names: ["web.test": "10.0.2.2"])
          + ["--address=/web.test/fec0::2", "--txt-record=long.test,\(text)"])
      let silent = try Program(
        host.launcher + ["socat", "-d", "-d", "-u", "UDP4-RECV:53,bind=\(Self.silent)", "OPEN:/dev/null"])
      let web = try Program(
        host.launcher + [
          "python3", "-u", "-m", "http.server", "--bind", "::", "--directory", folder.path, "\(Self.httpPort)",
        ])
      servers = [dnsmasq, silent, web]
      try dnsmasq.errors.wait(seconds: 10, "dnsmasq's start") { $0.contains("started, version") ? () : nil }
      try silent.errors.wait(seconds: 10, "socat's start") { $0.contains("starting data transfer") ? () : nil }
      try web.output.wait(seconds: 10, "the web server's start") { $0.contains("Serving HTTP") ? () : nil }
    }

    /// A guest of a culvert that asks these servers.
    func guest(upstream: [String]) throws -> GuestNamespace {
      let culvert = try Culvert(upstream.flatMap { ["--dns-upstream", $0] }, launcher: host.launcher)
      return try GuestNamespace(behind: culvert, addresses: ["10.0.2.15/24", "fec0::15/64"])
    }

    @Test(arguments: resolvers)
    func `dead servers cost the first answer a second, and the next ones nothing`(resolver: String) throws {
      let guest = try guest(upstream: [Self.silent, Self.refused, Self.live])
      let types = [("A", "10.0.2.2"), ("AAAA", "fec0::2"), ("A", "10.0.2.2")]
      for (index, (type, address)) in types.enumerated() {
        let reply = try seconds { try guest.run("dig +tries=1 +time=8 @\(resolver) \(type) web.test") }
        for fact in ["status: NOERROR", "ANSWER: 1", "EDNS: version: 0", "\t\(address)", "#53(\(resolver)) (UDP)"] {
          #expect(reply.result.contains(fact), "\(fact) of \(reply.result)")
        }
        let expected = index == 0 ? Self.attemptTime - 0.1...Self.attemptTime + 1 : 0...0.9
        #expect(expected.contains(reply.seconds), "query \(index): \(reply.seconds) s")
      }
    }

    @Test func `where all servers are dead, dig hears of it after five seconds`() throws {
      let guest = try guest(upstream: [Self.refused, Self.silent])
      // Both at once, to wait but once.
      let queries = Self.resolvers.map { "dig +tries=1 +time=8 @\($0) web.test &" }.joined(separator: " ")
      let reply = try seconds { try guest.run("\(queries) wait") }
      #expect(reply.result.split(separator: "status: SERVFAIL").count == 1 + Self.resolvers.count, "\(reply.result)")
      #expect((Self.patience - 0.1...Self.patience + 1).contains(reply.seconds), "\(reply.seconds) s")
    }

    @Test(arguments: resolvers)
    func `dig asks again by TCP for what is too long for UDP`(resolver: String) throws {
      let guest = try guest(upstream: [Self.live])
      let answer = try guest.run("dig +tries=1 +time=8 @\(resolver) TXT long.test")
      for fact in ["Truncated, retrying in TCP mode", "status: NOERROR", "ANSWER: 1", "#53(\(resolver)) (TCP)"] {
        #expect(answer.contains(fact), "\(fact) of \(answer)")
      }
    }

    @Test(arguments: resolvers)
    func `curl finds a server by its name over either family, behind a dead name server`(resolver: String) throws {
      let guest = try guest(upstream: [Self.silent, Self.live])
      let configuration = try folder.write("nameserver \(resolver)\n", to: "resolv.conf")
      for family in ["-4", "-6"] {
        let page = try guest.run(
          """
          mount --bind \(configuration) "$(readlink -f /etc/resolv.conf)" &&
          curl \(family) --silent --show-error --max-time 10 http://web.test:\(Self.httpPort)/hello
          """)
        #expect(page == "hello")
      }
    }
  }
}
