public import Primitives

// A DHCPv6 message between a client and a server (RFC 8415 section 8), and an option in it (section 21.1).
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------+-----------------------------------------------+
//    |     type      |                transaction-id                 |
//    +---------------+---------------+-------------------------------+
//    |          option code          |          option length        |
//    +-------------------------------+-------------------------------+
//    |               option data ...

/// A client's message: what a server needs of it.
public struct DHCPv6Message: Hashable, Sendable {
  /// Bytes before the options.
  public static var headerLength: Int { 4 }
  /// The longest DUID in bytes, its type included (RFC 8415 section 11.1).
  public static var longestIdentifier: Int { 130 }

  /// What the message is for.
  public var type: DHCPv6MessageType
  /// What the messages of one exchange have in common, 24 bits.
  public var transactionID: UInt32
  /// The client's DUID.
  public var clientIdentifier: [UInt8]?
  /// The DUID of the server that the message is for.
  public var serverIdentifier: [UInt8]?
  /// The associations that the client wants something for, in their order.
  public var associations: [DHCPv6Association] = []
  /// The options that the client asks for; nil where it does not say.
  public var requestedOptions: [DHCPv6OptionCode]?
  /// Whether the client takes a REPLY for a SOLICIT.
  public var takesRapidCommit = false
  /// Whether the client says what kind it is.
  public var hasVendorClass = false
  /// What the client calls itself, nil where it does not or where that is no name.
  public var clientName: DHCPv6ClientName?

  /// Makes a message without options.
  public init(_ type: DHCPv6MessageType, transactionID: UInt32) {
    self.type = type
    self.transactionID = transactionID
  }

  /// Reads a message. Options that are not known are skipped, but all of them must be whole.
  ///
  /// An option that stands once by its rules counts where it stands first (RFC 8415 section 21.1: the data of several
  /// are never joined); but for two different clients or servers no message is meant.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Self.headerLength else {
      throw .truncated(needed: Self.headerLength, available: bytes.count)
    }
    let header = bytes.bigEndian32(at: 0)
    self.init(DHCPv6MessageType(rawValue: UInt8(header >> 24)), transactionID: header & 0xff_ffff)
    try DHCPv6Options.forEach(in: bytes, from: Self.headerLength) { code, data throws(WireError) in
      try take(code, data)
    }
  }

  private mutating func take(_ code: DHCPv6OptionCode, _ data: Span<UInt8>) throws(WireError) {
    switch code {
    case .clientIdentifier:
      guard clientIdentifier == nil else { throw .repeatedOption(Int(code.rawValue)) }
      clientIdentifier = try Self.identifier(data)
    case .serverIdentifier:
      guard serverIdentifier == nil else { throw .repeatedOption(Int(code.rawValue)) }
      serverIdentifier = try Self.identifier(data)
    case .nonTemporaryAddresses, .temporaryAddresses, .delegatedPrefixes:
      associations.append(try DHCPv6Association(code, data))
    case .optionRequest where requestedOptions == nil:
      guard data.count.isMultiple(of: 2) else { throw .badHeaderLength(data.count) }
      requestedOptions = stride(from: 0, to: data.count, by: 2).map {
        DHCPv6OptionCode(rawValue: data.bigEndian16(at: $0))
      }
    case .rapidCommit: takesRapidCommit = true
    case .vendorClass: hasVendorClass = true
    case .clientName where clientName == nil: clientName = DHCPv6ClientName(data)
    default: break
    }
  }

  /// RFC 8415 section 11.1: a type of two bytes, and 1 to 128 bytes more.
  private static func identifier(_ data: Span<UInt8>) throws(WireError) -> [UInt8] {
    guard (3...longestIdentifier).contains(data.count) else { throw .badHeaderLength(data.count) }
    return data.bytes
  }
}

/// Addresses or prefixes that a client has as one (RFC 8415 section 12), within a message.
public struct DHCPv6Association: Hashable, Sendable {
  /// What it is of: `nonTemporaryAddresses`, `temporaryAddresses` or `delegatedPrefixes`.
  public var kind: DHCPv6OptionCode
  /// Which of the client's it is (IAID), a name of the client's choice.
  public var identifier: UInt32
  /// The addresses that the client has, or would like to have.
  public var addresses: [IPv6Address]

