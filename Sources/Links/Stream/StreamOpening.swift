import Glibc
import LinuxSystem
import Primitives

/// The sockets with which a stream link starts.
struct StreamOpening: ~Copyable {
  /// The socket that peers connect to, on links that listen.
  var listener: Socket?
  /// The peer, on links that were given one.
  var peer: Socket?
  /// The path that was made.
  var path: SocketPath?

  /// Opens what `endpoint` names; nothing yet for a link that connects.
  static func open(_ endpoint: StreamEndpoint) throws(LinkError) -> StreamOpening {
    do {
      switch endpoint {
      case .unix(let name): return try listen(at: name)
      case .tcp(let local): return try listen(on: local)
      case .descriptor(let number): return try adopt(number)
      case .connectUnix, .connectTCP: return StreamOpening(listener: nil, peer: nil, path: nil)
      }
    } catch let error as LinkError {
      throw error
    } catch SocketPathError.inUse(let path) {
      throw .pathInUse(path)
    } catch SocketPathError.notASocket(let path) {
      throw .notASocketPath(path)
    } catch {
      throw .refused(endpoint, reason: "\(error)")
    }
  }

  private static func listen(on local: Endpoint) throws -> StreamOpening {
    let socket = try Socket(.stream, for: .internet(local))
    try socket.set(.reuseAddress, to: true)
    if local.address.family == .ipv6 { try socket.set(.ipv6Only, to: true) }
    try socket.bind(to: .internet(local))
    try socket.listen()
    return StreamOpening(listener: socket, peer: nil, path: nil)
  }

  private static func listen(at name: String) throws -> StreamOpening {
    let socket = try Socket(.stream, for: .path(name))
    // Whoever connects is the guest.
    let path = try SocketPath(binding: socket, to: name)
    try socket.listen()
    return StreamOpening(listener: socket, peer: nil, path: path)
  }

  private static func adopt(_ number: Int32) throws -> StreamOpening {
    let isListener = try isStreamListener(number)
    if !isListener { try requirePeer(of: number) }
    let descriptor = FileDescriptor(owning: number)
    try descriptor.setNonBlocking()
    try descriptor.setCloseOnExec()
    if isListener { return StreamOpening(listener: Socket(descriptor), peer: nil, path: nil) }
    return StreamOpening(listener: nil, peer: Socket(descriptor), path: nil)
  }

  /// Whether the stream socket of this number listens.
  private static func isStreamListener(_ number: Int32) throws -> Bool {
    do {
      guard try SocketOption.kind.value(on: number) == Int32(SOCK_STREAM.rawValue) else {
        throw LinkError.unsuitableDescriptor(number, reason: "it is not a stream socket")
      }
      return try SocketOption.acceptsConnections.value(on: number) == 1
    } catch let error as SystemError where error.number == ENOTSOCK || error.number == EBADF {
      let reason = error.number == EBADF ? "it is not open" : "it is not a socket"
      throw LinkError.unsuitableDescriptor(number, reason: reason)
    }
  }

  private static func requirePeer(of number: Int32) throws {
    do {
      _ = try Socket.peerAddress(of: number)
    } catch  where error.number == ENOTCONN {
      throw LinkError.unsuitableDescriptor(number, reason: "it is not connected")
    }
  }
}
