import Primitives
import Testing
import Wire

@testable import Netstack

/// A message that a client sends.
struct DHCPv6ClientMessage {
  var type: DHCPv6MessageType
  var client: MACAddress
  /// The client's DUID, of its hardware address unless given.
  var duid: [UInt8]? = [0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]
  var server: [UInt8]?
  var associations: [DHCPv6Association] = []
  var asksFor: [DHCPv6OptionCode]?
  var wantsRapidCommit = false
  /// The data of option 39.
  var name: [UInt8]?
  /// The data of option 16.
  var vendorClass: [UInt8]?
  var isGroup = true

  var bytes: [UInt8] {
    var writer = DHCPv6MessageWriter(type, transactionID: 0xabcdef)
    if let duid { writer.append(.clientIdentifier, duid) }
    if let server { writer.append(.serverIdentifier, server) }
    for association in associations {
      writer.append(association, DHCPv6Times(), association.addresses.map { ($0, 0) })
    }
    if let asksFor {
      writer.append(.optionRequest, asksFor.flatMap { [UInt8($0.rawValue >> 8), UInt8($0.rawValue & 0xff)] })
    }
    if wantsRapidCommit { writer.append(.rapidCommit, []) }
    if let name { writer.append(.clientName, name) }
    if let vendorClass { writer.append(.vendorClass, vendorClass) }
    return writer.bytes
  }
}

/// What the server sent, taken apart without the code under test.
struct DHCPv6ServerMessage {
  /// One option.
  struct Option: Hashable {
    var code: Int
    var data: [UInt8]
  }

  var reply: DHCPv6Server.Reply
  var type: DHCPv6MessageType
  var options: [Option]

  init(_ reply: DHCPv6Server.Reply) {
    self.reply = reply
    type = DHCPv6MessageType(rawValue: reply.bytes[0])
    options = Self.options(Array(reply.bytes.dropFirst(4)))
  }

  static func options(_ bytes: [UInt8]) -> [Option] {
    var options: [Option] = []
    var rest = bytes[...]
    while rest.count >= 4 {
      let header = rest.prefix(4).map(Int.init)
      options.append(
        Option(code: header[0] << 8 | header[1], data: Array(rest.dropFirst(4).prefix(header[2] << 8 | header[3]))))
      rest = rest.dropFirst(4 + (header[2] << 8 | header[3]))
    }
    return options
  }

  /// The codes of the options, in order.
  var codes: [Int] { options.map(\.code) }

  func data(_ code: Int) -> [UInt8]? { options.first { $0.code == code }?.data }

  /// The status of the whole message.
  var status: DHCPv6Status? { Self.status(in: options) }

  /// What became of the client's associations, in order.
  var associations: [Association] { options.filter { [3, 4, 25].contains($0.code) }.map(Association.init) }

  fileprivate static func status(in options: [Option]) -> DHCPv6Status? {
    options.first { $0.code == 13 }.map { DHCPv6Status(rawValue: UInt16($0.data[0]) << 8 | UInt16($0.data[1])) }
  }

  /// What became of one association.
  struct Association: Hashable {
    var identifier: UInt8
    /// T1 and T2 in seconds; none in IA_TA.
    var times: [UInt32]
    var addresses: [IPv6Address]
    /// Preferred and valid lifetimes in seconds.
    var lifetimes: [UInt32]
    var status: DHCPv6Status?

    init(_ option: Option) {
      let headerLength = option.code == 4 ? 4 : 12
      func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
      let options = DHCPv6ServerMessage.options(Array(option.data.dropFirst(headerLength)))
      let values = options.filter { $0.code == 5 }.map(\.data)
      identifier = option.data[3]
      times = headerLength == 4 ? [] : [number(option.data[4..<8]), number(option.data[8..<12])]
      addresses = values.map { IPv6Address($0.span, at: 0) }
      lifetimes = values.flatMap { [number($0[16..<20]), number($0[20..<24])] }
      status = DHCPv6ServerMessage.status(in: options)
    }
  }
}

/// A server and a clock.
struct DHCPv6Bench {
  var server: DHCPv6Server
  var now = Instant.zero + .seconds(1000)

  init(_ configure: (inout NetworkSettings) -> Void = { _ in }) {
    var settings = NetworkSettings()
    configure(&settings)
    server = DHCPv6Server(settings: settings)
  }

  /// Sends bytes and returns what becomes of them.
  mutating func exchange(
    _ bytes: [UInt8], from client: MACAddress, isGroup: Bool = true
  ) throws(WireError) -> DHCPv6Server.Answer {
    server.answer(try DHCPv6Message(bytes.span), from: client, isGroup: isGroup, at: now)
  }

  /// Sends a message that must be answered, with who the answer is from and for.
  mutating func send(_ message: DHCPv6ClientMessage) throws -> DHCPv6ServerMessage {
    guard case .reply(let reply) = try exchange(message.bytes, from: message.client, isGroup: message.isGroup) else {
      throw Unanswered()
    }
    let answer = DHCPv6ServerMessage(reply)
    #expect(Array(reply.bytes[1..<4]) == [0xab, 0xcd, 0xef])
    #expect(answer.data(1) == message.duid)
    #expect(answer.data(2) == Self.identifier)
    return answer
  }

  struct Unanswered: Error {}

  /// Sends a message that must not be answered, and returns why.
  mutating func sendInVain(_ message: DHCPv6ClientMessage) throws -> DHCPv6Server.Silence? {
    guard case .silence(let silence) = try exchange(message.bytes, from: message.client, isGroup: message.isGroup)
    else {
      return nil
    }
    return silence
  }

  /// SOLICIT, then REQUEST for what was advertised.
  @discardableResult
  mutating func lease(_ client: MACAddress, asking address: IPv6Address? = nil) throws -> IPv6Address {
    let asked = Self.addresses(1, address.map { [$0] } ?? [])
    let advertisement = try send(DHCPv6ClientMessage(type: .solicit, client: client, associations: [asked]))
    let advertised = try #require(advertisement.associations.first?.addresses.first)
    let reply = try send(
      DHCPv6ClientMessage(
        type: .request, client: client, server: Self.identifier, associations: [Self.addresses(1, [advertised])]))
    #expect((advertisement.type, reply.type) == (.advertise, .reply))
    #expect(reply.associations.first?.addresses == [advertised])
    return advertised
  }

  /// The server's DUID: DUID-LL of 52:56:00:00:00:02.
  static let identifier: [UInt8] = [0, 3, 0, 1, 0x52, 0x56, 0, 0, 0, 2]

  /// An IA_NA.
  static func addresses(_ identifier: UInt32, _ addresses: [IPv6Address] = []) -> DHCPv6Association {
    DHCPv6Association(.nonTemporaryAddresses, identifier: identifier, addresses: addresses)
  }
}

/// fec0::`last`, the number as it is written: in hexadecimal.
func addressV6(_ last: UInt64) -> IPv6Address { IPv6Address(high: 0xfec0 << 48, low: last) }
