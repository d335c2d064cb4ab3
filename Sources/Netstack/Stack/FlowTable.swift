import BasicContainers
import Primitives

/// What tells one flow from another, as the guest sees it.
///
/// A UDP mapping, which is open to many remote endpoints, has the unspecified address and port 0 as its remote end, and
/// so has an echo, of which the guest's port is the identifier. A query to the virtual resolver has its own identifier as
/// the remote port.
struct FlowKey: Hashable {
  let guest: IPAddress
  let remote: IPAddress
  let guestPort: UInt16
  let remotePort: UInt16
  /// The number of the flow's protocol, 0 for a query.
  private let kind: UInt8

  init(_ transport: FlowProtocol, guest: Endpoint, remote: Endpoint) {
    self.init(kind: transport.rawValue, guest, remote)
  }

  /// The key of a guest's query to the virtual resolver at `resolver`.
  init(query identifier: UInt16, guest: Endpoint, resolver: IPAddress) {
    self.init(kind: 0, guest, Endpoint(resolver, port: identifier))
  }

  private init(kind: UInt8, _ guest: Endpoint, _ remote: Endpoint) {
    self.kind = kind
    self.guest = guest.address
    self.remote = remote.address
    guestPort = guest.port
    remotePort = remote.port
  }

  /// What the flow speaks, nil for a query.
  var transport: FlowProtocol? { FlowProtocol(rawValue: kind) }

  /// The ports and the kind in one word.
  var word: UInt64 { UInt64(kind) << 32 | UInt64(guestPort) << 16 | UInt64(remotePort) }
}

/// Which kind of state an entry of the flow table stands for, and where that state is.
enum FlowSlot: Equatable {
  case tcp(UInt32)
  case udp(UInt32)
  case echo(UInt32)
  case transfer(UInt32)
  case listener(UInt32)
  /// Something of the virtual resolver's, see `DNSPlace`.
  case dns(UInt32)
}

/// All flows of a network: places that a `FlowID` names, and the way from a packet's addresses to its flow.
///
/// The index is open addressing with linear probing over a power of two at least twice the number of flows; removal
/// closes the gap, so that no probe sequence grows with the flows that have come and gone. The hash is keyed, since
/// guests choose what goes in.
struct FlowTable: ~Copyable {
  /// 48 bytes: the small fields fill what the key leaves of its last word.
  struct Entry {
    private enum Kind: UInt8 { case none, tcp, udp, echo, transfer, listener, dns }

    var key: FlowKey?
    private var kind = Kind.none
    private var place: UInt32 = 0
    var generation: UInt32 = 0

    init(key: FlowKey?, slot: FlowSlot) {
      self.key = key
      self.slot = slot
    }

    var slot: FlowSlot? {
      @inline(__always) get {
        switch kind {
        case .none: nil
        case .tcp: .tcp(place)
        case .udp: .udp(place)
        case .echo: .echo(place)
        case .transfer: .transfer(place)
        case .listener: .listener(place)
        case .dns: .dns(place)
        }
      }
      set {
        switch newValue {
        case nil: kind = .none
        case .tcp(let place): (kind, self.place) = (.tcp, place)
        case .udp(let place): (kind, self.place) = (.udp, place)
        case .echo(let place): (kind, self.place) = (.echo, place)
        case .transfer(let place): (kind, self.place) = (.transfer, place)
        case .listener(let place): (kind, self.place) = (.listener, place)
        case .dns(let place): (kind, self.place) = (.dns, place)
        }
      }
    }
  }

  private var entries: UniqueArray<Entry>
  private var free = UniqueArray<UInt32>()
  /// Entry numbers plus one; 0 is empty.
  private var index: UniqueArray<UInt32>
  private let secret: (UInt64, UInt64)
  private let capacity: Int
  /// Whether flows only go: none comes any more.
  private var isClosed = false

  init(capacity: Int, secret: (UInt64, UInt64)) {
    self.capacity = capacity
    self.secret = secret
    entries = UniqueArray(minimumCapacity: capacity)
    var size = 16
    while size < capacity * 2 { size *= 2 }
    index = UniqueArray(repeating: 0, count: size)
  }

  /// The number of flows.
  var count: Int { entries.count - free.count }

