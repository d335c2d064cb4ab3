import Configuration
import LinuxSystem

/// An SMB server of one network's own: Samba's smbd, which is started for each connection and keeps all that it writes
/// in a folder that is removed with this value.
final class SambaServer {
  /// The command that serves one connection, on its standard input.
  let command: [String]
  private let folder: PrivateFolder

  /// Writes the configuration for a folder to share, which must be there, as smbd must.
  init(sharing path: String) throws {
    let shared = try Self.absolutePath(of: path)
    guard let program = Self.program else {
      throw ConfigurationError("smb", "could not find 'smbd', please install it (Debian's package is samba)")
    }
    guard let user = ProcessControl.userName else { throw ConfigurationError("smb", "failed to find user name") }
    folder = try PrivateFolder(prefix: "culvert-smb")
    let configuration = folder.path + "/smb.conf"
    try FileDescriptor.open(replacing: configuration, mode: 0o600)
      .write(Self.configuration(sharing: shared, as: user, state: folder.path))
    command = [program, "-l", folder.path, "-s", configuration]
  }

  /// The path of a folder without links and from the root on, as smbd wants it.
  private static func absolutePath(of path: String) throws -> String {
    do throws(SystemError) {
      // The dot makes sure that it is a folder.
      let folder = try FileDescriptor.open(reading: path + "/.")
      return try FileSystem.linkTarget(of: "/proc/self/fd/\(folder.rawValue)") ?? path
    } catch {
      throw ConfigurationError("smb", "Error accessing shared directory '\(path)': \(error.reason)")
    }
  }

  /// Where smbd is, which not every user has on the PATH.
  private static var program: String? {
    let folders = (ProcessControl.environment("PATH") ?? "").split(separator: ":").map(String.init)
    return (folders + ["/usr/local/sbin", "/usr/sbin"]).map { $0 + "/smbd" }.first { path in
      do throws(SystemError) {
        _ = try FileIdentity(path: path)
        return true
      } catch {
        return false
      }
    }
  }

  /// smb.conf(5): a server without users, printers or names, whose guests act as the user that we are, and which keeps
  /// nothing outside `state`.
  static func configuration(sharing path: String, as user: String, state: String) -> String {
    let kept = ["private dir", "binddns dir", "state directory", "cache directory", "lock directory", "pid directory"]
    return """
      [global]
      \(kept.map { "\($0) = \(state)" }.joined(separator: "\n"))
      ncalrpc dir = \(state)/ncalrpc
      log file = \(state)/log.smbd
      passdb backend = tdbsam:\(state)/passdb.tdb
      server role = standalone server
      bind interfaces only = yes
      interfaces = 127.0.0.1
      map to guest = Bad User
      load printers = no
      printcap name = /dev/null
      printing = bsd
      disable spoolss = yes
      usershare max shares = 0

      [qemu]
      path = \(path)
      read only = no
      guest ok = yes
      guest only = yes
      force user = \(user)

      """
  }
}
