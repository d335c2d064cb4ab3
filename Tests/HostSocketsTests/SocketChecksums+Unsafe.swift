import Glibc
import LinuxSystem

/// Lets a socket send datagrams without a checksum, which the kernel does not put together or cut (udp(7)).
func disableChecksums(of socket: Int32) throws {
  var value: Int32 = 1
  // SAFETY: the option's value is one integer.
  guard unsafe setsockopt(socket, SOL_SOCKET, SO_NO_CHECK, &value, 4) == 0 else {
    throw SystemError(errno, "send without checksums")
  }
}
