import Glibc
import Primitives

extension Socket {
  /// Two ends of a TCP connection over the loopback, for programs that want an Internet socket where a pair of UNIX
  /// sockets would do.
  public static func loopbackPair() throws(SystemError) -> DescriptorPair {
    let anywhere = SocketAddress.internet(Endpoint(.loopback, port: 0))
    let listener = try Socket(.stream, for: anywhere)
    try listener.bind(to: anywhere)
    try listener.listen(backlog: 8)
    let first = try Socket(.stream, for: anywhere)
    // Over the loopback a connection is there when the call returns.
    _ = try first.connect(to: try listener.localAddress())
    let address = try first.localAddress()
    while let second = try listener.accept() {
      // Another program may have been faster.
      guard try second.peerAddress() == address else { continue }
      return DescriptorPair(
        first: FileDescriptor(owning: first.take()), second: FileDescriptor(owning: second.take()))
    }
    throw SystemError(EAGAIN, "connect to", "the loopback")
  }
}
