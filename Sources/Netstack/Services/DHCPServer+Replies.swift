import Primitives
import Wire

extension DHCPServer {
  /// The longest message that every client takes, in bytes: a datagram of 576 without its headers (RFC 2131
  /// section 2).
  private static let usualLimit = 548
  /// The bytes of an IP and a UDP header, which option 57 counts and we do not.
  private static let datagramHeaders = 28

  /// Writes a message by table 3 of RFC 2131: OFFER, ACK, NAK, or for nil a BOOTP reply.
  func write(
    _ type: DHCPMessageType?, to request: DHCPMessage, yiaddr: IPv4Address, lease: DHCPLease? = nil,
    into reply: inout MutableSpan<UInt8>
  ) -> Answer {
    let asked = request.header
    let isNAK = type == .nak
    let header = DHCPHeader(
      operation: .reply, xid: asked.xid, isBroadcast: asked.isBroadcast,
      ciaddr: type == .offer || isNAK ? .any : asked.ciaddr, yiaddr: yiaddr,
      siaddr: isNAK ? .any : settings.ipv4Gateway, clientHardware: asked.clientHardware)
    let byteCount: Int
    do {
      var writer = try DHCPMessageWriter(
        header, into: &reply, limit: limit(of: request), mayOverload: request.messageType != nil)
      append(type, to: &writer, answering: request, grantsAddress: yiaddr != .any)
      byteCount = writer.finish()
    } catch {
      preconditionFailure("no room for a DHCP message: \(error)")
    }
    let destination = destination(of: type, to: asked, yiaddr: yiaddr)
    return .reply(
      Reply(
        byteCount: byteCount, type: type, destination: destination,
        hardware: destination == .broadcast ? .broadcast : asked.clientHardware, lease: lease))
  }

  /// RFC 2131 section 4.1: where a message goes.
  private func destination(of type: DHCPMessageType?, to asked: DHCPHeader, yiaddr: IPv4Address) -> IPv4Address {
    guard type != .nak else { return .broadcast }
    // An offer's `ciaddr` must be 0; one that is not was never checked, so nothing is sent there.
    if asked.ciaddr != .any, type != .offer { return asked.ciaddr }
    return asked.isBroadcast ? .broadcast : yiaddr
  }

  private func limit(of request: DHCPMessage) -> Int {
    guard request.messageType != nil else { return DHCPMessageWriter.minimumLength }
    let size = request.integer16(.maximumMessageSize).map { Int($0) - Self.datagramHeaders }
    return max(size ?? 0, Self.usualLimit)
  }

  /// The options of a message: first those asked for, in the order of option 55 (RFC 2132 section 9.8), then the
  /// others that are set, the longest last, for which there may be no room.
  private func append(
    _ type: DHCPMessageType?, to writer: inout DHCPMessageWriter, answering request: DHCPMessage, grantsAddress: Bool
  ) {
    if type != .nak { appendBootFile(to: &writer) }
    if let type {
      writer.append(.messageType, type.rawValue)
      writer.append(.serverIdentifier, settings.ipv4Gateway)
      // RFC 6842: as it came, in every answer.
      if let identifier = request.value(of: .clientIdentifier) { writer.append(.clientIdentifier, identifier) }
      if type == .ack && request.messageType == .discover { writer.append(.rapidCommit, []) }
    }
    guard type != .nak else {
      writer.append(.message, "requested address not available")
      return
    }
    // A BOOTP client that sent no magic cookie does not know what is behind it.
    guard request.hasOptions else { return }
    let hasTimes = type != nil && grantsAddress
    let asked = request.value(of: .parameterRequestList).map { $0.map(DHCPOptionCode.init) } ?? []
    // RFC 3442: a client that takes routes takes no notice of a router beside them.
    let takesRoutes = asked.contains(.classlessStaticRoutes) && !routes.isEmpty
    var rest = Self.order.filter { $0 != (takesRoutes ? .router : .classlessStaticRoutes) }
    for code in asked {
      guard let place = rest.firstIndex(of: code) else { continue }
      rest.remove(at: place)
      append(code, to: &writer, answering: request, hasTimes: hasTimes)
    }
    // What stands in the field `file` is repeated only for those who ask.
    for code in rest where code != .bootFile || settings.bootFile.utf8.count > DHCPMessageWriter.longestBootFile {
      append(code, to: &writer, answering: request, hasTimes: hasTimes)
    }
  }

