import Netstack
import Primitives
import Simulation
import Testing

/// Networks of one family, and with an IPv6 prefix of their own.
@Suite struct FamilyTests {
  @Test func `without IPv4 nobody answers ARP, DHCP or a ping, and IPv6 works`() {
    var options = Lab.Options()
    options.settings.isIPv4Enabled = false
    withLab(options) { lab in
      lab.guest.requestARP(for: lab.stack.settings.ipv4Gateway)
      lab.guest.sendDHCP(type: 1)
      lab.guest.ping(lab.stack.settings.ipv4Gateway)
      lab.settle()
      #expect(lab.guest.arpMessages.isEmpty && lab.guest.datagrams.isEmpty && lab.guest.icmpMessages.isEmpty)
      #expect(lab.drops(.unknownProtocol) == 3)
      lab.guest.ping(IPAddress(.gateway))
      lab.settle()
      #expect(lab.echoReplies(.ipv6).count == 1)
    }
  }

  @Test func `without IPv6 nothing is advertised or answered, and IPv4 works`() {
    var options = Lab.Options()
    options.settings.isIPv6Enabled = false
    withLab(options) { lab in
      lab.guest.solicit(.gateway)
      lab.guest.send(PlainDiscovery(type: 133), from: lab.guest.ipv6LinkLocal, to: .everyRouter)
      lab.guest.ping(IPAddress(.gateway))
      lab.advance(by: .seconds(1200))
      #expect(lab.guest.discovery.isEmpty && lab.guest.icmpMessages.isEmpty)
      #expect(lab.drops(.unknownProtocol) == 3)
      lab.guest.ping(lab.stack.settings.ipv4Gateway)
      lab.settle()
      #expect(lab.echoReplies(.ipv4).count == 1)
    }
  }

  /// A network at another prefix, with its gateway at ::2 and its resolver at ::3.
  private func options(prefixLength: Int) -> Lab.Options {
    var options = Lab.Options()
    let high: UInt64 = 0x2001_0db8_0007_0000
    options.settings.ipv6Prefix = IPv6Prefix(containing: IPv6Address(high: high, low: 0), length: prefixLength)
    options.settings.ipv6Gateway = IPv6Address(high: high, low: 2)
    options.settings.ipv6Resolver = IPv6Address(high: high, low: 3)
    return options
  }

  @Test func `another prefix is advertised, its ::2 answers, and the old one is the world's`() throws {
    try withLab(options(prefixLength: 64)) { lab in
      let gateway = lab.stack.settings.ipv6Gateway
      lab.guest.send(
        PlainDiscovery(type: 133, options: [.linkLayer(1, lab.guest.mac)]), from: lab.guest.ipv6LinkLocal,
        to: .everyRouter)
      lab.guest.ping(IPAddress(gateway))
      lab.settle()
      let prefix = try #require(lab.guest.discovery.first?.message.option(3))
      #expect(prefix[14..<22] == [0x20, 0x01, 0x0d, 0xb8, 0, 7, 0, 0])
      #expect(lab.echoReplies(.ipv6).count == 1)
      // fec0::2 is nothing of ours now: site-local addresses are the host's network's business.
      lab.host.echoResponders = [IPAddress(IPv6Address.gateway)]
      lab.guest.ping(IPAddress(.gateway), sequence: 2)
      lab.settle()
      #expect(lab.sentEchoes.map(\.destination.address) == [IPAddress(IPv6Address.gateway)])
    }
  }

  @Test func `a prefix that leaves no 64 bits for interfaces makes no addresses (RFC 4862 section 5.5.3)`() {
    withLab(options(prefixLength: 48)) { lab in
      lab.guest.send(
        PlainDiscovery(type: 133, options: [.linkLayer(1, lab.guest.mac)]), from: lab.guest.ipv6LinkLocal,
        to: .everyRouter)
      lab.settle()
      // On-link, not autonomous.
      #expect(lab.guest.discovery.first?.message.option(3)?.prefix(2) == [48, 0x80])
    }
  }
}
