import BasicContainers
import Buffers
import Primitives

// Flows that wait for the station of their guest. What they have for it stays in the host's sockets meanwhile: they are
// the queue of packets that RFC 4861 section 7.2.2 and RFC 1122 section 2.3.2.2 ask for.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// The port behind which the station of `guest` is; nil where it is not known: then it is asked for and flow `id` waits
  /// for the answer.
  mutating func resolvedPort<Sink: FrameSink & ~Copyable>(
    of guest: IPAddress, hint: Int, for id: FlowID, at now: Instant, into sink: inout Sink
  ) -> PortID? {
    if let path = path(to: guest, hint: hint, at: now, into: &sink) { return path.port }
    awaitNeighbor(id)
    return nil
  }

  /// Lets a flow wait. Beyond the bound a flow goes on with its next event, or when its timer fires.
  mutating func awaitNeighbor(_ id: FlowID) {
    for place in 0..<unresolved.count where unresolved[place] == id { return }
    if unresolved.count < Self.maximumUnresolved { unresolved.append(id) }
  }

  private static var maximumUnresolved: Int { 1024 }

  /// Lets all go on that wait: a station was learned. Those who wait for another find out that it was not theirs.
  mutating func resumeFlows() {
    for place in 0..<unresolved.count {
      let id = unresolved[place]
      switch flows.slot(of: id) {
      case .tcp(let slot): enqueue(id, slot)
      case .udp(let slot): enqueueUDP(id, slot)
      case .echo(let slot): enqueueEcho(id, slot)
      case .transfer(let slot): enqueueTransfer(id, slot)
      case .listener(let slot): enqueueListener(id, slot)
      case .dns, nil: break
      }
    }
    unresolved.removeAll(keepingCapacity: true)
  }

  /// RFC 4861 section 7.2.2, RFC 1122 section 3.3.1: nobody is at `guest`, and what waits for it is given up.
  mutating func giveUpFlows(to guest: IPAddress) {
    var kept = 0
    for place in 0..<unresolved.count {
      let id = unresolved[place]
      if giveUp(id, to: guest) { continue }
      unresolved[kept] = id
      kept += 1
    }
    while unresolved.count > kept { _ = unresolved.popLast() }
  }

  /// Gives up what flow `id` has for `guest`; false if it waits for somebody else.
  private mutating func giveUp(_ id: FlowID, to guest: IPAddress) -> Bool {
    switch flows.slot(of: id) {
    case .tcp(let slot):
      guard tcp[slot].guest.address == guest else { return false }
      // The client of a forward learns it. A connection that stands has its own timers (RFC 9293 section 3.9.2.2): its
      // guest may be paused.
      if tcp[slot].state == .synSent { endTCP(id, slot, .failed(.hostUnreachable), abortively: true) }
    case .udp(let slot):
      guard udp[slot].guest.address == guest else { return false }
      discardDatagrams(of: id)
    case .echo(let slot):
      guard echo[slot].guest.address == guest else { return false }
      discardDatagrams(of: id)
    case .transfer(let slot):
      guard transfers[slot].guest.address == guest else { return false }
      forgetTransfer(slot, .failed(.hostUnreachable))
    case .listener(let slot):
      guard listeners[slot].forward.guest.address == guest else { return false }
      discardDatagrams(of: id)
    case .dns, nil: break
    }
    return true
  }

  /// Drops the datagrams that wait at a flow's socket, as many as a socket holds; a flood from outside may bring more.
  private mutating func discardDatagrams(of id: FlowID) {
    for _ in 0..<Self.discardBudget {
      guard case .accepted(let count) = host.receiveDatagrams(id, into: &inbox) else { return }
      for _ in 0..<count { drop(.unresolvedNeighbor, on: .first) }
      if !inbox.isFull { return }
    }
  }

  /// Batches of datagrams that are dropped at once.
  private static var discardBudget: Int { 64 }
}
