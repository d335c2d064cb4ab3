import Glibc

/// A stream that the process was started with, which it does not own.
public enum StandardStream: Int32, Sendable {
  /// Where results go.
  case output = 1
  /// Where messages go.
  case error = 2

  /// Whether somebody reads it on a terminal.
  public var isTerminal: Bool { isatty(rawValue) == 1 }

  /// Writes all of `text`, by one system call where the system takes it whole.
  ///
  /// Nothing is told where it cannot be written: there is nobody left to be told.
  public func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      // SAFETY: the system reads only within the bounds.
      let count = unsafe rest.withUnsafeBytes { bytes in
        uninterrupted { unsafe Glibc.write(rawValue, bytes.baseAddress, bytes.count) }
      }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

extension ProcessControl {
  /// Lets a write to a pipe or socket that nobody reads fail, where the signal would end the process.
  public static func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_IGN)
  }
}

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
}
