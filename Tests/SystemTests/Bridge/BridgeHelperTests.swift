import Foundation
import Glibc
import LinuxSystem
import Testing

extension SystemTests {
  /// `culvert-bridge-helper`, as QEMU and as strangers call it.
  @Suite(.serialized, Requirement.root, Requirement.helper, Requirement.installed("setpriv", "setcap", "strace"))
  struct BridgeHelperTests {
    /// What a run of the helper came to.
    struct Outcome {
      let exit: ChildProcess.Exit
      let errors: String
      /// Whether a TAP device's descriptor came over the socket.
      let hasDevice: Bool
      /// What `ip` says of the bridge's ports while the device was held.
      let ports: String
    }

    /// Calls the helper with a socket, and takes what comes over it.
    func call(
      _ helper: String, on host: BridgedHost, as user: BridgedHost.User = .nobody,
      arguments: [String] = ["--use-vnet", "--fd=8", "--br=bridge0"], launcher: [String] = [], prepare: String = ":"
    ) throws -> Outcome {
      let (near, far) = try Socket.pair(.stream).take()
      let socket = Socket(FileDescriptor(owning: near))
      let farEnd = FileDescriptor(owning: far)
      let program = try Program(
        host.launcher(as: user, prepare: prepare) + launcher + [helper] + arguments,
        inheriting: [.init(farEnd.rawValue, as: 8)])
      let exit = try program.waitForExit(seconds: 10)
      close(farEnd)
      var descriptors = ReceivedDescriptors()
      var bytes: [UInt8] = [0]
      var space = bytes.mutableSpan
      _ = try socket.receive(into: &space, descriptors: &descriptors)
      let errors = try program.errors.textAtEnd(seconds: 5)
      guard let device = descriptors.popFirst() else {
        return Outcome(exit: exit, errors: errors, hasDevice: false, ports: try host.ports())
      }
      let outcome = Outcome(
        exit: exit, errors: errors, hasDevice: TAPDevice.isDevice(device.rawValue), ports: try host.ports())
      close(device)
      return outcome
    }

    /// What the helper says when it refuses: one line, and no device, nor anything left of one.
    func refusal(
      _ helper: String, on host: BridgedHost, as user: BridgedHost.User = .nobody,
      arguments: [String] = ["--use-vnet", "--fd=8", "--br=bridge0"], status: Int32 = 1
    ) throws -> String {
      let outcome = try call(helper, on: host, as: user, arguments: arguments)
      #expect(outcome.exit == .status(status))
      #expect(!outcome.hasDevice && outcome.ports == "", "\(outcome.ports)")
      #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
      #expect(outcome.errors.hasPrefix("culvert-bridge-helper: "), "\(outcome.errors)")
      return outcome.errors
    }

    // MARK: Allowed

    @Test(arguments: [BridgedHost.Installation.setuid, .capability], [true, false])
    func `a user gets a port with the bridge's MTU, a high address, up, and with a header if asked for`(
      installation: BridgedHost.Installation, usesHeader: Bool
    ) throws {
      let host = try BridgedHost()
      let arguments = (usesHeader ? ["--use-vnet"] : []) + ["--fd=8", "--br=bridge0"]
      let outcome = try call(try host.installHelper(installation), on: host, arguments: arguments)
      #expect(outcome.exit == .status(0) && outcome.hasDevice, "\(outcome.errors)")
      #expect(outcome.errors == "")
      #expect(outcome.ports.contains(": tap0: <BROADCAST,MULTICAST,UP,LOWER_UP>"), "\(outcome.ports)")
      #expect(outcome.ports.contains(" mtu 1400 ") && outcome.ports.contains(" link/ether fe:"), "\(outcome.ports)")
      #expect(outcome.ports.contains(usesHeader ? "vnet_hdr on" : "vnet_hdr off"), "\(outcome.ports)")
      #expect(outcome.ports.contains("pi off") && outcome.ports.contains("persist off"), "\(outcome.ports)")
      #expect(try host.ports() == "", "the device outlived its descriptor")
    }

    /// QEMU's ways to call a helper, of this path.
    enum Caller: CaseIterable, Sendable {
      case netdevBridge, netBridge, netdevTAP, command, standard

      func options(_ helper: String) -> [String] {
        switch self {
        case .netdevBridge: ["-netdev", "bridge,id=n,br=bridge0,helper=\(helper)"]
        case .netBridge: ["-net", "bridge,br=bridge0,helper=\(helper)"]
        case .netdevTAP: ["-netdev", "tap,id=n,br=bridge0,helper=\(helper)"]
        case .command: ["-netdev", "tap,id=n,helper=\(helper) --br=bridge0"]
        // What many know by heart, with Culvert's helper where QEMU looks for its own.
        case .standard: ["-net", "bridge,br=bridge0"]
        }
      }
    }

