import CLinux
import Glibc

/// Which network namespace this is.
public enum NetworkIdentity {
  /// A number that the calling thread's network namespace has to itself until the next start of the machine
  /// (SO_NETNS_COOKIE, Linux 5.14).
  public static func cookie() throws(SystemError) -> UInt64 {
    let socket = FileDescriptor(
      owning: try checked("make a socket") {
        Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      })
    var cookie: UInt64 = 0
    var length = UInt32(MemoryLayout<UInt64>.size)
    // SAFETY: the option's value is one integer of 64 bits.
    let result = unsafe getsockopt(socket.rawValue, SOL_SOCKET, CLINUX_SO_NETNS_COOKIE, &cookie, &length)
    if result == 0 { return cookie }
    // Before that the number of its file has to do, which another namespace may have after its end.
    return try FileIdentity(descriptor: FileDescriptor.open(reading: "/proc/thread-self/ns/net").rawValue).inode
  }
}
