import Glibc
import LinuxSystem
import Synchronization

/// A network namespace with a name, removed with this value. Needs root.
final class NetworkNamespace: Sendable {
  private static let count = Mutex(0)

  let name: String

  init() throws {
    let number = Self.count.withLock { count in
      count += 1
      return count
    }
    name = "culvert-test-\(ProcessControl.processID)-\(number)"
    try Program.run("ip", "netns", "add", name)
    try run("ip link set lo up")
  }

  deinit {
    do {
      try Program.run("ip", "netns", "delete", name)
    } catch {
      print("cannot remove the namespace \(name): \(error)")
    }
  }

  /// What to put before a command, so that it runs in the namespace.
  var launcher: [String] { ["ip", "netns", "exec", name] }

  /// Runs a command of the shell in the namespace.
  @discardableResult
  func run(_ command: String, seconds: Double = 30) throws -> String {
    try Program.run("ip", "netns", "exec", name, "bash", "-c", command, seconds: seconds)
  }

  /// Moves a device in, gives it an address and switches it on.
  func adopt(_ device: TAP, address: String) throws {
    try Program.run("ip", "link", "set", device.name, "netns", name)
    try run("ip address add \(address) dev \(device.name) && ip link set \(device.name) up")
  }

  /// Chooses one congestion control for all sockets: CUBIC, or Reno where the host does not let a namespace choose
  /// that.
  func chooseCongestionControl() throws {
    try run(
      "for name in cubic reno; do echo $name >/proc/sys/net/ipv4/tcp_congestion_control 2>/dev/null && exit; done; exit 1"
    )
  }
}
