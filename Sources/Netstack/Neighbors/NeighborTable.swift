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
  /// When something was last heard from it, or asked of it.
  var lastUse: Instant
  /// When it was last asked for its hardware address.
  var lastRequest: Instant?
}

/// The guests' addresses and hardware addresses (ARP's translation table, RFC 826), bounded: a guest may speak for
/// as many addresses as it likes, and the one longest unused makes room.
struct NeighborTable: ~Copyable {
  private var entries: UniqueArray<Neighbor>
  private let capacity: Int

  /// The most addresses remembered: a /24 full of guests.
  static let defaultCapacity = 256

  init(capacity: Int = NeighborTable.defaultCapacity) {
    self.capacity = capacity
    entries = UniqueArray(minimumCapacity: capacity)
  }

  var count: Int { entries.count }

  subscript(place: Int) -> Neighbor {
    _read { yield entries[place] }
    _modify { yield &entries[place] }
  }

  /// The place of `address`; `hint`, a place where it was found before, makes that free.
  func find(_ address: IPAddress, hint: Int = 0) -> Int? {
    if hint < entries.count && entries[hint].address == address { return hint }
    for place in 0..<entries.count where entries[place].address == address { return place }
    return nil
  }

  /// The place of `address`, which is added if it is new.
  mutating func findOrAdd(_ address: IPAddress, port: PortID, mtu: Int, at now: Instant, hint: Int = 0) -> Int {
    if let place = find(address, hint: hint) { return place }
    let neighbor = Neighbor(address: address, port: port, hardware: nil, mtu: mtu, lastUse: now, lastRequest: nil)
    if entries.count < capacity {
      entries.append(neighbor)
      return entries.count - 1
    }
    var oldest = 0
    for place in 0..<entries.count where entries[place].lastUse < entries[oldest].lastUse { oldest = place }
    entries[oldest] = neighbor
    return oldest
  }
}
