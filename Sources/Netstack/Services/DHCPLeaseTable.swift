import Primitives

/// The addresses that DHCP gives out in one family, each with who has it: a table of fixed size, so that no number of
/// clients makes it grow.
///
/// A client is its hardware address, and has one address at most. Firmware and operating system on one interface
/// send different client identifiers (option 61) and must get the same address, or a port forward leads to the wrong
/// one; so identifiers are not looked at, which RFC 2131 section 4.2 leaves to the administrator.
///
/// Nothing runs out by a timer: a use whose time is past counts as none.
struct DHCPLeaseTable<Address: Hashable & Sendable>: Sendable {
  /// What an address is used for.
  enum Use: Sendable {
    /// Nothing.
    case none
    /// Offered to the holder, who has not accepted yet.
    case offered
    /// Granted to the holder.
    case bound
    /// Somebody without a lease was found to use it.
    case declined
  }

  /// One address.
  struct Entry: Sendable {
    let address: Address
    /// The only one who can have it, nil for anybody.
    var reservation: MACAddress?
    /// Whether that one has it without having asked: it stays reserved, whatever the configuration becomes.
    var isAssigned = false
    var use = Use.none
    /// Whose use it is, if offered or bound.
    var holder = MACAddress(bits: 0)
    /// When the use ends, or ended.
    var until = Instant.zero
    /// Who had it granted last, and gets it again if it is free.
    var lastOwner: MACAddress?
    /// What the holder calls itself, if bound; empty where it has not said.
    var hostname = ""

    init(address: Address, reservation: MACAddress? = nil) {
      self.address = address
      self.reservation = reservation
    }

    func isFree(at now: Instant) -> Bool { use == .none || until <= now }

    func isReserved(againstAnybodyBut client: MACAddress) -> Bool { reservation.map { $0 != client } ?? false }

    func isHeld(by client: MACAddress, at now: Instant) -> Bool {
      (use == .offered || use == .bound) && holder == client && until > now
    }
  }

  private(set) var entries: [Entry]
  /// Counts what has changed of who is granted what.
  private(set) var revision = 0

  /// A table of addresses, all of them free.
  init(_ entries: [Entry]) { self.entries = entries }

  /// The place of `address`, nil where it is not one that is given out.
  func index(of address: Address) -> Int? { entries.firstIndex { $0.address == address } }

  /// The place of the address that `client` has been granted, else of the one that it has been offered. It has both
  /// while it is offered the one that is kept for it now.
  func index(heldBy client: MACAddress, at now: Instant) -> Int? {
    let held = entries.indices.filter { entries[$0].isHeld(by: client, at: now) }
    return held.first { entries[$0].use == .bound } ?? held.first
  }

  /// The address that `client` has been granted.
  func boundAddress(of client: MACAddress, at now: Instant) -> Address? {
    index(heldBy: client, at: now).map { entries[$0] }.flatMap { $0.use == .bound ? $0.address : nil }
  }

  /// Whether `client` has an address, had one, or has one kept for it.
  func isKnown(_ client: MACAddress) -> Bool {
    entries.contains { $0.lastOwner == client || $0.reservation == client || $0.use == .offered && $0.holder == client }
  }

  /// The place of the address that is kept for `client`, unless somebody else still has it.
  func index(keptFor client: MACAddress, at now: Instant) -> Int? {
    entries.indices.first { entries[$0].reservation == client && isAvailable($0, to: client, at: now) }
  }

  /// The one address that `client` can have, if there is but one: what it has been granted, else what is kept for it.
  func ownAddress(of client: MACAddress, at now: Instant) -> Address? {
    boundAddress(of: client, at: now) ?? index(keptFor: client, at: now).map { entries[$0].address }
  }

  /// The addresses that are granted, in their order.
  func bound(at now: Instant) -> [Entry] { entries.filter { $0.use == .bound && $0.until > now } }

  /// Whether nobody but `client` has the address at `index`.
  func isAvailable(_ index: Int, to client: MACAddress, at now: Instant) -> Bool {
    !entries[index].isReserved(againstAnybodyBut: client)
      && (entries[index].isFree(at: now) || entries[index].isHeld(by: client, at: now))
  }

  /// Chooses an address for `client` in the order of RFC 2131 section 4.3.1, but that the one that is kept for it comes
  /// first: then the one it has, the one it had, the one it asks for, a new one. Nil where all are taken.
  func choose(for client: MACAddress, requested: Address?, at now: Instant) -> Int? {
    if let chosen = index(keptFor: client, at: now) ?? index(heldBy: client, at: now) { return chosen }
    let free = entries.indices.filter {
      entries[$0].isFree(at: now) && !entries[$0].isReserved(againstAnybodyBut: client)
    }
    if let former = free.first(where: { entries[$0].lastOwner == client }) { return former }
    if let asked = free.first(where: { entries[$0].address == requested }) { return asked }
    // Rather one that nobody will come back for, else the one whose owner has been gone for longest.
    return free.first { entries[$0].lastOwner == nil } ?? free.min { entries[$0].until < entries[$1].until }
  }

  /// Gives `client`, who has its address from elsewhere and does not ask, the one that it would be offered. From now on
  /// it is kept for it, and if it asks all the same it gets the same one.
  /// - Returns: the address; nil where all are taken.
  mutating func assign(to client: MACAddress, at now: Instant) -> Address? {
    guard let index = choose(for: client, requested: nil, at: now) else { return nil }
    entries[index].reservation = client
    entries[index].isAssigned = true
    return entries[index].address
  }

  /// The address that was assigned to `client`.
  func assignedAddress(of client: MACAddress) -> Address? {
    entries.first { $0.isAssigned && $0.reservation == client }?.address
  }

