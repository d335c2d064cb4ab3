import Primitives
import Wire

extension DHCPv6Server {
  /// How long an address may be used, in seconds.
  static var lifetime: UInt32 { UInt32(DHCPServer.leaseTime.nanoseconds / 1_000_000_000) }
  /// The most bytes of domains to search, so that there is room for the other options.
  static var longestSearchList: Int { 512 }
  /// A client that is advertised to with this preference looks for no other server (RFC 8415 section 18.2.1).
  private static var highestPreference: UInt8 { 255 }
  /// IRT_DEFAULT (RFC 8415 section 7.6), in seconds.
  private static var refreshTime: UInt32 { 86_400 }
  /// Intel's number, under which UEFI knows the class of its HTTP boot (UEFI 2.10 section 24.7.3.1).
  private static var bootEnterprise: [UInt8] { [0, 0, 0x01, 0x57] }

  /// Begins a message with what all have: who it is from, and for (RFC 8415 section 18.3).
  func begin(_ type: DHCPv6MessageType, _ request: DHCPv6Message) -> DHCPv6MessageWriter {
    var writer = DHCPv6MessageWriter(type, transactionID: request.transactionID)
    writer.append(.serverIdentifier, identifier)
    if let client = request.clientIdentifier { writer.append(.clientIdentifier, client) }
    if type == .advertise { writer.append(.preference, [Self.highestPreference]) }
    return writer
  }

  /// A message that says no more than how the request fared.
  func status(_ status: DHCPv6Status, _ request: DHCPv6Message) -> Answer {
    var writer = begin(.reply, request)
    writer.append(status)
    return .reply(Reply(bytes: writer.bytes))
  }

  /// RFC 8415 section 18.3.6.
  func informationReply(_ request: DHCPv6Message) -> Answer {
    var writer = begin(.reply, request)
    appendConfiguration(to: &writer, answering: request)
    return .reply(Reply(bytes: writer.bytes))
  }

  /// Why an association gets nothing.
  static func refusal(of association: DHCPv6Association) -> DHCPv6Status {
    association.kind == .delegatedPrefixes ? .noPrefixAvailable : .noAddressesAvailable
  }

  /// Adds an association and the times of its renewal, which only addresses to keep have.
  func append(
    _ association: DHCPv6Association, _ addresses: [(address: IPv6Address, lifetime: UInt32)],
    to writer: inout DHCPv6MessageWriter
  ) {
    let lifetime = addresses.map(\.lifetime).max() ?? 0
    writer.append(association, DHCPv6Times(lifetime: lifetime), addresses)
  }

  /// Adds what the client asks for, or all there is where it does not say, the longest last.
  func appendConfiguration(to writer: inout DHCPv6MessageWriter, answering request: DHCPv6Message) {
    func isWanted(_ code: DHCPv6OptionCode) -> Bool { request.requestedOptions?.contains(code) ?? true }
    // A network that leads nowhere has no resolver.
    if isWanted(.nameServers), !settings.isRestricted { writer.append(.nameServers, settings.ipv6Resolver) }
    if isWanted(.informationRefreshTime), request.type == .informationRequest {
      writer.append(.informationRefreshTime, Self.refreshTime)
    }
    if !bootFileURL.isEmpty {
      if isWanted(.bootFileURL) { writer.append(.bootFileURL, bootFileURL) }
      if isWanted(.bootFileParameters), !settings.bootFileParameters.isEmpty {
        writer.append(.bootFileParameters, Self.bootFileParameters(settings))
      }
      // Without it a client of UEFI does not take a URL for one to boot from by HTTP.
      if isWanted(.vendorClass) || request.hasVendorClass, Self.isHTTP(bootFileURL) {
        writer.append(.vendorClass, Self.bootEnterprise + [0, 10] + Array("HTTPClient".utf8))
      }
    }
    if let name = request.clientName { append(name, to: &writer) }
    if isWanted(.domainSearch), !searchList.isEmpty { writer.append(.domainSearch, searchList) }
  }

  /// RFC 4704 section 6.1: the name stays as it is, and nobody is told of it outside.
  private func append(_ name: DHCPv6ClientName, to writer: inout DHCPv6MessageWriter) {
    let isOverridden = name.flags & DHCPv6ClientName.serverUpdates != 0
    let flags = DHCPv6ClientName.noUpdates | (isOverridden ? DHCPv6ClientName.overrides : 0)
    writer.append(.clientName, [flags] + name.name)
  }

  /// The URL of the file to boot (RFC 5970 section 3.1): as it was given, or of a file at the gateway's TFTP server.
  static func bootFileURL(_ settings: NetworkSettings) -> String {
    let name = settings.bootFile
    guard !name.isEmpty, !name.contains("://") else { return name }
    return "tftp://[\(settings.ipv6Gateway)]/" + name.drop { $0 == "/" }
  }

  /// RFC 5970 section 3.2: each parameter behind its length.
  private static func bootFileParameters(_ settings: NetworkSettings) -> [UInt8] {
    settings.bootFileParameters.flatMap { text in
      let count = text.utf8.count
      return [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)] + text.utf8
    }
  }

  private static func isHTTP(_ url: String) -> Bool { url.hasPrefix("http://") || url.hasPrefix("https://") }
}
