import LinuxSystem
import Synchronization

/// A network namespace as a guest of culvert's, for programs that need no machine of their own. Needs root.
///
/// Its device `eth0` is a TAP device that a pump joins with culvert's socket.
final class GuestNamespace: Sendable {
  private static let count = Mutex(0)

  let namespace: NetworkNamespace
  /// Ends after the pump, which takes the end of the link for an error.
  let culvert: Culvert
  /// Everything that passes on the link.
  let capture: CaptureFile?
  private let pump: FramePump

  /// - Parameters:
  ///   - addresses: with their prefixes; those of IPv6 are good at once.
  ///   - mtu: the device's.
  ///   - capturePath: where to keep what passes on the link.
  init(
    behind culvert: Culvert, addresses: [String] = [], mtu: Int = 1500, capturePath: String? = nil
  ) throws {
    self.culvert = culvert
    namespace = try NetworkNamespace()
    let number = Self.count.withLock { count in
      count += 1
      return count
    }
    let tap = try TAP(name: "g\(ProcessControl.processID)-\(number)")
    try Program.run("ip", "link", "set", tap.name, "netns", namespace.name, "name", "eth0")
    capture = try capturePath.map(CaptureFile.init)
    pump = try FramePump(between: tap, and: culvert.socketPath, recording: capture)
    // Nobody else is on the link: without waiting to find that out addresses are good at once.
    try namespace.run(
      """
      echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
      for address in \(addresses.joined(separator: " ")); do ip address add $address dev eth0; done
      ip link set eth0 mtu \(mtu) up
      """)
  }

  deinit {
    pump.stop()
  }

  var launcher: [String] { namespace.launcher }

  /// Runs a command of the shell in the namespace.
  @discardableResult
  func run(_ command: String, seconds: Double = 30) throws -> String { try namespace.run(command, seconds: seconds) }
}
