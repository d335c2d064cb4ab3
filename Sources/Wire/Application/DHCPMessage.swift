public import Primitives

// A DHCP message (RFC 2131 section 2), which is a BOOTP message (RFC 951) with options in its vendor area.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------+---------------+---------------+---------------+
//    |      op       |     htype     |     hlen      |     hops      |
//    +---------------+---------------+---------------+---------------+
//    |                              xid                              |
//    +-------------------------------+-------------------------------+
//    |             secs              |B            flags             |
//    +-------------------------------+-------------------------------+
//    |     ciaddr, yiaddr, siaddr, giaddr: four bytes each           |
//    |     chaddr: 16 bytes;  sname: 64;  file: 128                  |
//    +---------------------------------------------------------------+
//    |               magic cookie 63 82 53 63                        |
//    +---------------------------------------------------------------+
//    |               options ...

/// Where the fields lie, in bytes from the first of the message.
enum DHCPField {
  static let operation = 0
  static let hardwareType = 1
  static let hardwareLength = 2
  static let hops = 3
  static let xid = 4
  static let secs = 8
  static let flags = 10
  static let ciaddr = 12
  static let yiaddr = 16
  static let siaddr = 20
  static let giaddr = 24
  static let chaddr = 28
  static let sname = 44
  static let file = 108
  static let cookie = 236
  static let options = 240

  static let broadcastFlag: UInt16 = 0x8000
  static let magicCookie: UInt32 = 0x6382_5363
}

/// Whether a message asks or answers.
public struct DHCPOperation: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes an operation of its number.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// From a client (BOOTREQUEST).
  public static let request = DHCPOperation(rawValue: 1)
  /// From a server (BOOTREPLY).
  public static let reply = DHCPOperation(rawValue: 2)
}

/// What a message is for (RFC 2132 section 9.6).
public struct DHCPMessageType: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a type of its number.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// No type of the protocol: what a malformed message-type option is read as.
  public static let invalid = DHCPMessageType(rawValue: 0)
  /// A client looks for servers.
  public static let discover = DHCPMessageType(rawValue: 1)
  /// A server offers an address.
  public static let offer = DHCPMessageType(rawValue: 2)
  /// A client accepts an offer, or wants to keep its address.
  public static let request = DHCPMessageType(rawValue: 3)
  /// A client found its address in use by another.
  public static let decline = DHCPMessageType(rawValue: 4)
  /// A server grants an address.
  public static let ack = DHCPMessageType(rawValue: 5)
  /// A server refuses an address.
  public static let nak = DHCPMessageType(rawValue: 6)
  /// A client gives its address back.
  public static let release = DHCPMessageType(rawValue: 7)
  /// A client with an address of its own asks for the other settings.
  public static let inform = DHCPMessageType(rawValue: 8)
}

