import CLinux
import Glibc
public import Primitives

/// The address of a socket.
public enum SocketAddress: Hashable, Sendable {
  /// An Internet address and port; `scope` is the interface of a link-local IPv6 address, else 0.
  case internet(Endpoint, scope: UInt32 = 0)
  /// A path in the file system.
  case path(String)
  /// A name outside the file system.
  case abstract(String)
  /// A UNIX socket without a name, such as one of a pair.
  case unnamed

  /// The protocol family for a socket of such an address.
  public var family: Int32 {
    switch self {
    case .internet(let endpoint, _): endpoint.address.family == .ipv4 ? AF_INET : AF_INET6
    case .path, .abstract, .unnamed: AF_UNIX
    }
  }

  /// The Internet address and port, nil for a UNIX address.
  public var endpoint: Endpoint? {
    guard case .internet(let endpoint, _) = self else { return nil }
    return endpoint
  }

  // Reads an address in the system's form; nil where it is of a family unknown here.
  init?(storage: inout sockaddr_storage, length: UInt32) {
    if Int32(storage.ss_family) == AF_UNIX {
      var count = 0
      // SAFETY: `length` bytes were filled by the system, and the name lies within them.
      self = unsafe withUnsafePointer(to: &storage) { storage in
        guard let name = unsafe clinux_decode_unix(storage, length, &count), count > 0 else { return .unnamed }
        let bytes = unsafe UnsafeRawBufferPointer(start: name, count: count)
        return unsafe bytes[0] == 0
          ? .abstract(String(decoding: bytes.dropFirst(), as: UTF8.self))
          : .path(String(decoding: bytes, as: UTF8.self))
      }
      return
    }
    var scope: UInt32 = 0
    guard let endpoint = unsafe Self.endpoint(unsafe: &storage, scope: &scope) else { return nil }
    self = .internet(endpoint, scope: scope)
  }

  /// The endpoint in an address in the system's form (`sockaddr_storage`); nil where it is not an Internet address.
  ///
  /// An IPv4 address that an IPv6 socket reports in mapped form is the IPv4 address.
  @inline(__always)
  public static func endpoint(unsafe storage: UnsafeRawPointer, scope: inout UInt32) -> Endpoint? {
    var (high, low, port): (UInt64, UInt64, UInt16) = (0, 0, 0)
    // SAFETY: the accessor reads no more than the address's family says.
    guard
      unsafe clinux_decode_internet(storage.assumingMemoryBound(to: sockaddr_storage.self), &high, &low, &port, &scope)
        != 0
    else { return nil }
    return Endpoint(IPAddress(IPv6Address(high: high, low: low)), port: port)
  }

  /// Writes an Internet address in the system's form to a `sockaddr_storage` and returns its length.
  @inline(__always)
  public static func encode(
    _ endpoint: Endpoint, scope: UInt32 = 0, unsafe storage: UnsafeMutableRawPointer
  ) -> UInt32 {
    // SAFETY: `sockaddr_storage` holds an address of any family.
    let storage = unsafe storage.assumingMemoryBound(to: sockaddr_storage.self)
    if let address = endpoint.address.ipv4 {
      return unsafe clinux_encode_ipv4(storage, address.bits, endpoint.port)
    }
    let address = endpoint.address.mapped
    return unsafe clinux_encode_ipv6(storage, address.high, address.low, endpoint.port, scope)
  }

  /// Calls `body` with the address in the system's form and its length.
  func withUnsafeAddress<Result>(
    _ body: (UnsafePointer<sockaddr_storage>, UInt32) -> Result
  ) throws(SystemError) -> Result {
    var storage = sockaddr_storage()
    let length = unsafe encode(to: &storage)
    guard length > 0 else { throw SystemError(ENAMETOOLONG, "use the socket path", description) }
    return unsafe body(&storage, length)
  }

  private func encode(to storage: UnsafeMutablePointer<sockaddr_storage>) -> UInt32 {
    func unix(_ name: [UInt8]) -> UInt32 {
      // SAFETY: the accessor refuses a name that does not fit.
      unsafe name.withUnsafeBytes { unsafe clinux_encode_unix(storage, $0.baseAddress, $0.count) }
    }
    switch self {
    case .internet(let endpoint, let scope): return unsafe Self.encode(endpoint, scope: scope, unsafe: storage)
    case .path(let path): return unix(Array(path.utf8))
    case .abstract(let name): return unix([0] + Array(name.utf8))
    case .unnamed:
      unsafe storage.pointee.ss_family = sa_family_t(AF_UNIX)
      return UInt32(MemoryLayout<sa_family_t>.size)
    }
  }
}

extension SocketAddress: CustomStringConvertible {
  /// The endpoint, the path, or the name after an `@`.
  public var description: String {
    switch self {
    case .internet(let endpoint, let scope):
      scope == 0 ? endpoint.description : "[\(endpoint.address)%\(scope)]:\(endpoint.port)"
    case .path(let path): path
    case .abstract(let name): "@" + name
    case .unnamed: "(unnamed)"
    }
  }
}
