import Foundation
import Glibc
import LinuxSystem
import Primitives

/// A TCP server on the host's loopback, with a thread for each connection. It stops with this value.
final class Server: Sendable {
  /// Where it listens, on 127.0.0.1.
  let port: UInt16
  private let listener: Socket

  /// Starts to listen, on a port that the system chooses unless one is given.
  /// - Parameter serve: called with each connection; an error that it throws ends that connection.
  init(
    port: UInt16 = 0, at address: IPv4Address = .loopback,
    serve: @escaping @Sendable (inout Connection) throws -> Void
  ) throws {
    let wanted = SocketAddress.internet(Endpoint(address, port: port))
    listener = try Socket(.stream, for: wanted)
    try listener.set(.reuseAddress, to: 1)
    try listener.bind(to: wanted)
    try listener.listen(backlog: 1024)
    guard let bound = try listener.localAddress().endpoint else { throw Failure("a listener without a port") }
    self.port = bound.port
    let descriptor = try listener.descriptor.duplicate().take()
    Thread.detachNewThread { Self.accept(on: Socket(FileDescriptor(owning: descriptor)), serve: serve) }
  }

  deinit {
    // Wakes the thread that accepts, whose own descriptor keeps the socket open until then.
    _ = shutdown(listener.rawValue, Int32(SHUT_RDWR))
  }

  private static func accept(
    on listener: consuming Socket, serve: @escaping @Sendable (inout Connection) throws -> Void
  ) {
    do {
      while true {
        guard let socket = try listener.accept() else {
          try waitUntil(listener.rawValue, is: .readable, by: .after(3600), "a client")
          continue
        }
        let number = socket.take()
        Thread.detachNewThread {
          var connection = Connection(Socket(FileDescriptor(owning: number)))
          do {
            try serve(&connection)
          } catch {
            print("a connection ended: \(error)")
          }
        }
      }
    } catch {
      // The listener was shut down: the end.
    }
  }
}
