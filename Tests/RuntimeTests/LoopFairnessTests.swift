import Links
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import Runtime

/// What one link has in plenty, or the host, does not keep another waiting for all of it.
struct LoopFairnessTests {
  /// A little more than the longest frame takes: several of them are less than a socket holds.
  private static let buffer = 70 * 1024
  /// Bytes that are read from one link in a turn.
  private static let share = 4 * buffer

  private static func loop(links: Int) throws -> LoopUnderTest {
    let loop = try LoopUnderTest(links: links, receiveCapacity: buffer)
    try loop.run { loop.log.split(separator: "\n").count { $0.hasSuffix("connected") } == links }
    return loop
  }

  @Test func `between two frames of a link one that floods has four buffers`() throws {
    let loop = try Self.loop(links: 2)
    let noise = GuestEnd.noise(from: 15)
    let request = GuestEnd.request(from: 16)
    try loop.guest(0).widen()
    var written = 0
    for turn in 1...16 {
      written += try loop.guest(0).fill(with: noise)
      let before = loop.received(from: 0).byteCount
      try #require(written - before > Self.share, "the socket holds too little")
      #expect(try loop.guest(1).write(request) == request.count)
      try loop.poll()
      let count = loop.received(from: 0).byteCount - before
      #expect(count > 0 && count <= Self.share)
      #expect(try loop.guest(1).frames().count == turn)
    }
  }

  @Test func `a link that floods does not hold up what comes from the host`() throws {
    let loop = try Self.loop(links: 2)
    let client = try forwardedClient(of: loop)
    try loop.guest(0).widen()
    for number in 1...16 {
      #expect(try client.send([UInt8(number)].span) == 1)
      let before = loop.received(from: 0).byteCount
      try loop.run {
        _ = try loop.guest(0).fill(with: GuestEnd.noise(from: 16))
        return try loop.guest(1).frames().count == 1 + number
      }
      // The kernel, too, may pass the datagram on a turn later.
      #expect(loop.received(from: 0).byteCount - before <= 2 * Self.share)
    }
  }

  @Test func `between two frames of a link a flood from the host has two batches`() throws {
    let loop = try Self.loop(links: 2)
    let client = try forwardedClient(of: loop)
    let request = GuestEnd.request(from: 16)
    for _ in 0..<200 { #expect(try client.send([1].span) == 1) }
    for turn in 1...3 {
      let before = try loop.guest(1).frames().count
      #expect(try loop.guest(0).write(request) == request.count)
      try loop.poll()
      #expect(try loop.guest(0).frames().count == turn)
      // One for the event, and one for the work that waits.
      #expect(try loop.guest(1).frames().count - before <= 128)
    }
    try loop.run { try loop.guest(1).frames().count == 201 }
  }

  /// A client on the host of a UDP port of the guest at port 1, which the network has heard of.
  private func forwardedClient(of loop: LoopUnderTest) throws -> Socket {
    let request = GuestEnd.request(from: 15)
    #expect(try loop.guest(1).write(request) == request.count)
    let place = Endpoint(.loopback, port: try freePort())
    let guest = Endpoint(IPv4Address(10, 0, 2, 15), port: 53)
    loop.mailbox.send(.apply(.addForward(PortForward(transport: .udp, host: place, guest: guest))))
    try loop.run { try loop.guest(1).frames().count == 1 }
    let client = try Socket(.datagram, for: .internet(place))
    #expect(try client.connect(to: .internet(place)))
    return client
  }

  @Test func `a connection whose guest does not read leaves those of other links as they are`() throws {
    let loop = try Self.loop(links: 2)
    let slow = try GuestConnection(loop.guest(0), from: 15)
    let other = try GuestConnection(loop.guest(1), from: 16)
    try slow.open(loop)
    try other.open(loop)
    let bytes = (0..<(1 << 21)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

    // The guest says that it has everything, so that nothing but the link holds its connection back.
    var slowRest = bytes[...]
    let request = GuestEnd.request(from: 15)
    try loop.run {
      try slow.feed(&slowRest)
      try slow.acknowledge(loop.byteCount(to: slow.local))
      // Its answer finds no room in the end.
      try loop.guest(0).writeAll(request)
      return loop.drops(.linkFull) > 0
    }
    let stuck = loop.byteCount(to: slow.local)
    #expect(stuck < bytes.count)
    #expect(loop.isAtRest)

    var rest = bytes[...]
    try loop.run {
      try other.feed(&rest)
      try other.read()
      try other.acknowledge(other.received.count)
      return other.received.count == bytes.count
    }
    #expect(other.received == bytes)
    #expect(loop.byteCount(to: slow.local) == stuck)

    try loop.run {
      try slow.feed(&slowRest)
      try slow.read()
      try slow.acknowledge(loop.byteCount(to: slow.local))
      return slow.received.count == bytes.count
    }
    #expect(slow.received == bytes)
  }
}

extension GuestConnection {
  /// Has the server write what its socket takes of `bytes`.
  fileprivate func feed(_ bytes: inout ArraySlice<UInt8>) throws {
    guard !bytes.isEmpty else { return }
    bytes = bytes.dropFirst(try write(Array(bytes.prefix(1 << 18))))
  }

  private func write(_ bytes: [UInt8]) throws -> Int { try server?.send(bytes.span) ?? 0 }
}
