import LinuxSystem
import Primitives

/// How bytes are read from a stream without being removed, when some before them are to be skipped.
public enum PeekMode: String, Sendable, CaseIterable {
  /// By SO_PEEK_OFF where the kernel has it for TCP (Linux 6.9), else by skipping.
  case automatic
  /// By SO_PEEK_OFF: the kernel skips.
  case offset
  /// By reading the skipped bytes into memory that nobody looks at.
  case skip

  /// Whether the kernel skips, in this mode, on this kernel.
  func usesOffset() throws(SystemError) -> Bool {
    switch self {
    case .offset: return true
    case .skip: return false
    case .automatic:
      let socket = try Socket(.stream, for: .internet(Endpoint(.loopback as IPv4Address, port: 0)))
      do {
        try socket.set(.peekOffset, to: 0)
        return true
      } catch {
        return false
      }
    }
  }
}
