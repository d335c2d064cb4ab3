import CLinux
import LinuxSystem
import Primitives
import Testing

@Suite struct SocketTests {
  private static let loopback4 = Endpoint(.loopback, port: 0)
  private static let loopback6 = Endpoint(IPAddress(IPv6Address.loopback), port: 0)

  /// A connected pair of TCP sockets on loopback.
  private func connect(to listener: borrowing Socket) throws -> DescriptorPair {
    let address = try listener.localAddress()
    let client = try Socket(.stream, for: address)
    if try !client.connect(to: address) {
      #expect(try wait(client.rawValue, for: .writable)?.contains(.writable) == true)
    }
    #expect(try client.takeError() == 0)
    _ = try wait(listener.rawValue, for: .readable)
    guard let server = try listener.accept() else { throw SystemError(EAGAIN, "accept") }
    return DescriptorPair(
      first: FileDescriptor(owning: client.take()), second: FileDescriptor(owning: server.take()))
  }

  @Test(arguments: [loopback4, loopback6])
  func `a stream is listened for, connected, written and read`(_ local: Endpoint) throws {
    let listener = try Socket(.stream, for: .internet(local))
    try listener.bind(to: .internet(local))
    try listener.listen()
    #expect(try listener.accept() == nil)
    #expect(try listener.value(of: .acceptsConnections) == 1)
    let ends = try connect(to: listener).take()
    let client = Socket(FileDescriptor(owning: ends.first))
    let server = Socket(FileDescriptor(owning: ends.second))
    #expect(try client.peerAddress() == listener.localAddress())
    #expect(try server.peerAddress() == client.localAddress())
    #expect(try client.localAddress().endpoint?.address == local.address)

    #expect(try client.send(bytes("hello").span) == 5)
    #expect(try wait(server.rawValue, for: .readable) == .readable)
    var buffer = [UInt8](repeating: 0, count: 16)
    var span = buffer.mutableSpan
    #expect(try server.descriptor.read(into: &span) == 5)
    #expect(buffer.prefix(5) == bytes("hello")[...])

    try client.shutDownWriting()
    #expect(try wait(server.rawValue, for: [.readable, .readClosed]) == [.readable, .readClosed])
    #expect(try client.sendSpace() > 2000)
  }

  @Test func `unacknowledged bytes are those the peer has not taken`() throws {
    let pair = try Socket.pair(.stream).take()
    let near = Socket(FileDescriptor(owning: pair.first))
    let far = Socket(FileDescriptor(owning: pair.second))
    let before = try near.sendSpace()
    #expect(try near.unacknowledgedByteCount() == 0)
    #expect(try near.send([UInt8](repeating: 1, count: 1000).span) == 1000)
    #expect(try near.unacknowledgedByteCount() > 0)
    #expect(try near.sendSpace() <= before)
    var buffer = [UInt8](repeating: 0, count: 2000)
    var span = buffer.mutableSpan
    #expect(try far.descriptor.read(into: &span) == 1000)
    #expect(try near.unacknowledgedByteCount() == 0)
  }

  @Test func `sending to a closed peer is an error, not a signal`() throws {
    let pair = try Socket.pair(.stream).take()
    let near = Socket(FileDescriptor(owning: pair.first))
    do { _ = FileDescriptor(owning: pair.second) }
    let error = #expect(throws: SystemError.self) { _ = try near.send([1].span) }
    #expect(error?.number == EPIPE)
  }

  @Test func `a refused connection says so`() throws {
    // A port that was free a moment ago and that nobody listens on.
    let bound = try Socket(.stream, for: .internet(Self.loopback4))
    try bound.bind(to: .internet(Self.loopback4))
    let address = try bound.localAddress()
    let client = try Socket(.stream, for: address)
    do {
      if try !client.connect(to: address) {
        #expect(try wait(client.rawValue, for: .writable)?.contains(.failed) == true)
        #expect(try client.takeError() == ECONNREFUSED)
      } else {
        Issue.record("connected to a port that nobody listens on")
      }
    } catch let error as SystemError {
      #expect(error.description == "cannot connect to \(address): Connection refused")
    }
  }

  @Test func `an address in use is named in the error`() throws {
    let first = try Socket(.stream, for: .internet(Self.loopback4))
    try first.bind(to: .internet(Self.loopback4))
    try first.listen()
    let address = try first.localAddress()
    let second = try Socket(.stream, for: address)
    let error = #expect(throws: SystemError.self) { try second.bind(to: address) }
    #expect(error?.description == "cannot bind a socket to \(address): Address already in use")
  }