  /// Whether there is no place for another.
  var isFull: Bool { free.isEmpty && entries.count >= capacity }

  /// Has no flow come any more.
  mutating func close() { isClosed = true }

  /// Adds a flow whose state is at `slot`; without a key it is found by its name alone. Nil where the table is full, or
  /// closed.
  /// - Precondition: no flow has the key.
  mutating func insert(_ slot: FlowSlot, key: FlowKey?) -> FlowID? {
    guard !isClosed else { return nil }
    let place: UInt32
    if let reused = free.popLast() {
      place = reused
      entries[Int(place)].key = key
      entries[Int(place)].slot = slot
    } else {
      guard entries.count < capacity else { return nil }
      place = UInt32(entries.count)
      entries.append(Entry(key: key, slot: slot))
    }
    if let key { link(place, key) }
    return FlowID(index: place, generation: entries[Int(place)].generation)
  }

  /// Gives a flow that had none its key.
  /// - Precondition: no flow has the key, and this one has none.
  mutating func setKey(_ key: FlowKey, of id: FlowID) {
    precondition(slot(of: id) != nil && entries[Int(id.index)].key == nil, "the flow has a key, or is gone")
    entries[Int(id.index)].key = key
    link(id.index, key)
  }

  /// Forgets a flow; its name never comes back (but after 2^32 others in the same place).
  mutating func remove(_ id: FlowID) {
    precondition(slot(of: id) != nil, "removal of a flow that is gone")
    let place = Int(id.index)
    if let key = entries[place].key { unlink(id.index, key) }
    entries[place].key = nil
    entries[place].slot = nil
    entries[place].generation &+= 1
    free.append(id.index)
  }

  /// The state of the flow that `id` names, nil if it has ended.
  func slot(of id: FlowID) -> FlowSlot? {
    guard Int(id.index) < entries.count, entries[Int(id.index)].generation == id.generation else { return nil }
    return entries[Int(id.index)].slot
  }

  /// The flow in place `index`, if there is one.
  func id(at index: UInt32) -> FlowID? {
    guard Int(index) < entries.count, entries[Int(index)].slot != nil else { return nil }
    return FlowID(index: index, generation: entries[Int(index)].generation)
  }

  /// The number of places that were ever used: all flows have a smaller index.
  var highWater: UInt32 { UInt32(entries.count) }

  /// The flow with `key`, and its state.
  @inline(__always)
  func find(_ key: FlowKey) -> (id: FlowID, slot: FlowSlot)? {
    var position = home(of: key)
    while index[position] != 0 {
      let place = index[position] - 1
      if entries[Int(place)].key == key, let slot = entries[Int(place)].slot {
        return (FlowID(index: place, generation: entries[Int(place)].generation), slot)
      }
      position = (position + 1) & (index.count - 1)
    }
    return nil
  }

  // MARK: The index

  private mutating func link(_ place: UInt32, _ key: FlowKey) {
    var position = home(of: key)
    while index[position] != 0 { position = (position + 1) & (index.count - 1) }
    index[position] = place + 1
  }

  private mutating func unlink(_ place: UInt32, _ key: FlowKey) {
    let mask = index.count - 1
    var gap = home(of: key)
    while index[gap] != place + 1 { gap = (gap + 1) & mask }
    var position = (gap + 1) & mask
    while index[position] != 0 {
      // An entry moves into the gap unless its home lies behind the gap, where the gap would hide it.
      if let key = entries[Int(index[position] - 1)].key {
        let distance = (position - home(of: key)) & mask
        if distance >= (position - gap) & mask {
          index[gap] = index[position]
          gap = position
        }
      }
      position = (position + 1) & mask
    }
    index[gap] = 0
  }

  @inline(__always)
  private func home(of key: FlowKey) -> Int {
    var hash = Self.fold(key.guest.mapped.high ^ secret.0, key.guest.mapped.low ^ secret.1)
    hash = Self.fold(key.remote.mapped.high ^ hash, key.remote.mapped.low ^ secret.0)
    hash = Self.fold(key.word ^ hash, secret.1 | 1)
    return Int(truncatingIfNeeded: hash) & (index.count - 1)
  }

  @inline(__always)
  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: b ^ 0xd1b5_4a32_d192_ed03)
    return product.high ^ product.low
  }
}
