import Primitives
import Wire

/// The DHCPv6 server of the virtual network (RFC 8415): a message in, at most one message out.
///
///     SOLICIT              an address is held for the client            ADVERTISE
///                          with rapid commit: as REQUEST                REPLY, unless there is no address
///     REQUEST              a lease begins                               REPLY
///     RENEW, REBIND        a lease is extended                          REPLY
///     CONFIRM              do the addresses fit the link?               REPLY, silence if it names none
///     RELEASE              the lease ends                               REPLY
///     DECLINE              the address is kept from everybody           REPLY
///     INFORMATION-REQUEST  nothing                                      REPLY without an address
///
/// A client is the station that the frame came from, and has one address: the first association of addresses that asks
/// for one gets it, under whatever name (IAID), and any other gets none. RFC 8415 section 12 has a server tell clients
/// by DUID and IAID; but firmware and operating system on one interface have different ones and must get the same
/// address, or a port forward leads to the wrong one, and a DUID is the same for all interfaces of a host, and often for
/// all copies of a disk image. There are no relays on this link, so the frame's source is the interface.
///
/// As in `DHCPServer`, a renewal of an address that nobody has is granted though the server does not know of the lease:
/// it may have been restarted (RFC 8415 sections 18.3.4 and 18.3.5 leave that to the server).
struct DHCPv6Server: Sendable {
  /// Why a message gets no answer.
  enum Silence: Hashable, Sendable {
    /// It is not one that a client sends to a server.
    case unknownType
    /// It is for another server.
    case forAnotherServer
    /// It lacks what its type must have, or has what its type must not have (RFC 8415 section 16).
    case invalid
    /// It came to one address, and its type goes to the group of all servers.
    case unicast
    /// It asks to confirm no address (RFC 8415 section 18.3.3).
    case nothingToConfirm
  }

  /// A message that was written.
  struct Reply: Hashable, Sendable {
    /// The message.
    var bytes: [UInt8]
    /// The lease that it grants or extends.
    var lease: DHCPLease?
    /// Whether the client got no address because all are taken.
    var isExhausted = false
  }

  /// What becomes of a message.
  enum Answer: Hashable, Sendable {
    /// Nothing is sent.
    case silence(Silence)
    /// A reply is sent.
    case reply(Reply)
  }

  let settings: NetworkSettings
  /// The server's DUID (RFC 8415 section 11.4), the same for as long as the gateway's address is.
  let identifier: [UInt8]
  let searchList: [UInt8]
  let bootFileURL: String
  var table: DHCPLeaseTable<IPv6Address>

  init(settings: NetworkSettings) {
    self.settings = settings
    let hardware = settings.ipv6GatewayMAC.bits
    identifier = [0, 3, 0, 1] + (0..<6).map { UInt8(truncatingIfNeeded: hardware >> UInt64(40 - 8 * $0)) }
    searchList = DomainSearchList.uncompressed(settings.searchDomains, limit: Self.longestSearchList)
    bootFileURL = Self.bootFileURL(settings)
    table = DHCPLeaseTable(settings: settings)
  }

  /// The leases at `now`, in the order of their addresses.
  func leases(at now: Instant) -> [DHCPLease] {
    table.bound(at: now).map { DHCPLease($0, IPAddress($0.address)) }
  }

  /// Answers a message that came in a frame from `client`, to a group or to one address.
  mutating func answer(
    _ request: DHCPv6Message, from client: MACAddress, isGroup: Bool, at now: Instant
  ) -> Answer {
    if let silence = validate(request, isGroup: isGroup) { return .silence(silence) }
    // RFC 8415 sections 18.3.2, 18.3.4, 18.3.7 and 18.3.8: nobody was told that one address is enough.
    guard isGroup else { return status(.useMulticast, request) }
    switch request.type {
    case .solicit: return answerSolicit(request, from: client, at: now)
    case .request: return grant(request, to: client, at: now)
    case .renew, .rebind: return extend(request, of: client, at: now)
    case .confirm: return confirm(request)
    case .release, .decline: return takeBack(request, from: client, at: now)
    default: return informationReply(request)
    }
  }

  /// RFC 8415 section 16: why a message is not answered, nil for one that is.
  private func validate(_ request: DHCPv6Message, isGroup: Bool) -> Silence? {
    let hasClient = request.clientIdentifier != nil
    switch request.type {
    case .solicit, .confirm, .rebind:
      guard hasClient, request.serverIdentifier == nil else { return .invalid }
      return isGroup ? nil : .unicast
    case .request, .renew, .release, .decline:
      guard hasClient, let server = request.serverIdentifier else { return .invalid }
      return server == identifier ? nil : .forAnotherServer
    case .informationRequest:
      guard request.associations.isEmpty else { return .invalid }
      guard request.serverIdentifier == nil || request.serverIdentifier == identifier else { return .forAnotherServer }
      return isGroup ? nil : .unicast
    default:
      return .unknownType
    }
  }

  // MARK: Granting

  /// RFC 8415 section 18.3.1.
  private mutating func answerSolicit(_ request: DHCPv6Message, from client: MACAddress, at now: Instant) -> Answer {
    let wanted = request.associations.firstIndex { $0.kind == .nonTemporaryAddresses }
    let index = wanted.flatMap {
      table.choose(for: client, requested: request.associations[$0].addresses.first, at: now)
    }
    // Nothing is lost by committing at once: there is no other server to choose.
    if request.takesRapidCommit, index != nil { return grant(request, to: client, at: now) }
    if let index { table.offer(index, to: client, at: now, hold: DHCPServer.offerTime) }
    var writer = begin(.advertise, request)
    for (place, association) in request.associations.enumerated() {
      if place == wanted, let index {
        append(association, [(table.entries[index].address, Self.lifetime)], to: &writer)
      } else {
        writer.append(association, Self.refusal(of: association))
      }
    }
    appendConfiguration(to: &writer, answering: request)
    return .reply(Reply(bytes: writer.bytes, isExhausted: wanted != nil && index == nil))
  }

