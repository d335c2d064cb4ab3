import Buffers
import Netstack
import Primitives
import Simulation
import Testing

/// Datagrams of one length that travel as one frame, both ways.
@Suite struct MergedDatagramTests {
  private static func options(_ link: LinkOffloads, guest: LinkOffloads = []) -> Lab.Options {
    var options = Lab.Options()
    options.offloads = link
    options.guestOffloads = guest
    return options
  }

  /// Answers of these lengths from one place, all waiting at once.
  private func answers(_ lengths: [Int], _ lab: Lab, over family: IPAddress.Family) throws -> [[UInt8]] {
    lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
    lab.settle()
    let flow = try #require(lab.datagramFlow(onPort: 5000))
    for (number, length) in lengths.enumerated() {
      lab.host.deliver(pattern(length, from: number), from: Endpoint.server(family, port: 7), to: flow)
    }
    lab.settle()
    return lab.guest.datagrams.map(\.payload)
  }

  @Test(arguments: families)
  func `answers of one length go to the guest together, the last may be shorter`(family: IPAddress.Family) throws {
    try withLab(Self.options([.checksum, .udp])) { lab in
      let lengths = [100, 100, 100, 40, 100, 200, 200, 7]
      let received = try answers(lengths, lab, over: family)
      #expect(received == lengths.enumerated().map { pattern($1, from: $0) })
      #expect(lab.cutCounts == [4, 3])
    }
  }

  @Test(arguments: families)
  func `no frame stands for more than 64, nor for an empty one`(family: IPAddress.Family) throws {
    try withLab(Self.options([.checksum, .udp])) { lab in
      let lengths = Array(repeating: 9, count: 130) + [0, 0, 5]
      let received = try answers(lengths, lab, over: family)
      #expect(received == lengths.enumerated().map { pattern($1, from: $0) })
      #expect(lab.cutCounts == [64, 64, 2])
    }
  }

  @Test(arguments: families)
  func `a packet holds no more than 65,535 bytes of them`(family: IPAddress.Family) throws {
    try withLab(Self.options([.checksum, .udp])) { lab in
      let lengths = Array(repeating: 1400, count: 60)
      let received = try answers(lengths, lab, over: family)
      #expect(received == lengths.enumerated().map { pattern($1, from: $0) })
      // 46 of them are 64,400 bytes.
      #expect(lab.cutCounts == [46, 14])
    }
  }

  @Test(arguments: families)
  func `what the guest takes no packet of goes in fragments, each for itself`(family: IPAddress.Family) throws {
    try withLab(Self.options([.checksum, .udp])) { lab in
      let received = try answers([2000, 2000, 2000], lab, over: family)
      #expect(received == (0..<3).map { pattern(2000, from: $0) })
      #expect(lab.cutCounts == [])
    }
  }

  @Test(arguments: families, [LinkOffloads.checksum, [.checksum, .tcp4, .tcp6], .udp, []])
  func `a link that does not cut datagrams, or completes no checksum, gets each for itself`(
    family: IPAddress.Family, offloads: LinkOffloads
  ) throws {
    try withLab(Self.options(offloads)) { lab in
      let received = try answers([100, 100, 100], lab, over: family)
      #expect(received == (0..<3).map { pattern(100, from: $0) })
      #expect(lab.cutCounts == [])
    }
  }

  @Test(arguments: families)
  func `a frame of the guest's is taken as the datagrams that it stands for`(family: IPAddress.Family) {
    withLab(Self.options([], guest: [.checksum, .udp])) { lab in
      let lengths = [100, 100, 100, 40, 100]
      for (number, length) in lengths.enumerated() {
        lab.guest.sendUDP(pattern(length, from: number), from: 5000, to: .server(family, port: 7))
      }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == lengths.enumerated().map { pattern($1, from: $0) })
      #expect(lab.mergedCounts == [4])
      #expect(lab.host.calls.datagramSends == 1)
    }
  }

  @Test(arguments: families)
  func `a checksum that the link leaves to us is not looked at, one that nobody has verified is`(
    family: IPAddress.Family
  ) {
    for (state, count) in [(ChecksumState.verified, 1), (.partial(start: 34, offset: 6), 1), (.unverified, 0)] {
      withLab { lab in
        let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1, 2, 3])
        let (source, remote) = (lab.guest.address(in: family), Endpoint.server(family, port: 7).address)
        let body: PlainFrame.Body =
          if let from = source.ipv4, let to = remote.ipv4 {
            .ipv4(PlainIPv4(from: from, to: to, .udp(datagram)))
          } else {
            .ipv6(PlainIPv6(from: source.mapped, to: remote.mapped, .udp(datagram)))
          }
        var bytes = PlainFrame(
          destination: family == .ipv4 ? lab.guest.gatewayMAC : lab.guest.ipv6GatewayMAC, source: lab.guest.mac, body
        ).encoded
        bytes[(family == .ipv4 ? 34 : 54) + 6] ^= 0x55
        lab.guest.send(LinkFrame(bytes, checksum: state))
        lab.settle()
        #expect(lab.sentDatagrams.count == count)
        #expect(lab.drops(.badChecksum) == 1 - count)
      }
    }
  }

  @Test(arguments: families, [UInt16(512), 1000])
  func `the last datagram of a frame is what is left`(
    family: IPAddress.Family, size: UInt16
  ) {
    withLab { lab in
      let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: pattern(2500))
      let source = lab.guest.address(in: family)
      let remote = Endpoint.server(family, port: 7)
      lab.guest.send(.udp(datagram), from: source, to: remote.address, inSegmentsOf: size)
      lab.settle()
      let parts = stride(from: 0, to: 2500, by: Int(size)).map { Array(pattern(2500)[$0..<min($0 + Int(size), 2500)]) }
      #expect(lab.sentDatagrams.map(\.payload) == parts)
    }
  }

  @Test(arguments: families)
  func `a frame that stands for more datagrams than any sender puts together is dropped`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      let source = lab.guest.address(in: family)
      let remote = Endpoint.server(family, port: 7)
      for (length, count) in [(1280, 128), (1281, 128)] {
        let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: pattern(length))
        lab.guest.send(.udp(datagram), from: source, to: remote.address, inSegmentsOf: 10)
        lab.settle()
        #expect(lab.sentDatagrams.count == count)
      }
      #expect(lab.drops(.malformed) == 1)
    }
  }
}
