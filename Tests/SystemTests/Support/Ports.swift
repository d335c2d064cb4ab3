import LinuxSystem
import Primitives

/// A port of the loopback that nobody uses now, for a program that must be told one.
func freePort(_ kind: Socket.Kind = .stream) throws -> UInt16 {
  let any = SocketAddress.internet(Endpoint(.loopback, port: 0))
  let socket = try Socket(kind, for: any)
  try socket.bind(to: any)
  guard let endpoint = try socket.localAddress().endpoint else { throw Failure("a socket without a port") }
  return endpoint.port
}