/// The codes of options (RFC 2132 and those named below).
public struct DHCPOptionCode: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a code of its number.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A byte without meaning, with no length behind it.
  public static let pad = DHCPOptionCode(rawValue: 0)
  /// The netmask.
  public static let subnetMask = DHCPOptionCode(rawValue: 1)
  /// The gateways.
  public static let router = DHCPOptionCode(rawValue: 3)
  /// The resolvers.
  public static let domainNameServer = DHCPOptionCode(rawValue: 6)
  /// The client's name.
  public static let hostname = DHCPOptionCode(rawValue: 12)
  /// The client's domain.
  public static let domainName = DHCPOptionCode(rawValue: 15)
  /// The longest IP packet on the link, in bytes.
  public static let interfaceMTU = DHCPOptionCode(rawValue: 26)
  /// The address that the client would like.
  public static let requestedAddress = DHCPOptionCode(rawValue: 50)
  /// How long the address is granted, in seconds.
  public static let leaseTime = DHCPOptionCode(rawValue: 51)
  /// Which of `file` and `sname` hold options: 1, 2, or 3 for both.
  public static let overload = DHCPOptionCode(rawValue: 52)
  /// What the message is for.
  public static let messageType = DHCPOptionCode(rawValue: 53)
  /// The address by which the server is known.
  public static let serverIdentifier = DHCPOptionCode(rawValue: 54)
  /// The codes that the client asks for.
  public static let parameterRequestList = DHCPOptionCode(rawValue: 55)
  /// An error in words.
  public static let message = DHCPOptionCode(rawValue: 56)
  /// The longest message that the client takes, IP and UDP headers included, in bytes.
  public static let maximumMessageSize = DHCPOptionCode(rawValue: 57)
  /// When the client renews its lease with the server that granted it (T1), in seconds.
  public static let renewalTime = DHCPOptionCode(rawValue: 58)
  /// When the client asks any server to extend its lease (T2), in seconds.
  public static let rebindingTime = DHCPOptionCode(rawValue: 59)
  /// What kind of client, or server, the sender is.
  public static let vendorClass = DHCPOptionCode(rawValue: 60)
  /// What the client calls itself towards servers.
  public static let clientIdentifier = DHCPOptionCode(rawValue: 61)
  /// The name of the TFTP server.
  public static let tftpServerName = DHCPOptionCode(rawValue: 66)
  /// The file to boot.
  public static let bootFile = DHCPOptionCode(rawValue: 67)
  /// The client takes an ACK for a DISCOVER; in the ACK: this is one (RFC 4039).
  public static let rapidCommit = DHCPOptionCode(rawValue: 80)
  /// The domains in which short names are looked up (RFC 3397).
  public static let domainSearch = DHCPOptionCode(rawValue: 119)
  /// Routes, the default one among them, which a client takes in the place of `router` (RFC 3442).
  public static let classlessStaticRoutes = DHCPOptionCode(rawValue: 121)
  /// What iPXE and its servers tell each other, options of their own inside.
  public static let iPXE = DHCPOptionCode(rawValue: 175)
  /// The end of the options, with no length behind it.
  public static let end = DHCPOptionCode(rawValue: 255)
}

/// A DHCP or BOOTP message as received.
public struct DHCPMessage: ~Escapable {
  /// The fixed part of a message in bytes, without the magic cookie.
  public static var fixedLength: Int { DHCPField.cookie }

  private let bytes: Span<UInt8>

