import Foundation
import Glibc
import LinuxSystem
import Primitives
import Testing

/// What the command answers to mistakes, and how `run` ends.
struct CommandLineTests {
  @Test(arguments: [
    (["serve", "--bogus", "unix:x"], "Unknown option '--bogus'"),
    (["serve"], "There is no link to serve"),
    (["run"], "Missing expected argument"),
    (["serve", "--mtu", "many", "unix:x"], "'many' is invalid"),
    (["dance"], "dance"),
  ])
  func `a wrong command line is answered with advice and status 2`(arguments: [String], part: String) throws {
    let (text, exit) = try run(arguments)
    #expect(text.contains(part))
    #expect(text.contains("--help") || text.contains("Usage"))
    #expect(exit == .status(2))
  }

  @Test(arguments: [
    (["serve", "/tmp/x"], "culvert: /tmp/x: a link has its kind first; did you mean unix:/tmp/x?\n"),
    (
      ["serve", "--hostfwd", "x", "unix:/tmp/x"],
      "culvert: hostfwd[0]: Invalid host forwarding rule 'x' (No : separators)\n"
    ),
    (
      ["serve", "--net", "10.0.2.0/2", "unix:/tmp/x"],
      "culvert: net: Invalid netmask provided (must be in range 4-32)\n"
    ),
    (
      ["serve", "--ready-fd", "999", "unix:/tmp/x"],
      "culvert: cannot report on descriptor 999 (--ready-fd): Bad file descriptor\n"
    ),
    (["serve", "unix:/nonexistent/x"], "/nonexistent/x"),
    (["serve", "fd:998"], "fd:998"),
    (["serve", "tcp:192.0.2.1:5555"], "192.0.2.1:5555"),
    (
      ["run", "--", "culvert-has-no-such-program"],
      "culvert: cannot start culvert-has-no-such-program: No such file or directory\n"
    ),
    (["run", "--", "qemu-system-x86_64", "-netdev", "tap,id=net0"], "--netdev-id"),
    (["run", "--queues", "2", "--", "qemu-system-x86_64"], "the link of 'run' has one queue; leave --queues out"),
    (["serve", "--record-limit", "5MB", "unix:/tmp/x"], "record-limit: nothing is recorded; give 'record' as well"),
    (["serve", "--record-redact", "unix:/tmp/x"], "record-redact: nothing is recorded; give 'record' as well"),
    (["serve", "--record", "/proc/x", "unix:/tmp/culvert-x"], "record '/proc/x': "),
    (["replay", "/proc/self"], "'/proc/self': there is no recording in it"),
    (["replay", "/nonexistent/x.recording"], "'/nonexistent/x.recording': No such file or directory"),
    (["serve", "--queues", "17", "tap:tap0"], "queues: '17' is out of range; give 1 to 16"),
    (["check", "--queues", "2", "tap:tap0", "unix:s"], "queues: unix:s has one queue; give tap:NAME or netns:PLACE"),
  ])
  func `what cannot be done is told in one line with status 1`(arguments: [String], part: String) throws {
    let (text, exit) = try run(arguments)
    let complaint = try #require(text.split(separator: "\n").last) + "\n"
    #expect(complaint.hasPrefix("culvert: "))
    #expect(complaint.contains(part))
    #expect(exit == .status(1))
  }

