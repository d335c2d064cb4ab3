import CLinux
import Glibc

/// Datagrams of one length to or from the peer of a connected socket, many by one system call (sendmmsg(2),
/// recvmmsg(2)), for those who care how many there are and not what is in them.
@safe
public struct DatagramBurst: ~Copyable {
  /// The most datagrams of one call.
  public static let capacity = 64

  /// The length of each, in bytes.
  public let length: Int
  // One content serves all: whoever counts does not look at it.
  private let content: UnsafeMutableRawBufferPointer
  private let region: UnsafeMutablePointer<iovec>
  private let messages: UnsafeMutableBufferPointer<clinux_message>

  /// Makes room for datagrams of `length` bytes, which are sent as zeros.
  public init(length: Int) {
    self.length = length
    unsafe content = .allocate(byteCount: max(length, 1), alignment: 8)
    unsafe content.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe region = .allocate(capacity: 1)
    unsafe region.initialize(to: iovec(iov_base: content.baseAddress, iov_len: length))
    unsafe messages = .allocate(capacity: Self.capacity)
    var message = unsafe clinux_message()
    unsafe message.header.msg_iov = region
    unsafe message.header.msg_iovlen = 1
    unsafe messages.initialize(repeating: message)
  }

  deinit {
    unsafe messages.deallocate()
    unsafe region.deallocate()
    unsafe content.deallocate()
  }

  /// Sends `count` datagrams, at most `capacity`, on the socket of this number.
  /// - Returns: how many were taken; nil where it would have to wait.
  public mutating func send(_ count: Int, on socket: Int32) throws(SystemError) -> Int? {
    // SAFETY: there are `capacity` messages, each of one region of `length` bytes.
    let sent = uninterrupted {
      unsafe clinux_send_messages(socket, messages.baseAddress, UInt32(min(count, Self.capacity)))
    }
    return try FileDescriptor.orWait(Int(sent), "send datagrams")
  }

  /// Receives up to `capacity` datagrams on the socket of this number, without waiting.
  /// - Returns: how many of them had at least `length` bytes, and how many there were; nil where none waits.
  public mutating func receive(on socket: Int32) throws(SystemError) -> (whole: Int, all: Int)? {
    // SAFETY: as above; what is longer than the region is cut off.
    let received = uninterrupted {
      unsafe clinux_receive_messages(socket, messages.baseAddress, UInt32(Self.capacity))
    }
    guard let count = try FileDescriptor.orWait(Int(received), "receive datagrams") else { return nil }
    var whole = 0
    // SAFETY: the system filled the first `count` messages.
    for index in 0..<count where unsafe Int(messages[index].length) >= length { whole += 1 }
    return (whole, count)
  }
}

extension Socket {
  /// Takes the next datagram and drops what is in it.
  /// - Returns: where it is from; nil where none waits.
  public func takeSource() throws(SystemError) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = UInt32(MemoryLayout<sockaddr_storage>.size)
    // SAFETY: the storage holds an address of any family, and no byte is asked for.
    let count = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        uninterrupted { unsafe recvfrom(rawValue, nil, 0, CLINUX_MSG_DONTWAIT, address, &length) }
      }
    }
    guard try FileDescriptor.orWait(count, "receive a datagram") != nil else { return nil }
    guard let address = SocketAddress(storage: &storage, length: length) else {
      throw SystemError(EAFNOSUPPORT, "receive a datagram")
    }
    return address
  }
}
