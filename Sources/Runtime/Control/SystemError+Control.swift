import Glibc
import LinuxSystem

extension SystemError {
  /// Whether nobody listens any more where somebody did.
  var isRefusal: Bool { number == ECONNREFUSED }

  /// The other end has gone.
  static func connectionReset(_ operation: StaticString) -> SystemError { SystemError(ECONNRESET, operation) }

  /// Time is up.
  static func timedOut(_ operation: StaticString) -> SystemError { SystemError(ETIMEDOUT, operation) }
}
