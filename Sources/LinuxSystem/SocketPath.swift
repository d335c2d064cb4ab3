import Glibc

/// The path of a UNIX socket that this process listens on. It is removed with this value, unless another file has
/// taken its place.
public struct SocketPath: ~Copyable, Sendable {
  /// The path.
  public let name: String
  private let identity: FileIdentity

  /// Binds `socket` to the path `name`, on which nobody but this user may connect from its first moment on.
  ///
  /// A path that a killed listener left behind is replaced, one with a listener or of another kind is left alone.
  public init(binding socket: borrowing Socket, to name: String) throws(SocketPathError) {
    identity = try Self.claim(name, for: socket)
    self.name = name
  }

  // A path that cannot be removed is found stale by the next start.
  deinit {
    do { try FileSystem.unlink(name, ifStill: identity) } catch {}
  }

  private static func claim(_ name: String, for socket: borrowing Socket) throws(SocketPathError) -> FileIdentity {
    do throws(SystemError) {
      try socket.setPathPermissions(0o600)
      if try bind(socket, to: name) { return try FileIdentity(path: name) }
    } catch {
      throw .refused(error)
    }
    try removeStale(name)
    do throws(SystemError) {
      try socket.bind(to: .path(name))
      return try FileIdentity(path: name)
    } catch {
      throw .refused(error)
    }
  }

  /// Binds the socket; false where the path is taken.
  private static func bind(_ socket: borrowing Socket, to name: String) throws(SystemError) -> Bool {
    do throws(SystemError) {
      try socket.bind(to: .path(name))
      return true
    } catch {
      guard error.number == EADDRINUSE else { throw error }
      return false
    }
  }

  /// Removes a path that its listener left behind, having been killed: connecting to it is refused.
  private static func removeStale(_ name: String) throws(SocketPathError) {
    let identity: FileIdentity
    let failure: Int32
    do throws(SystemError) {
      identity = try FileIdentity(path: name)
      failure = identity.isSocket ? try errorOfConnecting(to: name) : 0
    } catch {
      throw .refused(error)
    }
    guard identity.isSocket else { throw .notASocket(name) }
    switch failure {
    case ENOENT: return
    case ECONNREFUSED:
      do throws(SystemError) {
        try FileSystem.unlink(name, ifStill: identity)
      } catch {
        throw .refused(error)
      }
    // Connected, a queue of clients that is full, a socket of another kind, or another user's: somebody is there.
    default: throw .inUse(name)
    }
  }

  /// The error number with which a connection to `name` fails, 0 where it does not.
  private static func errorOfConnecting(to name: String) throws(SystemError) -> Int32 {
    let probe = try Socket(.stream, for: .path(name))
    do throws(SystemError) {
      _ = try probe.connect(to: .path(name))
      return 0
    } catch {
      return error.number
    }
  }
}

/// Why a path could not be listened on.
public enum SocketPathError: Error, Hashable, Sendable {
  /// Another process listens there.
  case inUse(String)
  /// There is something that is not a socket.
  case notASocket(String)
  /// The system refused.
  case refused(SystemError)
}

extension SocketPathError: CustomStringConvertible {
  /// One line: what was tried, on what, and what to do.
  public var description: String {
    switch self {
    case .inUse(let path):
      "cannot listen on unix:\(path): another process listens there; stop it or choose another path"
    case .notASocket(let path):
      "cannot listen on unix:\(path): it exists and is not a socket; remove it or choose another path"
    case .refused(let error): error.description
    }
  }
}
