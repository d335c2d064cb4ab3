import LinuxSystem

/// What programs in a new namespace see of the host's name service: a `resolv.conf` of the namespace's own, and none of
/// the sockets by which the C library would ask a server of the host's instead.
enum NameServiceMounts {
  private static let configurationPath = "/etc/resolv.conf"
  /// nscd(8) and nss-resolve(8).
  private static let sockets = ["/run/nscd/socket", "/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"]

  /// Mounts all of it in the mount namespace of this process.
  static func install(_ configuration: String) throws(SystemError) {
    for socket in sockets where FileSystem.exists(socket) { try Mounts.bind("/dev/null", over: socket) }
    if try FileSystem.realPath(of: configurationPath) != nil {
      try mountOverFile(configuration)
    } else {
      try replaceFolder(configuration)
    }
  }

  /// Mounts a file over the host's, wherever that is. It lies in a folder in memory, which nothing leads to afterwards:
  /// there may be no folder on the host that can be written to.
  private static func mountOverFile(_ configuration: String) throws(SystemError) {
    let real = try FileDescriptor.open(reading: configurationPath)
    try Mounts.mountMemory(at: "/etc")
    try FileSystem.write(configuration, to: configurationPath)
    try Mounts.bind(configurationPath, over: "/proc/self/fd/\(real.rawValue)")
    try Mounts.detach("/etc")
  }

  /// Where there is no file to mount over, /etc becomes a folder in memory that has one, and shows all the rest: links
  /// as they are, since a relative one leads elsewhere from any other folder, files and folders by mounts.
  private static func replaceFolder(_ configuration: String) throws(SystemError) {
    let original = try FileDescriptor.open(reading: "/etc")
    let names = try FileSystem.names(in: "/etc")
    try Mounts.mountMemory(at: "/etc")
    for name in names where name != "resolv.conf" {
      try show("/proc/self/fd/\(original.rawValue)/\(name)", at: "/etc/\(name)")
    }
    try FileSystem.write(configuration, to: configurationPath)
  }

  private static func show(_ source: String, at target: String) throws(SystemError) {
    let identity = try FileIdentity(path: source)
    if identity.isLink, let link = try FileSystem.linkTarget(of: source) {
      return try FileSystem.makeLink(target, to: link)
    }
    if identity.isFolder { try FileSystem.makeFolder(target) } else { try FileSystem.write("", to: target) }
    try Mounts.bind(source, over: target)
  }
}