    @Test(arguments: Caller.allCases)
    func `QEMU gets a port by each of its ways to call a helper, for a user without rights`(caller: Caller) throws {
      let host = try BridgedHost()
      let helper = try host.installHelper()
      let standard = "/usr/lib/qemu/qemu-bridge-helper"
      let prepare = caller == .standard ? "mount --bind \(helper) \(standard)" : ":"
      let qemu = try Program(
        host.launcher(as: .nobody, prepare: prepare) + [
          "qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-monitor", "none", "-serial",
          "none",
        ] + caller.options(helper))
      let port = try host.waitForPort()
      #expect(port.contains("link/ether fe:") && port.contains("mtu 1400") && port.contains("vnet_hdr on"), "\(port)")
      try qemu.send(signal: SIGTERM)
      // The port is there before QEMU takes signals itself: until then this one ends it.
      let exit = try qemu.waitForExit(seconds: 10)
      #expect(exit == .status(0) || exit == .signal(SIGTERM), "\(exit) \(qemu.errors.text)")
      #expect(try host.ports() == "")
    }

    @Test func `a guest behind the helper reaches its host and another guest, and is reached`() throws {
      let host = try BridgedHost()
      let helper = try host.installHelper()
      func guest(_ number: Int) throws -> Guest {
        try Guest(
          network: [
            "-netdev", "bridge,id=net0,br=bridge0,helper=\(helper)",
            "-device", "virtio-net-pci,netdev=net0,romfile=,mac=52:54:00:12:34:5\(number)",
          ], launcher: host.launcher(), kernelOptions: "network=off")
      }
      let guests = [try guest(8), try guest(9)]
      for (index, guest) in guests.enumerated() {
        try guest.output(of: "ip address replace 192.168.1.\(103 - index)/24 dev eth0; ip link set eth0 up")
      }
      for (index, guest) in guests.enumerated() {
        try guest.output(of: "ping -c 2 -W 5 192.168.1.101 && ping -c 2 -W 5 192.168.1.\(102 + index)")
        try host.namespace.run("ping -c 1 -W 5 192.168.1.\(103 - index)")
      }
    }

    @Test func `included files count by who may read them`() throws {
      let host = try BridgedHost("include /etc/qemu/nobody.conf\ninclude /etc/qemu/others.conf\n")
      let helper = try host.installHelper()
      try host.write("allow bridge0\n", to: "qemu/others.conf", owner: "root:daemon", mode: "640")
      let words = try refusal(helper, on: host)
      #expect(words.contains("no line of /etc/qemu/bridge.conf allows the bridge 'bridge0'"), "\(words)")
      try host.write("allow bridge0\n", to: "qemu/nobody.conf", owner: "root:nogroup", mode: "640")
      #expect(try call(helper, on: host).hasDevice)
    }

    // MARK: Refused

    @Test func `who is refused learns which line of which file decided`() throws {
      let host = try BridgedHost("# ours\nallow all\n", ownList: "\ndeny bridge0\n")
      let helper = try host.installHelper()
      #expect(
        try refusal(helper, on: host)
          == "culvert-bridge-helper: the bridge 'bridge0' is denied by line 2 of /etc/culvert/bridge.conf "
          + "('deny bridge0')")
      let qemu = try Program(
        host.launcher(as: .nobody) + [
          "qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none",
          "-netdev", "bridge,id=n,br=bridge0,helper=\(helper)",
        ])
      #expect(try qemu.waitForExit(seconds: 10) == .status(1))
      let errors = try qemu.errors.textAtEnd(seconds: 5)
      #expect(errors.contains("denied by line 2 of /etc/culvert/bridge.conf"), "\(errors)")
      #expect(errors.contains("bridge helper failed"), "\(errors)")
    }

    @Test func `without a list, a right one, or a line, nobody gets a port, root included`() throws {
      let host = try BridgedHost(nil)
      let helper = try host.installHelper()
      for user in BridgedHost.User.allCases {
        let missing = try refusal(helper, on: host, as: user)
        #expect(missing.contains("there is no /etc/qemu/bridge.conf and no /etc/culvert/bridge.conf"), "\(missing)")
      }
      try host.write("allow br0\n", to: "culvert/bridge.conf")
      let unmentioned = try refusal(helper, on: host)
      #expect(unmentioned.contains("no line of /etc/culvert/bridge.conf allows the bridge 'bridge0'"), "\(unmentioned)")
      try host.write("allow all\n", to: "qemu/bridge.conf", mode: "666")
      #expect(try refusal(helper, on: host).contains("/etc/qemu/bridge.conf can be written by others than root"))
      try host.write("allow all\n", to: "qemu/bridge.conf", mode: "600")
      #expect(try refusal(helper, on: host).contains("/etc/qemu/bridge.conf may not be read: it might deny"))
    }

    @Test func `what is no bridge is told, and nothing is made`() throws {
      let host = try BridgedHost("allow all\n")
      let helper = try host.installHelper()
      #expect(try refusal(helper, on: host, arguments: ["--fd=8", "--br=br7"]).contains("there is no bridge 'br7'"))
      let loopback = try refusal(helper, on: host, arguments: ["--fd=8", "--br=lo"])
      #expect(loopback.contains("the interface 'lo' is no bridge"), "\(loopback)")
    }

