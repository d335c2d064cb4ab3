import LinuxSystem
import Testing

extension SystemTests {
  /// The unit that is shipped, run by a real systemd, which is the first process of a namespace.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert, Requirement.installed("/lib/systemd/systemd", "systemctl"))
  struct BridgeUnitTests {
    /// A host whose service manager knows the unit and empty targets, and where culvert is installed.
    private final class ManagedHost {
      let world: BridgeWorld
      private let folder: ScratchFolder
      private let manager: Program

      init() throws {
        (world, folder) = (try BridgeWorld(), try ScratchFolder())
        try world.run(
          """
          mount -t tmpfs tmpfs \(folder.path); cd \(folder.path); mkdir bin work units
          for name in sysinit basic multi-user network-online shutdown; do
            printf '[Unit]\\nDescription=%s\\nDefaultDependencies=no\\n' $name >units/$name.target
          done
          cp '\(Self.unit)' units
          cp \(Requirement.culvertPath) bin/culvert
          mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=bin,workdir=work /usr/bin
          mkdir /etc/culvert; echo 'domain = "unitlan"' >/etc/culvert/bridge0.toml
          """)
        manager = try Program(
          world.launcher + [
            "env", "container=lxc", "SYSTEMD_UNIT_PATH=\(folder.path)/units",
            "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--uts", "--cgroup",
            "/lib/systemd/systemd", "--system", "--unit=multi-user.target", "--show-status=0",
          ])
        try run("until systemctl is-system-running --quiet --wait; do sleep 0.05; done")
      }

      private static var unit: String { Requirement.package + "Scripts/systemd/culvert-bridge@.service" }

      /// Runs a command of the shell among the manager's processes.
      @discardableResult
      func run(_ command: String) throws -> String {
        let children = "/proc/\(manager.processID)/task/\(manager.processID)/children"
        let first = try Program.run(
          "bash", "-c", "until read -r -d ' ' first <\(children); do sleep 0.02; done; echo $first")
        return try Program.run(
          "nsenter", "--target", first, "--pid", "--mount", "--net", "--cgroup", "bash", "-c", command)
      }

      /// What the manager says of the unit.
      func property(_ name: String) throws -> String {
        try run("systemctl show culvert-bridge@bridge0 --value --property \(name)")
      }
    }

    @Test func `a service manager starts the bridge, starts it anew after kill -9, and takes it down`() throws {
      let host = try ManagedHost()
      let before = try host.world.state()
      try host.run("systemctl start culvert-bridge@bridge0")
      let server = try host.property("MainPID")
      let status = try host.run("culvert bridge status")
      #expect(status.contains("served by process \(server)\n") && status.hasSuffix("problems:\n  none"), "\(status)")
      // Out here the process has another number, and who has that one is not to be ended.
      let stranger = try host.world.bridge("down")
      #expect(stranger.status == .status(1) && stranger.text.contains("another PID namespace"), "\(stranger)")
      #expect(try host.world.run("cat /etc/qemu/bridge.conf").contains("\nallow bridge0\n"))
      let guest = try host.world.guest("52:54:00:12:34:59")
      try guest.run("busybox udhcpc -i eth0 -n -q -t 5 -T 1 -s /bin/true")

      try host.run("systemctl kill --signal KILL --kill-whom main culvert-bridge@bridge0")
      try host.run(
        """
        until [ $(systemctl show culvert-bridge@bridge0 --value --property NRestarts) = 1 ]; do sleep 0.05; done
        until systemctl is-active --quiet culvert-bridge@bridge0; do sleep 0.05; done
        """)
      #expect(try host.property("MainPID") != server)
      try host.run("systemctl stop culvert-bridge@bridge0")
      #expect(try host.property("Result") == "success")
      try host.world.remove(guest)
      let changes = try host.world.changes(since: before)
      #expect(changes == [])
    }
  }
}
