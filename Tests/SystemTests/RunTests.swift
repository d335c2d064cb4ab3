import Glibc
import LinuxSystem
import Testing

extension SystemTests {
  /// `culvert run`: a command with its network.
  @Suite(.serialized)
  struct RunTests {
    /// The options of `culvert run`, with the command's separator.
    static func run(_ options: String...) -> [String] { [Requirement.culvertPath, "run"] + options + ["--"] }

    @Test(arguments: [0, 7, 255])
    func `it exits with the command's status`(status: Int32) throws {
      let program = try Program(Self.run() + ["bash", "-c", "exit \(status)", "qemu-system-x86_64"])
      #expect(try program.waitForExit(seconds: 10) == .status(status))
    }

    @Test func `it says like a shell which signal ended the command`() throws {
      let program = try Program(Self.run() + ["bash", "-c", "kill -USR1 $$", "qemu-system-x86_64"])
      #expect(try program.waitForExit(seconds: 10) == .status(128 + SIGUSR1))
    }

    @Test func `a program that does not exist is an error that names it`() throws {
      try expectFailure(of: ["run", "--", "/nonexistent/qemu-system-x86_64"], status: 1, naming: "/nonexistent")
    }

    @Test func `QEMU gets a network and a device without being told`() throws {
      let guest = try Guest(network: [], launcher: Self.run())
      #expect(try guest.lease()["ip"] == "10.0.2.15")
      try guest.output(of: "ping -c 1 -W 2 10.0.2.2")
      // QEMU ends by itself, and with it culvert.
      _ = try guest.start("poweroff -f")
      #expect(try guest.program.waitForExit(seconds: 20) == .status(0))
    }

    @Test func `a device of one's own is given the network`() throws {
      let guest = try Guest(
        network: ["-device", "virtio-net-pci,netdev=net0,mac=52:54:00:aa:bb:cc,romfile="], launcher: Self.run())
      #expect(
        try guest.output(of: "cat /sys/class/net/*/address").split(separator: "\n").sorted().last == "52:54:00:aa:bb:cc"
      )
      try guest.output(of: "ping -c 1 -W 2 10.0.2.2")
    }

    @Test(arguments: [
      ["-nic", "user,model=virtio-net-pci,hostname=taken-over"],
      ["-net", "nic,model=virtio", "-net", "user,hostname=taken-over"],
      ["-netdev", "user,id=lan,hostname=taken-over", "-device", "virtio-net-pci,netdev=lan"],
      [
        "-netdev", #"{"type":"user","id":"lan","hostname":"taken-over"}"#,
        "-device", #"{"driver":"virtio-net-pci","netdev":"lan"}"#,
      ],
    ])
    func `a user network of QEMU's is taken over with its options`(network: [String]) throws {
      let guest = try Guest(network: network, launcher: Self.run())
      #expect(try guest.lease()["hostname"] == "taken-over")
      try guest.output(of: "ping -c 1 -W 2 10.0.2.2")
    }

    @Test func `each of several networks is one of its own`() throws {
      let network = ["a", "b"].flatMap { id in
        [
          "-netdev", "user,id=\(id),net=10.\(id == "a" ? 7 : 8).0.0/24", "-device",
          "virtio-net-pci,netdev=\(id),romfile=",
        ]
      }
      let guest = try Guest(network: network, launcher: Self.run())
      #expect(try guest.lease()["ip"] == "10.7.0.15")
      try guest.output(
        of: """
          ping -c 1 -W 2 10.7.0.2
          ip address add 10.8.0.15/24 dev eth1 && ip link set eth1 up
          ping -c 1 -W 5 10.8.0.2
          """)
      _ = try guest.start("poweroff -f")
      #expect(try guest.program.waitForExit(seconds: 20) == .status(0))
    }

    @Test func `a command that wants no network is run as it is`() throws {
      let program = try Program(Self.run() + ["bash", "-c", "exit $#", "qemu-system-x86_64", "-nic", "none"])
      #expect(try program.waitForExit(seconds: 10) == .status(2))
      #expect(program.errors.text.contains("wants no network"))
    }

    @Test func `a signal is passed on to QEMU`() throws {
      let guest = try Guest(network: [], launcher: Self.run())
      try guest.program.send(signal: SIGTERM)
      // QEMU ends with 0 when it is told to end.
      #expect(try guest.program.waitForExit(seconds: 10) == .status(0))
    }
  }
}