  /// Holds the address at `index` for `client`, unless it is already granted to it.
  mutating func offer(_ index: Int, to client: MACAddress, at now: Instant, hold: Interval) {
    guard !(entries[index].use == .bound && entries[index].isHeld(by: client, at: now)) else { return }
    entries[index].use = .offered
    entries[index].holder = client
    entries[index].until = now + hold
  }

  /// Grants the address at `index` to `client`, who has no other then.
  mutating func bind(_ index: Int, to client: MACAddress, hostname: String, until: Instant, at now: Instant) {
    for other in entries.indices where other != index && entries[other].isHeld(by: client, at: now) {
      free(other, at: now)
    }
    entries[index].use = .bound
    entries[index].holder = client
    entries[index].until = until
    entries[index].lastOwner = client
    entries[index].hostname = hostname
    revision += 1
  }

  /// Takes over a lease of `address` that was granted before this table was made. It lasts no longer than one that is
  /// granted now.
  mutating func restore(
    _ lease: DHCPLease, of address: Address, at now: Instant, longest: Interval = DHCPServer.leaseTime
  ) throws(DHCPLease.Refusal) {
    let client = lease.hardware
    guard lease.expiry > now else { throw .ended }
    guard let index = index(of: address) else { throw .notGivenOut }
    let kept = entries.first { $0.reservation == client }
    guard !entries[index].isReserved(againstAnybodyBut: client), kept == nil || kept?.address == address else {
      throw .reserved
    }
    guard isAvailable(index, to: client, at: now), boundAddress(of: client, at: now) ?? address == address else {
      throw .taken
    }
    let until = min(lease.expiry, now + longest)
    bind(index, to: client, hostname: lease.hostname, until: until, at: now)
  }

  /// Takes back what was offered to `client` and not accepted.
  mutating func withdrawOffer(to client: MACAddress, at now: Instant) {
    for index in entries.indices where entries[index].use == .offered && entries[index].isHeld(by: client, at: now) {
      free(index, at: now)
    }
  }

  /// Ends the use of the address at `index`.
  mutating func free(_ index: Int, at now: Instant) {
    if entries[index].use == .bound { revision += 1 }
    entries[index].use = .none
    entries[index].until = now
  }

  /// Takes over who has what, and had it, of the addresses that are in both tables, and all that were assigned.
  mutating func takeOver(_ other: DHCPLeaseTable) {
    revision = other.revision + 1
    for index in entries.indices {
      guard var entry = other.entries.first(where: { $0.address == entries[index].address }) else { continue }
      if !entry.isAssigned { entry.reservation = entries[index].reservation }
      entries[index] = entry
    }
    entries += other.entries.filter { $0.isAssigned && index(of: $0.address) == nil }
  }

  /// Keeps the address at `index` from everybody.
  mutating func hold(_ index: Int, until: Instant) {
    if entries[index].use == .bound { revision += 1 }
    entries[index].use = .declined
    entries[index].until = until
    entries[index].lastOwner = nil
  }
}

extension DHCPLeaseTable<IPv4Address> {
  /// A table of the addresses from the first lease on that a guest can have, and of those that are kept for one.
  init(settings: NetworkSettings) {
    let prefix = settings.ipv4Prefix
    // The network's own two addresses are no host's, but in networks without room for them (RFC 3021).
    let reserved =
      [settings.ipv4Gateway, settings.ipv4Resolver] + settings.guestForwards.compactMap(\.endpoint.address.ipv4)
      + (prefix.length <= 30 ? [prefix.network, prefix.broadcast] : [])
    var entries: [Entry] = []
    var address = settings.ipv4FirstLease
    while entries.count < settings.ipv4LeaseCount, prefix.contains(address) {
      if !reserved.contains(address) { entries.append(Entry(address: address)) }
      guard address != .broadcast else { break }
      address = IPv4Address(bits: address.bits + 1)
    }
    for lease in settings.staticLeases {
      entries.removeAll { $0.address == lease.address }
      entries.append(Entry(address: lease.address, reservation: lease.hardware))
    }
    self.init(entries)
  }
}

extension DHCPLeaseTable<IPv6Address> {
  /// A table of the addresses that a guest can have.
  ///
  /// They are written with the digits of the IPv4 ones, as the gateway's and the resolver's are: beside 10.0.2.15 there
  /// is fec0::15. A network too small for these numbers gives out its lowest.
  init(settings: NetworkSettings) {
    let (prefix, count) = (settings.ipv6Prefix, settings.ipv6LeaseCount)
    let services = settings.guestForwards.map(\.endpoint.address).filter { $0.family == .ipv6 }.map(\.mapped)
    let reserved = [prefix.network, settings.ipv6Gateway, settings.ipv6Resolver] + services
    let lastNumber = prefix.length <= 64 ? .max : (1 as UInt64) << UInt64(128 - prefix.length) - 1
    func addresses(_ numbers: some Sequence<UInt64>) -> [IPv6Address] {
      let all = numbers.lazy.filter { $0 <= lastNumber }
        .map { IPv6Address(high: prefix.network.high, low: prefix.network.low | $0) }
      return Array(all.filter { !reserved.contains($0) }.prefix(count))
    }
    // A few numbers more make up for those that are reserved.
    let numbers = 0..<(count + reserved.count)
    let spelled = addresses(numbers.compactMap { UInt64("\($0 + 15)", radix: 16) })
    let chosen = spelled.count == count ? spelled : addresses(numbers.map { UInt64($0 + 1) })
    self.init(chosen.map { Entry(address: $0) })
  }
}
