import BasicContainers
public import Primitives
import Wire

/// A name that the virtual resolver knows, and one of its addresses.
public struct LocalName: Hashable, Sendable {
  /// The name.
  public var name: String
  /// The address.
  public var address: IPAddress

  /// Makes a name of its parts.
  public init(name: String, address: IPAddress) {
    self.name = name
    self.address = address
  }
}

/// The names that the virtual resolver knows itself, and answers for with authority.
///
///     gateway.culvert.internal       the gateway
///     host.culvert.internal          the same, where it leads to the host's loopback
///     a guest's name (option 12)     its addresses by DHCP, bare and under the network's domain
///     what was configured            what was configured
///
/// Each of these addresses has its name in the reverse domains. Nothing else is said to be below `culvert.internal`, a
/// domain for private use, nor in the reverse domain of the guests' networks, which nobody outside knows. Another type of
/// a known name is not there either (RFC 2308 section 2.2).
///
/// Answers are not to be kept (a time to live of 0): asking again costs a guest next to nothing, and leases and
/// configured names may change at any time.
struct LocalNames {
  private struct Record {
    let name: DNSName
    let address: IPAddress
    /// Whether the name is that of the address as well.
    var isReverse = true
    /// The guest whose name it is, and who may have an address by DHCPv6, too.
    var guest: MACAddress?
  }

  private var settings: NetworkSettings
  private var fixed: [Record]
  private var configured: [Record]
  /// The names of a guest that has none of its own, the one for reverse questions first.
  private let guestNames: [DNSName]

  private static let domain = required("culvert.internal")
  private static let gateway = required("gateway.culvert.internal")
  private static let host = required("host.culvert.internal")
  private static let timeToLive: UInt32 = 0

  private static func required(_ text: String) -> DNSName {
    guard let name = DNSName(text) else { preconditionFailure("'\(text)' is not a name") }
    return name
  }

  init(settings: NetworkSettings) {
    self.settings = settings
    guestNames = Self.names(of: settings.hostname, settings)
    configured = Self.records(settings.localNames)
    fixed = Self.fixed(settings)
  }

  /// The network's own names, and those that come with addresses kept for guests.
  private static func fixed(_ settings: NetworkSettings) -> [Record] {
    let gateways =
      (settings.isIPv4Enabled ? [IPAddress(settings.ipv4Gateway)] : [])
      + (settings.isIPv6Enabled ? [IPAddress(settings.ipv6Gateway)] : [])
    var fixed = gateways.map { Record(name: gateway, address: $0) }
    if settings.allowsHostLoopback { fixed += gateways.map { Record(name: host, address: $0) } }
    for lease in settings.staticLeases {
      for (place, name) in names(of: lease.hostname, settings).enumerated() {
        fixed.append(
          Record(name: name, address: IPAddress(lease.address), isReverse: place == 0, guest: lease.hardware))
      }
    }
    return fixed
  }

  /// A host's name under the network's domain, and bare. What is no domain name, as option 12 may be, is left out.
  private static func names(of hostname: String, _ settings: NetworkSettings) -> [DNSName] {
    guard !hostname.isEmpty else { return [] }
    let texts = settings.domainName.isEmpty ? [hostname] : [hostname + "." + settings.domainName, hostname]
    return texts.compactMap { DNSName($0) }
  }

  private static func records(_ names: [LocalName]) -> [Record] {
    names.compactMap { entry in DNSName(entry.name).map { Record(name: $0, address: entry.address) } }
  }

  /// Has these addresses be those that are kept for guests.
  mutating func replace(staticLeases: [StaticLease]) {
    settings.staticLeases = staticLeases
    fixed = Self.fixed(settings)
  }

  /// Has the configured names be these. What is no domain name is left out.
  mutating func replace(by names: [LocalName]) { configured = Self.records(names) }

  // MARK: Questions

  /// What is known of a name.
  private enum Finding {
    case addresses([IPAddress])
    case names([DNSName])
    /// Nothing is there, and that is certain: whether the name exists all the same.
    case nothing(exists: Bool)
  }

  /// Writes the answer to a question that is to be answered here, and returns its length in bytes; nil for others.
  func answer(
    _ request: DNSRequest, _ question: DNSQuestion, _ query: borrowing UniqueArray<UInt8>,
    _ dhcp: borrowing DHCPServer, _ dhcpv6: borrowing DHCPv6Server, at now: Instant,
    into reply: inout UniqueArray<UInt8>
  ) -> Int? {
    guard question.recordClass == .internet || question.recordClass == .any else { return nil }
    let name = query.span.extracting(question.nameRange)
    guard let (finding, zone) = find(name, dhcp, dhcpv6, at: now) else { return nil }
    if let edns = request.edns, edns.version > 0 { return request.writeAnswer(.badVersion, query, into: &reply) }
    var code = DNSResponseCode.noError
    if case .nothing(exists: false) = finding { code = .nameError }
    var header = DNSHeader(
      identifier: request.header.identifier, flags: request.header.flags.answer(code), questionCount: 1)
    header.flags.isAuthoritative = true
    var bytes = reply.mutableSpan
    var writer = DNSMessageWriter(
      header, question: question, of: query.span, edns: request.answerEDNS(code), limit: request.answerLimit,
      into: &bytes)
    var isEmpty = true
    switch finding {
    case .addresses(let addresses):
      for address in addresses where question.type == .any || question.type == address.recordType {
        writer.append(address, of: .question(skipping: 0), timeToLive: Self.timeToLive)
        isEmpty = false
      }
    case .names(let names):
      for name in names where question.type == .any || question.type == .ptr {
        writer.append(.ptr, of: .question(skipping: 0), timeToLive: Self.timeToLive, data: name.bytes.span)
        isEmpty = false
      }
    case .nothing:
      guard zone == 0, question.type == .any || question.type == .soa else { break }
      writer.append(.soa, of: .question(skipping: 0), timeToLive: Self.timeToLive, data: Self.authority.span)
      isEmpty = false
    }
    // RFC 2308 section 3: what is not there is not there for as long as this record says.
    if isEmpty {
      writer.append(
        .soa, of: .question(skipping: zone), in: .authority, timeToLive: Self.timeToLive, data: Self.authority.span)
    }
    return writer.finish()
  }

