import Foundation
import Glibc
import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// TAP devices of several queues, each served by a loop on a thread of its own.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert,
    Requirement.installed("curl", "iperf3", "socat", "busybox"))
  struct QueueTests {
    private let links = NamespaceLinkTests()

    private func ctl(_ control: String, _ arguments: String...) throws -> String {
      let program = try Program([Requirement.culvertPath, "ctl", "--socket", control] + arguments)
      try program.expectSuccess(seconds: 10)
      return try program.output.textAtEnd(seconds: 5)
    }

    /// The names of the flows while the namespace has 24 connections to a port of the host's, and how many are of other
    /// loops than the first.
    private func flowNames(
      _ control: String, in namespace: NetworkNamespace, to port: UInt16
    ) throws -> (all: Set<Substring>, ofOthers: Int) {
      let text = try namespace.run(
        """
        for i in $(seq 24); do exec {end}<>/dev/tcp/10.0.2.2/\(port); done
        \(Requirement.culvertPath) ctl --socket \(control) --json flows
        """)
      let names = text.matches(of: /"id":"([0-9.\\\/]+)"/).map(\.output.1)
      return (Set(names), names.count { $0.contains("/") })
    }

    @Test func `what is sent and fetched at once arrives as it is, and the operator sees all of it`() throws {
      let (namespace, folder) = (try NetworkNamespace(), try ScratchFolder())
      let control = "unix:\(folder["ctl"])"
      let culvert = try links.serve("netns:\(namespace.name)", ["--queues", "3", "--control", control])
      #expect(try namespace.run("ip -d link show dev tap0").contains("numqueues 3"))
      try links.exchange(from: namespace)
      let server = try HTTPServer(content: NamespaceLinkTests.content, uploads: folder, crowd: 12)
      let original = folder["original"]
      try Data(NamespaceLinkTests.content).write(to: URL(filePath: original))
      try namespace.run(
        """
        for i in $(seq 12); do
          (curl -sS -m 60 http://10.0.2.2:\(server.port)/together | cmp - \(original)) & pids="$pids $!"
          (curl -sS -m 60 -T \(original) http://10.0.2.2:\(server.port)/up$i) & pids="$pids $!"
        done
        for pid in $pids; do wait $pid; done
        """, seconds: 120)
      for number in 1...12 { try Program.run("cmp", original, folder["up\(number)"]) }
      let (names, ofOthers) = try flowNames(control, in: namespace, to: server.port)
      #expect(names.count >= 24 && (1..<names.count).contains(ofOthers), "\(names)")
      let status = try ctl(control, "status")
      #expect(!status.contains("dropped, loopFull"), "\(status)")
      #expect(try culvert.isRunning)
    }

    @Test func `each family's ping, a name server and forwards work, wherever their loops are`() throws {
      let (namespace, folder) = (try NetworkNamespace(), try ScratchFolder())
      let names = try Dnsmasq(names: ["name.test": "192.0.2.7"])
      let control = "unix:\(folder["ctl"])"
      let ports = try (0..<6).map { _ in try freePort() }
      let rules = ports.enumerated().flatMap { ["--hostfwd", "tcp:127.0.0.1:\($1)-:\(8000 + $0)"] }
      let culvert = try links.serve(
        "netns:\(namespace.name)",
        ["--queues", "4", "--control", control, "--dns-upstream", "127.0.0.1:\(names.port)"] + rules)
      try namespace.run("ping -c 3 -i 0.05 -W 5 10.0.2.2 && ping -c 3 -i 0.05 -W 5 fec0::2")
      for _ in 1...8 {
        #expect(try namespace.run("busybox nslookup -type=a name.test 10.0.2.3").contains("192.0.2.7"))
      }
      for (index, port) in ports.enumerated() {
        let guest = try Program(
          namespace.launcher + ["socat", "-d", "-d", "TCP4-LISTEN:\(8000 + index),fork", "SYSTEM:echo guest \(index)"])
        try guest.errors.wait(seconds: 5, "socat") { $0.contains("listening on") ? () : nil }
        let client = try Program(["socat", "-", "TCP4:127.0.0.1:\(port)"])
        #expect(try client.output.wait(seconds: 10, "the guest") { $0.isEmpty ? nil : $0 } == "guest \(index)")
      }
      #expect(try ctl(control, "forwards").split(separator: "\n").count == 7)
      #expect(try culvert.isRunning)
    }

    @Test func `a namespace that ends while it is busy ends all loops`() throws {
      var namespace: NetworkNamespace? = try NetworkNamespace()
      let name = try #require(namespace?.name)
      let culvert = try links.serve("netns:\(name)", ["--queues", "3"])
      let server = try Server { connection in
        while true { try connection.write([UInt8](repeating: 1, count: 1 << 16)) }
      }
      let loads = try (0..<6).map { _ in
        try Program([
          "ip", "netns", "exec", name, "bash", "-c", "exec cat </dev/tcp/10.0.2.2/\(server.port) >/dev/null",
        ])
      }
      try namespace?.run("for i in $(seq 100); do [ $(ss -tn | grep -c ESTAB) = 6 ] && exit; sleep 0.05; done; exit 1")
      namespace = nil
      for load in loads { try load.send(signal: SIGKILL) }
      #expect(try culvert.waitForExit(seconds: 10) == .status(0))
      #expect(culvert.errors.text.contains("the device is gone"), "\(culvert.errors.text)")
    }

    @Test func `a signal ends all loops within a second, with what they carry`() throws {
      let namespace = try NetworkNamespace()
      let culvert = try links.serve("netns:\(namespace.name)", ["--queues", "4"])
      try namespace.run("ping -c 1 -W 5 10.0.2.2")
      let begin = MonotonicClock.now
      try culvert.send(signal: SIGTERM)
      #expect(try culvert.waitForExit(seconds: 5) == .status(0))
      #expect(MonotonicClock.now - begin < .milliseconds(1500))
    }

    @Test func `a device that there is has to have been made for several`() throws {
      let namespace = try NetworkNamespace()
      try namespace.run(
        """
        ip tuntap add many0 mode tap multi_queue; ip address add 10.0.2.15/24 dev many0; ip link set many0 up
        ip tuntap add one0 mode tap
        """)
      let culvert = try links.serve("tap:many0", ["--queues", "2"], launcher: namespace.launcher)
      try namespace.run("for i in $(seq 8); do ping -c 1 -W 5 10.0.2.2 || exit; done")
      #expect(try culvert.isRunning)
      let refusal = try links.refusal(["--queues", "2", "tap:one0"], launcher: namespace.launcher)
      #expect(refusal.contains("tap:one0 was made with one queue; leave --queues out, or make it by 'ip tuntap add"))
      #expect(try links.refusal(["--queues", "2", "unix:/tmp/x"]).contains("queues: unix:/tmp/x has one queue"))
    }

    @Test func `exec has a device of several queues, too`() throws {
      let result = try ExecTests().run(
        .nobody, "ip -d link show dev tap0; for i in 1 2 3 4; do ping -c 1 -W 5 10.0.2.2; done",
        options: ["--queues", "2"])
      #expect(result.exit == .status(0) && result.output.contains("numqueues 2"), "\(result)")
    }
  }
}
