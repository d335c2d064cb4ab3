import LinuxSystem

/// A short file of proc(5).
enum KernelFile {
  /// The most that is read of it, in bytes.
  private static let longest = 4096

  /// Its lines, nil where there is no such file.
  static func lines(of path: String) throws(SystemError) -> [String]? {
    do throws(SystemError) {
      return try FileDescriptor.contents(of: path, limit: longest).split(separator: "\n").map(String.init)
    } catch  where error.isNotFound {
      return nil
    }
  }
}
