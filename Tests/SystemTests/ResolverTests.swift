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

    @Test(Requirement.guest) func `answers as long as messages can be come by TCP, several on a connection`() throws {
      let server = try Server { connection in
        var query: [UInt8] = []
        while query.count < 2 || query.count < 2 + Int(query[0]) << 8 + Int(query[1]) { query += try connection.read() }
        // The query as an answer, and behind it bytes that depend on its name.
        let filler = [UInt8](repeating: query[15], count: 65_535 - (query.count - 2))
        try connection.write([0xff, 0xff] + query[2..<4] + [0x81, 0x80] + query[6...] + filler)
      }
      let culvert = try Culvert(["--dns-upstream", "127.0.0.1:\(server.port)"])
      let guest = try Guest(network: culvert.network)
      // Questions for a.test to h.test, and how often the bytes of each come back.
      let output = try guest.output(
        of: #"""
          exec 3<>/dev/tcp/10.0.2.3/53
          for name in a b c d e f g h; do
            printf '\0\030\0\7\1\0\0\1\0\0\0\0\0\0\1%s\4test\0\0\20\0\1' $name >&3
          done
          timeout 20 head -c $((8 * 65537)) <&3 >/tmp/answers
          for name in a b c d e f g h; do tr -dc $name </tmp/answers | wc -c; done
          """#)
      // All but the query, the name, and of e one in the end of each name.
      let count = 65_535 - 24
      #expect(
        output.split(separator: "\n").compactMap { Int($0) }
          == "abcdefgh".map { count + ($0 == "e" ? 8 + 1 : 1) }, "\(culvert.log)")
    }
  }
}
