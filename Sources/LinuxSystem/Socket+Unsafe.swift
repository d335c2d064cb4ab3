import CLinux
import Glibc

/// A non-blocking socket that children do not inherit.
public struct Socket: ~Copyable, Sendable {
  /// What kind of channel a socket is.
  public enum Kind: Sendable {
    /// A stream of bytes.
    case stream
    /// Single messages.
    case datagram
    /// Messages in order on a connection.
    case sequencedPacket
    /// The packets of one protocol, below any transport.
    case raw

    var rawValue: Int32 {
      switch self {
      case .stream: CLINUX_SOCK_STREAM
      case .datagram: CLINUX_SOCK_DGRAM
      case .sequencedPacket: CLINUX_SOCK_SEQPACKET
      case .raw: CLINUX_SOCK_RAW
      }
    }
  }

  /// The descriptor.
  public let descriptor: FileDescriptor

  /// Takes over a socket's descriptor, as it is.
  public init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

  /// Makes a socket for addresses of the family of `address`; without a `proto` (IPPROTO_*) the family has one for
  /// the kind.
  public init(_ kind: Kind, for address: SocketAddress, proto: Int32 = 0) throws(SystemError) {
    let made = try checked("make a socket") { clinux_socket(address.family, kind.rawValue, proto) }
    descriptor = FileDescriptor(owning: made)
  }

  /// The descriptor's number.
  public var rawValue: Int32 { descriptor.rawValue }

  /// Gives the socket up, open, to the caller.
  public consuming func take() -> Int32 { descriptor.take() }

  /// Two connected UNIX sockets.
  public static func pair(_ kind: Kind) throws(SystemError) -> DescriptorPair {
    var pair: (Int32, Int32) = (-1, -1)
    // SAFETY: a pair of Int32 has the layout of `int[2]`.
    try checked("make a pair of sockets") {
      unsafe withUnsafeMutableBytes(of: &pair) { bytes in
        unsafe clinux_socketpair(kind.rawValue, bytes.assumingMemoryBound(to: Int32.self).baseAddress)
      }
    }
    return DescriptorPair(first: FileDescriptor(owning: pair.0), second: FileDescriptor(owning: pair.1))
  }

  // MARK: Addresses

  /// Binds the socket to `address`.
  public func bind(to address: SocketAddress) throws(SystemError) {
    // SAFETY: address and length are of one piece.
    let result = try unsafe address.withUnsafeAddress { storage, length in
      unsafe clinux_bind(rawValue, storage, length)
    }
    guard result == 0 else { throw .last("bind a socket to", address.description) }
  }

  /// Sets the permission bits that a UNIX socket's path gets when it is bound.
  ///
  /// Before `bind`, so that there is no moment at which others could connect, and no file mask to change for it.
  public func setPathPermissions(_ mode: UInt32) throws(SystemError) {
    try checked("set the permissions of a socket") { fchmod(rawValue, mode) }
  }

  /// Starts to take connections.
  public func listen(backlog: Int32 = 128) throws(SystemError) {
    try checked("listen on a socket") { Glibc.listen(rawValue, backlog) }
  }

  /// Connects, or starts to; once it was started, tells how far it is.
  /// - Returns: false where connecting goes on: a writable event ends it, then `takeError` tells how.
  public func connect(to address: SocketAddress) throws(SystemError) -> Bool {
    // An interrupted connect goes on by itself and must not be repeated.
    // SAFETY: address and length are of one piece.
    let result = try unsafe address.withUnsafeAddress { storage, length in
      unsafe clinux_connect(rawValue, storage, length)
    }
    if result == 0 { return true }
    if errno == EISCONN { return true }
    if errno == EINPROGRESS || errno == EINTR || errno == EALREADY { return false }
    throw .last("connect to", address.description)
  }

  /// Takes the next connection, nil where none waits. The connection is non-blocking.
  public func accept() throws(SystemError) -> Socket? { try Self.accept(from: rawValue) }

  /// Takes the next connection of the listener of this number, nil where none waits.
  public static func accept(from listener: Int32) throws(SystemError) -> Socket? {
    while true {
      let accepted = uninterrupted { clinux_accept(listener, nil, nil) }
      if accepted >= 0 { return Socket(FileDescriptor(owning: accepted)) }
      // A client that has left again is none.
      if errno == ECONNABORTED || errno == EPROTO { continue }
      guard errno == EAGAIN || errno == EWOULDBLOCK else { throw .last("accept a connection") }
      return nil
    }
  }

  /// The socket's own address.
  public func localAddress() throws(SystemError) -> SocketAddress { try Self.localAddress(of: rawValue) }