  @Test func `a mapped address that the kernel reports is the IPv4 address`() throws {
    let any = SocketAddress.internet(Endpoint(IPAddress(IPv6Address.any), port: 0))
    let listener = try Socket(.stream, for: any)
    try listener.set(.ipv6Only, to: false)
    try listener.bind(to: any)
    try listener.listen()
    let port = try #require(try listener.localAddress().endpoint).port
    let target = SocketAddress.internet(Endpoint(.loopback, port: port))
    let client = try Socket(.stream, for: target)
    _ = try client.connect(to: target)
    _ = try wait(listener.rawValue, for: .readable)
    guard let server = try listener.accept() else {
      Issue.record("no connection")
      return
    }
    #expect(try server.peerAddress() == client.localAddress())
    #expect(try server.peerAddress().endpoint?.address.ipv4 == .loopback)
    #expect(try server.localAddress() == target)
  }

  @Test(arguments: ["/socket", "@abstract"])
  func `UNIX addresses with and without a path carry datagrams`(_ kind: String) throws {
    let folder = try TemporaryFolder()
    let address: SocketAddress =
      kind.hasPrefix("@") ? .abstract("culvert" + folder.path) : .path(folder.path + kind)
    let receiver = try Socket(.datagram, for: address)
    try receiver.bind(to: address)
    #expect(try receiver.localAddress() == address)
    let sender = try Socket(.datagram, for: address)
    #expect(try sender.localAddress() == .unnamed)
    try sender.send(bytes("READY=1").span, to: address)
    var buffer = [UInt8](repeating: 0, count: 16)
    var span = buffer.mutableSpan
    #expect(try receiver.descriptor.read(into: &span) == 7)
    #expect(String(decoding: buffer.prefix(7), as: UTF8.self) == "READY=1")
  }

  @Test func `a path too long for a socket is refused with words`() throws {
    let path = "/tmp/" + String(repeating: "x", count: 120)
    let socket = try Socket(.stream, for: .path(path))
    let error = #expect(throws: SystemError.self) { try socket.bind(to: .path(path)) }
    #expect(error?.description == "cannot use the socket path \(path): File name too long")
    // The longest that fits, with its terminating zero.
    let fitting = "/tmp/" + String(repeating: "y", count: 102)
    #expect(fitting.utf8.count == 107)
    let other = try Socket(.stream, for: .path(fitting))
    try other.bind(to: .path(fitting))
    #expect(try other.localAddress() == .path(fitting))
    try FileSystem.unlink(fitting)
  }

  @Test func `descriptors pass through a socket and stay the same files`() throws {
    let pair = try Socket.pair(.stream).take()
    let near = Socket(FileDescriptor(owning: pair.first))
    let far = Socket(FileDescriptor(owning: pair.second))
    let silent = try EventCounter()
    let signalled = try EventCounter()
    signalled.signal()
    let numbers = [silent.descriptor.rawValue, signalled.descriptor.rawValue]
    #expect(try near.send(bytes("!").span, descriptors: numbers) == 1)

    var received = ReceivedDescriptors()
    var buffer: [UInt8] = [0, 0]
    var span = buffer.mutableSpan
    #expect(try far.receive(into: &span, descriptors: &received) == 1)
    #expect(buffer[0] == UInt8(ascii: "!"))
    #expect(received.count == 2)
    guard let first = received.popFirst(), let second = received.popFirst() else { return }
    #expect(!numbers.contains(first.rawValue) && !numbers.contains(second.rawValue))
    #expect(try wait(first.rawValue, for: .readable, timeout: .zero) == nil)
    #expect(try wait(second.rawValue, for: .readable, timeout: .zero) == .readable)
    // What came is not inherited.
    var flags = [UInt8](repeating: 0, count: 512)
    var text = flags.mutableSpan
    let information = try FileDescriptor.open(reading: "/proc/self/fdinfo/\(second.rawValue)")
    let count = try #require(try information.read(into: &text))
    #expect(String(decoding: flags.prefix(count), as: UTF8.self).contains("flags:\t02004002"))
    span = buffer.mutableSpan
    #expect(try far.receive(into: &span, descriptors: &received) == nil)
    #expect(received.count == 0)
  }
}
