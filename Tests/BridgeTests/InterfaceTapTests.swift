import LinuxSystem
import Primitives
import RouteNetlink
import Testing

/// Looks at the frames of an interface, as captures do, beside the server of addresses.
@Suite(.needsRoot, .serialized) struct InterfaceTapTests {
  /// Two interfaces that are joined.
  private struct Pair {
    let near: InterfaceState
    let far: InterfaceState

    init() throws {
      try shell("ip link add near0 type veth peer name far0; ip link set near0 up; ip link set far0 up")
      var routes = try RouteSocket()
      (near, far) = (try routes.require("near0"), try routes.require("far0"))
    }
  }

  private static func bytes(_ address: MACAddress?) throws -> [UInt8] {
    try #require(address).description.split(separator: ":").compactMap { UInt8($0, radix: 16) }
  }

  private static let stranger = MACAddress(0x52, 0x54, 0, 0, 0, 9)

  /// An ARP reply, with a VLAN tag or without, of 60 bytes and the tag's four.
  private func reply(to: MACAddress?, from: MACAddress?, tag: [UInt8] = []) throws -> [UInt8] {
    let head = try Self.bytes(to) + Self.bytes(from) + tag + [8, 6, 0, 1, 8, 0, 6, 4, 0, 2]
    return head + [UInt8](repeating: 7, count: 60 + tag.count - head.count)
  }

  /// The frames that have passed a tap, of the kind that is sent here.
  private func frames(_ tap: borrowing InterfaceTap) throws -> [(frame: TappedFrame, bytes: [UInt8])] {
    var batch = TappedFrames(of: 256)
    var found: [(frame: TappedFrame, bytes: [UInt8])] = []
    while let count = try batch.take(from: tap) {
      for index in 0..<count {
        let bytes = batch.bytes(index)
        let copy = bytes.indices.map { bytes[$0] }
        if copy.last == 7 { found.append((batch[index], copy)) }
      }
    }
    return found
  }

  @Test func `frames are seen as they come and go, with their tags and the time of day`() throws {
    try withOwnNetwork {
      let pair = try Pair()
      let tap = try InterfaceTap(interface: pair.near.index, isPromiscuous: true)
      let near = try PacketSocket(interface: pair.near.index)
      let far = try PacketSocket(interface: pair.far.index)
      let before = WallClock.seconds
      let going = try reply(to: pair.far.hardware, from: pair.near.hardware)
      let coming = try reply(to: Self.stranger, from: pair.far.hardware, tag: [0x81, 0, 0xe0, 7])
      #expect(try near.send(going.span))
      #expect(try far.send(coming.span))
      let seen = try frames(tap)
      #expect(seen.map(\.bytes) == [going, coming])
      #expect(seen.map(\.frame.isOutgoing) == [true, false])
      #expect(seen.map(\.frame.originalLength) == [60, 64])
      #expect(seen.last?.frame.shift == 4)
      for entry in seen { #expect((before...(WallClock.seconds + 1)).contains(entry.frame.time / 1_000_000_000)) }
      #expect(try tap.takeDropCount() == 0)
    }
  }

  @Test func `a frame that is longer than what is wanted of it is cut`() throws {
    try withOwnNetwork {
      let pair = try Pair()
      let tap = try InterfaceTap(interface: pair.near.index, isPromiscuous: false)
      let near = try PacketSocket(interface: pair.near.index)
      let long = try reply(to: pair.far.hardware, from: pair.near.hardware) + [UInt8](repeating: 7, count: 1000)
      #expect(try near.send(long.span))
      let seen = try frames(tap)
      #expect(seen.map(\.frame.originalLength) == [1060])
      #expect(seen.first.map { $0.bytes.count < 300 && long.starts(with: $0.bytes) } == true)
    }
  }

  @Test func `the server of addresses gets nothing that is for somebody else, though it is looked at`() throws {
    try withOwnNetwork {
      let pair = try Pair()
      let tap = try InterfaceTap(interface: pair.near.index, isPromiscuous: true)
      let near = try PacketSocket(interface: pair.near.index)
      let far = try PacketSocket(interface: pair.far.index)
      let other = try reply(to: Self.stranger, from: pair.far.hardware)
      let own = try reply(to: pair.near.hardware, from: pair.far.hardware)
      #expect(try far.send(other.span) && far.send(own.span))
      #expect(try frames(tap).count == 2)
      var buffer = [UInt8](repeating: 0, count: 256)
      var space = buffer.mutableSpan
      let first = try near.receive(into: &space)
      #expect(first?.byteCount == 60 && Array(buffer.prefix(60)) == own)
      var rest = buffer.mutableSpan
      let second = try near.receive(into: &rest)
      #expect(second == nil)
    }
  }

  @Test func `an interface that goes away is told of`() throws {
    try withOwnNetwork {
      let pair = try Pair()
      let tap = try InterfaceTap(interface: pair.near.index, isPromiscuous: true)
      try shell("ip link delete near0")
      var batch = TappedFrames(of: 256)
      var isDown = false
      do throws(SystemError) {
        while try batch.take(from: tap) != nil {}
      } catch {
        isDown = error.isInterfaceDown
      }
      #expect(isDown)
    }
  }
}
