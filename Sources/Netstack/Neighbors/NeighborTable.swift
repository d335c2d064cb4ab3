import BasicContainers
import Buffers
import Primitives

/// A guest's address: where it is, and what may be sent to it.
struct Neighbor {
  var address: IPAddress
  var port: PortID
  /// Its hardware address, nil while it is asked for.
  var hardware: MACAddress?
  /// The longest IP packet that it is known to take, in bytes.
  var mtu: Int
  /// When something was last heard from it; while its hardware address is not known, when it was last asked for.
  var lastUse: Instant
  /// What is being done to find out where it is.
  var search = Search.none
  /// When the search goes on.
  var nextStep = Instant.never

  /// The states of a neighbor cache entry (RFC 4861 section 7.3.2), with the number of questions asked. REACHABLE and
  /// STALE differ by the entry's age alone.
  enum Search: Hashable {
    case none
    /// INCOMPLETE: everybody is asked who has the address.
    case resolving(Int)
    /// DELAY: something was sent to a guest that was silent for long; perhaps it answers that.
    case delaying
    /// PROBE: it is asked whether it is still there.
    case probing(Int)
  }

  /// REACHABLE_TIME (RFC 4861 section 10).
  static var reachableTime: Interval { .seconds(30) }

  /// Whether nothing was heard from it for long.
  func isStale(at now: Instant) -> Bool { now - lastUse >= Self.reachableTime }

  /// Lets the next packet to it find out whether it is still there.
  mutating func makeStale(at now: Instant) { lastUse = min(lastUse, now - Self.reachableTime) }
}

/// The guests' addresses and hardware addresses (ARP's translation table, RFC 826, and the neighbor cache of RFC 4861
/// section 5.1), bounded: a guest may speak for as many addresses as it likes, and the one longest unused makes room.
struct NeighborTable: ~Copyable {
  private var entries: UniqueArray<Neighbor>
  private let capacity: Int
  /// Entry numbers plus one by the hash of their address, 0 is empty: open addressing with linear probing.
  private var index: UniqueArray<UInt16>

  /// The most addresses remembered: a /24 full of guests, with three addresses of IPv6 for each.
  static let defaultCapacity = 1024

  init(capacity: Int = NeighborTable.defaultCapacity) {
    self.capacity = capacity
    entries = UniqueArray(minimumCapacity: capacity)
    var size = 16
    while size < capacity * 2 { size *= 2 }
    index = UniqueArray(repeating: 0, count: size)
  }

  var count: Int { entries.count }

  subscript(place: Int) -> Neighbor {
    _read { yield entries[place] }
    _modify { yield &entries[place] }
  }

  /// The place of `address`; `hint`, a place where it was found before, makes that free.
  @inline(__always)
  func find(_ address: IPAddress, hint: Int = 0) -> Int? {
    if hint < entries.count && entries[hint].address == address { return hint }
    return search(address)
  }

  private func search(_ address: IPAddress) -> Int? {
    var position = home(of: address)
    while index[position] != 0 {
      let place = Int(index[position]) - 1
      if entries[place].address == address { return place }
      position = (position + 1) & (index.count - 1)
    }
    return nil
  }

  /// The place of `address`, which is added if it is new.
  mutating func findOrAdd(_ address: IPAddress, port: PortID, mtu: Int, at now: Instant, hint: Int = 0) -> Int {
    if let place = find(address, hint: hint) { return place }
    let neighbor = Neighbor(address: address, port: port, hardware: nil, mtu: mtu, lastUse: now)
    if entries.count < capacity {
      entries.append(neighbor)
      link(entries.count - 1)
      return entries.count - 1
    }
    var oldest = 0
    for place in 0..<entries.count where entries[place].lastUse < entries[oldest].lastUse { oldest = place }
    unlink(oldest)
    entries[oldest] = neighbor
    link(oldest)
    return oldest
  }

  // MARK: The index

  private mutating func link(_ place: Int) {
    var position = home(of: entries[place].address)
    while index[position] != 0 { position = (position + 1) & (index.count - 1) }
    index[position] = UInt16(place + 1)
  }

  /// Closes the gap that an entry leaves, so that no probe ends at it too early.
  private mutating func unlink(_ place: Int) {
    let mask = index.count - 1
    var gap = home(of: entries[place].address)
    while index[gap] != UInt16(place + 1) { gap = (gap + 1) & mask }
    var position = (gap + 1) & mask
    while index[position] != 0 {
      let distance = (position - home(of: entries[Int(index[position]) - 1].address)) & mask
      if distance >= (position - gap) & mask {
        index[gap] = index[position]
        gap = position
      }
      position = (position + 1) & mask
    }
    index[gap] = 0
  }

  /// Guests choose the addresses, but only so many of them are kept: a chain of collisions is no longer than that.
  private func home(of address: IPAddress) -> Int {
    let product = (address.mapped.high ^ 0x9e37_79b9_7f4a_7c15)
      .multipliedFullWidth(by: address.mapped.low ^ 0xd1b5_4a32_d192_ed03)
    return Int(truncatingIfNeeded: product.high ^ product.low) & (index.count - 1)
  }
}