  /// The options that this server knows, in the order in which they stand where nobody asks for another.
  private static let order: [DHCPOptionCode] = [
    .subnetMask, .router, .domainNameServer, .leaseTime, .renewalTime, .rebindingTime, .interfaceMTU, .hostname,
    .domainName, .tftpServerName, .vendorClass, .iPXE, .bootFile, .domainSearch, .classlessStaticRoutes,
  ]

  /// The routes that the settings ask for, and with them the default one, unless the network leads nowhere.
  static func routes(_ settings: NetworkSettings) -> [UInt8] {
    var (list, routes) = (ClasslessRoutes(), settings.staticRoutes)
    let everywhere = IPv4Prefix(containing: .any, length: 0)
    if !routes.isEmpty, !settings.isRestricted, !routes.contains(where: { $0.destination == everywhere }) {
      routes.append(StaticRoute(to: everywhere, via: settings.ipv4Gateway))
    }
    for route in routes { list.append(route.destination, via: route.router) }
    return list.bytes
  }

  /// Adds an option if it is set.
  private func append(
    _ code: DHCPOptionCode, to writer: inout DHCPMessageWriter, answering request: DHCPMessage, hasTimes: Bool
  ) {
    // T1 and T2 are half and seven eighths of the lease (RFC 2131 section 4.4.5).
    let seconds = UInt32(clamping: leaseTime(for: request).nanoseconds / 1_000_000_000)
    switch code {
    case .subnetMask: writer.append(code, settings.ipv4Prefix.mask)
    // A network that leads nowhere has no router and no resolver.
    case .router where !settings.isRestricted: writer.append(code, settings.ipv4Gateway)
    case .domainNameServer where !settings.isRestricted:
      let servers = terms.nameServers ?? [settings.ipv4Resolver]
      // RFC 2132 section 3.8: at least one.
      if !servers.isEmpty { writer.append(code, servers.flatMap(\.networkBytes)) }
    case .leaseTime where hasTimes: writer.append(code, seconds)
    case .renewalTime where hasTimes: writer.append(code, seconds / 2)
    case .rebindingTime where hasTimes: writer.append(code, seconds / 8 * 7)
    case .interfaceMTU: writer.append(code, UInt16(clamping: settings.mtu))
    case .hostname: appendHostname(of: request.header.clientHardware, to: &writer)
    case .domainName where !settings.domainName.isEmpty: writer.append(code, settings.domainName)
    case .tftpServerName where !settings.tftpServerName.isEmpty: writer.append(code, settings.tftpServerName)
    case .bootFile where !settings.bootFile.isEmpty: writer.append(code, settings.bootFile)
    // UEFI 2.10 section 24.7.3.1: without it a client does not take a URL for one to boot from.
    case .vendorClass where settings.bootFile.hasPrefix("http://") || settings.bootFile.hasPrefix("https://"):
      writer.append(code, "HTTPClient")
    // iPXE's no-pxedhcp, encapsulated option 176: there is no ProxyDHCP server to wait for.
    case .iPXE where request.value(of: .iPXE) != nil: writer.append(code, [176, 1, 1])
    case .domainSearch where !searchList.isEmpty: writer.append(code, searchList)
    case .classlessStaticRoutes where !routes.isEmpty:
      // A client that finds none here takes the router.
      guard !writer.append(code, routes), !settings.isRestricted else { return }
      writer.append(.router, settings.ipv4Gateway)
    default: break
    }
  }

  /// The name of a guest with a static lease is its own, where it has one there.
  private func appendHostname(of client: MACAddress, to writer: inout DHCPMessageWriter) {
    let own = settings.staticLeases.first { $0.hardware == client && !$0.hostname.isEmpty }?.hostname
    let name = own ?? settings.hostname
    if !name.isEmpty { writer.append(.hostname, name) }
  }

  private func appendBootFile(to writer: inout DHCPMessageWriter) {
    let name = settings.bootFile
    guard !name.isEmpty, name.utf8.count <= DHCPMessageWriter.longestBootFile else { return }
    writer.setBootFile(name)
  }
}

extension IPv4Address {
  /// The four bytes on the wire.
  fileprivate var networkBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: bits >> UInt32(24 - 8 * $0)) } }
}
