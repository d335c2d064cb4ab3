public import Primitives

/// Where frames of a guest come from and go to: a byte stream on which QEMU puts a length before each frame, or a TAP
/// device.
public enum LinkAddress: Hashable, Sendable {
  /// Listen on a socket in the file system.
  case listenUnix(path: String)
  /// Listen on a TCP port.
  case listenTCP(Endpoint)
  /// Connect to a socket in the file system.
  case connectUnix(path: String)
  /// Connect to a TCP port.
  case connectTCP(Endpoint)
  /// A descriptor that was inherited: a connected stream, a listening one, or a TAP device.
  case descriptor(Int32)
  /// A TAP device in the network namespace of this process, which is made if there is none.
  case device(name: String)
  /// A TAP device that is made in another network namespace, for the programs in it.
  case namespace(NamespacePlace, interface: String)
}

/// Where a network namespace is found.
public enum NamespacePlace: Hashable, Sendable, CustomStringConvertible {
  /// The one that a process is in.
  case process(Int32)
  /// The one of a name, as `ip netns` knows it.
  case name(String)
  /// A file that stands for one.
  case path(String)

  /// The file that stands for it.
  public var path: String {
    switch self {
    case .process(let number): "/proc/\(number)/ns/net"
    case .name(let name): "/run/netns/\(name)"
    case .path(let path): path
    }
  }

  /// As it is written on the command line.
  public var description: String {
    switch self {
    case .process(let number): "\(number)"
    case .name(let name): name
    case .path(let path): path
    }
  }
}

extension LinkAddress: CustomStringConvertible {
  /// What links are understood, for messages.
  public static let syntax =
    "unix:PATH, tcp:HOST:PORT, connect:unix:PATH, connect:tcp:HOST:PORT, tap:NAME, netns:PID|NAME|PATH or fd:N"

  /// The name of the interface in a namespace unless given.
  public static let defaultInterface = "tap0"

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
    case ("tap", let name?): self = .device(name: try Self.interface(name, in: text))
    case ("netns", let place?): self = try Self.namespace(place, in: text)
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

  /// Whether it is a TAP device that this process opens.
  public var isDevice: Bool {
    switch self {
    case .device, .namespace: true
    case .listenUnix, .listenTCP, .connectUnix, .connectTCP, .descriptor: false
    }
  }

  /// The name of an interface: what Linux takes for one (dev_valid_name).
  private static func interface(_ name: String, in text: String) throws(ConfigurationError) -> String {
    let isValid =
      (1...15).contains(name.utf8.count) && name != "." && name != ".."
      && !name.utf8.contains { $0 <= 0x20 || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":") }
    guard isValid else {
      throw ConfigurationError(text, "the name of an interface has 1 to 15 bytes, without spaces, '/' and ':'")
    }
    return name
  }

  private static func namespace(_ rest: String, in text: String) throws(ConfigurationError) -> LinkAddress {
    let parts = rest.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    var name = defaultInterface
    for option in parts.dropFirst() {
      guard option.hasPrefix("ifname=") else {
        throw ConfigurationError(text, "'\(option)' is not understood; 'ifname=NAME' may stand behind the namespace")
      }
      name = try interface(String(option.dropFirst(7)), in: text)
    }
    guard !parts[0].isEmpty, !parts[0].utf8.contains(0) else {
      throw ConfigurationError(
        text, "the number of a process, or the name or path of a namespace, belongs after 'netns:'")
    }
    guard let number = Int32(parts[0]) else {
      return .namespace(parts[0].contains("/") ? .path(parts[0]) : .name(parts[0]), interface: name)
    }
    guard number > 0 else { throw ConfigurationError(text, "a process has a number above 0") }
    return .namespace(.process(number), interface: name)
  }

  /// The address as it is written on the command line.
  public var description: String {
    switch self {
    case .listenUnix(let path): "unix:\(path)"
    case .listenTCP(let endpoint): "tcp:\(endpoint)"
    case .connectUnix(let path): "connect:unix:\(path)"
    case .connectTCP(let endpoint): "connect:tcp:\(endpoint)"
    case .descriptor(let number): "fd:\(number)"
    case .device(let name): "tap:\(name)"
    case .namespace(let place, let name):
      "netns:\(place)" + (name == Self.defaultInterface ? "" : ",ifname=\(name)")
    }
  }
}
