import CLinux
import Glibc
public import Primitives

/// A process that is no child of this one, known by a descriptor that cannot come to mean another (pidfd).
public struct RunningProcess: ~Copyable, Sendable {
  /// Its number.
  public let processID: Int32
  private let descriptor: FileDescriptor

  /// Finds the process of a number; nil where there is none.
  public init?(_ processID: Int32) throws(SystemError) {
    let descriptor = clinux_pidfd_open(processID)
    guard descriptor >= 0 else {
      if errno == ESRCH { return nil }
      throw .last("watch the process", "\(processID)")
    }
    self.processID = processID
    self.descriptor = FileDescriptor(owning: descriptor)
  }

  /// Sends a signal; a process that has ended gets none.
  public func send(signal: Int32) throws(SystemError) {
    guard clinux_pidfd_signal(descriptor.rawValue, signal) != 0 else { return }
    guard errno == ESRCH else { throw .last("send a signal to the process", "\(processID)") }
  }

  /// Whether it has the file at `path` open.
  public func hasOpen(_ path: String) throws(SystemError) -> Bool {
    let file = try FileIdentity(target: path)
    do throws(SystemError) {
      let folder = "/proc/\(processID)/fd"
      for number in try FileSystem.names(in: folder) {
        // A descriptor may be closed meanwhile.
        do throws(SystemError) {
          if try FileIdentity(target: "\(folder)/\(number)") == file { return true }
        } catch  where error.isNotFound {}
      }
    } catch  where error.isNotFound || error.isProcessGone {}
    return false
  }

  /// Waits until it has ended, for `limit` at most.
  /// - Returns: whether it has.
  public func waitUntilEnd(atMost limit: Interval) throws(SystemError) -> Bool {
    let deadline = MonotonicClock.now + limit
    while true {
      let rest = max((deadline - MonotonicClock.now).nanoseconds, 0)
      var state = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
      // SAFETY: one structure.
      let count = unsafe poll(&state, 1, Int32(clamping: (rest + 999_999) / 1_000_000))
      if count > 0 { return true }
      if count == 0 { return false }
      guard errno == EINTR else { throw .last("wait for the process", "\(processID)") }
    }
  }
}
