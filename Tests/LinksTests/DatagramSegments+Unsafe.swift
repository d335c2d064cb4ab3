import Glibc
import LinuxSystem

/// Lets a socket send datagrams of `size` bytes together, as one write (UDP_SEGMENT, udp(7)).
func sendTogether(_ size: Int32, on socket: Int32) throws {
  var value = size
  // SAFETY: the option's value is one integer.
  guard unsafe setsockopt(socket, Int32(IPPROTO_UDP), 103, &value, 4) == 0 else {
    throw SystemError(errno, "send datagrams together")
  }
}
