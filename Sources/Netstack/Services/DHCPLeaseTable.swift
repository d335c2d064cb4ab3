import Primitives

/// The addresses that DHCP gives out, each with who has it: a table of fixed size, so that no number of clients makes
/// it grow.
///
/// A client is its hardware address, and has one address at most. Firmware and operating system on one interface
/// send different client identifiers (option 61) and must get the same address, or a port forward leads to the wrong
/// one; so identifiers are not looked at, which RFC 2131 section 4.2 leaves to the administrator.
///
/// Nothing runs out by a timer: a use whose time is past counts as none.
struct DHCPLeaseTable: Sendable {
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
    let address: IPv4Address
    /// The only one who can have it, nil for anybody.
    var reservation: MACAddress?
    var use = Use.none
    /// Whose use it is, if offered or bound.
    var holder = MACAddress(bits: 0)
    /// When the use ends, or ended.
    var until = Instant.zero
    /// Who had it granted last, and gets it again if it is free.
    var lastOwner: MACAddress?

    func isFree(at now: Instant) -> Bool { use == .none || until <= now }

    func isReserved(againstAnybodyBut client: MACAddress) -> Bool { reservation.map { $0 != client } ?? false }

    func isHeld(by client: MACAddress, at now: Instant) -> Bool {
      (use == .offered || use == .bound) && holder == client && until > now
    }
  }

  private(set) var entries: [Entry]

  /// A table of the addresses from the first lease on that a guest can have.
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
    self.entries = entries
  }

  /// The place of `address`, nil where it is not one that is given out.
  func index(of address: IPv4Address) -> Int? { entries.firstIndex { $0.address == address } }

  /// The place of the address that `client` has been offered or granted.
  func index(heldBy client: MACAddress, at now: Instant) -> Int? {
    entries.firstIndex { $0.isHeld(by: client, at: now) }
  }

  /// The address that `client` has been granted.
  func boundAddress(of client: MACAddress, at now: Instant) -> IPv4Address? {
    index(heldBy: client, at: now).map { entries[$0] }.flatMap { $0.use == .bound ? $0.address : nil }
  }

  /// Whether nobody but `client` has the address at `index`.
  func isAvailable(_ index: Int, to client: MACAddress, at now: Instant) -> Bool {
    !entries[index].isReserved(againstAnybodyBut: client)
      && (entries[index].isFree(at: now) || entries[index].isHeld(by: client, at: now))
  }

  /// Chooses an address for `client` in the order of RFC 2131 section 4.3.1: the one it has, the one that is kept for
  /// it, the one it had, the one it asks for, a new one. Nil where all are taken.
  func choose(for client: MACAddress, requested: IPv4Address?, at now: Instant) -> Int? {
    if let held = index(heldBy: client, at: now) { return held }
    let free = entries.indices.filter {
      entries[$0].isFree(at: now) && !entries[$0].isReserved(againstAnybodyBut: client)
    }
    if let kept = free.first(where: { entries[$0].reservation == client }) { return kept }
    if let former = free.first(where: { entries[$0].lastOwner == client }) { return former }
    if let asked = free.first(where: { entries[$0].address == requested }) { return asked }
    // Rather one that nobody will come back for, else the one whose owner has been gone for longest.
    return free.first { entries[$0].lastOwner == nil } ?? free.min { entries[$0].until < entries[$1].until }
  }

  /// Holds the address at `index` for `client`, unless it is already granted to it.
  mutating func offer(_ index: Int, to client: MACAddress, at now: Instant, hold: Interval) {
    guard !(entries[index].use == .bound && entries[index].isHeld(by: client, at: now)) else { return }
    entries[index].use = .offered
    entries[index].holder = client
    entries[index].until = now + hold
  }

  /// Grants the address at `index` to `client`, whose offers end.
  mutating func bind(_ index: Int, to client: MACAddress, until: Instant, at now: Instant) {
    withdrawOffer(to: client, at: now)
    entries[index].use = .bound
    entries[index].holder = client
    entries[index].until = until
    entries[index].lastOwner = client
  }

  /// Takes back what was offered to `client` and not accepted.
  mutating func withdrawOffer(to client: MACAddress, at now: Instant) {
    guard let held = index(heldBy: client, at: now), entries[held].use == .offered else { return }
    free(held, at: now)
  }

  /// Ends the use of the address at `index`.
  mutating func free(_ index: Int, at now: Instant) {
    entries[index].use = .none
    entries[index].until = now
  }

  /// Keeps the address at `index` from everybody.
  mutating func hold(_ index: Int, until: Instant) {
    entries[index].use = .declined
    entries[index].until = until
    entries[index].lastOwner = nil
  }
}
