import Netstack
import Primitives
import Simulation
import Testing

/// The numbers of record types (RFC 1035 section 3.2.2).
enum RecordType {
  static let a: UInt16 = 1
  static let soa: UInt16 = 6
  static let ptr: UInt16 = 12
  static let txt: UInt16 = 16
  static let aaaa: UInt16 = 28
  static let https: UInt16 = 65
  static let ixfr: UInt16 = 251
  static let axfr: UInt16 = 252
  static let any: UInt16 = 255
}

extension Endpoint {
  /// A name server of the host's.
  static let upstream = Endpoint(IPv4Address(192, 0, 2, 53), port: 53)
  /// Another.
  static let upstream2 = Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 0x53)), port: 53)

  /// 10.0.2.3, or fec0::3.
  static func resolver(_ family: IPAddress.Family = .ipv4, port: UInt16 = 53) -> Endpoint {
    let settings = NetworkSettings()
    let address = family == .ipv4 ? IPAddress(settings.ipv4Resolver) : IPAddress(settings.ipv6Resolver)
    return Endpoint(address, port: port)
  }
}

extension PlainDNS {
  /// A query for the IPv4 address of `name`.
  static func query(
    _ identifier: UInt16 = 7, _ name: String = "www.example.com", _ type: UInt16 = RecordType.a
  )
    -> PlainDNS
  {
    PlainDNS(identifier, Question(name, type))
  }

  /// The message under another identifier.
  func identified(_ identifier: UInt16) -> PlainDNS {
    var message = self
    message.identifier = identifier
    return message
  }

  /// The message with one more record in its last part.
  func with(_ record: Record) -> PlainDNS {
    var message = self
    message.additionals.append(record)
    return message
  }

  /// An answer with an address.
  func answer(_ address: IPv4Address) -> PlainDNS {
    answer([.address(IPAddress(address), of: questions[0].name)])
  }
}

extension Lab {
  /// The guest asks by UDP.
  func ask(_ query: PlainDNS, from port: UInt16 = 5000, over family: IPAddress.Family = .ipv4) {
    guest.sendUDP(query.encoded, from: port, to: .resolver(family))
    settle()
  }

  /// What has gone to name servers, the oldest first.
  var upstreamQueries: [SentDatagram] { sentDatagrams }

  /// Query `place` of those that have gone to name servers, as a message.
  func upstreamQuery(_ place: Int) throws -> PlainDNS {
    try #require(place < sentDatagrams.count, "only \(sentDatagrams.count) queries went on")
    return try PlainDNS(decoding: sentDatagrams[place].payload)
  }

  /// The server answers query `place` of those that have gone to name servers, with its identifier.
  func serverAnswers(_ place: Int, _ answer: PlainDNS) throws {
    let query = try upstreamQuery(place)
    host.deliver(
      answer.identified(query.identifier).encoded, from: sentDatagrams[place].destination, to: sentDatagrams[place].flow
    )
    settle()
  }

  /// The messages that the resolver has sent to the guest since this was last asked.
  func takeAnswers(sourceLocation: SourceLocation = #_sourceLocation) throws -> [PlainDNS] {
    let answers = try guest.inbox.compactMap { frame -> PlainDNS? in
      guard case .udp(let datagram)? = frame.payload, frame.isWhole else { return nil }
      #expect(datagram.sourcePort == 53, sourceLocation: sourceLocation)
      #expect(
        frame.packetSource == Endpoint.resolver(.ipv4).address
          || frame.packetSource == Endpoint.resolver(.ipv6).address,
        sourceLocation: sourceLocation)
      return try PlainDNS(decoding: datagram.payload)
    }
    guest.clearInbox()
    return answers
  }
}

extension PlainFrame {
  /// Whether the frame's packet is no fragment of another.
  fileprivate var isWhole: Bool { ipv4?.isFragment != true && ipv6?.isFragment != true }
}
