import Glibc

/// A system call that failed: what was tried, on what, and what the system said.
public struct SystemError: Error, Sendable {
  /// The system's error number (`errno`).
  public let number: Int32
  /// What was tried, as it follows "cannot": "bind the socket".
  public let operation: String
  /// What it was tried on: a path, an address; empty where there is nothing to name.
  public let subject: String

  /// Makes an error of its parts.
  public init(_ number: Int32, _ operation: StaticString, _ subject: String = "") {
    self.number = number
    self.operation = operation.description
    self.subject = subject
  }

  /// The error that the last system call of this thread left behind.
  static func last(_ operation: StaticString, _ subject: @autoclosure () -> String = "") -> SystemError {
    SystemError(errno, operation, subject())
  }

  /// The system's words for the error number: "Address already in use".
  public var reason: String {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
      // SAFETY: the buffer's own length is given, and the call ends the string with a zero byte.
      guard let base = buffer.baseAddress, unsafe strerror_r(number, base, buffer.count) == 0 else {
        return "error \(number)"
      }
      return unsafe String(cString: base)
    }
  }
}

extension SystemError: CustomStringConvertible {
  /// "cannot bind the socket /run/x: Address already in use".
  public var description: String {
    "cannot \(operation)\(subject.isEmpty ? "" : " " + subject): \(reason)"
  }
}

// Equal when the same attempt failed in the same way.
extension SystemError: Hashable {}

/// Repeats `call` while signals interrupt it.
/// - Returns: what it returned, negative with the cause in `errno`.
@inline(__always)
func uninterrupted<Result: FixedWidthInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result < 0 && errno == EINTR { continue }
    return result
  }
}

/// Repeats `call` while signals interrupt it, and throws where it fails.
@inline(__always)
@discardableResult
func checked<Result: FixedWidthInteger>(
  _ operation: StaticString, _ subject: @autoclosure () -> String = "", _ call: () -> Result
) throws(SystemError) -> Result {
  let result = uninterrupted(call)
  guard result >= 0 else { throw .last(operation, subject()) }
  return result
}
