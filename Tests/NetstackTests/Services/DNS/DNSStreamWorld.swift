import Netstack
import Primitives
import Simulation
import Testing

extension PlainDNS {
  /// A message behind its length (RFC 1035 section 4.2.2).
  static func framed(_ bytes: [UInt8]) -> [UInt8] {
    [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xff)] + bytes
  }

  var framed: [UInt8] { Self.framed(encoded) }

  /// Reads a message behind its length.
  init(framed bytes: ArraySlice<UInt8>) throws {
    let length = Int(bytes[bytes.startIndex]) << 8 | Int(bytes[bytes.startIndex + 1])
    try #require(bytes.count == 2 + length)
    try self.init(decoding: Array(bytes.dropFirst(2)))
  }
}

extension GuestTCP {
  /// The messages that have come.
  func answers() throws -> [PlainDNS] {
    var rest = received[...]
    var answers: [PlainDNS] = []
    while let high = rest.first {
      let length = Int(high) << 8 | Int(try #require(rest.dropFirst().first))
      answers.append(try PlainDNS(framed: rest.prefix(2 + length)))
      rest = rest.dropFirst(2 + length)
    }
    return answers
  }
}

extension Lab {
  /// A guest's connection to the resolver.
  func connectToResolver(
    _ family: IPAddress.Family = .ipv4, _ options: GuestTCP.Options = GuestTCP.Options()
  ) -> GuestTCP {
    let connection = guest.connect(to: .resolver(family), options: options)
    settle()
    return connection
  }

  /// What has gone to a server on the connection `place` of those made to it, as a message.
  func streamQuery(_ place: Int, at server: Endpoint = .upstream) throws -> PlainDNS {
    let connections = host.connections(to: server)
    try #require(place < connections.count, "only \(connections.count) connections to \(server)")
    return try PlainDNS(framed: host.bytes(at: connections[place])[...])
  }

  /// Whether the connection `place` of those made to a server is closed.
  func isClosed(_ place: Int, at server: Endpoint = .upstream) -> Bool {
    host.isClosed(host.connections(to: server)[place])
  }

  /// The server answers on the connection `place` of those made to it, with the identifier that it was asked by.
  func streamServerAnswers(_ place: Int, _ answer: PlainDNS, at server: Endpoint = .upstream) throws {
    let query = try streamQuery(place, at: server)
    host.peerWrites(answer.identified(query.identifier).framed, on: host.connections(to: server)[place])
    settle()
  }
}
