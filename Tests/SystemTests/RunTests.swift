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

    @Test func `a signal is passed on to QEMU`() throws {
      let guest = try Guest(network: [], launcher: Self.run())
      try guest.program.send(signal: SIGTERM)
      // QEMU ends with 0 when it is told to end.
      #expect(try guest.program.waitForExit(seconds: 10) == .status(0))
    }
  }
}
