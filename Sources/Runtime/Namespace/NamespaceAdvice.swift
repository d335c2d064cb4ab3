import LinuxSystem

/// What to do where a user may make no user namespaces.
enum UserNamespaceAdvice {
  /// The switches that may be off, and what each must be to be on.
  private static let switches = [
    (path: "/proc/sys/kernel/unprivileged_userns_clone", off: "0", advice: "sysctl kernel.unprivileged_userns_clone=1"),
    (path: "/proc/sys/user/max_user_namespaces", off: "0", advice: "sysctl user.max_user_namespaces=15000"),
    (
      path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", off: "1",
      advice: "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    ),
  ]

  /// One line about a user namespace that could not be made.
  static func words(for error: SystemError) -> String {
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
