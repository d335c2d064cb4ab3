import Buffers
import Netstack
import Primitives
import Simulation
import Testing

/// Segments that go to the guest as one frame where the link cuts it: the guest sees what it would see without.
@Suite struct SegmentationTests {
  private static let link: LinkOffloads = [.checksum, .tcp4, .tcp6]

  private static func options(_ offloads: LinkOffloads = link) -> Lab.Options {
    var options = Lab.Options()
    options.offloads = offloads
    return options
  }

  @Test(arguments: families, [UInt16(48), 536, 1440, 1460, 8940, 8960])
  func `the guest gets segments of its size, and the stack sends them as one frame`(
    family: IPAddress.Family, mss: UInt16
  ) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(mss), win: 65_535, over: family)
      // Whatever is longer than the usual packet the guest has shown to take by its MSS.
      let size = Int(mss)
      // No more than the initial window (RFC 6928).
      let whole = size > 4000 ? 1 : 3
      let count = size * whole + 7
      server.write(pattern(count))
      let segments = tcp.takeSegments()
      #expect(segments.map(\.payload.count) == Array(repeating: size, count: whole) + [7])
      #expect(segments.flatMap(\.payload) == pattern(count))
      #expect(segments.map { $0.flags.contains(.psh) } == Array(repeating: false, count: whole) + [true])
      #expect(lab.cutCounts == [whole + 1])
    }
  }

  @Test(arguments: families)
  func `a frame is filled as far as a packet goes`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      let connection = lab.guest.connect(to: .server(family))
      lab.host.services[.server(family)] = RemoteService()
      lab.settle()
      let server = try #require(lab.peers(at: .server(family)).first)
      server.write(pattern(2 << 20))
      server.finish()
      #expect(lab.run(for: .seconds(60)) { connection.isReadClosed })
      #expect(connection.received == pattern(2 << 20))
      // 65,535 bytes less headers of 52 or 72, in segments of 1448 or 1428.
      #expect(lab.cutCounts.max() == 45)
    }
  }

  @Test(arguments: families, [LinkOffloads.checksum, [.checksum, .udp], [.tcp4, .tcp6, .udp], []])
  func `a link that does not cut segments, or completes no checksum, gets each for itself`(
    family: IPAddress.Family, offloads: LinkOffloads
  ) throws {
    try withLab(Self.options(offloads)) { lab in
      let (tcp, server) = try lab.established(win: 65_535, over: family)
      server.write(pattern(4000))
      #expect(tcp.takeSegments().flatMap(\.payload) == pattern(4000))
      #expect(lab.cutCounts == [])
    }
  }

  @Test(arguments: families)
  func `a link that cuts segments of one family gets the other's apart`(family: IPAddress.Family) throws {
    for (offload, isCut) in [(LinkOffloads.tcp4, family == .ipv4), (.tcp6, family == .ipv6)] {
      try withLab(Self.options([.checksum, offload])) { lab in
        let (tcp, server) = try lab.established(win: 65_535, over: family)
        server.write(pattern(4000))
        #expect(tcp.takeSegments().flatMap(\.payload) == pattern(4000))
        #expect(lab.cutCounts.isEmpty != isCut)
      }
    }
  }

  @Test(arguments: families)
  func `a link that comes back is asked anew what it does`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(win: 65_535, over: family)
      lab.detach()
      lab.attach()
      _ = tcp.takeSegments()
      server.write(pattern(4000))
      #expect(tcp.takeSegments().count == 3)
      #expect(lab.cutCounts == [3])
    }
  }

  @Test(arguments: families)
  func `each segment carries the same timestamps`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.clock = 5
      let server = try tcp.establish([.mss(1000), .timestamps(5, echo: 0)])
      tcp.clock = 6
      server.write(pattern(3000))
      let segments = tcp.takeSegments()
      // Twelve bytes of each segment are the option's.
      #expect(segments.map(\.payload.count) == [988, 988, 988, 36])
      #expect(Set(segments.map(\.options)).count == 1)
      #expect(segments.first?.options?.isEmpty == false)
      #expect(lab.cutCounts == [4])
    }
  }

  // MARK: Losses

  @Test(arguments: families)
  func `of a frame of which a segment is lost only that goes again, for who reports blocks (RFC 6675)`(
    family: IPAddress.Family
  ) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(
        RemoteService(), .mss(1000), .sackPermitted, win: 65_535, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      #expect(lab.cutCounts == [10])
      // The third is missing.
      for place in 3..<8 { tcp.guest(.sack(2001, 3001..<(1001 + place * 1000), seq: 1, win: 65_535)) }
      let again = tcp.takeSegments()
      #expect(again.map(\.seq) == [2001])
      #expect(again.map(\.payload) == [pattern(1000, from: 2000)])
      tcp.guest(.ack(10_001, seq: 1, win: 65_535))
      tcp.silence(for: .seconds(2))
    }
  }

  @Test(arguments: families)
  func `of two gaps in a frame each is filled, with what is between them left out`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(
        RemoteService(), .mss(1000), .sackPermitted, win: 65_535, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      tcp.guest(.sack(1, 5001..<10_001, 2001..<3001, seq: 1, win: 65_535))
      let again = tcp.takeSegments()
      // The first two go as one frame, the two before 5001 as one.
      #expect(again.map(\.seq) == [1, 1001, 3001, 4001])
      tcp.guest(.ack(10_001, seq: 1, win: 65_535))
      tcp.silence(for: .seconds(2))
    }
  }

  @Test(arguments: families)
  func `three duplicates bring the first segment of the frame again, and no more (RFC 5681 section 3.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 65_535, over: family)
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().count == 10)
      for _ in 0..<3 { tcp.guest(.ack(1, seq: 1, win: 65_535)) }
      tcp.stack(.data(pattern(1000), seq: 1, ack: 1))
      tcp.silence()
    }
  }

  @Test(arguments: families)
  func `a timeout brings one segment again, and after its acknowledgment the rest as one frame (RFC 6298 5.4)`(
    family: IPAddress.Family
  ) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 65_535, over: family)
      server.write(pattern(3000))
      #expect(tcp.takeSegments().count == 3)
      #expect(lab.run(for: .seconds(2)) { tcp.pendingCount > 0 })
      #expect(tcp.takeSegments().map(\.seq) == [1])
      let before = lab.cutCounts.count
      tcp.guest(.ack(1001, seq: 1, win: 65_535))
      #expect(tcp.takeSegments().map(\.seq) == [1001, 2001])
      #expect(lab.cutCounts.dropFirst(before) == [2])
    }
  }

  @Test(arguments: families)
  func `a narrower path cuts the frame into smaller segments (RFC 1191 section 6.4)`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      let headers = family == .ipv4 ? 40 : 60
      let (tcp, server) = try lab.established(RemoteService(), .mss(1400), over: family)
      server.write(pattern(4200))
      #expect(tcp.takeSegments().map(\.payload.count) == [1400, 1400, 1400])
      try tooBig(1300, about: tcp, at: 1)
      let size = 1300 - headers
      #expect(tcp.takeSegments().map(\.seq) == [1, 1 + size, 1 + 2 * size, 1 + 3 * size])
      #expect(lab.cutCounts == [3, 4])
      tcp.guest(.ack(4201, seq: 1))
      server.write(pattern(3000))
      #expect(tcp.takeSegments().map(\.payload.count).max() == size)
    }
  }

  /// The guest, or a router behind it, has no room for our segment at `sequence`.
  private func tooBig(_ mtu: UInt32, about tcp: RawConnection, at sequence: Int) throws {
    let family = tcp.remote.address.family
    var quoted = PlainTCP()
    (quoted.sourcePort, quoted.destinationPort) = (tcp.remote.port, tcp.port)
    quoted.sequence = try #require(tcp.remoteInitial) + sequence
    quoted.flags = .ack
    quoted.payload = pattern(1400)
    let guest = tcp.lab.guest.address(in: family)
    let packet: [UInt8]
    if let source = tcp.remote.address.ipv4 {
      packet = PlainIPv4(from: source, to: tcp.lab.guest.address, .tcp(quoted)).encoded
    } else {
      packet = PlainIPv6(from: tcp.remote.address.mapped, to: guest.mapped, .tcp(quoted)).encoded
    }
    let message = PlainICMP(
      type: family == .ipv4 ? 3 : 2, code: family == .ipv4 ? 4 : 0, rest: mtu,
      payload: Array(packet.prefix(family == .ipv4 ? 28 : 48)))
    tcp.lab.guest.send(.icmp(message), from: guest, to: tcp.remote.address)
    tcp.lab.settle()
  }

  // MARK: Windows and the end

  @Test(arguments: families)
  func `a window smaller than a frame is filled and not exceeded`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 2500, over: family)
      server.write(pattern(6000))
      #expect(tcp.takeSegments().map(\.seq) == [1, 1001])
      tcp.guest(.ack(2001, seq: 1, win: 3100))
      #expect(tcp.takeSegments().map(\.seq) == [2001, 3001, 4001])
      tcp.guest(.ack(5001, seq: 1, win: 10_000))
      #expect(tcp.takeSegments().map(\.payload.count) == [1000])
      #expect(lab.cutCounts == [2, 3])
    }
  }

  @Test(arguments: families)
  func `a closed window is probed by a byte, and open again takes a frame (RFC 9293 section 3.8.6.1)`(
    family: IPAddress.Family
  ) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 2000, over: family)
      server.write(pattern(6000))
      #expect(tcp.takeSegments().count == 2)
      tcp.guest(.ack(2001, seq: 1, win: 0))
      lab.advance(by: .seconds(2))
      let probe = try #require(tcp.takeSegments().first)
      #expect(probe.seq == 2001 && probe.payload.count == 1)
      tcp.guest(.ack(2001, seq: 1, win: 8000))
      #expect(tcp.takeSegments().map(\.seq) == [2001, 3001, 4001, 5001])
      #expect(lab.cutCounts == [2, 4])
    }
  }

  @Test(arguments: families)
  func `the FIN comes behind the last segment, and with it when that goes again`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 65_535, over: family)
      server.write(pattern(2500))
      server.finish()
      let segments = tcp.takeSegments()
      #expect(segments.map(\.seq) == [1, 1001, 2001, 2501])
      #expect(segments.map { $0.flags.contains(.fin) } == [false, false, false, true])
      // All of it is lost: behind the first the rest comes as one frame, the FIN with its end.
      #expect(lab.run(for: .seconds(2)) { tcp.pendingCount > 0 })
      #expect(tcp.takeSegments().map(\.seq) == [1])
      tcp.guest(.ack(1001, seq: 1, win: 65_535))
      let again = tcp.takeSegments()
      #expect(again.map(\.seq) == [1001, 2001])
      #expect(again.map(\.flags) == [.ack, [.ack, .psh, .fin]])
      #expect(lab.cutCounts == [3, 2])
      tcp.guest(.ack(2502, seq: 1, win: 65_535))
      tcp.guest(.fin(seq: 1, ack: 2502))
      #expect(server.sawEnd)
    }
  }

  @Test(arguments: families)
  func `a link without room holds frames back and loses nothing`(family: IPAddress.Family) throws {
    try withLab(Self.options()) { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 65_000, over: family)
      lab.sink.room = 0
      server.write(pattern(5000))
      tcp.silence()
      lab.openLink(room: 1)
      #expect(tcp.takeSegments().map(\.seq) == [1, 1001, 2001, 3001, 4001])
      #expect(lab.drops(.linkFull) == 0)
    }
  }
}
