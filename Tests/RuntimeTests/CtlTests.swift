import Glibc
import LinuxSystem
import Primitives
import Testing

/// `culvert ctl` and the instance it talks to, as whoever types it sees them.
struct CtlTests {
  @Test func `an instance is asked and changed by its socket`() throws {
    let folder = try TemporaryFolder()
    let control = "unix:\(folder.path)/ctl"
    var instance = try Program("serve", "--control", control, "unix:\(folder.path)/net")
    try instance.read(until: "QEMU's options")
    let identity = try FileIdentity(path: folder.path + "/ctl")
    #expect(identity.isSocket && identity.permissions == 0o600)

    let status = try ctl(control, "status")
    #expect(status.hasPrefix("culvert "))
    #expect(status.contains(", process \(instance.processID), up "))
    #expect(status.contains("\n  link              unix:\(folder.path)/net, nobody there\n"))
    #expect(status.contains("\n  flows             0 TCP, 0 UDP, 0 ping\n"))

    #expect(try ctl(control, "forwards") == "PROTOCOL  HOST  GUEST  RULE\n")
    #expect(
      try ctl(control, "forwards", "add", "udp:127.0.0.1:0-:53") == "forwarding udp 127.0.0.1:0 to 10.0.2.15:53\n")
    #expect(
      try ctl(control, "forwards", "list")
        == """
        PROTOCOL  HOST         GUEST         RULE
        udp       127.0.0.1:0  10.0.2.15:53  udp:127.0.0.1:0-10.0.2.15:53

        """)
    #expect(try ctl(control, "forwards", "remove", "udp:127.0.0.1:0").hasPrefix("no longer forwarding udp 127.0.0.1:0"))
    #expect(try ctl(control, "leases") == "ADDRESS  HARDWARE  HOSTNAME  ENDS IN\n")
    #expect(try ctl(control, "flows") == "PROTOCOL  GUEST    REMOTE  HOST'S VIEW  STATE  OUT  IN\n")
    #expect(try ctl(control, "flows", "--json") == #"{"flows":[],"network":"net0"}"# + "\n")
    let dns = try ctl(control, "dns")
    #expect(dns.hasPrefix("SERVER") && dns.hasSuffix("\n0 queries: 0 answered here, 0 by servers, 0 failed\n"))
    #expect(try ctl(control, "log-level", "trace") == "trace\n")
    #expect(try ctl(control, "log-level") == "trace\n")

    try instance.send(SIGTERM)
    #expect(try instance.end() == .status(0))
    #expect(throws: SystemError.self) { try FileIdentity(path: folder.path + "/ctl") }
  }

  @Test func `flows are watched until the instance ends`() throws {
    let folder = try TemporaryFolder()
    let control = "unix:\(folder.path)/ctl"
    var instance = try Program("serve", "--control", control, "unix:\(folder.path)/net")
    try instance.read(until: "QEMU's options")
    var watch = try Program("ctl", "flows", "--json", "--watch", "--interval", "0.1", "--socket", control)
    let line = #"{"flows":[],"network":"net0"}"# + "\n"
    try watch.read(until: line + line + line)
    try instance.send(SIGTERM)
    #expect(try watch.end() == .status(0))
    #expect(try instance.end() == .status(0))
  }

  @Test func `the socket is named by the environment, too`() throws {
    let folder = try TemporaryFolder()
    var missing = try Program("ctl", "status", prelude: "unset CULVERT_CONTROL;")
    let (advice, usage) = try missing.result()
    #expect(advice.contains("There is no instance to ask; give --socket unix:PATH, or set CULVERT_CONTROL."))
    #expect(usage == .status(2))
    let control = "unix:\(folder.path)/ctl"
    var absent = try Program("ctl", "status", prelude: "export CULVERT_CONTROL=\(control);")
    let (complaint, failure) = try absent.result()
    #expect(complaint == "culvert: no instance listens on \(control); start one with --control \(control)\n")
    #expect(failure == .status(1))
  }

  @Test func `a socket that another instance answers on is refused, one that was left behind is replaced`() throws {
    let folder = try TemporaryFolder()
    let control = "unix:\(folder.path)/ctl"
    var first = try Program("serve", "--control", control, "unix:\(folder.path)/a")
    try first.read(until: "QEMU's options")
    var second = try Program("serve", "--control", control, "unix:\(folder.path)/b")
    let (complaint, failure) = try second.result()
    #expect(
      complaint.contains(
        "culvert: cannot listen on \(control): another process listens there; stop it or choose another path\n"))
    #expect(failure == .status(1))
    #expect(try ctl(control, "status").contains("process \(first.processID)"))
    try first.send(SIGKILL)
    #expect(try first.end() == .signal(SIGKILL))
    var third = try Program("serve", "--control", control, "unix:\(folder.path)/a")
    try third.read(until: "QEMU's options")
    #expect(try ctl(control, "status").contains("process \(third.processID)"))
    try third.send(SIGTERM)
    #expect(try third.end() == .status(0))
  }

  @Test func `what runs in QEMU's place finds both of its networks by their names`() throws {
    let folder = try TemporaryFolder()
    let control = "unix:\(folder.path)/ctl"
    let networks = ["-netdev", "user,id=lan,net=10.7.0.0/24", "-netdev", "user,id=wan,net=10.8.0.0/24"]
    let script = "\(try Program.path) ctl --socket \(control) status; \(try Program.path) ctl dns --network lan"
    var program = try Program(
      ["run", "--control", control, "--log-level", "info", "--", "bash", "-c", script, "qemu-system-x86_64"] + networks,
      prelude: "export CULVERT_CONTROL=\(control);")
    let (text, exit) = try program.result()
    #expect(exit == .status(0), "\(text)")
    #expect(text.contains("network lan\n  IPv4              10.7.0.0/24,"), "\(text)")
    #expect(text.contains("network wan\n  IPv4              10.8.0.0/24,"), "\(text)")
    #expect(text.contains("culvert: lan: network 10.7.0.0/24") && text.contains("culvert: wan: network 10.8.0.0/24"))
  }

  @Test func `guests are not led to the control socket`() throws {
    let folder = try TemporaryFolder()
    let control = "unix:\(folder.path)/ctl"
    var program = try Program(
      "serve", "--control", control, "--guestfwd", "tcp::9-\(control)", "unix:\(folder.path)/net")
    let (text, exit) = try program.result()
    #expect(text.hasSuffix("culvert: guestfwd: \(control) is the control socket, which guests may not reach\n"))
    #expect(exit == .status(1))
  }

  @Test(arguments: [
    (["ctl", "log-level", "loud"], "Please provide one of 'error', 'warning', 'info', 'debug' or 'trace'"),
    (["ctl", "flows", "--transport", "sctp"], "Please provide one of 'tcp', 'udp' or 'icmp'"),
    (["ctl", "flows", "--interval", "0"], "--interval 0.0 is out of range; give 0.1 to 86400 seconds."),
    (["ctl", "forwards", "add"], "Missing expected argument"),
    (["ctl", "dance"], "dance"),
  ])
  func `a wrong command line is answered with advice and status 2`(arguments: [String], part: String) throws {
    var program = try Program(arguments)
    let (text, exit) = try program.result()
    #expect(text.contains(part), "\(text)")
    #expect(exit == .status(2))
  }
}
