import BasicContainers
import Primitives

/// The transfers of TFTP that there are: so few that they are looked through.
struct TransferTable: ~Copyable {
  private var states = Slab<TFTPTransfer>(capacity: TransferTable.capacity)

  /// The most transfers at once.
  static var capacity: Int { 64 }
  /// The most transfers of one guest at once.
  static var capacityPerGuest: Int { 16 }

  subscript(place: UInt32) -> TFTPTransfer {
    @inline(__always) _read { yield states.elements[Int(place)] }
    @inline(__always) _modify { yield &states.elements[Int(place)] }
  }

  /// Takes a transfer in; nil where a table is full.
  /// - Precondition: no flow has its ends.
  mutating func insert(_ transfer: TFTPTransfer, to flows: inout FlowTable) -> (FlowID, UInt32)? {
    guard let place = states.insert(transfer) else { return nil }
    let key = FlowKey(.udp, guest: transfer.guest, remote: transfer.local)
    guard let id = flows.insert(.transfer(place), key: key) else {
      states[place].isVacant = true
      states.remove(at: place)
      return nil
    }
    states[place].id = id
    return (id, place)
  }

  /// Forgets a transfer.
  mutating func remove(at place: UInt32, from flows: inout FlowTable, _ timers: inout TimerQueue) {
    timers.set(.never, for: states[place].id.index)
    flows.remove(states[place].id)
    states[place].isVacant = true
    states.remove(at: place)
  }

  /// The transfer to a guest's port, from the address that it speaks to, of which it has not said anything.
  func findUnanswered(_ client: TFTPClient) -> UInt32? {
    first { $0.isUnanswered && $0.guest == client.guest && $0.local.address == client.local.address }
  }

  /// Whether a port of the gateway is that of a transfer to this guest, to whatever port of it.
  func hasTransfer(to guest: IPAddress, from local: Endpoint) -> Bool {
    first { $0.guest.address == guest && $0.local == local } != nil
  }

  /// Whether there is room for another transfer to `guest`.
  func hasRoom(for guest: IPAddress) -> Bool {
    let count = count { _ in true }
    return count < Self.capacity && self.count { $0.guest.address == guest } < Self.capacityPerGuest
  }

  /// The transfer that makes room for another to `guest`: one that has ended, else the one that is silent for longest,
  /// if that is long.
  func dispensable(for guest: IPAddress, at now: Instant) -> UInt32? {
    let isOwn = count { $0.guest.address == guest } >= Self.capacityPerGuest
    var found: UInt32?
    for place in 0..<UInt32(states.elements.count) where !states[place].isVacant {
      if isOwn && states[place].guest.address != guest { continue }
      if states[place].phase == .ended { return place }
      guard now - states[place].lastHeard >= TFTPTransfer.staleTime else { continue }
      if let other = found, states[other].lastHeard <= states[place].lastHeard { continue }
      found = place
    }
    return found
  }

  private func first(where matches: (TFTPTransfer) -> Bool) -> UInt32? {
    for place in 0..<UInt32(states.elements.count) where !states[place].isVacant && matches(states[place]) {
      return place
    }
    return nil
  }

  private func count(where matches: (TFTPTransfer) -> Bool) -> Int {
    var count = 0
    for place in 0..<UInt32(states.elements.count) where !states[place].isVacant && matches(states[place]) {
      count += 1
    }
    return count
  }
}
