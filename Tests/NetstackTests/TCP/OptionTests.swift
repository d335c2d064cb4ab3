import Netstack
import Primitives
import Simulation
import Testing

/// The options of the handshake: RFC 9293 section 3.7.1 and RFC 7323.
@Suite struct OptionTests {
  /// The lengths of the segments in which 20,000 bytes of the host's reach a guest with these options.
  private func segmentLengths(
    _ options: [PlainTCP.Option], over family: IPAddress.Family, settings: NetworkSettings = NetworkSettings(),
    win: UInt16 = 65_535
  ) throws -> [Int] {
    var lab = Lab.Options()
    lab.settings = settings
    var lengths: [Int] = []
    try withLab(lab) { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(Segment(.syn, seq: 0, win: win, options: options))
      tcp.stack(.synAck())
      tcp.guest(.ack(1, seq: 1, win: win))
      tcp.discardWindowUpdates()
      let server = try #require(lab.peers(at: .server(family)).first)
      server.write(pattern(20_000))
      lengths = tcp.takeSegments().map(\.payload.count)
    }
    return lengths
  }

  @Test(arguments: families, [UInt16(1440), 1000, 536, 100])
  func `segments are as long as the guest's MSS`(family: IPAddress.Family, mss: UInt16) throws {
    let lengths = try segmentLengths([.mss(mss)], over: family)
    #expect(lengths.first == Int(mss))
    #expect(lengths.max() == Int(mss))
  }

  @Test(arguments: families, [UInt16(1), 47, 48])
  func `an MSS that makes no sense is survived, and a small one honoured`(family: IPAddress.Family, mss: UInt16) throws
  {
    #expect(try segmentLengths([.mss(mss)], over: family).max() == 48)
  }

  @Test(arguments: [(IPAddress.Family.ipv4, 536), (.ipv6, 1220)])
  func `a guest without the option, or with 0 in it, gets segments of 536 or 1220 bytes (RFC 9293 section 3.7.1)`(
    family: IPAddress.Family, length: Int
  ) throws {
    #expect(try segmentLengths([], over: family).max() == length)
    #expect(try segmentLengths([.mss(0)], over: family).max() == length)
  }

  @Test(arguments: families)
  func `an MSS beyond Ethernet's shows that the guest takes longer packets`(family: IPAddress.Family) throws {
    #expect(try segmentLengths([.mss(8960)], over: family).max() == 8960)
  }

  @Test(arguments: [(IPAddress.Family.ipv4, 1460), (.ipv6, 1440)])
  func `no packet is longer than the network's MTU, whatever the MSS`(family: IPAddress.Family, length: Int) throws {
    var settings = NetworkSettings()
    settings.mtu = 1500
    #expect(try segmentLengths([.mss(8960)], over: family, settings: settings).max() == length)
  }

  @Test(arguments: [(IPAddress.Family.ipv4, UInt16(40)), (.ipv6, 60)])
  func `the SYN-ACK announces the MSS of the network's MTU (RFC 9293 section 3.7.1)`(
    family: IPAddress.Family, headers: UInt16
  ) {
    for mtu in [UInt16(1500), 65_520, 9000] {
      var options = Lab.Options()
      options.settings.mtu = Int(mtu)
      withLab(options) { lab in
        lab.host.services[.server(family)] = RemoteService()
        let tcp = lab.rawConnection(to: .server(family))
        tcp.guest(.syn(.mss(1460)))
        tcp.stack(.synAck(.mss(mtu - headers)))
      }
    }
  }

