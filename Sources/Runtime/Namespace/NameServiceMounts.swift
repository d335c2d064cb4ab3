import LinuxSystem

/// What programs in a new namespace see of the host's name service: a `resolv.conf` of the namespace's own, and none of
/// the sockets by which the C library would ask a server of the host's instead. A folder that the host has removed takes
/// what is mounted over it along; one that it makes afterwards is not hidden.
enum NameServiceMounts {
  private static let configurationPath = "/etc/resolv.conf"
  /// Where nscd(8), and systemd-resolved(8) for nss-resolve(8), listen; the first is often there under two names.
  private static let socketFolders = ["/run/nscd", "/var/run/nscd", "/run/systemd/resolve"]
  /// What /etc/resolv.conf may be a link to, in the last of these folders.
  private static let configurationNames = ["stub-resolv.conf", "resolv.conf"]

  /// Mounts all of it in the mount namespace of this process.
  static func install(_ configuration: String) throws(SystemError) {
    for folder in socketFolders where try isFolder(folder) { try hideSockets(in: folder, configuration) }
    if try FileSystem.realPath(of: configurationPath) != nil {
      try mountOverFile(configuration)
    } else {
      try replaceFolder(configuration)
    }
  }

  private static func isFolder(_ path: String) throws(SystemError) -> Bool {
    do throws(SystemError) {
      return try FileIdentity(path: path).isFolder
    } catch  where error.isNotFound || error.isForbidden {
      return false
    }
  }

  /// Has a folder in memory stand for one in which servers listen, now or later; without sockets it shows the rest of
  /// what is there, and as the servers' configuration the namespace's own.
  private static func hideSockets(in folder: String, _ configuration: String) throws(SystemError) {
    let original = try FileDescriptor.open(reading: folder)
    let names = try FileSystem.names(in: folder)
    try Mounts.mountMemory(at: folder)
    for name in names {
      if configurationNames.contains(name) {
        try FileSystem.write(configuration, to: "\(folder)/\(name)")
      } else {
        try showUnlessSocket("/proc/self/fd/\(original.rawValue)/\(name)", at: "\(folder)/\(name)")
      }
    }
  }

  private static func showUnlessSocket(_ source: String, at target: String) throws(SystemError) {
    do throws(SystemError) {
      guard try !FileIdentity(path: source).isSocket else { return }
      try show(source, at: target)
    } catch  where error.isNotFound {
      // A server's file for a moment, which is gone.
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
