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
    guard let real = try FileSystem.realPath(of: configurationPath) else { return try replaceFolder(configuration) }
    // The mount keeps the file, whose folder goes.
    let folder = try PrivateFolder(prefix: "culvert")
    try FileSystem.write(configuration, to: folder.path + "/resolv.conf")
    try Mounts.bind(folder.path + "/resolv.conf", over: real)
  }

  /// Where there is no file to mount over, /etc becomes a folder in memory that has one, and links to all the rest.
  private static func replaceFolder(_ configuration: String) throws(SystemError) {
    let original = try FileDescriptor.open(reading: "/etc")
    let names = try FileSystem.names(in: "/etc")
    try Mounts.mountMemory(at: "/etc")
    try FileSystem.makeFolder("/etc/\(hostFolder)")
    try Mounts.bind("/proc/self/fd/\(original.rawValue)", over: "/etc/\(hostFolder)")
    for name in names where name != "resolv.conf" {
      try FileSystem.makeLink("/etc/\(name)", to: "\(hostFolder)/\(name)")
    }
    try FileSystem.write(configuration, to: configurationPath)
  }

  private static let hostFolder = ".host"
}
