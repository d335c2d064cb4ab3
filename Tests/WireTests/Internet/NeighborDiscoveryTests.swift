import Primitives
import Testing
import Wire

/// Messages of neighbor discovery (RFC 4861 section 4) and what a router advertises (RFC 8106).
@Suite struct NeighborDiscoveryTests {
  private let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  private let gateway = IPv6Address(high: 0xfec0 << 48, low: 2)

  /// What a golden frame carries behind its ICMPv6 header.
  private func message(_ golden: [UInt8]) throws -> NeighborMessage {
    try NeighborMessage(golden.span.extracting(62...))
  }

  @Test func `a solicitation has its target and its sender's hardware address, and is written back`() throws {
    let solicitation = try message(Golden.neighborSolicitation)
    #expect(solicitation.target == gateway)
    #expect(solicitation.options.sourceLinkLayer == guest)
    #expect(solicitation.options.targetLinkLayer == nil)
    let bytes = written(24) {
      NeighborMessage.write(target: gateway, .sourceLinkLayer, guest, to: &$0, at: 0)
    }
    #expect(bytes == Array(Golden.neighborSolicitation[62...]))
  }

  @Test func `an advertisement has its flags, its target and the target's hardware address, and is written back`()
    throws
  {
    let golden = Golden.neighborAdvertisement
    let advertisement = try message(golden)
    let flags = NeighborMessage.Flags(rawValue: try ICMPv6Message(golden.span.extracting(54...)).header.restOfHeader)
    let station = MACAddress(0x52, 0x55, 0x0a, 0, 2, 2)
    #expect(flags == [.solicited, .override])
    #expect(NeighborMessage.Flags([.router, .solicited, .override]).rawValue == 0xe000_0000)
    #expect(advertisement.target == gateway)
    #expect(advertisement.options.targetLinkLayer == station)
    #expect(advertisement.options.sourceLinkLayer == nil)
    let bytes = written(24) {
      NeighborMessage.write(target: gateway, .targetLinkLayer, station, to: &$0, at: 0)
    }
    #expect(bytes == Array(golden[62...]))
  }

  @Test func `the options of a probe that are not known are skipped (RFC 4861 section 4.6, RFC 3971 section 5.3.2)`()
    throws
  {
    let probe = try message(Golden.addressProbe)
    #expect(probe.target == IPv6Address(high: 0xfec0 << 48, low: 0x15))
    #expect(probe.options.sourceLinkLayer == nil)
  }

  @Test(arguments: [
    ("0e00 000000000000", WireError.badHeaderLength(0)), ("0100", .badHeaderLength(0)),
    ("01", .truncated(needed: 2, available: 1)), ("0101 5254001234", .truncated(needed: 8, available: 7)),
    ("0101 525400123456 0e02 000000000000", .truncated(needed: 24, available: 16)),
    ("0e01 000000000000 ff", .truncated(needed: 10, available: 9)),
  ])
  func `options that lie about their length are refused (RFC 4861 section 4.6)`(text: String, error: WireError) {
    #expect(throws: error) { _ = try NeighborOptions(hex(text).span) }
  }

  @Test func `a message without room for its target is refused (RFC 4861 sections 7.1.1 and 7.1.2)`() {
    let bytes = Array(Golden.neighborSolicitation[62...])
    #expect(throws: WireError.truncated(needed: 16, available: 15)) {
      _ = try NeighborMessage(bytes.span.extracting(0..<15))
    }
    #expect(throws: Never.self) { _ = try NeighborMessage(bytes.span.extracting(0..<16)) }
  }

  @Test func `the groups of an address have the addresses of the captured frames (RFC 4291 section 2.7.1, RFC 2464)`() {
    let golden = Golden.neighborSolicitation
    let group = IPv6Address(golden.span, at: 38)
    let stations = [golden, Golden.routerSolicitation, Golden.routerAdvertisement].map { MACAddress($0.span, at: 0) }
    #expect(gateway.solicitedNode == group)
    #expect([group, .allRouters, .allNodes].map(\.groupMAC) == stations)
  }

  // MARK: Router advertisements

  /// The advertisement that the captured frame holds.
  private var advertisement: RouterAdvertisement {
    var message = RouterAdvertisement(
      lifetime: 1800, sourceLinkLayer: MACAddress(0x52, 0x56, 0, 0, 0, 2), mtu: 1500,
      prefix: IPv6Prefix(containing: gateway, length: 64), validLifetime: 86_400, preferredLifetime: 86_400)
    message.resolvers = [IPv6Address(high: 0xfec0 << 48, low: 3)]
    message.searchDomains = ["example.test", "lab"]
    message.resolverLifetime = 86_400
    return message
  }

  /// The options behind the two timers of an advertisement, each as it stands.
  private func options(_ body: [UInt8]) -> Set<[UInt8]> {
    var options: Set<[UInt8]> = []
    var rest = body.dropFirst(8)
    while let length = rest.dropFirst().first, length > 0 {
      options.insert(Array(rest.prefix(Int(length) * 8)))
      rest = rest.dropFirst(Int(length) * 8)
    }
    return options
  }

  @Test func `an advertisement is written as another router writes it, in another order of options`() throws {
    let golden = Golden.routerAdvertisement
    let header = try ICMPv6Message(golden.span.extracting(54...)).header
    #expect(header.type == .routerAdvertisement)
    #expect(advertisement.restOfHeader == header.restOfHeader)
    let body = advertisement.body
    #expect(body.count == golden.count - 62)
    #expect(Array(body.prefix(8)) == Array(golden[62..<70]))
    #expect(options(body) == options(Array(golden[62...])))
    #expect(options(body).count == 5)
  }

  @Test func `the flags say what DHCPv6 has (RFC 4861 section 4.2)`() {
    var message = advertisement
    #expect(message.restOfHeader == 0x4000_0708)
    message.isManaged = true
    #expect(message.restOfHeader == 0x4080_0708)
    message.hasOtherConfiguration = true
    #expect(message.restOfHeader == 0x40c0_0708)
  }

  @Test func `without resolvers and domains there are no options for them`() {
    var message = advertisement
    (message.resolvers, message.searchDomains) = ([], [])
    #expect(message.body.count == 8 + 8 + 8 + 32)
  }

  @Test func `several resolvers are one option (RFC 8106 section 5.1)`() {
    var message = advertisement
    message.searchDomains = []
    message.resolvers = [gateway, IPv6Address(high: 0x2001_0db8 << 32, low: 53)]
    let option = hex("1905 0000 00015180 fec00000000000000000000000000002 20010db8000000000000000000000035")
    #expect(Array(message.body.suffix(40)) == option)
  }

  @Test func `domains beyond what every link takes are left out, and the rest is whole (RFC 8106 section 5.2)`() {
    var message = advertisement
    message.searchDomains = (0..<200).map { "domain\($0).example.test" }
    let body = message.body
    #expect(body.count <= 8 + 8 + 8 + 32 + 24 + 8 + 1024)
    #expect(body.count % 8 == 0)
    let list = options(body).first { $0.first == NeighborOption.searchList.rawValue }
    #expect(list.map { Int($0[1]) * 8 == $0.count } == true)
    #expect(list?.last == 0)
  }
}