  @Test func `check prints what options and a configuration file come to, and opens nothing`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/net.toml"
    try #"""
    link = "unix:net.sock"
    hostfwd = ["tcp::2222-:22"]
    net = "10.1.0.0/16"
    """#.write(toFile: file, atomically: true, encoding: .utf8)
    let (text, exit) = try run(["check", "--config", file, "--net", "10.2.0.0/16", "--hostfwd", "udp::53-:53"])
    #expect(exit == .status(0))
    #expect(
      text.contains(#"link = ["unix:net.sock"]"#) && text.contains(#"net = "10.2.0.0/16""#)
        && text.contains(#"hostfwd = ["tcp:0.0.0.0:2222-:22", "udp:0.0.0.0:53-:53"]"#), "\(text)")
    let (complaint, status) = try run(["check", "--config", file, "--mtu", "9"])
    #expect(complaint == "culvert: mtu: 9 is out of range; give 576 to 65520 bytes\n")
    #expect(status == .status(1))
  }

  @Test func `leases and routes beside several networks are the first one's`() throws {
    let networks = ["-netdev", "user,id=a,net=10.7.0.0/24", "-netdev", "user,id=b,net=10.8.0.0/24"]
    let (text, exit) = try run(
      ["run", "--lease", "52:54:00:12:34:56=10.7.0.20", "--route", "192.0.2.0/24,10.7.0.20"]
        + ["--", "bash", "-c", "exit 3", "qemu-system-x86_64"] + networks)
    #expect(exit == .status(3), "\(text)")
  }

  @Test func `a path that another instance listens on is refused and left alone`() throws {
    let folder = try TemporaryFolder()
    var first = try Program("serve", "unix:\(folder.path)/s")
    try first.read(until: "QEMU's options")
    let (text, exit) = try run(["serve", "unix:\(folder.path)/s"])
    #expect(text.contains("cannot listen on unix:\(folder.path)/s: another process listens there"))
    #expect(exit == .status(1))
    #expect(try FileIdentity(path: folder.path + "/s").isSocket)
    try first.send(SIGKILL)
    #expect(try first.end() == .signal(SIGKILL))
    // What a killed instance left behind is replaced.
    var next = try Program("serve", "unix:\(folder.path)/s")
    try next.read(until: "QEMU's options")
    try next.send(SIGTERM)
    #expect(try next.end() == .status(0))
  }

  @Test func `a forward that cannot be had is told before anything starts`() throws {
    let endpoint = Endpoint(.loopback, port: 0)
    let taken = try Socket(.stream, for: .internet(endpoint))
    try taken.bind(to: .internet(endpoint))
    try taken.listen()
    let port = try #require(try taken.localAddress().endpoint?.port)
    for (host, reason) in [
      ("127.0.0.1:\(port)", "the address is in use; choose another port, or stop what listens there"),
      (
        "192.0.2.1:\(port)",
        "the address is not one of this host; give an address of this host, or none for all of them"
      ),
    ] {
      let (text, exit) = try run(["run", "--hostfwd", "tcp:\(host)-:80", "--", "echo", "started"])
      let message = "Could not set up host forwarding rule 'tcp:\(host)-:80': cannot listen on \(host): \(reason)"
      #expect(text == "culvert: \(message)\n")
      #expect(exit == .status(1))
    }
  }

  @Test func `a socket that cannot be a forward's is told before anything starts, and left alone`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/s"
    let rule = "unix:\(path)-:22"
    let refusal = "culvert: Could not set up host forwarding rule '\(rule)': "
    for (arguments, reason) in [
      (["--control", "unix:\(path)", "fd:0"], "unix:\(path) is the control socket; choose another path"),
      (["unix:\(path)"], "unix:\(path) is a link; choose another path"),
      (["connect:unix:\(path)"], "unix:\(path) is a link; choose another path"),
    ] {
      let (text, exit) = try run(["serve", "--hostfwd", rule] + arguments)
      #expect(text == refusal + reason + "\n")
      #expect(exit == .status(1))
    }
    try FileDescriptor.open(replacing: path, mode: 0o600).write("precious")
    let (text, exit) = try run(["run", "--hostfwd", rule, "--", "echo", "started"])
    let reason = "it exists and is not a socket; remove it or choose another path"
    #expect(text == refusal + "cannot listen on unix:\(path): \(reason)\n")
    #expect(exit == .status(1))
    #expect(try FileDescriptor.text(of: path) == "precious")
  }

  @Test(arguments: ["--hostfwd", "--user", "--config"])
  func `a forward's socket is there while the command runs, and no longer`(way: String) throws {
    let folder = try TemporaryFolder()
    let rule = "unix:\(folder.path)/s-:22"
    let options =
      switch way {
      case "--hostfwd": [way, rule]
      case "--user": [way, "hostfwd=\(rule)"]
      default: [way, folder.path + "/config"]
      }
    try "hostfwd = [\"\(rule)\"]".write(toFile: folder.path + "/config", atomically: true, encoding: .utf8)
    let (text, exit) = try run(["run"] + options + ["--", "sh", "-c", "ls -l \(folder.path)/s"])
    #expect(text.hasPrefix("srw-------"), "\(text)")
    #expect(exit == .status(0))
    #expect(throws: SystemError.self) { try FileIdentity(path: folder.path + "/s") }
  }

  @Test func `a file that cannot be written keeps the command from starting`() throws {
    let (text, exit) = try run(["run", "--pid-file", "/nonexistent/pid", "--", "echo", "started"])
    #expect(text == "culvert: cannot write /nonexistent/pid: No such file or directory\n")
    #expect(exit == .status(1))
  }

  @Test(arguments: [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)])
  func `run ends with the status of its command`(script: String, status: Int32) throws {
    #expect(try run(["run", "--", "sh", "-c", script]).exit == .status(status))
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
  func `run passes signals on and waits for its command`(signal: Int32) throws {
    let script = "sleep 60 & trap 'kill $!; echo caught; exit 3' TERM INT HUP; echo waiting; wait"
    var program = try Program("run", "--", "sh", "-c", script)
    try program.read(until: "waiting")
    try program.send(signal)
    let (text, exit) = try program.result()
    #expect(text.contains("caught"))
    #expect(exit == .status(3))
  }

  @Test func `run hands a connected descriptor and the options for it to its command`() throws {
    let script = #"for word; do echo "word $word"; done; ls -l /proc/self/fd"#
    let (text, exit) = try run(["run", "--", "sh", "-c", script, "sh", "-M", "microvm"])
    let netdev = try #require(text.split(separator: "\n").first { $0.hasPrefix("word stream,") })
    let number = try #require(netdev.split(separator: "addr.str=").last)
    #expect(netdev == "word stream,id=net0,server=off,addr.type=fd,addr.str=\(number)")
    #expect(text.contains(" \(number) -> socket:"))
    #expect(exit == .status(0))
  }

  @Test func `help and version are results, not errors`() throws {
    let version = try run(["--version"])
    #expect(version.text.hasPrefix("culvert "))
    #expect(version.exit == .status(0))
    for arguments in [["--help"], ["serve", "--help"], ["run", "--help"]] {
      let help = try run(arguments)
      #expect(help.exit == .status(0))
      #expect(help.text.contains("EXAMPLES"))
      #expect(help.text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
  }

  private func run(_ arguments: [String]) throws -> (text: String, exit: ChildProcess.Exit) {
    var program = try Program(arguments)
    return try program.result()
  }
}
