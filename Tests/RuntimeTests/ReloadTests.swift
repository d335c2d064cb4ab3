import Glibc
import LinuxSystem
import Primitives
import Testing

/// What SIGHUP does to an instance, as whoever sends it sees it.
struct ReloadTests {
  /// An instance with a configuration file, and what it prints of itself.
  private struct Instance: ~Copyable {
    private let folder: TemporaryFolder
    private var program: Program
    var path: String { folder.path }
    var control: String { "unix:\(folder.path)/ctl" }
    /// What it has printed since it was last told to read its file.
    var text: String { program.text }

    private init(_ folder: consuming TemporaryFolder, _ program: consuming Program) {
      self.folder = folder
      self.program = program
    }

    static func start(_ configuration: String, _ arguments: String...) throws -> Instance {
      let folder = try TemporaryFolder()
      try write(configuration, in: folder.path)
      var program = try Program(
        ["serve", "--config", "\(folder.path)/culvert.toml", "--control", "unix:\(folder.path)/ctl"] + arguments
          + ["unix:\(folder.path)/net"])
      try program.read(until: "QEMU's options")
      return Instance(folder, program)
    }

    private static func write(_ configuration: String, in folder: String) throws {
      try FileDescriptor.open(replacing: folder + "/culvert.toml", mode: 0o600).write(configuration)
    }

    /// Has another configuration read.
    mutating func reload(_ configuration: String, until text: String = "the configuration has been read again\n") throws
    {
      try Self.write(configuration, in: folder.path)
      program.clear()
      try program.send(SIGHUP)
      try program.read(until: text)
    }

    /// The forwards' rules.
    func rules() throws -> [String] {
      let table = try ctl(control, "forwards").split(separator: "\n").dropFirst()
      return table.compactMap { $0.split(separator: " ").last.map(String.init) }.sorted()
    }

    mutating func end() throws {
      try program.send(SIGTERM)
      #expect(try program.end() == .status(0))
    }
  }

  private static func loopback(_ port: UInt16) -> SocketAddress { .internet(Endpoint(.loopback, port: port)) }

  private static func rule(_ port: UInt16, _ guestPort: UInt16 = 22) -> String {
    "tcp:127.0.0.1:\(port)-10.0.2.15:\(guestPort)"
  }

  @Test func `forwards become as the file says, and those that an operator has added stay`() throws {
    let ports = try (0..<4).map { _ in try freePort() }
    let rules = ports.map { Self.rule($0) }
    var instance = try Instance.start("hostfwd = ['\(rules[0])', '\(rules[1])']", "--hostfwd", rules[2])
    _ = try ctl(instance.control, "forwards", "add", rules[3])
    #expect(try instance.rules() == rules.sorted())
    // One goes, one leads elsewhere.
    try instance.reload("hostfwd = ['\(Self.rule(ports[1], 80))']")
    #expect(try instance.rules() == [Self.rule(ports[1], 80), rules[2], rules[3]].sorted())
    // The same again changes nothing, and what was removed by hand is there again.
    _ = try ctl(instance.control, "forwards", "remove", "tcp:127.0.0.1:\(ports[1])")
    try instance.reload("hostfwd = ['\(Self.rule(ports[1], 80))']")
    #expect(try instance.rules() == [Self.rule(ports[1], 80), rules[2], rules[3]].sorted())
    try instance.end()
  }

  @Test func `a file that is wrong changes nothing`() throws {
    let rule = Self.rule(try freePort())
    var instance = try Instance.start("hostfwd = '\(rule)'")
    try instance.reload("hostfwd = 'nonsense'", until: "nothing has been changed\n")
    #expect(instance.text.contains("Invalid host forwarding rule 'nonsense'"))
    try instance.reload("hostfwd = [", until: "culvert.toml:1: ")
    for (socket, owner) in [("ctl", "the control socket"), ("net", "a link")] {
      try instance.reload("hostfwd = 'unix:\(instance.path)/\(socket)-:22'", until: "nothing has been changed\n")
      #expect(instance.text.contains("is \(owner); choose another path"))
    }
    #expect(try instance.rules() == [rule])
    try instance.end()
  }

  @Test func `of what cannot be changed the log tells`() throws {
    var instance = try Instance.start("mtu = 1500")
    try instance.reload("mtu = 1400\nnet = '10.0.3.0/24'\ndns-host = 'a.example=192.0.2.1'")
    #expect(
      instance.text.contains("not changed before a restart: dhcpstart, dns, host, mtu, net\n"),
      "\(instance.text)")
    #expect(try ctl(instance.control, "status").contains("\n  MTU               1500 bytes\n"))
    try instance.end()
  }

  @Test func `a port that another has is told, and the others are taken`() throws {
    let ports = try (0..<2).map { _ in try freePort() }
    var instance = try Instance.start("")
    let taken = try Socket(.stream, for: Self.loopback(ports[0]))
    try taken.bind(to: Self.loopback(ports[0]))
    try taken.listen(backlog: 1)
    try instance.reload("hostfwd = ['\(Self.rule(ports[0]))', '\(Self.rule(ports[1]))']")
    #expect(instance.text.contains("cannot listen on 127.0.0.1:\(ports[0]): "))
    #expect(try instance.rules() == [Self.rule(ports[1])])
    try instance.end()
  }
}
