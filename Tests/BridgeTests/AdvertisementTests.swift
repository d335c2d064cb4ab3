import Bridge
import Netstack
import Primitives
import Testing
import Wire

private let guest = AddressWorld.guest

/// Router advertisements on the bridge.
@Suite struct AdvertisementTests {
  /// What an advertisement says.
  struct Advertisement {
    let ethernet: EthernetHeader
    let ip: IPv6Header
    let payload: [UInt8]

    init(_ frame: [UInt8]) throws {
      let view = try EthernetFrame(frame.span)
      ethernet = view.header
      let packet = try IPv6Packet(view.payload)
      ip = packet.header
      var sum = InternetChecksum()
      sum.addPseudoHeader(
        source: ip.source, destination: ip.destination, proto: .icmpv6, length: ip.payloadLength)
      sum.add(packet.payload)
      #expect(sum.folded == 0xffff)
      let bytes = packet.payload
      payload = (0..<bytes.count).map { bytes[$0] }
      #expect(payload[0] == 134)
    }

    var lifetime: Int { Int(payload[6]) << 8 | Int(payload[7]) }
    var flags: UInt8 { payload[5] }
  }

  func world() -> AddressWorld {
    var world = AddressWorld {
      $0.ipv6Prefix = ulaPrefix
      $0.ipv6NameServers = [IPv6Address(high: 0x2001_4860_4860 << 16, low: 0x8888)]
    }
    // The one with which it begins.
    #expect(world.wait(.zero).count == 1)
    return world
  }

  let linkLocal = IPv6Address(high: 0xfe80 << 48, low: 0x5054_00ff_fe12_3459)

  @Test func `everybody is told at the start, and then at the times of RFC 4861`() throws {
    var world = AddressWorld { $0.ipv6Prefix = ulaPrefix }
    let first = try Advertisement(try #require(world.wait(.zero).first))
    #expect(first.ip.destination == .allNodes)
    #expect(first.ip.hopLimit == 255)
    #expect(first.ip.source == IPv6Address(high: 0xfe80 << 48, low: 0x5054_00ff_fe00_0001))
    #expect(first.ethernet.destination == MACAddress(0x33, 0x33, 0, 0, 0, 1))
    #expect((first.lifetime, first.flags) == (1800, 0))
    for _ in 0..<3 {
      #expect(world.server.nextDeadline == world.now + .seconds(16))
      #expect(world.wait(.seconds(16)).count == 1)
    }
    let pause = world.server.nextDeadline - world.now
    #expect(pause >= .seconds(200) && pause <= .seconds(600))
  }

  @Test func `it holds the prefix, the MTU, name servers and domains`() throws {
    var world = world()
    let sent = world.receive(AddressWorld.solicitation(from: linkLocal, guest))
    let payload = try Advertisement(try #require(sent.first)).payload
    func contains(_ bytes: [UInt8]) -> Bool {
      payload.indices.contains { payload[$0...].starts(with: bytes) }
    }
    #expect(contains([1, 1, 0x52, 0x54, 0, 0, 0, 1]))
    #expect(contains([5, 1, 0, 0, 0, 0, 5, 220]))
    #expect(contains([3, 4, 64, 0xc0]))
    #expect(contains([0xfd, 0x12, 0x34, 0x56, 0x78, 0x9a, 0, 1, 0, 0]))
    let resolver: [UInt8] = [0x20, 0x01, 0x48, 0x60, 0x48, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x88]
    #expect(contains([25, 3, 0, 0, 0, 0, 7, 8] + resolver))
    #expect(contains([31, 2, 0, 0, 0, 0, 7, 8, 5] + Array("mylan".utf8)))
  }

  @Test func `a guest with an address is answered alone, one without with everybody`() throws {
    var world = world()
    let alone = world.receive(AddressWorld.solicitation(from: linkLocal, guest))
    #expect(try alone.map { try Advertisement($0).ip.destination } == [linkLocal])
    #expect(try alone.map { try Advertisement($0).ethernet.destination } == [guest])
    #expect(world.receive(AddressWorld.solicitation(from: .any, guest)) == [])
    // Not within three seconds of the one before.
    #expect(world.wait(.milliseconds(2999)) == [])
    #expect(try world.wait(.milliseconds(1)).map { try Advertisement($0).ip.destination } == [.allNodes])
  }

  @Test func `a solicitation from beyond the link, or with a wrong sum, is none`() throws {
    var world = world()
    #expect(world.receive(AddressWorld.solicitation(from: linkLocal, guest, hopLimit: 254)) == [])
    let wrong = AddressWorld.solicitation(from: linkLocal, guest, isSumRight: false)
    #expect(world.receive(wrong) == [])
    #expect(world.receive(wrong, isChecksumPending: true).count == 1)
    let stranger = IPv6Address(high: 0x2001 << 48, low: 9)
    #expect(world.receive(AddressWorld.solicitation(from: stranger, guest)) == [])
  }

  @Test func `at the end of the bridge its router and its prefix end`() throws {
    var world = world()
    world.server.retire()
    let last = try Advertisement(try #require(world.server.takeOutput().first))
    #expect(last.lifetime == 0)
    // RFC 4861 section 4.6.2: the preferred lifetime, in the twelfth byte of the option.
    let prefix = try #require(last.payload.indices.first { last.payload[$0...].starts(with: [3, 4, 64, 0xc0]) })
    #expect(last.payload[(prefix + 8)..<(prefix + 12)] == [0, 0, 0, 0])
    #expect(world.server.nextDeadline == .never)
  }

  @Test func `without a prefix nobody is told anything`() {
    var world = AddressWorld()
    #expect(world.server.nextDeadline == .never)
    #expect(world.receive(AddressWorld.solicitation(from: linkLocal, guest)) == [])
    world.server.retire()
    #expect(world.server.takeOutput() == [])
  }
}
