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

  /// The process that has taken the lock of the file at `path`, by the number that it has for this one; nil where nobody
  /// holds it, or somebody who has no number here, since he is in another PID namespace (proc_locks(5)).
  public static func holder(path: String) throws(SystemError) -> Int32? {
    let file = try FileIdentity(path: path)
    let numbers = [UInt64(clinux_device_major(file.device)), UInt64(clinux_device_minor(file.device)), file.inode]
    for line in try FileDescriptor.contents(of: "/proc/locks").split(separator: "\n") {
      // "1: FLOCK ADVISORY WRITE 708 00:1a:52 0 EOF"; of one who waits, "->" comes first.
      let words = line.split(separator: " ")
      guard words.count > 5, words[1] == "FLOCK" else { continue }
      let place = words[5].split(separator: ":")
      let found = zip(place, [16, 16, 10]).compactMap { UInt64($0, radix: $1) }
      if found == numbers { return Int32(words[4]) }
    }
    return nil
  }
}
