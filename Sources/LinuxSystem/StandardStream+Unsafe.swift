import CLinux
import Glibc

/// A stream that the process was started with, which it does not own.
public enum StandardStream: Int32, Sendable {
  /// Where results go.
  case output = 1
  /// Where messages go.
  case error = 2

  /// Whether somebody reads it on a terminal.
  public var isTerminal: Bool { isatty(rawValue) == 1 }

  /// Lets what is written to this stream go where `other` goes, from now on, and for processes that are started later.
  public func redirect(to other: StandardStream) throws(SystemError) {
    try checked("redirect a standard stream") { dup2(other.rawValue, rawValue) }
  }

  /// Leads what the process writes to its standard streams into `file` from now on, and gives it nothing to read: the
  /// streams that it was started with may end.
  public static func leaveAll(for file: borrowing FileDescriptor) throws(SystemError) {
    let nothing = FileDescriptor(
      owning: try checked("open", "/dev/null") { unsafe clinux_open("/dev/null", O_RDWR, 0) })
    for (source, number) in [(nothing.rawValue, Int32(0)), (file.rawValue, 1), (file.rawValue, 2)] {
      try checked("redirect a standard stream") { dup2(source, number) }
    }
  }

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
