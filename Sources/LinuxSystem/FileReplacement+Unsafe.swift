import CLinux
import Glibc

extension FileSystem {
  /// Puts a file of `text`, with permissions of `mode`, in the place of the file at `path`, or where there is none: at no
  /// moment is there half of it.
  ///
  /// The new file is made beside the old one, as `path` and `.new`, and takes its name when it is whole. No disk is
  /// waited for: after a power failure it may be the old one, or empty.
  /// - Parameter owner: whose the file is; nil for this process's user.
  public static func replace(
    _ path: String, with text: String, mode: UInt32, owner: FileOwner? = nil
  ) throws(SystemError) {
    let new = path + ".new"
    // Never written to: it may be a link to something precious.
    try removeReplacement(of: path)
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
    let file = FileDescriptor(owning: try checked("write", path) { unsafe clinux_open(new, flags, mode) })
    do throws(SystemError) {
      try file.write(text)
      if let owner { try checked("write", path) { fchown(file.rawValue, owner.user, owner.group) } }
      try checked("write", path) { unsafe Glibc.rename(new, path) }
    } catch {
      do throws(SystemError) { try unlink(new) } catch { throw error }
      throw SystemError(error.number, "write", path)
    }
  }

  /// Removes what an attempt to replace the file at `path` has left that was cut short.
  public static func removeReplacement(of path: String) throws(SystemError) {
    do throws(SystemError) { try unlink(path + ".new") } catch  where error.isNotFound {}
  }
}

/// Whose a file is.
public struct FileOwner: Hashable, Sendable {
  /// The user's number.
  public let user: UInt32
  /// The group's number.
  public let group: UInt32

  /// Looks up whose the file at `path` is; a symbolic link stands for what it leads to.
  public init(of path: String) throws(SystemError) {
    var status = stat()
    // SAFETY: the system fills a whole structure or nothing.
    try checked("look up", path) { unsafe stat(path, &status) }
    (user, group) = (status.st_uid, status.st_gid)
  }
}
