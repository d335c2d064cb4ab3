import CLinux
import Glibc

extension FileSystem {
  /// What the symbolic link at `path` holds, nil where it is none.
  public static func linkTarget(of path: String) throws(SystemError) -> String? {
    // PATH_MAX, the longest that a link holds (symlink(2)).
    var storage = [UInt8](repeating: 0, count: 4096)
    // SAFETY: the system writes no more than the array holds, and no final zero.
    let count = unsafe storage.withUnsafeMutableBytes { bytes in
      guard let base = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return 0 }
      return uninterrupted { unsafe readlink(path, base, bytes.count) }
    }
    guard count >= 0 else {
      if errno == EINVAL { return nil }
      throw .last("read the link", path)
    }
    return String(decoding: storage.prefix(count), as: UTF8.self)
  }

  /// The path without symbolic links of a file that can be read, nil where there is none.
  public static func realPath(of path: String) throws(SystemError) -> String? {
    do throws(SystemError) {
      let file = try FileDescriptor.open(reading: path)
      return try linkTarget(of: "/proc/self/fd/\(file.rawValue)")
    } catch  where error.number == ENOENT || error.number == ENOTDIR || error.number == ELOOP {
      return nil
    }
  }

  /// A path that means the same in every working folder.
  public static func absolutePath(_ path: String) throws(SystemError) -> String {
    guard !path.hasPrefix("/") else { return path }
    // PATH_MAX, the longest that the system gives.
    var storage = [UInt8](repeating: 0, count: 4096)
    // SAFETY: the system writes no more than the array holds, and ends the string.
    let isFound = unsafe storage.withUnsafeMutableBytes { bytes in
      unsafe getcwd(bytes.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count) != nil
    }
    guard isFound else { throw .last("find the working folder") }
    return String(decoding: storage.prefix { $0 != 0 }, as: UTF8.self) + "/" + path
  }

  /// Whether something is at a path, be it a symbolic link that leads nowhere.
  public static func exists(_ path: String) -> Bool {
    do throws(SystemError) {
      _ = try FileIdentity(path: path)
      return true
    } catch {
      return false
    }
  }

  /// The names in a folder, but for itself and its parent.
  public static func names(in folder: String) throws(SystemError) -> [String] {
    // SAFETY: the stream is closed once, and an entry is copied before the next is read.
    guard let stream = unsafe opendir(folder) else { throw .last("read the folder", folder) }
    defer { _ = unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Makes a folder, which everybody may read unless `mode` says otherwise.
  public static func makeFolder(_ path: String, mode: UInt32 = 0o755) throws(SystemError) {
    try checked("make the folder", path) { unsafe mkdir(path, mode) }
  }

  /// Removes a folder that is empty.
  /// - Throws: ENOTEMPTY where something is in it.
  public static func removeFolder(_ path: String) throws(SystemError) {
    try checked("remove the folder", path) { unsafe rmdir(path) }
  }

  /// Makes a symbolic link that holds `target`.
  public static func makeLink(_ path: String, to target: String) throws(SystemError) {
    try checked("make the link", path) { unsafe symlink(target, path) }
  }

  /// Writes a file of one piece.
  public static func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws(SystemError) {
    try FileDescriptor.open(replacing: path, mode: mode).write(text)
  }
}
