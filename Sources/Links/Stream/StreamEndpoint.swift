import LinuxSystem
public import Primitives

/// Where the peer of a stream link is found, or waited for.
public enum StreamEndpoint: Hashable, Sendable {
  /// Listens on a path of the file system.
  case unix(path: String)
  /// Listens on a TCP port.
  case tcp(Endpoint)
  /// Uses a descriptor that this process was started with: a connected stream, or a listening socket.
  case descriptor(Int32)
  /// Connects to a path where the peer listens.
  case connectUnix(path: String)
  /// Connects to a TCP port where the peer listens.
  case connectTCP(Endpoint)
}

extension StreamEndpoint: CustomStringConvertible {
  /// The form in which a link is given on the command line.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let endpoint): "tcp:\(endpoint)"
    case .descriptor(let number): "fd:\(number)"
    case .connectUnix(let path): "connect:unix:\(path)"
    case .connectTCP(let endpoint): "connect:tcp:\(endpoint)"
    }
  }
}

/// Why a link could not be set up.
public enum LinkError: Error, Hashable, Sendable {
  /// Another process listens on the path.
  case pathInUse(String)
  /// The path names something that is not a socket.
  case notASocketPath(String)
  /// The descriptor is not a stream socket, or a stream without a peer.
  case unsuitableDescriptor(Int32, reason: String)
  /// The system refused; the first value names the link, the second is the system's error in words.
  case refused(StreamEndpoint, reason: String)
}

extension LinkError: CustomStringConvertible {
  /// One line: what was tried, on what, and what to do.
  public var description: String {
    switch self {
    case .pathInUse(let path): SocketPathError.inUse(path).description
    case .notASocketPath(let path): SocketPathError.notASocket(path).description
    case .unsuitableDescriptor(let number, let reason):
      "cannot use fd:\(number): \(reason); pass a connected stream socket or a listening one"
    case .refused(let endpoint, let reason):
      "cannot use \(endpoint): \(reason)"
    }
  }
}

/// Which of a link's descriptors an event belongs to, in the 64 bits that travel with the event.
///
/// The top bit is 1, which it never is in a `FlowID`. The generation tells the peers of one link apart, so that an
/// event of a peer that has gone cannot be taken for one of its successor.
public struct LinkSource: Hashable, Sendable {
  /// A link's descriptors.
  public enum Role: UInt8, Hashable, Sendable {
    /// The socket that peers connect to.
    case listener
    /// The connected peer, or the one being connected to.
    case peer
  }

  /// Which descriptor.
  public let role: Role
  /// The port of the virtual network that the link serves.
  public let port: UInt16
  /// Which of the link's peers, counted from 0.
  public let generation: UInt32

  init(_ role: Role, port: UInt16, generation: UInt32) {
    self.role = role
    self.port = port
    self.generation = generation
  }

  /// Reads the 64 bits of an event; nil where it is not a link's.
  public init?(rawValue: UInt64) {
    guard rawValue >> 63 == 1, let role = Role(rawValue: UInt8(truncatingIfNeeded: rawValue >> 48)) else { return nil }
    self.init(
      role, port: UInt16(truncatingIfNeeded: rawValue >> 32), generation: UInt32(truncatingIfNeeded: rawValue))
  }

  /// The 64 bits.
  public var rawValue: UInt64 {
    1 << 63 | UInt64(role.rawValue) << 48 | UInt64(port) << 32 | UInt64(generation)
  }
}