  /// Looks at `bytes` as a message for Ethernet.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Self.fixedLength else {
      throw .truncated(needed: Self.fixedLength, available: bytes.count)
    }
    guard bytes[DHCPField.hardwareType] == 1, bytes[DHCPField.hardwareLength] == 6 else {
      throw .unsupportedHardware
    }
    self.bytes = bytes
  }

  /// The number of bytes of the message.
  public var byteCount: Int { bytes.count }

  /// The fixed part as a value.
  public var header: DHCPHeader {
    DHCPHeader(
      operation: DHCPOperation(rawValue: bytes[DHCPField.operation]), xid: bytes.bigEndian32(at: DHCPField.xid),
      secs: bytes.bigEndian16(at: DHCPField.secs),
      isBroadcast: bytes.bigEndian16(at: DHCPField.flags) & DHCPField.broadcastFlag != 0,
      ciaddr: IPv4Address(bytes, at: DHCPField.ciaddr), yiaddr: IPv4Address(bytes, at: DHCPField.yiaddr),
      siaddr: IPv4Address(bytes, at: DHCPField.siaddr), giaddr: IPv4Address(bytes, at: DHCPField.giaddr),
      clientHardware: MACAddress(bytes, at: DHCPField.chaddr))
  }

  /// Whether there is a magic cookie, and options behind it; a plain BOOTP message need not have it.
  public var hasOptions: Bool {
    bytes.count >= DHCPField.options && bytes.bigEndian32(at: DHCPField.cookie) == DHCPField.magicCookie
  }

  /// Whether the options are as they must be (RFC 2131 section 4.1): none runs over the end of its field, the last one
  /// has the end behind it, and those whose length the server relies on have it, be they repeated (RFC 3396). A BOOTP
  /// message may leave out the end, as RFC 1048 has it.
  public var isWellFormed: Bool {
    guard hasOptions else { return true }
    for (code, length) in Self.fixedLengths {
      var (isPresent, total) = (false, 0)
      forEachPart(of: code) { range in
        isPresent = true
        total += range.count
      }
      guard !isPresent || total == length else { return false }
    }
    let ends = fields.map { scan($0) { _, _ in } }
    return ends.allSatisfy { $0 == .closed || $0 == .open && messageType == nil }
  }

  /// Options that say what is asked of whom, and how many bytes they have.
  private static let fixedLengths: [(DHCPOptionCode, Int)] = [
    (.messageType, 1), (.requestedAddress, 4), (.serverIdentifier, 4), (.maximumMessageSize, 2), (.leaseTime, 4),
  ]

  /// The value of the option `code`; nil where it is absent, or split into parts (RFC 3396), which `value(of:)` joins.
  @_lifetime(copy self)
  public func option(_ code: DHCPOptionCode) -> Span<UInt8>? {
    var parts = 0
    var found = 0..<0
    forEachPart(of: code) { range in
      parts += 1
      found = range
    }
    return parts == 1 ? bytes.extracting(found) : nil
  }

  /// The value of the option `code`, its parts joined in the order of RFC 3396 section 7; nil where it is absent.
  public func value(of code: DHCPOptionCode) -> [UInt8]? {
    var value: [UInt8] = []
    var isPresent = false
    forEachPart(of: code) { range in
      isPresent = true
      for index in range { value.append(bytes[index]) }
    }
    return isPresent ? value : nil
  }

  /// The integer in the option `code`; nil where it is absent or not of four bytes.
  public func integer32(_ code: DHCPOptionCode) -> UInt32? {
    guard let value = option(code), value.count == 4 else { return nil }
    return value.bigEndian32(at: 0)
  }

  /// The integer in the option `code`; nil where it is absent or not of two bytes.
  public func integer16(_ code: DHCPOptionCode) -> UInt16? {
    guard let value = option(code), value.count == 2 else { return nil }
    return value.bigEndian16(at: 0)
  }

  /// The address in the option `code`; nil where it is absent or not of four bytes.
  public func address(_ code: DHCPOptionCode) -> IPv4Address? { integer32(code).map(IPv4Address.init(bits:)) }

  /// What the message is for; nil in a BOOTP message, `.invalid` where the option is malformed.
  public var messageType: DHCPMessageType? {
    guard let value = value(of: .messageType) else { return nil }
    return value.count == 1 ? DHCPMessageType(rawValue: value[0]) : .invalid
  }

  /// Calls `body` with where each part of the option `code` lies, in the order of RFC 3396 section 7.
  private func forEachPart(of code: DHCPOptionCode, _ body: (Range<Int>) -> Void) {
    guard hasOptions else { return }
    for field in fields { scan(field) { if $0 == code { body($1) } } }
  }

  /// The fields that hold options: their own, and those that option 52 says.
  /// - Precondition: there are options.
  private var fields: [Range<Int>] {
    var overload: UInt8 = 0
    let options = DHCPField.options..<bytes.count
    scan(options) { if $0 == .overload, $1.count == 1 { overload = bytes[$1.lowerBound] } }
    // RFC 2132 section 9.3: the values are 1, 2 and 3; others mean nothing.
    guard overload <= 3 else { return [options] }
    return [options] + (overload & 1 != 0 ? [DHCPField.file..<DHCPField.cookie] : [])
      + (overload & 2 != 0 ? [DHCPField.sname..<DHCPField.file] : [])
  }

  /// How a field of options ends.
  private enum FieldEnd {
    /// With the end option.
    case closed
    /// With the field, behind an option or padding.
    case open
    /// In the middle of an option.
    case broken
  }

  /// Calls `body` with the options in a field; one that runs over the field's end is the end.
  @discardableResult
  private func scan(_ field: Range<Int>, _ body: (DHCPOptionCode, Range<Int>) -> Void) -> FieldEnd {
    var offset = field.lowerBound
    while offset < field.upperBound {
      let code = DHCPOptionCode(rawValue: bytes[offset])
      guard code != .end else { return .closed }
      guard code != .pad else {
        offset += 1
        continue
      }
      guard offset + 2 <= field.upperBound else { return .broken }
      let end = offset + 2 + Int(bytes[offset + 1])
      guard end <= field.upperBound else { return .broken }
      body(code, (offset + 2)..<end)
      offset = end
    }
    return .open
  }
}
