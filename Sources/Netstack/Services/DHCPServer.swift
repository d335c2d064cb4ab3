public import Primitives
public import Wire

/// The DHCP server of the virtual network (RFC 2131), which also answers BOOTP (RFC 1534): a message in, at most one
/// message out.
///
///     DISCOVER    the address is held for the client          OFFER, silence if all are taken
///                 with rapid commit (RFC 4039): as REQUEST    ACK, silence if all are taken
///     REQUEST     for another server: the offer is withdrawn  silence
///                 for an address that the client can have     ACK, and the lease begins or is extended
///                 for any other                               NAK
///     DECLINE     the address is kept from everybody          silence
///     RELEASE     the lease ends                              silence
///     INFORM      nothing                                     ACK without an address
///     no type     as DISCOVER and REQUEST at once (BOOTP)     a reply without DHCP's own options
///
/// Where RFC 2131 section 4.3.2 leaves a server silent towards a client that it does not know (INIT-REBOOT, and a
/// renewal after we were restarted), this one answers: it is the only server on a link of its own, so an address that
/// nobody has is granted again, and one that the client cannot have is refused, which makes it start over at once
/// instead of after a timeout. On a link where it may not be alone (`DHCPTerms`), it is silent about addresses of the
/// network that it does not give out to clients that it has no record of: they may be another server's.
public struct DHCPServer: Sendable {
  /// How long an address is granted.
  public static let leaseTime = Interval.seconds(86_400)
  /// How long an offer stands. Short, so that clients which never accept cannot keep the pool from others.
  public static let offerTime = Interval.seconds(60)
  /// How long an address is kept back that a client found in use.
  public static let declineTime = Interval.seconds(600)

  /// Why a message gets no answer.
  public enum Silence: Hashable, Sendable {
    /// It is no request, lacks what its type must have, has options that are none, or comes from no unicast hardware
    /// address.
    case malformed
    /// It came through a relay, of which there is none on this link.
    case relayed
    /// Its type is not one that a client sends.
    case unknownType
    /// It is for another server.
    case forAnotherServer
    /// All addresses are taken.
    case exhausted
    /// It gives up, or complains of, an address that the client does not have.
    case notHeld
    /// The client gave its address back.
    case released(IPv4Address)
    /// The client found its address in use by another.
    case declined(IPv4Address)
    /// It asks for an address that is not given out here, and may be another server's.
    case unknownAddress
  }

  /// A message that was written, and where it goes.
  public struct Reply: Hashable, Sendable {
    /// The length of the message in bytes.
    public var byteCount: Int
    /// What the message is; nil for BOOTP.
    public var type: DHCPMessageType?
    /// The address that it goes to, port 68, from the server's, port 67.
    public var destination: IPv4Address
    /// The station that it goes to.
    public var hardware: MACAddress
    /// The lease that it grants or extends.
    public var lease: DHCPLease?
  }

  /// What becomes of a message.
  public enum Answer: Hashable, Sendable {
    /// Nothing is sent.
    case silence(Silence)
    /// A reply is sent.
    case reply(Reply)
  }

  private(set) var settings: NetworkSettings
  let terms: DHCPTerms
  let searchList: [UInt8]
  /// The routes of option 121, empty where none is given out.
  let routes: [UInt8]
  var table: DHCPLeaseTable<IPv4Address>

  /// Makes a server for a network. Search domains that are no domain names are left out.
  public init(settings: NetworkSettings, terms: DHCPTerms = DHCPTerms()) {
    self.settings = settings
    self.terms = terms
    var list = DomainSearchList()
    for domain in settings.searchDomains { list.append(domain) }
    searchList = list.bytes
    routes = Self.routes(settings)
    table = DHCPLeaseTable(settings: settings)
  }

  /// Has these addresses be kept for one guest each, and those that were kept before be anybody's. Leases stay.
  mutating func replace(staticLeases: [StaticLease]) {
    settings.staticLeases = staticLeases
    var table = DHCPLeaseTable<IPv4Address>(settings: settings)
    table.takeOver(self.table)
    self.table = table
  }