  /// Makes an association of its parts.
  public init(_ kind: DHCPv6OptionCode, identifier: UInt32, addresses: [IPv6Address] = []) {
    self.kind = kind
    self.identifier = identifier
    self.addresses = addresses
  }

  /// Reads the option of this kind: IAID, T1 and T2 but in IA_TA, then options.
  init(_ kind: DHCPv6OptionCode, _ data: Span<UInt8>) throws(WireError) {
    let headerLength = kind == .temporaryAddresses ? 4 : 12
    guard data.count >= headerLength else { throw .truncated(needed: headerLength, available: data.count) }
    var addresses: [IPv6Address] = []
    try DHCPv6Options.forEach(in: data, from: headerLength) { code, data throws(WireError) in
      guard code == .address else { return }
      guard data.count >= DHCPv6Options.addressLength else {
        throw .truncated(needed: DHCPv6Options.addressLength, available: data.count)
      }
      addresses.append(IPv6Address(data, at: 0))
      // An address has options of its own, which nobody reads but which must be whole.
      try DHCPv6Options.forEach(in: data, from: DHCPv6Options.addressLength) { _, _ throws(WireError) in }
    }
    self.init(kind, identifier: data.bigEndian32(at: 0), addresses: addresses)
  }
}

/// What a client calls itself, and who shall tell DNS (RFC 4704 section 4).
public struct DHCPv6ClientName: Hashable, Sendable {
  /// S: the server shall tell DNS of the name's address.
  public static var serverUpdates: UInt8 { 1 }
  /// O: the server does otherwise than the client wanted.
  public static var overrides: UInt8 { 2 }
  /// N: the server tells DNS nothing.
  public static var noUpdates: UInt8 { 4 }

  /// The bits.
  public var flags: UInt8
  /// The name in the form of RFC 1035, without the last byte where it is not fully qualified.
  public var name: [UInt8]

  /// Reads the option's data; nil where it holds no name.
  init?(_ data: Span<UInt8>) {
    guard (1...256).contains(data.count) else { return nil }
    flags = data[0]
    name = data.extracting(droppingFirst: 1).bytes
    var offset = 0
    while offset < name.count, name[offset] > 0 {
      guard name[offset] <= 63 else { return nil }
      offset += 1 + Int(name[offset])
    }
    // Every label is whole, and nothing follows the root.
    guard offset == name.count || offset == name.count - 1 else { return nil }
  }

  /// The name as text: any bytes, read as UTF-8, with dots between its labels.
  public var text: String {
    var labels: [String] = []
    var rest = name[...]
    while let length = rest.first, length > 0 {
      labels.append(String(decoding: rest.dropFirst().prefix(Int(length)), as: UTF8.self))
      rest = rest.dropFirst(1 + Int(length))
    }
    return labels.joined(separator: ".")
  }
}

/// The layout of options.
enum DHCPv6Options {
  /// Bytes before an option's data.
  static let headerLength = 4
  /// Bytes of an IA Address option before its own options: the address and two lifetimes (RFC 8415 section 21.6).
  static let addressLength = 24

  /// Calls `body` with the options that fill `bytes` from `start` on.
  static func forEach(
    in bytes: Span<UInt8>, from start: Int,
    _ body: (DHCPv6OptionCode, Span<UInt8>) throws(WireError) -> Void
  ) throws(WireError) {
    var offset = start
    while offset < bytes.count {
      let data = offset + headerLength
      guard data <= bytes.count else { throw .truncated(needed: data, available: bytes.count) }
      let end = data + Int(bytes.bigEndian16(at: offset + 2))
      guard end <= bytes.count else { throw .truncated(needed: end, available: bytes.count) }
      try body(DHCPv6OptionCode(rawValue: bytes.bigEndian16(at: offset)), bytes.extracting(data..<end))
      offset = end
    }
  }
}

extension Span where Element == UInt8 {
  /// The bytes as an array of their own.
  fileprivate var bytes: [UInt8] { indices.map { self[$0] } }
}
