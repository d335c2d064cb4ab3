import Glibc
import LinuxSystem
import Testing

extension SystemTests {
  /// `culvert tap`.
  @Suite(.serialized, Requirement.root, Requirement.installed("setpriv"))
  struct TAPCommandTests {
    /// Runs `culvert tap`; what it says, and how it ends.
    func tap(
      _ words: String..., on host: BridgedHost, as user: BridgedHost.User = .root
    ) throws -> (exit: ChildProcess.Exit, errors: String) {
      let program = try Program(host.launcher(as: user) + [Requirement.culvertPath, "tap"] + words)
      let exit = try program.waitForExit(seconds: 10)
      return (exit, try program.errors.textAtEnd(seconds: 5))
    }

    @Test func `a device is made for a user on a bridge, opened by QEMU without rights, and removed`() throws {
      let host = try BridgedHost()
      let made = try tap("create", "tap7", "--user", "nobody", "--group", "nogroup", "--bridge", "bridge0", on: host)
      #expect(made.exit == .status(0) && made.errors == "", "\(made.errors)")
      let port = try host.ports()
      #expect(port.contains(": tap7: <") && port.contains(",UP>"), "\(port)")
      #expect(port.contains("mtu 1400") && port.contains("link/ether fe:"), "\(port)")
      #expect(port.contains("persist on user nobody group nogroup"), "\(port)")

      let qemu = try Program(
        host.launcher(as: .nobody) + [
          "qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-monitor", "none", "-serial",
          "none", "-netdev", "tap,id=n,ifname=tap7,script=no,downscript=no",
        ])
      #expect(try host.waitForPort().contains("tap7"))
      let held = try tap("delete", "tap7", on: host)
      #expect(held.exit == .status(1))
      #expect(held.errors == "culvert: tap:tap7 is held by another process; stop that first")
      try qemu.send(signal: SIGTERM)
      #expect(try qemu.waitForExit(seconds: 10) == .status(0), "\(qemu.errors.text)")
      #expect(try host.ports().contains("tap7"), "the device went with QEMU")

      #expect(try tap("delete", "tap7", on: host).exit == .status(0))
      #expect(try host.ports() == "")
    }

    @Test func `a device of several queues, and one without a bridge, are made and removed`() throws {
      let host = try BridgedHost()
      #expect(try tap("create", "many0", "--user", "65534", "--multi-queue", on: host).exit == .status(0))
      let state = try host.namespace.run("ip -d -o link show dev many0")
      #expect(state.contains(" multi_queue ") && state.contains(",UP>") && !state.contains("master"), "\(state)")
      // Its owner may remove it.
      let deleted = try tap("delete", "many0", on: host, as: .nobody)
      #expect(deleted.exit == .status(0), "\(deleted.errors)")
      try host.namespace.run("! ip link show dev many0")
    }

    @Test func `what cannot be done is told in one line, and leaves nothing behind`() throws {
      let host = try BridgedHost()
      try host.namespace.run("ip tuntap add tun5 mode tun; ip link add veth5 type veth peer name veth6")
      func refusal(_ words: String..., as user: BridgedHost.User = .root) throws -> String {
        let program = try Program(host.launcher(as: user) + [Requirement.culvertPath, "tap"] + words)
        #expect(try program.waitForExit(seconds: 10) == .status(1))
        return try program.errors.textAtEnd(seconds: 5)
      }
      #expect(
        try refusal("create", "tap7", "--bridge", "br7")
          == "culvert: there is no bridge 'br7'; 'culvert bridge up --bridge br7', as root, makes it")
      #expect(try refusal("create", "tap7", "--bridge", "lo") == "culvert: the interface 'lo' is no bridge")
      #expect(try refusal("create", "tap7", "--user", "no-such") == "culvert: user: there is no user 'no-such'")
      #expect(
        try refusal("create", "tap7", "--group", "4294967295") == "culvert: group: there is no group '4294967295'")
      #expect(try refusal("create", "a/b").hasPrefix("culvert: 'a/b' cannot be an interface's name"))
      #expect(
        try refusal("create", "tap7", as: .nobody)
          == "culvert: cannot make tap:tap7: Operation not permitted; try as root")
      #expect(
        try refusal("create", "veth5") == "culvert: there is an interface 'veth5' already; give another name")
      #expect(try refusal("create", "tun5").hasSuffix("an interface 'tun5' already; give another name"))
      #expect(try refusal("delete", "tap7") == "culvert: there is no interface 'tap7'")
      #expect(try refusal("delete", "veth5") == "culvert: the interface 'veth5' is no TAP device")
      #expect(try refusal("delete", "tun5") == "culvert: the interface 'tun5' is no TAP device")
      #expect(try tap("create", "tap7", on: host).exit == .status(0))
      #expect(try refusal("create", "tap7").contains("there is an interface 'tap7' already; 'culvert tap delete tap7'"))
      #expect(
        try refusal("delete", "tap7", as: .nobody)
          == "culvert: cannot remove tap:tap7: Operation not permitted; try as root")
    }
  }
}
