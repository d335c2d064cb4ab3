import Foundation
import Glibc
import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// Links that are TAP devices: `netns:`, `tap:` and an inherited one.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert,
    Requirement.installed("curl", "iperf3", "socat", "setpriv"))
  struct NamespaceLinkTests {
    static let content = (0..<(6 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }

    /// Serves a link until the value ends; ready when this returns.
    func serve(_ link: String, _ options: [String] = [], launcher: [String] = []) throws -> Program {
      let (reading, writing) = try FileDescriptor.pipe().take()
      let ready = FileDescriptor(owning: reading)
      let program = try Program(
        launcher + [Requirement.culvertPath, "serve", "--ready-fd", "3"] + options + [link],
        inheriting: [.init(writing, as: 3)])
      close(FileDescriptor(owning: writing))
      try waitUntil(ready.rawValue, is: .readable, by: .after(10), "culvert to be ready\n\(program.errors.text)")
      return program
    }

    /// Sends and fetches some megabytes over both families and compares them.
    func exchange(from namespace: NetworkNamespace, families: [String] = ["10.0.2.2", "[fec0::2]"]) throws {
      let folder = try ScratchFolder()
      let server = try HTTPServer(content: Self.content, uploads: folder, crowd: 1)
      let relay = try Program([
        "socat", "-d", "-d", "TCP6-LISTEN:\(server.port),ipv6only=1,bind=[::1],fork,reuseaddr",
        "TCP4:127.0.0.1:\(server.port)",
      ])
      try relay.errors.wait(seconds: 5, "socat") { $0.contains("listening on") ? () : nil }
      let original = folder["original"]
      try Data(Self.content).write(to: URL(filePath: original))
      for (index, gateway) in families.enumerated() {
        let url = "http://\(gateway):\(server.port)/"
        try namespace.run("curl -sS -m 60 \(url)x | cmp - \(original)", seconds: 90)
        try namespace.run("curl -sS -m 60 -T \(original) \(url)up\(index)", seconds: 90)
        try Program.run("cmp", original, folder["up\(index)"])
      }
      #expect(try relay.isRunning)
    }

    // MARK: netns

    @Test(arguments: ["all", "tcp", "checksum", "none"], [576, 1280, 1500, 9000, 65_520])
    func `what is sent and fetched arrives as it is, whatever is left to the kernel and however long packets are`(
      offload: String, mtu: Int
    ) throws {
      let namespace = try NetworkNamespace()
      let culvert = try serve(
        "netns:/run/netns/\(namespace.name)", ["--mtu", "\(mtu)", "--offload", offload])
      try exchange(from: namespace, families: mtu < 1280 ? ["10.0.2.2"] : ["10.0.2.2", "[fec0::2]"])
      #expect(try culvert.isRunning)
    }

    @Test func `the process of a namespace is enough, and the interface has the name that it is given`() throws {
      let namespace = try NetworkNamespace()
      let process = try Program(namespace.launcher + ["bash", "-c", "echo $$; exec sleep 60"])
      let number = try process.output.wait(seconds: 5, "the process") { Int32($0) }
      let culvert = try serve("netns:\(number),ifname=eth7")
      #expect(try namespace.run("ip -o address show dev eth7").contains("inet 10.0.2.15/24"))
      try namespace.run("ping -c 1 -W 5 10.0.2.2 && ping -c 1 -W 5 fec0::2")
      try culvert.send(signal: SIGTERM)
      #expect(try culvert.waitForExit(seconds: 5) == .status(0))
    }

    @Test func `a namespace that ends while it is busy ends the service, which says so`() throws {
      var namespace: NetworkNamespace? = try NetworkNamespace()
      let name = try #require(namespace?.name)
      let culvert = try serve("netns:/run/netns/\(name)")
      let server = try Server { connection in
        while true { try connection.write([UInt8](repeating: 1, count: 1 << 16)) }
      }
      let load = try Program([
        "ip", "netns", "exec", name, "bash", "-c", "exec cat </dev/tcp/10.0.2.2/\(server.port) >/dev/null",
      ])
      try namespace?.run("for i in $(seq 100); do ss -tn | grep -q ESTAB && exit; sleep 0.05; done; exit 1")
      namespace = nil
      #expect(try culvert.isRunning, "the process keeps its namespace")
      try load.send(signal: SIGKILL)
      #expect(try culvert.waitForExit(seconds: 10) == .status(0))
      #expect(culvert.errors.text.contains("the device is gone"), "\(culvert.errors.text)")
    }

    @Test func `an interface that goes down and up again loses no flow`() throws {
      let namespace = try NetworkNamespace()
      let culvert = try serve("netns:/run/netns/\(namespace.name)")
      let size = 40 << 20
      let server = try Server { connection in
        for _ in 0..<40 { try connection.write([UInt8](repeating: 5, count: size / 40)) }
        try connection.finish()
        _ = try connection.readAll()
      }
      let fetch = try Program(
        namespace.launcher + [
          "bash", "-c",
          """
          set -e
          exec 3<>/dev/tcp/10.0.2.2/\(server.port); head -c 1000000 <&3 | wc -c
          ip link set tap0 down; ip link set tap0 up; ip route replace default via 10.0.2.2 dev tap0
          cat <&3 | wc -c
          """,
        ])
      try fetch.expectSuccess(seconds: 60)
      let counts = try fetch.output.textAtEnd(seconds: 5).split(separator: "\n").compactMap { Int($0) }
      // What `head` has read beyond is its own.
      #expect(counts.count == 2 && counts[0] == 1_000_000 && counts[1] > size - 2_000_000, "\(counts)")
      #expect(try culvert.isRunning)
    }

    @Test(arguments: ["reno", "cubic", "bbr"])
    func `every sender of the kernel's brings all that it has, with and without window scaling`(
      control: String
    ) throws {
      let namespace = try NetworkNamespace()
      let culvert = try serve("netns:/run/netns/\(namespace.name)")
      for scaling in [1, 0] {
        try namespace.run("sysctl -q net.ipv4.tcp_window_scaling=\(scaling)")
        for direction in ["", "-R"] {
          let server = try Program(["iperf3", "-s", "-1", "-p", "5299", "--forceflush"])
          try server.output.wait(seconds: 5, "iperf3") { $0.contains("listening") ? () : nil }
          let result = try namespace.run("iperf3 -c 10.0.2.2 -p 5299 -C \(control) -n 64M \(direction) -J")
          #expect(!result.contains("\"error\""), "\(control) \(scaling) \(direction) \(result.suffix(300))")
        }
      }
      #expect(try culvert.isRunning)
    }

    // MARK: tap

    @Test func `a device that there is keeps its configuration, one that there is not is made and goes`() throws {
      let namespace = try NetworkNamespace()
      let device = try serve("tap:made0", ["--mtu", "1400"], launcher: namespace.launcher)
      let state = try namespace.run("ip -o link show dev made0; ip -o address show dev made0")
      #expect(state.contains("mtu 1400") && state.contains(",UP") && state.contains("qlen 10000"), "\(state)")
      #expect(!state.contains("10.0.2.15"))
      try device.send(signal: SIGTERM)
      try device.waitForExit(seconds: 5)
      try namespace.run("! ip link show dev made0")

      try namespace.run(
        "ip tuntap add kept0 mode tap; ip address add 10.0.2.99/24 dev kept0; ip link set kept0 mtu 1300 up")
      let kept = try serve("tap:kept0", launcher: namespace.launcher)
      let after = try namespace.run("ip -o link show dev kept0; ip -o address show dev kept0; ping -c 1 -W 5 10.0.2.2")
      #expect(after.contains("mtu 1300") && after.contains("10.0.2.99/24"), "\(after)")
      try kept.send(signal: SIGTERM)
      try kept.waitForExit(seconds: 5)
      try namespace.run("ip link show dev kept0")
    }

    @Test func `a device of several queues is served, too`() throws {
      let namespace = try NetworkNamespace()
      try namespace.run(
        "ip tuntap add many0 mode tap multi_queue; ip address add 10.0.2.15/24 dev many0; ip link set many0 up")
      let culvert = try serve("tap:many0", launcher: namespace.launcher)
      try namespace.run("ping -c 1 -W 5 10.0.2.2")
      #expect(try culvert.isRunning)
    }

    @Test func `a bridge's port is served where that is asked for, and refused while another process holds it`() throws
    {
      let namespace = try NetworkNamespace()
      func refusal(_ words: String...) throws -> String {
        try self.refusal(words, launcher: namespace.launcher)
      }
      try namespace.run(
        "ip tuntap add port0 mode tap; ip link add bridge0 type bridge; ip link set port0 master bridge0")
      let user = try serve("tap:port0", ["--mode", "user"], launcher: namespace.launcher)
      #expect(try refusal("--mode", "user", "tap:port0").contains("tap:port0 is held by another process"))
      try user.send(signal: SIGTERM)
      try user.waitForExit(seconds: 5)
      #expect(try refusal("tap:lo").contains("cannot use tap:lo: Invalid argument"))
    }

    @Test func `a namespace is found by its name, and a name that none has is told with what is accepted`() throws {
      let namespace = try NetworkNamespace()
      let culvert = try serve("netns:\(namespace.name)")
      try namespace.run("ping -c 1 -W 5 10.0.2.2")
      #expect(try culvert.isRunning)
      let errors = try refusal(["netns:no-such-name"])
      #expect(errors.contains("there is no network namespace 'no-such-name', which would be /run/netns/no-such-name; "))
      #expect(errors.contains("a process's number, a name of 'ip netns list', or a path with a '/' in it"))
    }

    /// What a link that cannot be served has to say: one line, behind it the status of such.
    func refusal(_ links: [String], launcher: [String] = []) throws -> String {
      let program = try Program(launcher + [Requirement.culvertPath, "serve"] + links)
      #expect(try program.waitForExit(seconds: 5) == .status(1))
      let errors = try program.errors.textAtEnd(seconds: 5)
      #expect(errors.split(separator: "\n").count == 1, "\(errors)")
      return errors
    }

    @Test func `an interface that is there already is told, and another name is as good`() throws {
      let namespace = try NetworkNamespace()
      try namespace.run("ip tuntap add tap0 mode tap")
      let errors = try refusal(["netns:\(namespace.name)"])
      #expect(errors.contains("has an interface 'tap0' already; give another name behind it, ',ifname=NAME'"))
      let culvert = try serve("netns:\(namespace.name),ifname=tap1")
      try namespace.run("ping -c 1 -W 5 10.0.2.2")
      #expect(try culvert.isRunning)
    }

    @Test func `somebody else's namespace is told as such, whether its file may be read or not`() throws {
      let namespace = try NetworkNamespace()
      let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
      for (link, path) in [
        ("netns:\(namespace.name)", "/run/netns/\(namespace.name)"),
        ("netns:\(ProcessControl.processID)", "/proc/\(ProcessControl.processID)/ns/net"),
      ] {
        let errors = try refusal([link], launcher: nobody)
        #expect(errors.contains("the network namespace at \(path) belongs to somebody else: "), "\(errors)")
        #expect(errors.contains("; try as root"))
      }
    }

    @Test(arguments: [
      "there is no /dev/net/tun: No such file or directory; 'modprobe tun', as root, makes it, or a container's option",
      "there is no /dev/net/tun: No such device; 'modprobe tun'",
    ])
    func `a system without TAP devices is told what to do`(words: String) throws {
      let namespace = try NetworkNamespace()
      // No driver has the other number.
      let node = words.contains("device;") ? "mknod /dev/net/tun c 10 254" : ":"
      let launcher = [
        "unshare", "--mount", "bash", "-c",
        "mount --make-rprivate / && mount -t tmpfs none /dev/net && \(node) && exec \"$@\"", "bash",
      ]
      let errors = try refusal(["netns:\(namespace.name)"], launcher: launcher)
      #expect(errors.contains(words), "\(errors)")
      #expect(try refusal(["tap:tap9"], launcher: launcher).contains(words))
    }

    @Test(arguments: [
      ("netns:1000000000", "there is no network namespace at /proc/1000000000/ns/net: No such file or directory"),
      ("netns:/etc/passwd", "/etc/passwd is no network namespace"),
      ("netns:/nowhere", "there is no network namespace at /nowhere: No such file or directory"),
    ])
    func `what is no namespace is told in one line`(link: String, words: String) throws {
      let errors = try refusal([link])
      #expect(errors.contains(words), "\(errors)")
    }

    @Test func `an idle namespace wakes nobody`() throws {
      let namespace = try NetworkNamespace()
      let culvert = try serve("netns:/run/netns/\(namespace.name)")
      try namespace.run("ping -c 1 -W 5 10.0.2.2")
      func wakeUps() throws -> Int {
        try ProcessStatus(of: culvert.processID).number("voluntary_ctxt_switches")
      }
      // The first seconds belong to the kernel's neighbor discovery; the second router advertisement comes after 16.
      Thread.sleep(forTimeInterval: 4)
      let before = try wakeUps()
      Thread.sleep(forTimeInterval: 5)
      #expect(try wakeUps() - before <= 0)
    }
  }
}
