public import Primitives

/// What a DHCPv6 message is for (RFC 8415 section 7.3).
public struct DHCPv6MessageType: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt8

  /// Makes a type of its number.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A client looks for servers.
  public static let solicit = DHCPv6MessageType(rawValue: 1)
  /// A server says what it would give.
  public static let advertise = DHCPv6MessageType(rawValue: 2)
  /// A client asks one server for what that advertised.
  public static let request = DHCPv6MessageType(rawValue: 3)
  /// A client asks whether its addresses still fit the link.
  public static let confirm = DHCPv6MessageType(rawValue: 4)
  /// A client asks its server to extend its leases.
  public static let renew = DHCPv6MessageType(rawValue: 5)
  /// A client asks any server to extend its leases.
  public static let rebind = DHCPv6MessageType(rawValue: 6)
  /// A server grants leases, or answers anything else.
  public static let reply = DHCPv6MessageType(rawValue: 7)
  /// A client gives leases back.
  public static let release = DHCPv6MessageType(rawValue: 8)
  /// A client has found addresses in use by another.
  public static let decline = DHCPv6MessageType(rawValue: 9)
  /// A client asks for anything but leases.
  public static let informationRequest = DHCPv6MessageType(rawValue: 11)
  /// A relay passes a client's message on.
  public static let relayForward = DHCPv6MessageType(rawValue: 12)
}

/// What an option of DHCPv6 says (RFC 8415 section 21).
public struct DHCPv6OptionCode: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt16

  /// Makes a code of its number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The client's DUID.
  public static let clientIdentifier = DHCPv6OptionCode(rawValue: 1)
  /// The server's DUID.
  public static let serverIdentifier = DHCPv6OptionCode(rawValue: 2)
  /// Addresses of one of the client's associations (IA_NA).
  public static let nonTemporaryAddresses = DHCPv6OptionCode(rawValue: 3)
  /// Addresses that change often, for privacy (IA_TA).
  public static let temporaryAddresses = DHCPv6OptionCode(rawValue: 4)
  /// An address, within an association.
  public static let address = DHCPv6OptionCode(rawValue: 5)
  /// The codes that the client asks for (ORO).
  public static let optionRequest = DHCPv6OptionCode(rawValue: 6)
  /// How much a server is to be preferred.
  public static let preference = DHCPv6OptionCode(rawValue: 7)
  /// How an association, or the whole message, fared.
  public static let statusCode = DHCPv6OptionCode(rawValue: 13)
  /// The client takes a REPLY for a SOLICIT; in the REPLY: this is one.
  public static let rapidCommit = DHCPv6OptionCode(rawValue: 14)
  /// What kind of client, or server, the sender is.
  public static let vendorClass = DHCPv6OptionCode(rawValue: 16)
  /// The resolvers (RFC 3646).
  public static let nameServers = DHCPv6OptionCode(rawValue: 23)
  /// The domains in which short names are looked up (RFC 3646).
  public static let domainSearch = DHCPv6OptionCode(rawValue: 24)
  /// Prefixes for networks behind the client (IA_PD).
  public static let delegatedPrefixes = DHCPv6OptionCode(rawValue: 25)
  /// When a client asks again for what it got without leases.
  public static let informationRefreshTime = DHCPv6OptionCode(rawValue: 32)
  /// The client's name (RFC 4704).
  public static let clientName = DHCPv6OptionCode(rawValue: 39)
  /// The URL of the file to boot (RFC 5970).
  public static let bootFileURL = DHCPv6OptionCode(rawValue: 59)
  /// What the file to boot is to be told, each parameter behind its length (RFC 5970).
  public static let bootFileParameters = DHCPv6OptionCode(rawValue: 60)
}

/// How an association, or a whole message, fared (RFC 8415 section 21.13).
public struct DHCPv6Status: RawRepresentable, Hashable, Sendable {
  /// The number.
  public let rawValue: UInt16

  /// Makes a status of its number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// All went well.
  public static let success = DHCPv6Status(rawValue: 0)
  /// The server has no addresses for the association.
  public static let noAddressesAvailable = DHCPv6Status(rawValue: 2)
  /// The server knows nothing of the association.
  public static let noBinding = DHCPv6Status(rawValue: 3)
  /// The addresses do not fit the link.
  public static let notOnLink = DHCPv6Status(rawValue: 4)
  /// The client is to send to the group of all servers.
  public static let useMulticast = DHCPv6Status(rawValue: 5)
  /// The server delegates no prefixes to the association.
  public static let noPrefixAvailable = DHCPv6Status(rawValue: 6)
}

extension IPv6Address {
  /// ff02::1:2, every DHCPv6 server of the link (RFC 8415 section 7.1).
  public static var allDHCPServers: IPv6Address { IPv6Address(high: 0xff02 << 48, low: 0x1_0002) }
}