    @Test func `who has no rights is told in one line what gives them`() throws {
      let host = try BridgedHost()
      let words = try refusal(try host.installHelper(.plain), on: host)
      #expect(words.contains("this program may not change the network; root lets it by"), "\(words)")
    }

    @Test(
      arguments: [
        (["--br=bridge0"], "--fd=NUMBER is missing", 2),
        (["--br=bridge0", "--fd=1"], "--fd=1 is a standard stream", 2),
        (["--br=bridge0", "--fd=99"], "--fd=99 is no UNIX socket: Bad file descriptor", 1),
        (["--help!"], "is no option", 2),
      ] as [([String], String, Int32)])
    func `a wrong call is told in one line`(arguments: [String], words: String, status: Int32) throws {
      let host = try BridgedHost()
      let errors = try refusal(try host.installHelper(), on: host, arguments: arguments, status: status)
      #expect(errors.contains(words), "\(errors)")
    }

    // MARK: Strangers

    @Test func `rights are given up before a file is read, and the last before the device is sent`() throws {
      let host = try BridgedHost()
      let folder = try ScratchFolder()
      // As root, strace lets a program have the rights of its file.
      let outcome = try call(
        try host.installHelper(), on: host, as: .root,
        launcher: [
          "strace", "-u", "nobody", "-o", folder["calls"], "-e",
          "trace=capset,setresuid,setresgid,openat,open,sendmsg,ioctl,prctl,close_range",
        ])
      #expect(outcome.exit == .status(0) && outcome.hasDevice, "\(outcome.errors)")
      let calls = try String(contentsOfFile: folder["calls"], encoding: .utf8).split(separator: "\n")
      let expected = [
        "close_range(3, 7, 0)", "close_range(9, 4294967295, 0)", "prctl(PR_SET_NO_NEW_PRIVS, 1",
        "setresgid(65534, 65534, 65534)", "setresuid(65534, 65534, 65534)",
        "{effective=1<<CAP_NET_ADMIN, permitted=1<<CAP_NET_ADMIN, inheritable=0}", "/etc/qemu/bridge.conf",
        "/etc/culvert/bridge.conf", "/dev/net/tun", "TUNSETIFF", "{effective=0, permitted=0, inheritable=0}",
        "SCM_RIGHTS",
      ]
      var rest = calls[...]
      for word in expected {
        rest = rest.drop { !$0.contains(word) }
        #expect(!rest.isEmpty, "\(word) is not among what follows\n\(calls.joined(separator: "\n"))")
        rest = rest.dropFirst()
      }
    }

    @Test func `a caller's environment and missing standard streams change nothing`() throws {
      let host = try BridgedHost()
      let helper = try host.installHelper()
      let variables = [
        "SWIFT_DEBUG_HELP=YES", "LD_PRELOAD=/nonexistent.so", "LC_ALL=de_DE.UTF-8", "PATH=/nowhere", "TMPDIR=/nowhere",
        "LD_DEBUG=all",
      ]
      let outcome = try call(helper, on: host, launcher: ["env"] + variables)
      #expect(outcome.exit == .status(0) && outcome.hasDevice && outcome.errors == "", "\(outcome.errors)")
      let closed = try call(
        helper, on: host, launcher: ["bash", "-c", "exec \"$@\" <&- >&- 2>&-", "bash"])
      #expect(closed.exit == .status(0) && closed.hasDevice && closed.errors == "", "\(closed.errors)")
    }

    @Test func `a socket of another kind is refused, for the device would be lost on it`() throws {
      let host = try BridgedHost()
      let script = "exec 7<>/dev/udp/127.0.0.1/9; exec \"$@\""
      let outcome = try call(
        try host.installHelper(), on: host, arguments: ["--fd=7", "--br=bridge0"],
        launcher: ["bash", "-c", script, "bash"])
      #expect(outcome.exit == .status(1) && outcome.errors.contains("--fd=7 is no UNIX socket"), "\(outcome.errors)")
    }

    @Test func `a socket that nobody reads leaves no device`() throws {
      let host = try BridgedHost()
      let (near, far) = try Socket.pair(.stream).take()
      close(FileDescriptor(owning: near))
      let farEnd = FileDescriptor(owning: far)
      let program = try Program(
        host.launcher(as: .nobody) + [try host.installHelper(), "--fd=8", "--br=bridge0"],
        inheriting: [.init(farEnd.rawValue, as: 8)])
      #expect(try program.waitForExit(seconds: 10) == .status(1))
      let errors = try program.errors.textAtEnd(seconds: 5)
      #expect(errors == "culvert-bridge-helper: cannot send descriptors: Broken pipe")
      #expect(try host.ports() == "")
    }
  }
}