  /// The leases at `now`, in the order of their addresses.
  public func leases(at now: Instant) -> [DHCPLease] {
    table.bound(at: now).map { DHCPLease($0, IPAddress($0.address)) }
  }

  /// Whether `address` is granted to a client at `now`.
  public func isLeased(_ address: IPv4Address, at now: Instant) -> Bool {
    table.index(of: address).map { table.entries[$0].use == .bound && table.entries[$0].until > now } ?? false
  }

  /// Counts what has changed of who is granted what.
  public var revision: Int { table.revision }

  /// The address that is granted to a client at `now`, else the one that it is offered.
  public func heldAddress(of client: MACAddress, at now: Instant) -> IPv4Address? {
    table.index(heldBy: client, at: now).map { table.entries[$0].address }
  }

  /// Takes over a lease that was granted before this server was made. It lasts no longer than one that is granted now.
  public mutating func restore(_ lease: DHCPLease, at now: Instant) throws(DHCPLease.Refusal) {
    guard let address = lease.address.ipv4 else { throw .notGivenOut }
    try table.restore(lease, of: address, at: now, longest: terms.longestLease)
  }

  /// Keeps an address back for a while that somebody without a lease was found to use.
  public mutating func keepBack(_ address: IPv4Address, at now: Instant) {
    guard let index = table.index(of: address) else { return }
    table.hold(index, until: now + Self.declineTime)
  }

  /// Answers a message that came in a frame from `hardware`, the answer being written to `reply`.
  ///
  /// A message names its client in `chaddr`. That may differ from the frame's source behind a bridge in a guest, so
  /// it is believed for a lease, but not for ending one: no guest takes another's address away.
  /// - Precondition: `reply` holds at least 300 bytes.
  public mutating func answer(
    _ request: DHCPMessage, from hardware: MACAddress, at now: Instant, into reply: inout MutableSpan<UInt8>
  ) -> Answer {
    let header = request.header
    guard header.operation == .request, header.clientHardware.isUnicast, request.isWellFormed else {
      return .silence(.malformed)
    }
    guard header.giaddr == .any else { return .silence(.relayed) }
    guard let type = request.messageType else { return answerBOOTP(request, at: now, into: &reply) }
    switch type {
    case .discover:
      return answerDiscover(request, at: now, into: &reply)
    case .request:
      return answerRequest(request, at: now, into: &reply)
    case .inform:
      return answerInform(request, into: &reply)
    case .release:
      return takeBack(header.ciaddr, request, from: hardware, at: now)
    case .decline:
      return takeBack(request.address(.requestedAddress) ?? .any, request, from: hardware, at: now)
    default:
      return .silence(.unknownType)
    }
  }

  private mutating func answerDiscover(
    _ request: DHCPMessage, at now: Instant, into reply: inout MutableSpan<UInt8>
  ) -> Answer {
    let client = request.header.clientHardware
    guard let index = table.choose(for: client, requested: request.address(.requestedAddress), at: now) else {
      return .silence(.exhausted)
    }
    // RFC 4039: two messages in the place of four, for a client that has no other server to choose.
    if terms.isAlone, request.value(of: .rapidCommit) != nil {
      return grant(index, .ack, to: request, at: now, into: &reply)
    }
    table.offer(index, to: client, at: now, hold: Self.offerTime)
    return write(.offer, to: request, yiaddr: table.entries[index].address, into: &reply)
  }

