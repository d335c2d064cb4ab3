import LinuxSystem
import Primitives
import Testing

/// A socket bound to a port of the loopback.
final class BoundSocket {
  private let socket: Socket
  let port: UInt16

  init(_ kind: Socket.Kind, port: UInt16 = 0) throws {
    let local = SocketAddress.internet(Endpoint(.loopback, port: port))
    let socket = try Socket(kind, for: local)
    try socket.bind(to: local)
    self.port = try #require(try socket.localAddress().endpoint?.port)
    self.socket = socket
  }

  var rawValue: Int32 { socket.rawValue }
}

/// A UDP socket on the loopback, and its port.
func boundUDP() throws -> (BoundSocket, UInt16) {
  let socket = try BoundSocket(.datagram)
  return (socket, socket.port)
}

/// Whether a datagram was there.
func receive(on socket: BoundSocket) throws -> Bool {
  var bytes = [UInt8](repeating: 0, count: 64)
  var span = bytes.mutableSpan
  return try Socket.receive(into: &span, on: socket.rawValue) != nil
}

/// The first of `count` ports of the loopback in a row, of TCP and UDP both, that were free a moment ago.
func freePorts(_ count: UInt16) throws -> UInt16 {
  while true {
    let first = try BoundSocket(.stream).port
    guard first < UInt16.max - count else { continue }
    let areFree = (0..<count).allSatisfy { index in
      do {
        // Of both transports: another program may hold ports of one in great number.
        let (stream, datagram) = try (
          BoundSocket(.stream, port: first + index), BoundSocket(.datagram, port: first + index)
        )
        return stream.port == datagram.port
      } catch {
        return false
      }
    }
    if areFree { return first }
  }
}
