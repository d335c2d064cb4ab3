import Foundation
import Glibc
import LinuxSystem
import Testing

extension SystemTests {
  /// Ports in the guests' network that lead to something of the host's.
  @Suite(.serialized)
  struct GuestForwardTests {
    @Test func `connections lead to a command, a UNIX socket and a server, also of a restricted guest`() throws {
      let folder = try ScratchFolder()
      let socket = folder["service socket"]
      let local = try Program(["socat", "-d", "-d", "UNIX-LISTEN:\(socket),fork", "SYSTEM:sed -u s/^/unix/"])
      try local.errors.wait(seconds: 10, "socat's start") { $0.contains("listening on") ? () : nil }
      let server = try Server { connection in
        let line = try connection.read(through: "\n") ?? ""
        try connection.write("tcp \(line)\n".utf8)
      }
      let culvert = try Culvert([
        "--restrict", "on", "--guestfwd", "tcp:10.0.2.100:1-cmd:sed -u 's/^/cmd /'",
        "--guestfwd", "tcp:10.0.2.100:2-unix:\(socket)", "--guestfwd", "tcp::3-tcp:127.0.0.1:\(server.port)",
        "--guestfwd", "tcp:[fec0::100]:1-cmd:sed -u 's/^/cmd /'",
      ])
      let guest = try Guest(network: culvert.network)
      #expect(try guest.output(of: "echo a | socat -t 5 - TCP4:10.0.2.100:1") == "cmd a")
      #expect(try guest.output(of: "echo b | socat -t 5 - TCP4:10.0.2.100:2") == "unixb")
      #expect(try guest.output(of: "echo c | socat -t 5 - TCP4:10.0.2.4:3") == "tcp c")
      // Until its address has stood its test (RFC 4862 section 5.4).
      try guest.output(
        of: "until ip -6 address show dev eth0 scope site -tentative | grep -q inet6; do sleep 0.1; done")
      #expect(try guest.output(of: "echo d | socat -t 5 - 'TCP6:[fec0::100]:1'") == "cmd d")
      #expect(try guest.run("echo e | socat - TCP4:10.0.2.100:4").output.contains("Connection refused"))
      #expect(try guest.run("echo f | socat - TCP4:10.0.2.2:\(server.port)").output.contains("Connection refused"))
      try guest.output(of: "ping -c 1 -W 2 10.0.2.100")
    }

    @Test func `64 MiB pass through a command both ways, and no command or zombie is left`() throws {
      let culvert = try Culvert(["--guestfwd", "tcp:10.0.2.100:7-cmd:cat"])
      let guest = try Guest(network: culvert.network)
      let script = """
        head -c 67108864 /dev/urandom >/tmp/noise && sha256sum </tmp/noise
        socat -t 30 - TCP4:10.0.2.100:7 </tmp/noise | sha256sum
        """
      let hashes = try guest.output(of: script, seconds: 120).split(separator: "\n")
      #expect(hashes.count == 2 && hashes[0] == hashes[1])
      let children = "/proc/\(culvert.program.processID)/task/\(culvert.program.processID)/children"
      let deadline = Deadline.after(5)
      while try !String(contentsOfFile: children, encoding: .utf8).isEmpty {
        try #require(!deadline.hasPassed, "a command is left")
      }
    }

    @Test func `a command that cannot be started resets the guest, and the log says why, once`() throws {
      let culvert = try Culvert(["--guestfwd", "tcp:10.0.2.100:7-cmd:/nowhere/to/be/found"])
      let guest = try Guest(network: culvert.network)
      for _ in 0..<2 {
        #expect(try guest.run("socat -u TCP4:10.0.2.100:7 -").output.contains("Connection refused"))
      }
      let lines = culvert.log.split(separator: "\n").filter { $0.contains("do not reach") }
      #expect(lines.count == 1)
      #expect(
        lines.first?.hasSuffix("cmd:/nowhere/to/be/found at 10.0.2.100:7: No such file or directory") == true,
        "\(lines)")
    }
  }
}
