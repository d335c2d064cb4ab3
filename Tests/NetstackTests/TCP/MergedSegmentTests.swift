import Buffers
import Netstack
import Primitives
import Simulation
import Testing

/// Frames of the guest's that stand for several segments, and whose checksums are left to us.
@Suite struct MergedSegmentTests {
  private static let everything: LinkOffloads = [.checksum, .tcp4, .tcp6, .udp]

  @Test(arguments: families, [UInt16(48), 536, 1460, 8960])
  func `a long segment is taken whole and acknowledged`(family: IPAddress.Family, size: UInt16) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(size), over: family)
      tcp.guest(.data(pattern(60_000), seq: 1, ack: 1), inSegmentsOf: size)
      #expect(server.bytes == pattern(60_000))
      #expect(tcp.takeSegments().map(\.ack) == [60_001])
      #expect(lab.host.calls.sends == 1)
    }
  }

  @Test(arguments: families)
  func `a guest that sends what it has together is taken whole, in pieces of memory too`(
    family: IPAddress.Family
  ) throws {
    for framing in [Lab.Framing(), Lab.Framing(headerLength: 134, pieceLength: 3000)] {
      var options = Lab.Options()
      options.guestOffloads = Self.everything
      options.framing = framing
      withLab(options) { lab in
        lab.host.services[.server(family)] = RemoteService(echoes: true)
        let connection = lab.guest.connect(to: .server(family))
        connection.write(pattern(1 << 20))
        connection.finish()
        #expect(lab.run(for: .seconds(60)) { connection.isFinished })
        #expect(connection.received == pattern(1 << 20))
        #expect(connection.retransmissions == 0)
        #expect(lab.mergedCounts.max() ?? 0 > 20)
      }
    }
  }

  @Test(arguments: families)
  func `how long it is says nothing of what the guest takes`(family: IPAddress.Family) throws {
    try withLab { lab in
      let headers = family == .ipv4 ? 40 : 60
      let (tcp, server) = try lab.established(RemoteService(), .mss(1400), win: 65_000, over: family)
      tcp.guest(.data(pattern(20_000), seq: 1, ack: 1, win: 65_000), inSegmentsOf: 1400)
      _ = tcp.takeSegments()
      server.write(pattern(5000))
      #expect(tcp.takeSegments().map(\.payload.count).max() == 1400)
      // What is in datagrams for the guest tells of its MTU at once: it goes in fragments.
      lab.host.datagramServices[.server(family, port: 7)] = .answers(pattern(3000))
      lab.guest.sendUDP([1], from: 5000, to: .server(family, port: 7))
      lab.settle()
      let parts = lab.guest.inbox.filter { $0.ipv4?.isFragment == true || $0.ipv6?.isFragment == true }
      #expect(parts.count == 3, "the guest's MTU is more than \(1400 + headers)")
    }
  }

  @Test(arguments: families)
  func `one that overlaps what has come is taken from where that ends`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), over: family)
      tcp.guest(.data(pattern(3500), seq: 1, ack: 1), inSegmentsOf: 1000)
      _ = tcp.takeSegments()
      tcp.guest(.data(pattern(4000, from: 2000), seq: 2001, ack: 1), inSegmentsOf: 1000)
      #expect(tcp.takeSegments().map(\.ack) == [6001])
      // Nothing of it is new: it is acknowledged again.
      tcp.guest(.data(pattern(4000, from: 2000), seq: 2001, ack: 1), inSegmentsOf: 1000)
      #expect(tcp.takeSegments().map(\.ack) == [6001])
      #expect(server.bytes == pattern(6000))
    }
  }

  @Test(arguments: families)
  func `one behind a gap is kept, reported as one range, and used when the gap is filled`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .sackPermitted, over: family)
      tcp.guest(.data(pattern(5000, from: 1000), seq: 1001, ack: 1), inSegmentsOf: 1000)
      tcp.stack(.sack(1, 1001..<6001, seq: 1))
      // It overlaps what waits at both ends.
      tcp.guest(.data(pattern(3000, from: 4000), seq: 4001, ack: 1), inSegmentsOf: 1000)
      tcp.stack(.sack(1, 1001..<7001, seq: 1))
      tcp.guest(.data(pattern(2000), seq: 1, ack: 1), inSegmentsOf: 1000)
      #expect(tcp.takeSegments().map(\.ack) == [7001])
      #expect(server.bytes == pattern(7000))
    }
  }

  @Test(arguments: families)
  func `of one larger than the window what fits is taken`(family: IPAddress.Family) throws {
    try withLab { lab in
      var service = RemoteService(readsAtOnce: false)
      service.sendBufferSize = 5000
      let (tcp, server) = try lab.established(service, .mss(1000), over: family)
      tcp.guest(.data(pattern(20_000), seq: 1, ack: 1), inSegmentsOf: 1000)
      let taken = try #require(tcp.takeSegments().compactMap(\.ack).last) - 1
      #expect(taken > 0 && taken <= 5000)
      for _ in 0..<2 {
        server.read()
        lab.settle()
      }
      // Nothing of what was beyond it is kept.
      #expect(server.bytes.count == taken)
      tcp.guest(.data(pattern(3000, from: taken), seq: 1 + taken, ack: 1), inSegmentsOf: 1000)
      server.read()
      lab.settle()
      #expect(server.bytes == pattern(server.bytes.count))
      #expect(server.bytes.count > taken)
    }
  }

  @Test(arguments: families)
  func `a FIN ends it`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), over: family)
      let data = pattern(3500)
      tcp.guest(Segment([.fin, .psh], seq: 1, ack: 1, payload: data), inSegmentsOf: 1000)
      #expect(server.bytes == data)
      #expect(server.sawEnd)
      #expect(tcp.takeSegments().map(\.ack) == [3502])
    }
  }

  @Test(arguments: families)
  func `urgent data is data like any other (RFC 6093)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), over: family)
      tcp.guest(Segment(.urg, seq: 1, ack: 1, payload: pattern(3500)), inSegmentsOf: 1000)
      #expect(server.bytes == pattern(3500))
      #expect(tcp.takeSegments().map(\.ack) == [3501])
    }
  }

  // MARK: Checksums

  /// A segment of a connection with another checksum than its own.
  private func bent(_ tcp: RawConnection, _ checksum: ChecksumState) -> LinkFrame {
    let lab = tcp.lab
    var bytes = PlainFrame(
      destination: lab.guest.gatewayMAC, source: lab.guest.mac, .ipv4(tcp.packet(.data("hello", seq: 1, ack: 1)))
    ).encoded
    bytes[34 + 16] ^= 0x55
    return LinkFrame(bytes, checksum: checksum)
  }

  @Test func `a checksum that the link has verified, or leaves to us, is not looked at`() throws {
    for state in [ChecksumState.verified, .partial(start: 34, offset: 16)] {
      try withLab { lab in
        let (tcp, server) = try lab.established()
        lab.guest.send(bent(tcp, state))
        lab.settle()
        #expect(server.text == "hello")
        #expect(lab.drops(.badChecksum) == 0)
      }
    }
  }

  @Test func `one that nobody has verified is`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      lab.guest.send(bent(tcp, .unverified))
      lab.settle()
      #expect(server.text == "")
      #expect(lab.drops(.badChecksum) == 1)
    }
  }
}
