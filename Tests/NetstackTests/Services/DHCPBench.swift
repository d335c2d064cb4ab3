import Primitives
import Testing
import Wire

@testable import Netstack

/// A message that a client sends.
struct ClientMessage {
  var type: DHCPMessageType?
  var client: MACAddress
  /// The source of the frame, where it is not the client.
  var source: MACAddress?
  var isBroadcast = false
  var ciaddr = IPv4Address.any
  var giaddr = IPv4Address.any
  var requested: IPv4Address?
  var server: IPv4Address?
  var hostname: String?
  var clientIdentifier: [UInt8]?
  var maximumSize: UInt16?
  var asksFor: [UInt8]?
  var wantsRapidCommit = false
  var leaseTime: UInt32?
  var isIPXE = false

  func bytes() throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 600)
    var span = bytes.mutableSpan
    let header = DHCPHeader(
      operation: .request, xid: 0xdead_beef, secs: 3, isBroadcast: isBroadcast, ciaddr: ciaddr, giaddr: giaddr,
      clientHardware: client)
    var writer = try DHCPMessageWriter(header, into: &span)
    if let type { writer.append(.messageType, type.rawValue) }
    if let clientIdentifier { writer.append(.clientIdentifier, clientIdentifier) }
    if let requested { writer.append(.requestedAddress, requested) }
    if let server { writer.append(.serverIdentifier, server) }
    if let hostname { writer.append(.hostname, hostname) }
    if let asksFor { writer.append(.parameterRequestList, asksFor) }
    if let leaseTime { writer.append(.leaseTime, leaseTime) }
    if wantsRapidCommit { writer.append(.rapidCommit, []) }
    // What iPXE says of itself: that it knows DNS.
    if isIPXE { writer.append(.iPXE, [23, 1, 1]) }
    if let maximumSize { writer.append(.maximumMessageSize, maximumSize) }
    let count = writer.finish()
    return Array(bytes[..<count])
  }
}

/// What a server sent.
struct ServerMessage {
  var reply: DHCPServer.Reply
  var bytes: [UInt8]
  var header: DHCPHeader
  /// The codes of the options, in order.
  var codes: [UInt8]

  init(_ reply: DHCPServer.Reply, _ bytes: [UInt8]) throws {
    self.reply = reply
    self.bytes = bytes
    header = try DHCPMessage(bytes.span).header
    codes = []
    var offset = 240
    while bytes[offset] != 255 {
      codes.append(bytes[offset])
      offset += 2 + Int(bytes[offset + 1])
    }
  }

  func value(_ code: DHCPOptionCode) throws -> [UInt8]? { try DHCPMessage(bytes.span).value(of: code) }
}

/// A server and a clock.
struct DHCPBench {
  var server: DHCPServer
  var now = Instant.zero + .seconds(1000)

  init(terms: DHCPTerms = DHCPTerms(), _ configure: (inout NetworkSettings) -> Void = { _ in }) {
    var settings = NetworkSettings()
    configure(&settings)
    server = DHCPServer(settings: settings, terms: terms)
  }

  /// Sends bytes and returns the server's silence, or what it wrote.
  mutating func exchange(
    _ bytes: [UInt8], from source: MACAddress
  ) throws -> (silence: DHCPServer.Silence?, message: ServerMessage?) {
    var reply = [UInt8](repeating: 0xee, count: 1472)
    var span = reply.mutableSpan
    switch server.answer(try DHCPMessage(bytes.span), from: source, at: now, into: &span) {
    case .silence(let reason):
      #expect(reply == [UInt8](repeating: 0xee, count: 1472), "silence, but something was written")
      return (reason, nil)
    case .reply(let sent):
      #expect(sent.byteCount >= 300)
      return (nil, try ServerMessage(sent, Array(reply[..<sent.byteCount])))
    }
  }

  /// Sends a message that must be answered.
  mutating func send(_ message: ClientMessage) throws -> ServerMessage {
    let (silence, answer) = try exchange(try message.bytes(), from: message.source ?? message.client)
    return try #require(answer, "silence: \(String(describing: silence))")
  }

  /// Sends a message that must not be answered, and returns why.
  mutating func sendInVain(_ message: ClientMessage) throws -> DHCPServer.Silence {
    let (silence, answer) = try exchange(try message.bytes(), from: message.source ?? message.client)
    return try #require(silence, "answered: \(String(describing: answer))")
  }

  /// DISCOVER, then REQUEST for what was offered.
  @discardableResult
  mutating func lease(_ client: MACAddress, asking address: IPv4Address? = nil) throws -> IPv4Address {
    let offer = try send(ClientMessage(type: .discover, client: client, requested: address))
    let ack = try send(
      ClientMessage(type: .request, client: client, requested: offer.header.yiaddr, server: Self.gateway))
    #expect(offer.reply.type == .offer)
    #expect(ack.reply.type == .ack)
    #expect(ack.header.yiaddr == offer.header.yiaddr)
    return ack.header.yiaddr
  }

  static let gateway = IPv4Address(10, 0, 2, 2)

  /// A client of its own for each number.
  static func client(_ number: Int) -> MACAddress { MACAddress(bits: 0x5254_0012_0000 + UInt64(number)) }
}

/// 10.0.2.`last`.
func address(_ last: UInt8) -> IPv4Address { IPv4Address(10, 0, 2, last) }

/// 10.0.2.`last`, as an address of either family.
func leased(_ last: UInt8) -> IPAddress { IPAddress(address(last)) }
