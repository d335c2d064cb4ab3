import CLinux
import Glibc

/// A lock that one process has at a time, by a file that stays where it is (flock(2)). The kernel gives it back when its
/// holder ends, however it ends.
public struct FileLock: ~Copyable, Sendable {
  private let file: FileDescriptor

  /// Takes the lock of the file at `path`, which is made where there is none, for its owner alone.
  /// - Parameter waits: whether to wait for who has it.
  /// - Returns: nil where somebody has it and `waits` is false.
  public init?(path: String, waits: Bool) throws(SystemError) {
    let flags = O_RDWR | O_CREAT | O_NOFOLLOW
    let file = FileDescriptor(owning: try checked("open", path) { unsafe clinux_open(path, flags, 0o600) })
    let number = file.rawValue
    let result = uninterrupted { clinux_lock_file(number, waits ? 1 : 0) }
    guard result == 0 else {
      if !waits && errno == EWOULDBLOCK { return nil }
      throw .last("lock", path)
    }
    self.file = file
  }

  /// Whether somebody holds the lock of the file at `path`; nobody does where there is none.
  public static func isHeld(path: String) throws(SystemError) -> Bool {
    guard FileSystem.exists(path) else { return false }
    return try FileLock(path: path, waits: false) == nil ? true : false
  }
}
