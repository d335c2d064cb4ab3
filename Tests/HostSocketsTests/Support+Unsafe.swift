import CLinux
import Glibc
import LinuxSystem

/// Sends one byte as urgent data (RFC 9293 section 3.8.5).
func sendUrgent(_ byte: UInt8, on socket: borrowing Socket) -> Bool {
  var byte = byte
  // SAFETY: one byte on the stack.
  return unsafe send(socket.rawValue, &byte, 1, Int32(MSG_OOB)) == 1
}

/// Calls `body` on a thread that has a table of descriptors of its own, empty but for the standard three.
///
/// What exhausts the table there leaves the other tests of the process alone.
func withOwnDescriptors<Result>(_ body: @escaping () throws -> Result) throws -> Result {
  var result: Swift.Result<Result, any Error>?
  let box = Box {
    result = Swift.Result {
      guard clinux_unshare_descriptors() == 0 else { throw SystemError(errno, "part from the table of descriptors") }
      return try body()
    }
  }
  var thread = pthread_t()
  // SAFETY: the box is kept until the thread has ended, which is awaited here.
  let argument = unsafe Unmanaged.passUnretained(box).toOpaque()
  let started = unsafe pthread_create(
    &thread, nil,
    { argument in
      if let argument = unsafe argument { unsafe Unmanaged<Box>.fromOpaque(argument).takeUnretainedValue().body() }
      return nil
    }, argument)
  guard started == 0 else { throw SystemError(started, "start a thread") }
  _ = pthread_join(thread, nil)
  withExtendedLifetime(box) {}
  guard let result else { throw SystemError(0, "run a thread") }
  return try result.get()
}

/// What a thread is to do.
private final class Box {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
}

/// Opens descriptors until there are no more, and returns them.
func exhaustDescriptors() -> [Int32] {
  var numbers: [Int32] = []
  while true {
    let number = clinux_eventfd()
    if number < 0 { return numbers }
    numbers.append(number)
  }
}
