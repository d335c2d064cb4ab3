import LinuxSystem

/// What stands in the way of a namespace's network, and what to do about it: one line each.
enum NamespaceAdvice {
  /// About a namespace that this user may not enter.
  static func words(forForbidden path: String, _ error: SystemError) -> String {
    "the network namespace at \(path) belongs to somebody else: \(error.reason); try as root"
  }

  /// About an interface whose name is taken.
  static func words(forTaken name: String, in path: String) -> String {
    "the network namespace at \(path) has an interface '\(name)' already; give another name behind it, ',ifname=NAME'"
  }

  /// About a TAP device that could not be opened.
  static func words(forDevice error: SystemError) -> String {
    guard error.subject == TAPDevice.path else { return "\(error)" }
    let container = "or a container's option '--device \(TAPDevice.path)'"
    if error.isNotFound || error.isWithoutDevice {
      return "there is no \(TAPDevice.path): \(error.reason); 'modprobe tun', as root, makes it, \(container)"
    }
    guard error.isForbidden else { return "\(error)" }
    return "\(TAPDevice.path) may not be opened: \(error.reason); 'chmod 666 \(TAPDevice.path)', as root, allows it, "
      + container
  }

  // MARK: User namespaces

  /// The switches that may be off, and what each must be to be on.
  private static let switches = [
    (path: "/proc/sys/kernel/unprivileged_userns_clone", off: "0", advice: "sysctl kernel.unprivileged_userns_clone=1"),
    (path: "/proc/sys/user/max_user_namespaces", off: "0", advice: "sysctl user.max_user_namespaces=15000"),
    (
      path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", off: "1",
      advice: "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    ),
  ]

  /// About a user namespace that could not be made.
  static func words(forUserNamespace error: SystemError) -> String {
    let found = switches.first { item in
      do throws(SystemError) {
        let value = try FileDescriptor.contents(of: item.path, limit: 64)
        return value.split(whereSeparator: \.isWhitespace).first.map(String.init) == item.off
      } catch {
        return false
      }
    }
    let advice = found.map { "'\($0.advice)', as root, allows them" } ?? "this system or container forbids them"
    return "a user may make no namespaces here: \(error.reason); \(advice), and as root none is needed"
  }
}
