import Glibc
import LinuxSystem
import Netstack

extension HostError {
  /// The meaning of an error number of the system.
  init(number: Int32) {
    switch number {
    case ECONNREFUSED: self = .refused
    case ECONNRESET, EPIPE, ECONNABORTED: self = .reset
    case EHOSTUNREACH, EHOSTDOWN: self = .hostUnreachable
    case ENETUNREACH, ENETDOWN, EAFNOSUPPORT: self = .networkUnreachable
    case ETIMEDOUT: self = .timedOut
    case EADDRINUSE: self = .addressInUse
    case EADDRNOTAVAIL: self = .addressUnavailable
    case EACCES, EPERM: self = .forbidden
    case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .exhausted
    case ENOTSOCK: self = .notASocket
    case EMSGSIZE: self = .messageTooLong
    default: self = .other(number)
    }
  }

  /// The meaning of a failed system call.
  init(_ error: SystemError) { self.init(number: error.number) }

  /// The same for an attempt to reach a peer, where an address that cannot be had means that there is no way.
  init(reaching error: SystemError) {
    self = error.number == EADDRNOTAVAIL ? .networkUnreachable : HostError(error)
  }
}
