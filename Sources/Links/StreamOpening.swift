import Glibc
import LinuxSystem
import Primitives

/// The sockets with which a stream link starts.
struct StreamOpening: ~Copyable {
  /// The socket that peers connect to, on links that listen.
  var listener: Socket?
  /// The peer, on links that were given one.
  var peer: Socket?
  /// The path that was made, and which file it was then.
  var path: OwnedPath?

  /// A path made by us, to be removed at the end if it is still the same file.
  struct OwnedPath {
    var name: String
    var identity: FileIdentity
  }

  /// Opens what `endpoint` names; nothing yet for a link that connects.
  static func open(_ endpoint: StreamEndpoint) throws(LinkError) -> StreamOpening {
    do {
      switch endpoint {
      case .unix(let name): return try listen(at: name)
      case .tcp(let local): return try listen(on: local)
      case .descriptor(let number): return try adopt(number)
      case .connectUnix, .connectTCP: return StreamOpening(listener: nil, peer: nil, path: nil)
      }
    } catch let error as SystemError {
      throw .refused(endpoint, reason: error.description)
    } catch let error as LinkError {
      throw error
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

  private static func listen(at path: String) throws -> StreamOpening {
    let socket = try Socket(.stream, for: .path(path))
    // Only the user who runs this may connect: whoever does is the guest.
    try socket.setPathPermissions(0o600)
    if try !bind(socket, to: path) {
      try removeStale(path)
      try socket.bind(to: .path(path))
    }
    let identity = try FileIdentity(path: path)
    try socket.listen()
    return StreamOpening(listener: socket, peer: nil, path: OwnedPath(name: path, identity: identity))
  }

  /// Binds the socket; false where the path is taken.
  private static func bind(_ socket: borrowing Socket, to path: String) throws(SystemError) -> Bool {
    do throws(SystemError) {
      try socket.bind(to: .path(path))
      return true
    } catch {
      guard error.number == EADDRINUSE else { throw error }
      return false
    }
  }

  /// Removes a socket path that its listener left behind, having been killed: connecting to it is refused.
  private static func removeStale(_ path: String) throws {
    let identity = try FileIdentity(path: path)
    guard identity.isSocket else { throw LinkError.notASocketPath(path) }
    switch try errorOfConnecting(to: path) {
    case ECONNREFUSED: try FileSystem.unlink(path, ifStill: identity)
    case ENOENT: return
    // Connected, a queue of clients that is full, a socket of another kind, or another user's: somebody is there.
    default: throw LinkError.pathInUse(path)
    }
  }

  /// The error number with which a connection to `path` fails, 0 where it does not.
  private static func errorOfConnecting(to path: String) throws(SystemError) -> Int32 {
    let probe = try Socket(.stream, for: .path(path))
    do throws(SystemError) {
      _ = try probe.connect(to: .path(path))
      return 0
    } catch {
      return error.number
    }
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
