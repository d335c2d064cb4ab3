public import Primitives

/// Where frames of a guest come from and go to: a byte stream on which QEMU puts a length before each frame.
public enum LinkAddress: Hashable, Sendable {
  /// Listen on a socket in the file system.
  case listenUnix(path: String)
  /// Listen on a TCP port.
  case listenTCP(Endpoint)
  /// Connect to a socket in the file system.
  case connectUnix(path: String)
  /// Connect to a TCP port.
  case connectTCP(Endpoint)
  /// A descriptor that was inherited: a connected stream, or a listening one.
  case descriptor(Int32)
}

extension LinkAddress: CustomStringConvertible {
  /// What links are understood, for messages.
  public static let syntax = "unix:PATH, tcp:HOST:PORT, connect:unix:PATH, connect:tcp:HOST:PORT or fd:N"

  /// The longest path of a socket: `sun_path` of `struct sockaddr_un`, less the final zero.
  public static let maximumPathLength = 107

  /// Reads a link's address.
  public init(_ text: String) throws(ConfigurationError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let (scheme, rest) = (parts[0], parts.count == 2 ? String(parts[1]) : nil)
    switch (scheme, rest) {
    case ("unix", let path?): self = .listenUnix(path: try Self.path(path, in: text))
    case ("tcp", let endpoint?): self = .listenTCP(try Self.endpoint(endpoint, in: text))
    case ("connect", let address?) where address.hasPrefix("unix:"):
      self = .connectUnix(path: try Self.path(String(address.dropFirst(5)), in: text))
    case ("connect", let address?) where address.hasPrefix("tcp:"):
      self = .connectTCP(try Self.endpoint(String(address.dropFirst(4)), in: text))
    case ("fd", let number?):
      guard let number = Int32(number), number >= 0 else {
        throw ConfigurationError(text, "the number of an open descriptor belongs after 'fd:'")
      }
      self = .descriptor(number)
    case (_, nil) where text.contains("/"):
      throw ConfigurationError(text, "a link has its kind first; did you mean unix:\(text)?")
    default:
      throw ConfigurationError(text, "no such kind of link; give \(Self.syntax)")
    }
  }

  private static func path(_ path: String, in text: String) throws(ConfigurationError) -> String {
    guard !path.isEmpty else { throw ConfigurationError(text, "the path of the socket is missing") }
    guard path.utf8.count <= maximumPathLength else {
      throw ConfigurationError(
        text, "the path of a socket has at most \(maximumPathLength) bytes; choose a shorter one")
    }
    guard !path.utf8.contains(0) else { throw ConfigurationError(text, "the path holds a zero byte") }
    return path
  }

  private static func endpoint(_ address: String, in text: String) throws(ConfigurationError) -> Endpoint {
    guard let endpoint = Endpoint(hostAndPort: address) else {
      throw ConfigurationError(text, "an address and a port are wanted: 127.0.0.1:5555, localhost:5555 or [::1]:5555")
    }
    return endpoint
  }

  /// The address as it is written on the command line.
  public var description: String {
    switch self {
    case .listenUnix(let path): "unix:\(path)"
    case .listenTCP(let endpoint): "tcp:\(endpoint)"
    case .connectUnix(let path): "connect:unix:\(path)"
    case .connectTCP(let endpoint): "connect:tcp:\(endpoint)"
    case .descriptor(let number): "fd:\(number)"
    }
  }
}