  /// A REQUEST, or a SOLICIT with rapid commit: RFC 8415 section 18.3.2.
  private mutating func grant(_ request: DHCPv6Message, to client: MACAddress, at now: Instant) -> Answer {
    var reply = Reply(bytes: [])
    var writer = begin(.reply, request)
    if request.type == .solicit { writer.append(.rapidCommit, []) }
    for association in request.associations {
      if association.kind == .nonTemporaryAddresses, request.type == .request, !fitsLink(association.addresses) {
        writer.append(association, .notOnLink)
      } else if let address = assign(association, to: client, of: request, into: &reply, at: now) {
        append(association, [(address, Self.lifetime)], to: &writer)
      } else {
        writer.append(association, Self.refusal(of: association))
      }
    }
    appendConfiguration(to: &writer, answering: request)
    reply.bytes = writer.bytes
    return .reply(reply)
  }

  /// Grants the client its address, for the first association that asks for one; nil where it gets none.
  private mutating func assign(
    _ association: DHCPv6Association, to client: MACAddress, of request: DHCPv6Message, into reply: inout Reply,
    at now: Instant
  ) -> IPv6Address? {
    guard association.kind == .nonTemporaryAddresses, reply.lease == nil else { return nil }
    guard let index = table.choose(for: client, requested: association.addresses.first, at: now) else {
      reply.isExhausted = true
      return nil
    }
    reply.lease = bind(index, to: client, of: request, at: now)
    return table.entries[index].address
  }

  private mutating func bind(
    _ index: Int, to client: MACAddress, of request: DHCPv6Message, at now: Instant
  ) -> DHCPLease {
    table.bind(
      index, to: client, hostname: request.clientName?.text ?? "", until: now + DHCPServer.leaseTime, at: now)
    return DHCPLease(table.entries[index], IPAddress(table.entries[index].address))
  }

  // MARK: Extending

  /// RENEW and REBIND: RFC 8415 sections 18.3.4 and 18.3.5.
  private mutating func extend(_ request: DHCPv6Message, of client: MACAddress, at now: Instant) -> Answer {
    var reply = Reply(bytes: [])
    var writer = begin(.reply, request)
    for association in request.associations {
      guard association.kind == .nonTemporaryAddresses else {
        writer.append(association, .noBinding)
        continue
      }
      // RFC 8415 section 18.2.4: a client that has none yet asks for one along with the others' renewal.
      if association.addresses.isEmpty,
        let address = assign(association, to: client, of: request, into: &reply, at: now)
      {
        append(association, [(address, Self.lifetime)], to: &writer)
        continue
      }
      let extended = extendable(association.addresses, of: client, after: reply, at: now)
      if let extended { reply.lease = bind(extended, to: client, of: request, at: now) }
      guard extended != nil || !fitsLink(association.addresses) else {
        writer.append(association, .noBinding)
        continue
      }
      // What the client cannot keep ends at once.
      let kept = extended.map { table.entries[$0].address }
      append(association, association.addresses.map { ($0, $0 == kept ? Self.lifetime : 0) }, to: &writer)
    }
    appendConfiguration(to: &writer, answering: request)
    reply.bytes = writer.bytes
    return .reply(reply)
  }

  /// The one of `addresses` that the client has, or may have again.
  private func extendable(
    _ addresses: [IPv6Address], of client: MACAddress, after reply: Reply, at now: Instant
  ) -> Int? {
    guard reply.lease == nil else { return nil }
    let own = table.ownAddress(of: client, at: now)
    let candidates = addresses.compactMap { own == nil || own == $0 ? table.index(of: $0) : nil }
    return candidates.first { table.isAvailable($0, to: client, at: now) }
  }

  private func fitsLink(_ addresses: [IPv6Address]) -> Bool { addresses.allSatisfy(settings.ipv6Prefix.contains) }

  /// RFC 8415 section 18.3.3.
  private func confirm(_ request: DHCPv6Message) -> Answer {
    let addresses = request.associations.filter { $0.kind != .delegatedPrefixes }.flatMap(\.addresses)
    guard !addresses.isEmpty else { return .silence(.nothingToConfirm) }
    return status(fitsLink(addresses) ? .success : .notOnLink, request)
  }

  // MARK: Ending

  /// RELEASE and DECLINE: RFC 8415 sections 18.3.7 and 18.3.8. A client gives up what it has itself, nothing else.
  private mutating func takeBack(_ request: DHCPv6Message, from client: MACAddress, at now: Instant) -> Answer {
    var writer = begin(.reply, request)
    writer.append(DHCPv6Status.success)
    for association in request.associations {
      guard association.kind == .nonTemporaryAddresses, let held = table.index(heldBy: client, at: now),
        association.addresses.contains(table.entries[held].address)
      else {
        writer.append(association, .noBinding)
        continue
      }
      if request.type == .decline {
        table.hold(held, until: now + DHCPServer.declineTime)
      } else {
        table.free(held, at: now)
      }
    }
    return .reply(Reply(bytes: writer.bytes))
  }
}
