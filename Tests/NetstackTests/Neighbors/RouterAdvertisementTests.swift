import Netstack
import Primitives
import Simulation
import Testing

/// What the stack tells of itself and of the network as a router, and when (RFC 4861 section 6.2, RFC 8106).
@Suite struct RouterAdvertisementTests {
  /// Asks for an advertisement as a guest does that has an address.
  private func solicit(_ lab: Lab, from source: IPv6Address? = nil) {
    let message = PlainDiscovery(type: 133, options: [.linkLayer(1, lab.guest.mac)])
    lab.guest.send(message, from: source ?? lab.guest.ipv6LinkLocal, to: .everyRouter)
    lab.settle()
  }

  /// Asks for one as a guest does that has none yet (RFC 4861 section 4.1).
  private func solicitWithoutAddress(_ lab: Lab) {
    lab.guest.send(PlainDiscovery(type: 133), from: .any, to: .everyRouter)
    lab.settle()
  }

  @Test func `an advertisement has hop limit, lifetime, hardware address, MTU, prefix and resolver`() throws {
    try withLab { lab in
      solicit(lab)
      let (frame, answer) = try #require(lab.guest.discovery.first)
      // RFC 4861 section 4.2: from the link-local address; the checker has looked at the hop limit of 255.
      #expect(frame.ipv6?.source == .router)
      // Hop limit 64, managed and other, 1800 seconds; times that this router does not specify.
      #expect(answer.rest == 0x40c0_0708)
      #expect(answer.timers == [0, 0])
      #expect(answer.linkLayer(1) == MACAddress(0x52, 0x56, 0, 0, 0, 2))
      #expect(answer.option(5) == [0, 0, 0, 0, 0xff, 0xf0])
      // RFC 4861 section 4.6.2: fec0::/64, on-link and autonomous, valid for a day, preferred for four hours.
      let prefix: [UInt8] = [64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0, 0xfe, 0xc0]
      #expect(answer.option(3) == prefix + [UInt8](repeating: 0, count: 14))
      // RFC 8106 section 5.1: fec0::3, for 1800 seconds.
      let resolver: [UInt8] = [0, 0, 0, 0, 0x07, 0x08, 0xfe, 0xc0] + [UInt8](repeating: 0, count: 13) + [3]
      #expect(answer.option(25) == resolver)
      #expect(answer.options.map(\.type) == [1, 5, 3, 25])
    }
  }

  @Test func `the domains to search are told, padded to eight bytes (RFC 8106 section 5.2)`() {
    var options = Lab.Options()
    options.settings.searchDomains = ["example.test", "lab"]
    withLab(options) { lab in
      solicit(lab)
      let names: [UInt8] = [7] + Array("example".utf8) + [4] + Array("test".utf8) + [0, 3] + Array("lab".utf8) + [0]
      let list: [UInt8] = [0, 0, 0, 0, 0x07, 0x08] + names + [0, 0, 0, 0, 0]
      #expect(lab.guest.discovery.first?.message.option(31) == list)
    }
  }

  @Test(arguments: [(1280, [0x05, 0x00]), (1500, [0x05, 0xdc]), (9000, [0x23, 0x28])] as [(Int, [UInt8])])
  func `the MTU told is the network's (RFC 4861 section 4.6.4)`(mtu: Int, bytes: [UInt8]) {
    var options = Lab.Options()
    options.settings.mtu = mtu
    withLab(options) { lab in
      solicit(lab)
      #expect(lab.guest.discovery.first?.message.option(5) == [0, 0, 0, 0] + bytes)
    }
  }

  @Test(arguments: [(64, 0xc0), (56, 0x80), (96, 0x80)] as [(Int, UInt8)])
  func `guests make addresses of a prefix of 64 bits alone (RFC 4862 section 5.5.3 (d))`(
    length: Int, flags: UInt8
  ) throws {
    var options = Lab.Options()
    options.settings.ipv6Prefix = IPv6Prefix(containing: .gateway, length: length)
    try withLab(options) { lab in
      solicit(lab)
      let prefix = try #require(lab.guest.discovery.first?.message.option(3))
      #expect(Array(prefix.prefix(2)) == [UInt8(length), flags])
    }
  }

  @Test func `a guest with an address is answered alone and at once, however often it asks (RFC 4861 section 6.2.6)`() {
    withLab { lab in
      for source in [lab.guest.ipv6LinkLocal, lab.guest.ipv6Address, lab.guest.ipv6LinkLocal] {
        lab.guest.clearInbox()
        solicit(lab, from: source)
        #expect(lab.guest.discovery.map(\.message.type) == [134])
        #expect(lab.guest.discovery.map(\.frame.ipv6?.destination) == [source])
        #expect(lab.guest.discovery.map(\.frame.destination) == [lab.guest.mac])
      }
    }
  }

  @Test func `a solicitation teaches where its sender is (RFC 4861 section 6.2.6)`() {
    withLab { lab in
      solicit(lab)
      #expect(lab.stack.observer.stations.map(\.address) == [IPAddress(lab.guest.ipv6LinkLocal)])
      #expect(lab.stack.observer.stations.map(\.hardware) == [lab.guest.mac])
    }
  }

  @Test func `a guest without an address is answered with everybody, at most every three seconds`() {
    withLab { lab in
      // RFC 4861 section 10: MIN_DELAY_BETWEEN_RAS.
      solicitWithoutAddress(lab)
      #expect(lab.guest.discovery.map(\.frame.ipv6?.destination) == [.everybody])
      for _ in 0..<100 {
        solicitWithoutAddress(lab)
        lab.advance(by: .milliseconds(29))
      }
      #expect(lab.guest.discovery.count == 1)
      lab.advance(by: .milliseconds(200))
      #expect(lab.guest.discovery.map(\.message.type) == [134, 134])
      #expect(lab.stack.observer.stations.isEmpty)
    }
  }

  @Test func `everybody is told three times at first, then every 200 to 600 seconds (RFC 4861 section 6.2.4)`() {
    withLab { lab in
      var times: [Instant] = []
      while lab.run(for: .seconds(601), until: { !lab.guest.discovery.isEmpty }), times.count < 20 {
        times.append(lab.now)
        #expect(lab.guest.discovery.map(\.message.type) == [134])
        #expect(lab.guest.discovery.map(\.frame.ipv6?.destination) == [.everybody])
        lab.guest.clearInbox()
      }
      let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
      #expect(times.count == 20)
      // MAX_INITIAL_RTR_ADVERT_INTERVAL and MAX_INITIAL_RTR_ADVERTISEMENTS.
      #expect(Array(gaps.prefix(2)) == [.seconds(16), .seconds(16)])
      #expect(gaps.dropFirst(3).allSatisfy { .seconds(200) <= $0 && $0 <= .seconds(600) })
      #expect(Set(gaps.dropFirst(3)).count > 10)
    }
  }
}
