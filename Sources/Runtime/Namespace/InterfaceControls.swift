import LinuxSystem
import Primitives
import RouteNetlink

/// Settings of the network namespace that this process is in which are files of /proc/sys.
///
/// Containers mount that folder without the right to write: what cannot be set is left as it is, and does without.
enum InterfaceControls {
  /// Has an interface that is there, and off, do IPv6 with the addresses that it is given and no others, whatever a router
  /// advertises.
  /// - Returns: the settings, without IPv6 where the kernel has none.
  static func prepare(_ interface: InterfaceSettings) throws(SystemError) -> InterfaceSettings {
    let folder = "/proc/sys/net/ipv6/conf/\(interface.name)"
    guard FileSystem.exists(folder) else { return interface.withoutIPv6 }
    try offer("0", to: folder + "/disable_ipv6")
    try offer("0", to: folder + "/accept_ra")
    return interface
  }

  /// Lets the one group that a user namespace has send pings by sockets that need no rights. Root needs no such sockets,
  /// and the user is root in there.
  static func allowPing() throws(SystemError) { try offer("0 0", to: "/proc/sys/net/ipv4/ping_group_range") }

  private static func offer(_ value: String, to path: String) throws(SystemError) {
    do throws(SystemError) {
      try FileDescriptor.open(writing: path).write(value)
    } catch  where error.isNotFound || error.isForbidden {}
  }
}

extension InterfaceSettings {
  fileprivate var withoutIPv6: InterfaceSettings {
    var settings = self
    settings.addresses.removeAll { $0.address.family == .ipv6 }
    settings.gateways.removeAll { $0.family == .ipv6 }
    return settings
  }
}