  /// The data of the record by which a zone begins: who keeps it, whom to write to (nobody, as RFC 6303 section 3 has
  /// it), its version, four times for secondary servers and for what is not there.
  private static let authority: [UInt8] =
    gateway.bytes + required("nobody.invalid").bytes + [0, 0, 0, 1] + [0, 0, 14, 16] + [0, 0, 4, 176]
    + [0, 9, 58, 128] + [0, 0, 0, 0]

  /// What is known of `name`, and where in it the zone begins that it belongs to.
  private func find(
    _ name: Span<UInt8>, _ dhcp: borrowing DHCPServer, _ dhcpv6: borrowing DHCPv6Server, at now: Instant
  ) -> (finding: Finding, zone: Int)? {
    if let reverse = DNSReverseName(name) { return find(reverse, name, dhcp, dhcpv6, at: now) }
    var addresses: [IPAddress]?
    for record in fixed where record.name.matches(name) {
      let leased = record.guest.map { guest in dhcpv6.leases(at: now).filter { $0.hardware == guest }.map(\.address) }
      addresses = (addresses ?? []) + [record.address] + (leased ?? [])
    }
    for record in configured where record.name.matches(name) { addresses = (addresses ?? []) + [record.address] }
    for known in guestNames where known.matches(name) {
      addresses = (addresses ?? []) + namelessGuests(dhcp, dhcpv6, at: now).map(\.address)
    }
    let isBelow = Self.domain.contains(name)
    let zone = isBelow ? name.count - Self.domain.bytes.count : 0
    if let addresses { return (.addresses(addresses), zone) }
    return isBelow ? (.nothing(exists: zone == 0), zone) : nil
  }

  /// The leases of guests that go by the network's hostname.
  private func namelessGuests(
    _ dhcp: borrowing DHCPServer, _ dhcpv6: borrowing DHCPv6Server, at now: Instant
  ) -> [DHCPLease] {
    (dhcp.leases(at: now) + dhcpv6.leases(at: now)).filter { lease in
      !settings.staticLeases.contains { $0.hardware == lease.hardware && !$0.hostname.isEmpty }
    }
  }

  private func find(
    _ reverse: DNSReverseName, _ name: Span<UInt8>, _ dhcp: borrowing DHCPServer, _ dhcpv6: borrowing DHCPv6Server,
    at now: Instant
  ) -> (finding: Finding, zone: Int)? {
    let (whole, part) = reverse.address.family == .ipv4 ? (32, 8) : (128, 4)
    let isAddress = reverse.length == whole && !reverse.hasMore
    if isAddress {
      let guest = dhcpv6.leases(at: now).first { $0.address == reverse.address }?.hardware
      var names = (fixed + configured).filter { record in
        record.isReverse && (record.address == reverse.address || guest != nil && record.guest == guest)
      }.map(\.name)
      if let guestName = guestNames.first,
        namelessGuests(dhcp, dhcpv6, at: now).contains(where: { $0.address == reverse.address })
      {
        names.append(guestName)
      }
      if !names.isEmpty { return (.names(names), 0) }
    }
    let prefixLength = reverse.address.family == .ipv4 ? settings.ipv4Prefix.length : settings.ipv6Prefix.length
    guard reverse.length >= prefixLength, isOwn(reverse.address) else { return nil }
    // What stands between the zone and an address is there, though it has nothing (RFC 8020 section 2).
    let zoneLabels = (prefixLength + part - 1) / part + 3
    return (.nothing(exists: !isAddress && !reverse.hasMore), Self.offset(ofLast: zoneLabels, in: name))
  }

  private func isOwn(_ address: IPAddress) -> Bool {
    if let address = address.ipv4 { return settings.isIPv4Enabled && settings.ipv4Prefix.contains(address) }
    return settings.isIPv6Enabled && settings.ipv6Prefix.contains(address.mapped)
  }

  /// Where the last `count` labels of a name begin, the root's empty one counted.
  private static func offset(ofLast count: Int, in name: Span<UInt8>) -> Int {
    var labels = 1
    var offset = 0
    while name[offset] > 0 {
      offset += 1 + Int(name[offset])
      labels += 1
    }
    offset = 0
    for _ in 0..<max(0, labels - count) { offset += 1 + Int(name[offset]) }
    return offset
  }
}

extension IPAddress {
  /// The type of the record that a name has for the address.
  fileprivate var recordType: DNSRecordType { family == .ipv4 ? .a : .aaaa }
}
