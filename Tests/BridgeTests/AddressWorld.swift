import Bridge
import Netstack
import Primitives
import Testing
import Wire

/// A server of addresses, a clock, and guests that send it frames.
struct AddressWorld {
  static let host = IPv4Address(192, 168, 1, 101)
  static let bridge = MACAddress(0x52, 0x54, 0, 0, 0, 1)
  static let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x59)
  static let other = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x58)

  var server: AddressServer
  var now = Instant.zero + .seconds(1000)

  /// The recipe's.
  static var recipe: BridgeDHCPSettings {
    var settings = BridgeDHCPSettings(
      address: host, subnet: lan, first: IPv4Address(192, 168, 1, 201), last: IPv4Address(192, 168, 1, 254))
    settings.domainName = "mylan"
    settings.searchDomains = ["mylan"]
    settings.nameServers = [IPv4Address(8, 8, 8, 8)]
    return settings
  }

  init(_ configure: (inout BridgeDHCPSettings) -> Void = { _ in }) {
    var settings = Self.recipe
    configure(&settings)
    server = AddressServer(settings, hardware: Self.bridge, seed: 1, at: now)
  }

  /// 192.168.1.`last`.
  static func address(_ last: UInt8) -> IPv4Address { IPv4Address(192, 168, 1, last) }

  /// A client of its own for each number.
  static func client(_ number: Int) -> MACAddress { MACAddress(bits: 0x5254_0012_0000 + UInt64(number)) }

  // MARK: Sending

  /// How a frame is wrong.
  enum Flaw { case checksum, noChecksum, headerChecksum, destination, fragment, port }

  /// The frame of a DHCP message.
  static func frame(
    _ type: DHCPMessageType, from client: MACAddress, ciaddr: IPv4Address = .any, requested: IPv4Address? = nil,
    server: IPv4Address? = nil, leaseTime: UInt32? = nil, hostname: String? = nil, xid: UInt32 = 7,
    flaws: Set<Flaw> = []
  ) throws -> [UInt8] {
    var message = [UInt8](repeating: 0, count: 600)
    var span = message.mutableSpan
    let header = DHCPHeader(operation: .request, xid: xid, ciaddr: ciaddr, clientHardware: client)
    var writer = try DHCPMessageWriter(header, into: &span)
    writer.append(.messageType, type.rawValue)
    if let requested { writer.append(.requestedAddress, requested) }
    if let server { writer.append(.serverIdentifier, server) }
    if let leaseTime { writer.append(.leaseTime, leaseTime) }
    if let hostname { writer.append(.hostname, hostname) }
    writer.append(.parameterRequestList, [1, 3, 6, 15, 119])
    let count = writer.finish()
    return datagram(Array(message[..<count]), from: client, source: ciaddr, flaws: flaws)
  }

  private static func datagram(
    _ payload: [UInt8], from client: MACAddress, source: IPv4Address, flaws: Set<Flaw>
  ) -> [UInt8] {
    let destination = flaws.contains(.destination) ? address(77) : source == .any ? .broadcast : host
    var frame = [UInt8](repeating: 0, count: 14 + 20 + 8 + payload.count)
    var bytes = frame.mutableSpan
    EthernetHeader(destination: .broadcast, source: client, type: .ipv4).write(to: &bytes)
    IPv4Header(
      totalLength: 28 + payload.count, moreFragments: flaws.contains(.fragment), proto: .udp, source: source,
      destination: destination
    ).write(to: &bytes, at: 14)
    var udp = UDPHeader(sourcePort: 68, destinationPort: flaws.contains(.port) ? 69 : 67, length: 8 + payload.count)
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: source, destination: destination, proto: .udp, length: udp.length)
    sum.add(udp.bits)
    sum.add(payload.span)
    udp.checksum = flaws.contains(.noChecksum) ? 0 : sum.nonzeroChecksum ^ (flaws.contains(.checksum) ? 0x5555 : 0)
    udp.write(to: &bytes, at: 34)
    bytes.copy(payload.span, at: 42)
    if flaws.contains(.headerChecksum) { bytes[24] ^= 0x55 }
    return frame
  }

  /// Somebody says by ARP that an address is theirs.
  static func claim(_ address: IPv4Address, by station: MACAddress, _ operation: ARPOperation = .reply) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: 42)
    var bytes = frame.mutableSpan
    EthernetHeader(destination: bridge, source: station, type: .arp).write(to: &bytes)
    ARPMessage(
      operation: operation, senderMAC: station, senderAddress: address, targetMAC: bridge, targetAddress: host
    ).write(to: &bytes, at: 14)
    return frame
  }

  /// A router solicitation.
  static func solicitation(
    from source: IPv6Address, _ station: MACAddress, hopLimit: UInt8 = 255, isSumRight: Bool = true
  ) -> [UInt8] {
    let hardware = (0..<6).map { UInt8(station.bits >> UInt64(40 - 8 * $0) & 0xff) }
    let option: [UInt8] = source == .any ? [] : [1, 1] + hardware
    let length = 8 + option.count
    var frame = [UInt8](repeating: 0, count: 54 + length)
    var bytes = frame.mutableSpan
    EthernetHeader(destination: IPv6Address.allRouters.groupMAC, source: station, type: .ipv6).write(to: &bytes)
    IPv6Header(
      payloadLength: length, nextHeader: .icmpv6, hopLimit: hopLimit, source: source, destination: .allRouters
    ).write(to: &bytes, at: 14)
    bytes[54] = 133
    bytes.copy(option.span, at: 62)
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: source, destination: .allRouters, proto: .icmpv6, length: length)
    sum.add(bytes.span.extracting(54..<(54 + length)))
    bytes.storeBigEndian(sum.checksum ^ (isSumRight ? 0 : 1), at: 56)
    return frame
  }

  /// What a frame of ARP's asks.
  static func question(_ frame: [UInt8]) throws -> ARPMessage {
    let bytes = frame.span
    let view = try EthernetFrame(bytes)
    return try ARPPacket(view.payload).message
  }

  /// Hands a frame over, and returns what is sent at once.
  mutating func receive(_ frame: [UInt8], isChecksumPending: Bool = false) -> [[UInt8]] {
    server.receive(frame.span, isChecksumPending: isChecksumPending, at: now)
    return server.takeOutput()
  }

  /// Lets time pass, and returns what is sent then.
  mutating func wait(_ interval: Interval) -> [[UInt8]] {
    now = now + interval
    server.advance(to: now)
    return server.takeOutput()
  }

  // MARK: Exchanges

  /// DISCOVER, and the offer after half a second of silence.
  mutating func offer(to client: MACAddress, leaseTime: UInt32? = nil) throws -> Answer {
    var sent = receive(try Self.frame(.discover, from: client, leaseTime: leaseTime))
    if sent.first.map(Answer.isARP) == true { sent = wait(.milliseconds(500)) }
    return try Answer(try #require(sent.first))
  }

  /// A whole exchange.
  @discardableResult
  mutating func lease(_ client: MACAddress, leaseTime: UInt32? = nil, hostname: String? = nil) throws -> IPv4Address {
    let offer = try offer(to: client, leaseTime: leaseTime)
    let request = try Self.frame(
      .request, from: client, requested: offer.address, server: Self.host, leaseTime: leaseTime, hostname: hostname)
    let ack = try Answer(try #require(receive(request).first))
    #expect(ack.type == .ack)
    return ack.address
  }
}

/// A frame with an answer of the DHCP server.
struct Answer {
  let ethernet: EthernetHeader
  let ip: IPv4Header
  let udp: UDPHeader
  let message: [UInt8]
  let header: DHCPHeader
  let type: DHCPMessageType?

  init(_ frame: [UInt8]) throws {
    let view = try EthernetFrame(frame.span)
    ethernet = view.header
    let packet = try IPv4Packet(view.payload)
    let isRight = packet.isHeaderChecksumValid
    #expect(isRight)
    ip = packet.header
    let datagram = try UDPDatagram(packet.payload)
    udp = datagram.header
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: ip.source, destination: ip.destination, proto: .udp, length: udp.length)
    sum.add(packet.payload)
    #expect(sum.folded == 0xffff)
    let payload = datagram.payload
    message = (0..<payload.count).map { payload[$0] }
    header = try DHCPMessage(payload).header
    type = try DHCPMessage(payload).messageType
  }

  /// Whether a frame is one of ARP's.
  static func isARP(_ frame: [UInt8]) -> Bool { frame[12] == 8 && frame[13] == 6 }

  var address: IPv4Address { header.yiaddr }
  func value(_ code: DHCPOptionCode) throws -> [UInt8]? { try DHCPMessage(message.span).value(of: code) }
}
