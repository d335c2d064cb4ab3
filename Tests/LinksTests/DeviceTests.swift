import Buffers
import Links
import LinuxSystem
import Primitives
import Testing

/// A TAP device as a link, against the kernel's own network behind it.
@Suite(.needsRoot) struct DeviceTests {
  /// Runs `body` with a link on a new device.
  private func withDevice(
    usesHeader: Bool = true, offloads: TAPDevice.Offloads = .all, isUp: Bool = true,
    _ body: (DeviceWorld) throws -> Void
  ) throws {
    try withOwnNetwork {
      try body(
        DeviceWorld(try TAPDevice(name: "tap%d", usesHeader: usesHeader, offloads: offloads), isUp: isUp))
    }
  }

  /// What devices are asked for, and what their links do then.
  private static let offers: [(wanted: TAPDevice.Offloads, granted: LinkOffloads)] = [
    (.all, [.checksum, .tcp4, .tcp6, .udp]), (.withoutUDP, [.checksum, .tcp4, .tcp6]),
    ([.checksum, .tcp4], [.checksum, .tcp4]), ([.checksum, .tcp6], [.checksum, .tcp6]),
    ([.checksum, .udp], [.checksum, .udp]), (.checksum, .checksum), ([], []),
  ]

  @Test(arguments: offers.indices)
  func `a link does what its device was asked for, and frames pass both ways`(index: Int) throws {
    let (wanted, granted) = Self.offers[index]
    try withDevice(offloads: wanted) { world in
      #expect(world.owner.offloads == granted)
      try expectTraffic(in: world)
      // The kernel leaves the sum to whoever says that he completes it, and to no other.
      let leavesSum = world.owner.descriptors.allSatisfy { $0.checksum == .partial(start: 34, offset: 6) }
      #expect(leavesSum == granted.contains(.checksum))
    }
  }

  @Test func `a device without the header carries complete frames`() throws {
    try withDevice(usesHeader: false) { world in
      #expect(world.owner.offloads == [])
      try expectTraffic(in: world)
      #expect(world.owner.descriptors.allSatisfy { $0.checksum == .unverified && $0.segmentation == nil })
    }
  }

  /// A datagram each way.
  private func expectTraffic(in world: DeviceWorld) throws {
    let socket = try world.socket()
    try socket.send(Array("hello".utf8))
    try world.owner.run { !$0.frames.isEmpty }
    #expect(try world.payloads() == [Array("hello".utf8)])
    #expect(world.owner.transmit(try world.frame(Array("hi".utf8))))
    #expect(try world.receive(on: socket) == Array("hi".utf8))
    #expect(world.owner.sent.refusedFrameCount == 0)
    #expect(world.owner.received.unknownHeaderCount == 0)
  }

  @Test func `a checksum that is left to the kernel is completed by it`() throws {
    try withDevice { world in
      let socket = try world.socket()
      let sent = world.owner.transmit(
        try world.unfinishedFrame([1, 2, 3]), checksum: .partial(start: 34, offset: 6))
      #expect(sent)
      #expect(try world.receive(on: socket) == [1, 2, 3])
    }
  }

  @Test func `a frame of many datagrams is cut by the kernel`() throws {
    try withDevice { world in
      let socket = try world.socket()
      let payload = frame(2500)
      let sent = world.owner.transmit(
        try world.unfinishedFrame(payload), headerLength: 42, checksum: .partial(start: 34, offset: 6),
        segmentation: Segmentation(kind: .udp, size: 1000))
      #expect(sent)
      for part in [0..<1000, 1000..<2000, 2000..<2500] {
        #expect(try world.receive(on: socket) == Array(payload[part]))
      }
    }
  }

  @Test(arguments: [TAPDevice.Offloads.all, .withoutUDP])
  func `datagrams that the kernel sends together come together where the link takes that`(
    offloads: TAPDevice.Offloads
  ) throws {
    try withDevice(offloads: offloads) { world in
      let socket = try world.socket()
      try sendTogether(1000, on: socket.socket.rawValue)
      let payload = frame(2500)
      try socket.send(payload)
      let count = offloads == .all ? 1 : 3
      try world.owner.run { $0.frames.count >= count }
      #expect(world.owner.frames.count == count)
      #expect(try world.payloads() == [0..<1000, 1000..<2000, 2000..<2500].map { Array(payload[$0]) })
      #expect(world.owner.descriptors.first?.segmentation?.size == (offloads == .all ? 1000 : nil))
    }
  }

  @Test func `a frame that the kernel finds fault with is refused and counted, and the link goes on`() throws {
    try withDevice { world in
      let sent = world.owner.transmit(
        try world.unfinishedFrame([1, 2, 3]), checksum: .partial(start: 5000, offset: 6))
      #expect(sent)
      #expect(world.owner.sent.refusedFrameCount == 1)
      try expectTrafficGoesOn(in: world)
    }
  }

  @Test func `an interface that is down takes nothing, which is counted, and that is no end`() throws {
    try withDevice(isUp: false) { world in
      #expect(world.owner.transmit(try world.frame([1])))
      #expect(world.owner.sent.refusedFrameCount == 1)
      try world.owner.poll()
      #expect(world.owner.ends == [] && !world.owner.isFinished)
      try world.setUp()
      try expectTrafficGoesOn(in: world)
      try world.setDown()
      #expect(world.owner.transmit(try world.frame([1])))
      #expect(world.owner.sent.refusedFrameCount == 2)
      try world.owner.poll()
      #expect(world.owner.ends == [] && !world.owner.isFinished)
    }
  }

  private func expectTrafficGoesOn(in world: DeviceWorld) throws {
    let socket = try world.socket()
    #expect(world.owner.transmit(try world.frame([7])))
    #expect(try world.receive(on: socket) == [7])
    try socket.send([8])
    try world.owner.run { !$0.frames.isEmpty }
    #expect(try world.payloads() == [[8]])
  }

  @Test func `a device that is removed ends its link, and no other comes`() throws {
    try withDevice { world in
      try expectTraffic(in: world)
      try world.remove()
      try world.owner.run { !$0.ends.isEmpty }
      #expect(world.owner.ends == [.deviceRemoved])
      #expect(world.owner.isFinished && !world.owner.isAttached)
      #expect(world.owner.nextDeadline == .never)
      #expect(!world.owner.transmit(try world.frame([1])))
    }
  }

  @Test func `a frame written to a device that was removed is the link's failure`() throws {
    try withDevice { world in
      try world.remove()
      #expect(world.owner.transmit(try world.frame([1])))
      guard case .failed = world.owner.flush() else {
        Issue.record("the write did not fail")
        return
      }
    }
  }

  @Test func `the longest packet passes both ways`() throws {
    try withDevice { world in
      let socket = try world.socket()
      // As many bytes as 64 datagrams of one length come to within 65,535 bytes.
      let payload = frame(64 * 1023)
      let sent = world.owner.transmit(
        try world.unfinishedFrame(payload), headerLength: 42, checksum: .partial(start: 34, offset: 6),
        segmentation: Segmentation(kind: .udp, size: 1023))
      #expect(sent)
      for number in 0..<64 {
        let part = Array(payload[(number * 1023)..<((number + 1) * 1023)])
        #expect(try world.receive(on: socket) == part)
      }
      try sendTogether(1023, on: socket.socket.rawValue)
      try socket.send(payload)
      try world.owner.run { !$0.frames.isEmpty }
      #expect(world.owner.frames.map(\.count) == [64 * 1023 + 42])
      #expect(try world.payloads().flatMap { $0 } == payload)
    }
  }
}
