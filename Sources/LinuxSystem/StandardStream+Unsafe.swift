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

  /// Leads the process's standard streams to nowhere: those that it was started with may end.
  public static func discardAll() throws(SystemError) {
    let nowhere = FileDescriptor(
      owning: try checked("open", "/dev/null") { unsafe clinux_open("/dev/null", O_RDWR, 0) })
    for number: Int32 in 0...2 { try checked("redirect a standard stream") { dup2(nowhere.rawValue, number) } }
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
