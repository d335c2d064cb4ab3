import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// Where the name server comes from.
  @Suite(.serialized, Requirement.root)
  struct ResolverTests {
    @Test func `a resolv.conf that is replaced is followed within a second`() throws {
      let namespace = try NetworkNamespace()
      let servers = try ["127.0.0.2": "192.0.2.2", "127.0.0.3": "192.0.2.3"].map { server, answer in
        let command = Dnsmasq.command(port: 53, address: server, names: ["which.test": answer])
        let program = try Program(namespace.launcher + command)
        try program.errors.wait(seconds: 10, "dnsmasq's start") { $0.contains("started, version") ? () : nil }
        return program
      }
      // An /etc of its own, with nothing but the file.
      let culvert = try Culvert(
        launcher: namespace.launcher + [
          "bash", "-c",
          "mount -t tmpfs etc /etc && echo 'nameserver 127.0.0.2' >/etc/resolv.conf && exec \"$@\"", "launcher",
        ])
      let guest = try Guest(network: culvert.network)
      #expect(try guest.output(of: "getent ahostsv4 which.test").hasPrefix("192.0.2.2 "))

      try Program.run(
        "nsenter", "--target", "\(culvert.program.processID)", "--mount", "bash", "-c",
        "echo 'nameserver 127.0.0.3' >/etc/new && mv /etc/new /etc/resolv.conf")
      let waiting = try seconds {
        try guest.output(of: "until getent ahostsv4 which.test | grep -q '^192.0.2.3 '; do :; done", seconds: 10)
      }
      // A second, and what one lookup takes the guest.
      #expect(waiting.seconds < 1.5)
      try culvert.stop()
      for server in servers { #expect(try server.isRunning) }
    }
  }
}