  private mutating func answerRequest(
    _ request: DHCPMessage, at now: Instant, into reply: inout MutableSpan<UInt8>
  ) -> Answer {
    let header = request.header
    let client = header.clientHardware
    if let server = request.address(.serverIdentifier), server != settings.ipv4Gateway {
      table.withdrawOffer(to: client, at: now)
      return .silence(.forAnotherServer)
    }
    // RFC 2131 section 4.3.2: `ciaddr` in RENEWING and REBINDING, option 50 in SELECTING and INIT-REBOOT.
    let requested = header.ciaddr == .any ? request.address(.requestedAddress) : header.ciaddr
    guard let requested else { return .silence(.malformed) }
    let own = table.ownAddress(of: client, at: now)
    guard !mayBeAnothers(requested, request) else { return .silence(.unknownAddress) }
    guard let index = table.index(of: requested), table.isAvailable(index, to: client, at: now),
      own == nil || own == requested || table.entries[index].reservation == client
    else { return write(.nak, to: request, yiaddr: .any, into: &reply) }
    return grant(index, .ack, to: request, at: now, into: &reply)
  }

  /// Whether a client that does not speak to us by name asks for an address of the network that is not ours to give, and
  /// is not known here: another server's, or one that was set by hand.
  private func mayBeAnothers(_ address: IPv4Address, _ request: DHCPMessage) -> Bool {
    !terms.isAlone && request.address(.serverIdentifier) == nil && settings.ipv4Prefix.contains(address)
      && table.index(of: address) == nil && !table.isKnown(request.header.clientHardware)
  }

  /// How long an address is granted that is asked for by `request` (RFC 2131 section 4.3.1).
  func leaseTime(for request: DHCPMessage) -> Interval {
    guard let maximum = terms.maximumLeaseTime else { return terms.leaseTime }
    let asked = request.integer32(.leaseTime).map { max(Interval.seconds(Int64($0)), DHCPTerms.shortestLeaseTime) }
    return min(asked ?? terms.leaseTime, maximum)
  }

  /// RFC 1534: a BOOTP client gets an address at once. Its lease ends like any other, where the RFC has it last for
  /// ever, since such a client never gives one back; it finds the same address when it starts again.
  private mutating func answerBOOTP(
    _ request: DHCPMessage, at now: Instant, into reply: inout MutableSpan<UInt8>
  ) -> Answer {
    guard request.header.ciaddr == .any else { return answerInform(request, into: &reply) }
    guard let index = table.choose(for: request.header.clientHardware, requested: nil, at: now) else {
      return .silence(.exhausted)
    }
    return grant(index, nil, to: request, at: now, into: &reply)
  }

  private mutating func grant(
    _ index: Int, _ type: DHCPMessageType?, to request: DHCPMessage, at now: Instant,
    into reply: inout MutableSpan<UInt8>
  ) -> Answer {
    let address = table.entries[index].address
    let hostname = request.value(of: .hostname).map { String(decoding: $0, as: UTF8.self) } ?? ""
    table.bind(
      index, to: request.header.clientHardware, hostname: hostname, until: now + leaseTime(for: request), at: now)
    let lease = DHCPLease(table.entries[index], IPAddress(address))
    return write(type, to: request, yiaddr: address, lease: lease, into: &reply)
  }

  private func answerInform(_ request: DHCPMessage, into reply: inout MutableSpan<UInt8>) -> Answer {
    // RFC 2131 section 4.3.5: the answer goes to `ciaddr`, which must be an address of this network.
    guard settings.ipv4Prefix.contains(request.header.ciaddr) else { return .silence(.malformed) }
    return write(request.messageType == nil ? nil : .ack, to: request, yiaddr: .any, into: &reply)
  }

  /// RELEASE and DECLINE: the client gives up `address`.
  private mutating func takeBack(
    _ address: IPv4Address, _ request: DHCPMessage, from hardware: MACAddress, at now: Instant
  ) -> Answer {
    if let server = request.address(.serverIdentifier), server != settings.ipv4Gateway {
      return .silence(.forAnotherServer)
    }
    guard request.header.clientHardware == hardware, let index = table.index(of: address),
      table.entries[index].isHeld(by: hardware, at: now)
    else { return .silence(.notHeld) }
    guard request.messageType == .decline else {
      table.free(index, at: now)
      return .silence(.released(address))
    }
    table.hold(index, until: now + Self.declineTime)
    return .silence(.declined(address))
  }
}
