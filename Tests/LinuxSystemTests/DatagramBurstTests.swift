import LinuxSystem
import Primitives
import Testing

@Suite struct DatagramBurstTests {
  private static let loopback = SocketAddress.internet(Endpoint(.loopback, port: 0))

  /// Two UDP sockets, the first connected to the second.
  private func sockets() throws -> DescriptorPair {
    let far = try Socket(.datagram, for: Self.loopback)
    try far.bind(to: Self.loopback)
    let near = try Socket(.datagram, for: Self.loopback)
    _ = try near.connect(to: far.localAddress())
    return DescriptorPair(first: try near.descriptor.duplicate(), second: try far.descriptor.duplicate())
  }

  @Test(arguments: [1, 64, 1400])
  func `a burst arrives as single datagrams of the length`(length: Int) throws {
    let ends = try sockets().take()
    let near = Socket(FileDescriptor(owning: ends.first))
    let far = Socket(FileDescriptor(owning: ends.second))
    var burst = DatagramBurst(length: length)
    #expect(try burst.receive(on: far.rawValue) == nil)
    #expect(try burst.send(3, on: near.rawValue) == 3)
    #expect(try burst.send(2, on: near.rawValue) == 2)
    let received = try burst.receive(on: far.rawValue)
    #expect(received?.whole == 5)
    #expect(received?.all == 5)
    #expect(try burst.receive(on: far.rawValue) == nil)
  }

  @Test func `a burst has no more datagrams than its capacity`() throws {
    let ends = try sockets().take()
    let near = Socket(FileDescriptor(owning: ends.first))
    let far = Socket(FileDescriptor(owning: ends.second))
    var burst = DatagramBurst(length: 1)
    #expect(try burst.send(1000, on: near.rawValue) == DatagramBurst.capacity)
    #expect(try burst.receive(on: far.rawValue)?.all == DatagramBurst.capacity)
  }

  @Test func `shorter datagrams are told from those that count, and say where they are from`() throws {
    let ends = try sockets().take()
    let near = Socket(FileDescriptor(owning: ends.first))
    let far = Socket(FileDescriptor(owning: ends.second))
    #expect(try far.takeSource() == nil)
    _ = try near.send(bytes("one").span)
    _ = try near.send(bytes("three").span)
    #expect(try far.takeSource() == near.localAddress())
    var burst = DatagramBurst(length: 64)
    let received = try burst.receive(on: far.rawValue)
    #expect(received?.whole == 0)
    #expect(received?.all == 1)
  }
}
