import BasicContainers
import Buffers
import Primitives

// How many connections may be on their way, or linger: a guest that floods, a destination that swallows SYNs, or a
// client that opens and closes thousands, finds an end to what it can hold, and nobody else is refused for it.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Handshakes under way at once, for each side that may begin one (RFC 4987 section 3).
  private var maximumHandshakes: Int { max(settings.maximumFlows / 4, 1) }

  /// A connection has begun its handshake; if there are too many, the one that has waited longest is given up.
  mutating func handshakeBegan(_ id: FlowID, _ slot: UInt32) {
    let side = tcp[slot].side
    handshakes[side].count += 1
    if handshakes[side].queue.count > 2 * maximumHandshakes { forgetFinishedHandshakes(side) }
    handshakes[side].queue.append(id)
    if handshakes[side].count > maximumHandshakes { _ = evictHandshake(side) }
  }

  /// A handshake is over, whatever came of it.
  mutating func handshakeEnded(_ slot: UInt32) { handshakes[tcp[slot].side].count -= 1 }

  /// A connection lingers in TIME-WAIT.
  mutating func timeWaitBegan(_ id: FlowID) {
    if timeWaits.count > 2 * settings.maximumFlows { forgetFinishedTimeWaits() }
    timeWaits.append(id)
  }

  /// Makes a place in the tables for a new connection: one of those that linger goes, the oldest first (RFC 9293
  /// section 3.6.1 would have them wait), else a handshake that leads nowhere.
  /// - Returns: whether there is a place now.
  mutating func makeRoomForConnection() -> Bool {
    while let id = timeWaits.popFirst() {
      guard let slot = slot(of: id, in: .timeWait) else { continue }
      endTCP(id, slot, .finished, abortively: false)
      return true
    }
    return evictHandshake(.outbound) || evictHandshake(.inbound)
  }

  private mutating func evictHandshake(_ side: TCPConnection.Side) -> Bool {
    while let id = handshakes[side].queue.popFirst() {
      guard case .tcp(let slot) = flows.slot(of: id), tcp[slot].isHalfOpen else { continue }
      drop(.exhausted, on: neighbors[tcp[slot].neighbor].port)
      endTCP(id, slot, .evicted, abortively: true)
      return true
    }
    return false
  }

  private mutating func forgetFinishedHandshakes(_ side: TCPConnection.Side) {
    for _ in 0..<handshakes[side].queue.count {
      guard let id = handshakes[side].queue.popFirst() else { return }
      if case .tcp(let slot) = flows.slot(of: id), tcp[slot].isHalfOpen { handshakes[side].queue.append(id) }
    }
  }

  private mutating func forgetFinishedTimeWaits() {
    for _ in 0..<timeWaits.count {
      guard let id = timeWaits.popFirst() else { return }
      if slot(of: id, in: .timeWait) != nil { timeWaits.append(id) }
    }
  }

  private func slot(of id: FlowID, in state: TCPConnection.State) -> UInt32? {
    guard case .tcp(let slot) = flows.slot(of: id), tcp[slot].state == state else { return nil }
    return slot
  }
}

/// The handshakes under way that one side has begun, and those that were, in their order.
struct Handshakes: ~Copyable {
  var queue = FlowQueue()
  var count = 0
}

/// The handshakes of both sides.
struct HandshakeTable: ~Copyable {
  private var outbound = Handshakes()
  private var inbound = Handshakes()

  subscript(side: TCPConnection.Side) -> Handshakes {
    _read {
      switch side {
      case .outbound: yield outbound
      case .inbound: yield inbound
      }
    }
    _modify {
      switch side {
      case .outbound: yield &outbound
      case .inbound: yield &inbound
      }
    }
  }
}
