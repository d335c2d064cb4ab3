import Glibc
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
  func usesOffset() -> Bool {
    switch self {
    case .offset: return true
    case .skip: return false
    case .automatic:
      // IPv6 sockets got it later than those of IPv4.
      return Self.takesOffset(IPAddress(IPv4Address.loopback)) && Self.takesOffset(IPAddress(IPv6Address.loopback))
    }
  }

  /// Whether a stream socket of the family of `address` takes the option; true where there are none of the family.
  private static func takesOffset(_ address: IPAddress) -> Bool {
    do throws(SystemError) {
      let socket = try Socket(.stream, for: .internet(Endpoint(address, port: 0)))
      try socket.set(.peekOffset, to: 0)
      return true
    } catch {
      return error.number == EAFNOSUPPORT
    }
  }
}