  @Test(arguments: families)
  func `window scaling is used only if the guest offers it (RFC 7323 section 2.2)`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let plain = lab.rawConnection(to: .server(family))
      plain.guest(.syn(.mss(1460)))
      #expect(plain.takeSegments().first?.options?.contains { $0.isWindowScale } == false)
      let scaled = lab.rawConnection(to: .server(family))
      scaled.guest(.syn(.mss(1460), .windowScale(7)))
      #expect(scaled.takeSegments().first?.options?.contains { $0.isWindowScale } == true)
    }
  }

  @Test(arguments: families)
  func `the guest's scale counts for its windows, but not for that of its SYN`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      tcp.guest(Segment(.syn, seq: 0, win: 1000, options: [.mss(500), .windowScale(2)]))
      tcp.stack(.synAck())
      // 250 << 2 are 1000 bytes: two segments.
      tcp.guest(.ack(1, seq: 1, win: 250))
      tcp.discardWindowUpdates()
      let server = try #require(lab.peers(at: .server(family)).first)
      server.write(pattern(4000))
      #expect(tcp.takeSegments().map(\.payload.count) == [500, 500])
    }
  }

  @Test(arguments: families)
  func `options that the stack does not know, and padding, do no harm`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      let server = try tcp.establish([
        .other(19, [0, 0, 0, 1, 0, 0, 0, 0]), .sackPermitted, .mss(1200), .other(254, [1, 2, 3]), .windowScale(3),
      ])
      server.write(pattern(1200))
      tcp.stack(.data(pattern(1200), seq: 1, ack: 1))
    }
  }

  @Test(arguments: [[UInt8(2), 0], [2, 1], [2, 40], [3, 2], [2, 4, 5], [254]])
  func `a SYN with broken options is dropped or taken without them, and does no harm`(bytes: [UInt8]) {
    withLab { lab in
      lab.host.services[.server] = RemoteService()
      var padded = bytes
      while padded.count % 4 != 0 { padded.append(0) }
      let tcp = lab.rawConnection(to: .server)
      lab.guest.send(tcp.packet(Segment(.syn, seq: 0)).withTCPOptions(padded))
      for segment in tcp.takeSegments() { #expect(segment.flags.contains(.syn)) }
      #expect(lab.problems.isEmpty)
    }
  }

  @Test(arguments: families)
  func `a shift of windows beyond 14 counts as 14 (RFC 7323 section 2.3)`(family: IPAddress.Family) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .windowScale(200), win: 1, over: family)
      server.write(pattern(40_000))
      // One unit is 16,384 bytes: ten segments are the congestion window.
      #expect(tcp.takeSegments().count == 10)
      tcp.guest(.ack(10_001, seq: 1, win: 1))
      #expect(tcp.takeSegments().map(\.payload.count).reduce(0, +) == 16_000)
    }
  }

  @Test(arguments: families)
  func `what belongs on a SYN is ignored elsewhere (RFC 9293 section 3.2, RFC 7323 section 2.2)`(
    family: IPAddress.Family
  ) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), win: 3000, over: family)
      tcp.guest(
        Segment(
          [], seq: 1, ack: 1, win: 3000,
          options: [.mss(100), .windowScale(7), .sackPermitted, .timestamps(5, echo: 0)]))
      tcp.guest(.data("behind a gap", seq: 100, ack: 1, win: 3000))
      // No blocks, no timestamps.
      tcp.stack(Segment([], seq: 1, ack: 1, options: []))
      server.write(pattern(10_000))
      #expect(tcp.takeSegments().map(\.payload.count) == [1000, 1000, 1000])
    }
  }

  @Test(arguments: [
    [UInt8(8), 0, 0, 0], [8, 1, 0, 0], [5, 3, 1, 1], [254, 255, 1, 1], [1, 1, 1, 2], [5, 34, 1, 1], [0, 8, 10, 1],
    [8, 10, 1, 1],
  ])
  func `broken options do not cost the data beside them (RFC 9293 section 3.1, MUST-7)`(bytes: [UInt8]) throws {
    try withLab { lab in
      let (tcp, server) = try lab.established(RemoteService(), .mss(1000), .sackPermitted)
      lab.guest.send(tcp.packet(.data("hello", seq: 1, ack: 1)).withTCPOptions(bytes))
      tcp.stack(.ack(6, seq: 1))
      #expect(server.text == "hello")
    }
  }

  @Test(arguments: families)
  func `an option that comes twice does no harm`(family: IPAddress.Family) throws {
    let options: [PlainTCP.Option] = [.mss(1400), .mss(1200), .windowScale(1), .windowScale(2), .sackPermitted]
    let lengths = try segmentLengths(options, over: family)
    #expect([1200, 1400].contains(lengths.max()))
  }

  @Test(arguments: families)
  func `explicit congestion notification is declined, and its bits do no harm (RFC 3168 section 6.1.1)`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      lab.host.services[.server(family)] = RemoteService()
      let tcp = lab.rawConnection(to: .server(family))
      // ECE and CWR, which the witnesses would find in an answer.
      let setup = PlainTCP.Flags(rawValue: 0xc0)
      tcp.guest(Segment([.syn, setup], seq: 0, options: [.mss(1460)]))
      tcp.stack(.synAck())
      tcp.guest(Segment(setup, seq: 1, ack: 1, payload: Array("hello".utf8)))
      tcp.stack(.ack(6, seq: 1))
      #expect(lab.peers(at: .server(family)).first?.text == "hello")
    }
  }
}

extension PlainTCP.Option {
  /// Whether it is the window scale option.
  fileprivate var isWindowScale: Bool { if case .windowScale = self { true } else { false } }
}

extension PlainIPv4 {
  /// The packet with these option bytes, as they are, in its TCP header.
  fileprivate func withTCPOptions(_ options: [UInt8]) -> PlainIPv4 {
    var bytes = payloadBytes
    bytes.insert(contentsOf: options, at: 20)
    bytes[12] = UInt8((20 + options.count) / 4) << 4
    return PlainIPv4(
      from: source, to: destination, .raw(bytes.withTCPChecksum(from: source, to: destination)), proto: 6)
  }
}

extension [UInt8] {
  /// A segment's bytes with its checksum made valid (RFC 9293 section 3.1).
  func withTCPChecksum(from source: IPv4Address, to destination: IPv4Address) -> [UInt8] {
    var bytes = self
    bytes[16] = 0
    bytes[17] = 0
    var sum = UInt32(6) + UInt32(bytes.count)
    for address in [source.bits, destination.bits] { sum += address >> 16 + address & 0xffff }
    for (index, byte) in bytes.enumerated() { sum += index % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    bytes[16] = UInt8(truncatingIfNeeded: ~sum >> 8)
    bytes[17] = UInt8(truncatingIfNeeded: ~sum)
    return bytes
  }
}