  /// The address that the socket of this number is bound to.
  public static func localAddress(of socket: Int32) throws(SystemError) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = UInt32(MemoryLayout<sockaddr_storage>.size)
    // SAFETY: the storage holds an address of any family.
    try checked("ask for a socket's address") { unsafe clinux_getsockname(socket, &storage, &length) }
    guard let address = SocketAddress(storage: &storage, length: length) else {
      throw SystemError(EAFNOSUPPORT, "ask for a socket's address")
    }
    return address
  }

  /// The address of the connected peer.
  public func peerAddress() throws(SystemError) -> SocketAddress { try Self.peerAddress(of: rawValue) }

  /// The address of the peer that the socket of this number is connected to.
  public static func peerAddress(of socket: Int32) throws(SystemError) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = UInt32(MemoryLayout<sockaddr_storage>.size)
    // SAFETY: as above.
    try checked("ask for a peer's address") { unsafe clinux_getpeername(socket, &storage, &length) }
    guard let address = SocketAddress(storage: &storage, length: length) else {
      throw SystemError(EAFNOSUPPORT, "ask for a peer's address")
    }
    return address
  }

  // MARK: Data

  /// Sends bytes without raising SIGPIPE.
  /// - Returns: how many were taken; nil where it would have to wait.
  public func send(_ bytes: Span<UInt8>) throws(SystemError) -> Int? { try Self.send(bytes, on: rawValue) }

  /// Sends bytes on the socket of this number, without waiting and without raising SIGPIPE.
  /// - Returns: how many were taken; nil where it would have to wait.
  public static func send(_ bytes: Span<UInt8>, on socket: Int32) throws(SystemError) -> Int? {
    // SAFETY: the system reads only within the span's bounds.
    let flags = CLINUX_MSG_NOSIGNAL | CLINUX_MSG_DONTWAIT
    let count = unsafe bytes.withUnsafeBytes { buffer in
      uninterrupted { unsafe Glibc.send(socket, buffer.baseAddress, buffer.count, flags) }
    }
    return try FileDescriptor.orWait(count, "send")
  }

  /// Receives bytes on the socket of this number, without waiting.
  /// - Returns: how many came, 0 at the end; nil where it would have to wait.
  public static func receive(into bytes: inout MutableSpan<UInt8>, on socket: Int32) throws(SystemError) -> Int? {
    // SAFETY: the system writes only within the span's bounds.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      uninterrupted { unsafe recv(socket, buffer.baseAddress, buffer.count, CLINUX_MSG_DONTWAIT) }
    }
    return try FileDescriptor.orWait(count, "receive")
  }

  /// Whether the peer has closed its side (both for a UNIX socket), whatever still waits to be read.
  public var isHungUp: Bool {
    var state = pollfd(fd: rawValue, events: Int16(clinux_poll_read_closed()), revents: 0)
    // SAFETY: one structure.
    return unsafe poll(&state, 1, 0) == 1
  }

  /// Sends one datagram to `address`.
  public func send(_ bytes: Span<UInt8>, to address: SocketAddress) throws(SystemError) {
    let count = unsafe bytes.withUnsafeBytes { buffer in
      Result<Int, SystemError> { () throws(SystemError) in
        // SAFETY: the system reads only within the bounds of span and address.
        try unsafe address.withUnsafeAddress { storage, length in
          unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            uninterrupted {
              unsafe sendto(rawValue, buffer.baseAddress, buffer.count, CLINUX_MSG_NOSIGNAL, address, length)
            }
          }
        }
      }
    }
    guard try count.get() >= 0 else { throw .last("send to", address.description) }
  }

  /// Ends the stream towards the peer.
  public func shutDownWriting() throws(SystemError) {
    try checked("finish a stream") { shutdown(rawValue, Int32(SHUT_WR)) }
  }

  /// Sends bytes, at least one, and with them descriptors, of which the peer gets duplicates.
  /// - Returns: how many bytes were taken; nil where it would have to wait, and then no descriptor was sent.
  public func send(_ bytes: Span<UInt8>, descriptors: [Int32]) throws(SystemError) -> Int? {
    // SAFETY: the lengths given are those of span and array.
    let count = unsafe bytes.withUnsafeBytes { buffer in
      uninterrupted {
        unsafe clinux_send_descriptors(rawValue, buffer.baseAddress, buffer.count, descriptors, descriptors.count)
      }
    }
    return try FileDescriptor.orWait(count, "send descriptors")
  }

  /// Receives bytes, and the descriptors that were sent with them.
  /// - Returns: how many bytes came, 0 at the end; nil where it would have to wait.
  public func receive(
    into bytes: inout MutableSpan<UInt8>, descriptors: inout ReceivedDescriptors
  ) throws(SystemError) -> Int? {
    var numbers = [Int32](repeating: -1, count: Int(CLINUX_MAXIMUM_DESCRIPTORS))
    var received = 0
    // SAFETY: the list has the room that the accessor counts on.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      uninterrupted {
        unsafe clinux_receive_descriptors(rawValue, buffer.baseAddress, buffer.count, &numbers, &received)
      }
    }
    for number in numbers.prefix(received) { descriptors.append(FileDescriptor(owning: number)) }
    return try FileDescriptor.orWait(count, "receive descriptors")
  }
}

/// Descriptors that came over a socket; those that nobody takes are closed.
public struct ReceivedDescriptors: ~Copyable {
  private var numbers: [Int32] = []

  /// Makes an empty list.
  public init() {}

  deinit { for number in numbers { _ = Glibc.close(number) } }

  /// The number of descriptors not yet taken.
  public var count: Int { numbers.count }

  /// Takes the first descriptor, nil where none is left.
  public mutating func popFirst() -> FileDescriptor? {
    numbers.isEmpty ? nil : FileDescriptor(owning: numbers.removeFirst())
  }

  mutating func append(_ descriptor: consuming FileDescriptor) { numbers.append(descriptor.take()) }
}
