public import Primitives

/// Writes a DHCPv6 message: the header, then options one after another. One that finds no room is left out whole, so
/// add the important ones first.
public struct DHCPv6MessageWriter: Sendable {
  /// The longest message in bytes: what fits the smallest packet that every link takes (RFC 8200 section 5), since a
  /// client before it has its address need not put fragments together.
  public static var longestMessage: Int { 1280 - IPv6Header.length - UDPHeader.length }

  /// The message until now.
  public private(set) var bytes: [UInt8]
  /// Whether an option found no room.
  public private(set) var isIncomplete = false

  /// Begins a message.
  public init(_ type: DHCPv6MessageType, transactionID: UInt32) {
    bytes = []
    bytes.append(bigEndian: UInt32(type.rawValue) << 24 | transactionID & 0xff_ffff)
  }

  /// Adds an option of bytes.
  public mutating func append(_ code: DHCPv6OptionCode, _ data: [UInt8]) {
    guard bytes.count + DHCPv6Options.headerLength + data.count <= Self.longestMessage else {
      isIncomplete = true
      return
    }
    bytes.append(option: code, data)
  }

  /// Adds an option whose value is text.
  public mutating func append(_ code: DHCPv6OptionCode, _ text: String) { append(code, Array(text.utf8)) }

  /// Adds an option whose value is a 32-bit integer.
  public mutating func append(_ code: DHCPv6OptionCode, _ value: UInt32) {
    var data: [UInt8] = []
    data.append(bigEndian: value)
    append(code, data)
  }

  /// Adds an option whose value is an address.
  public mutating func append(_ code: DHCPv6OptionCode, _ address: IPv6Address) {
    var data: [UInt8] = []
    data.append(address)
    append(code, data)
  }

  /// Adds how the whole message fared.
  public mutating func append(_ status: DHCPv6Status) {
    append(.statusCode, status.data)
  }

  /// Adds an association that has nothing but how it fared.
  public mutating func append(_ association: DHCPv6Association, _ status: DHCPv6Status) {
    var data: [UInt8] = []
    data.append(association, DHCPv6Times())
    data.append(option: .statusCode, status.data)
    append(association.kind, data)
  }

  /// Adds an association of addresses, each with how long it may be used.
  public mutating func append(
    _ association: DHCPv6Association, _ times: DHCPv6Times, _ addresses: [(address: IPv6Address, lifetime: UInt32)]
  ) {
    var data: [UInt8] = []
    data.append(association, times)
    for (address, lifetime) in addresses {
      var value: [UInt8] = []
      value.append(address)
      // RFC 8415 section 21.6: preferred and valid.
      value.append(bigEndian: lifetime)
      value.append(bigEndian: lifetime)
      data.append(option: .address, value)
    }
    append(association.kind, data)
  }
}

/// When a client extends the leases of an association, in seconds; 0 leaves it to the client.
public struct DHCPv6Times: Hashable, Sendable {
  /// With the server that granted them (T1).
  public var renewal: UInt32 = 0
  /// With any server (T2).
  public var rebinding: UInt32 = 0

  /// Leaves both to the client.
  public init() {}

  /// Half and four fifths of the lifetime (RFC 8415 section 21.4).
  public init(lifetime: UInt32) {
    renewal = lifetime / 2
    rebinding = lifetime / 5 * 4
  }
}

extension DHCPv6Status {
  /// The data of the option, with no words behind the number: a client shows its own.
  fileprivate var data: [UInt8] { [UInt8(rawValue >> 8), UInt8(rawValue & 0xff)] }
}

extension [UInt8] {
  fileprivate mutating func append(bigEndian value: UInt32) {
    self += (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
  }

  fileprivate mutating func append(_ address: IPv6Address) {
    for half in [address.high, address.low] {
      append(bigEndian: UInt32(truncatingIfNeeded: half >> 32))
      append(bigEndian: UInt32(truncatingIfNeeded: half))
    }
  }

  fileprivate mutating func append(option code: DHCPv6OptionCode, _ data: [UInt8]) {
    append(bigEndian: UInt32(code.rawValue) << 16 | UInt32(data.count))
    self += data
  }

  /// What comes before the options of an association: IAID, T1 and T2, the times not in IA_TA.
  fileprivate mutating func append(_ association: DHCPv6Association, _ times: DHCPv6Times) {
    append(bigEndian: association.identifier)
    guard association.kind != .temporaryAddresses else { return }
    append(bigEndian: times.renewal)
    append(bigEndian: times.rebinding)
  }
}
