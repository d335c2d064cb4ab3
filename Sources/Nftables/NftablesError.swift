/// What stands in the way of reading or changing the kernel's packet filter. The description is one line for an operator.
public enum NftablesError: Error, Hashable, Sendable {
  /// libnftables cannot be loaded; the system's words.
  case noLibrary(reason: String)
  /// libnftables has no memory, or no socket to the kernel.
  case noSession
  /// The library or the kernel refused what was asked for, as a whole; the library's words.
  case refused(String)
  /// The library's answer is not what its format allows.
  case unreadable
}

extension NftablesError: CustomStringConvertible {
  /// What was tried, and what is wrong.
  public var description: String {
    switch self {
    case .noLibrary(let reason):
      "bridge mode needs libnftables, which cannot be loaded: \(reason); install it (Debian's package is libnftables1)"
    case .noSession: "cannot begin to talk to the kernel's packet filter: libnftables got no memory or no socket"
    case .refused(let reason): "the kernel's packet filter: \(reason)"
    case .unreadable: "the kernel's packet filter: the answer of libnftables makes no sense"
    }
  }
}
