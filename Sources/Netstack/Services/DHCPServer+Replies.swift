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
      var writer = try DHCPMessageWriter(header, into: &reply, limit: limit(of: request))
      append(type, to: &writer, grantsAddress: yiaddr != .any, hasOptions: request.hasOptions)
      byteCount = writer.finish()
    } catch {
      preconditionFailure("no room for a DHCP message: \(error)")
    }
    let destination = destination(of: type, to: asked, yiaddr: yiaddr)
    return .reply(
      Reply(
        byteCount: byteCount, type: type, destination: destination,
        hardware: destination == .broadcast ? .broadcast : asked.clientHardware, lease: lease,
        hostname: request.value(of: .hostname).map { String(decoding: $0, as: UTF8.self) }))
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

  /// The options of a message. Those asked for in option 55 are all among them where they are set, so it is not
  /// looked at; the longest come last, where there may be no room for them.
  private func append(
    _ type: DHCPMessageType?, to writer: inout DHCPMessageWriter, grantsAddress: Bool, hasOptions: Bool
  ) {
    if let type {
      writer.append(.messageType, type.rawValue)
      writer.append(.serverIdentifier, settings.ipv4Gateway)
    }
    guard type != .nak else {
      writer.append(.message, "requested address not available")
      return
    }
    // A BOOTP client that sent no magic cookie does not know what is behind it.
    guard hasOptions else { return }
    writer.append(.subnetMask, settings.ipv4Prefix.mask)
    // A network that leads nowhere has no router and no resolver.
    if !settings.isRestricted {
      writer.append(.router, settings.ipv4Gateway)
      writer.append(.domainNameServer, settings.ipv4Resolver)
    }
    if type != nil, grantsAddress { appendTimes(to: &writer) }
    writer.append(.interfaceMTU, UInt16(clamping: settings.mtu))
    if !settings.hostname.isEmpty { writer.append(.hostname, settings.hostname) }
    if !settings.domainName.isEmpty { writer.append(.domainName, settings.domainName) }
    if !searchList.isEmpty { writer.append(.domainSearch, searchList) }
  }

  /// The lease's length, with T1 and T2 at the half and seven eighths of it (RFC 2131 section 4.4.5).
  private func appendTimes(to writer: inout DHCPMessageWriter) {
    let seconds = UInt32(Self.leaseTime.nanoseconds / 1_000_000_000)
    writer.append(.leaseTime, seconds)
    writer.append(.renewalTime, seconds / 2)
    writer.append(.rebindingTime, seconds / 8 * 7)
  }
}
