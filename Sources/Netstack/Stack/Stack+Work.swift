import BasicContainers
import Buffers
import Primitives

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Counts a drop and tells the observer.
  mutating func drop(_ reason: DropReason, on port: PortID) {
    counters.count(reason)
    observer.dropped(reason, on: port)
  }

  /// Asks the link of `request.port` for slots; remembers a refusal, so that work for it waits until `linkReady`.
  mutating func reserve<Sink: FrameSink & ~Copyable>(_ request: SlotRequest, in sink: inout Sink) -> SlotRun? {
    let port = Int(request.port.rawValue)
    guard port < ports.count, ports[port].isAttached, !ports[port].isBlocked else { return nil }
    if let run = sink.reserve(request) { return run }
    ports[port].isBlocked = true
    return nil
  }

  /// Whether the link of `port` had no room when it was last asked. What was not read from the host yet waits there, so
  /// that it is not lost for what another flow has filled the link with.
  @inline(__always)
  func isFull(_ port: PortID) -> Bool {
    let port = Int(port.rawValue)
    return port < ports.count && ports[port].isAttached && ports[port].isBlocked
  }

  /// Puts a TCP connection into the queue of flows with work.
  mutating func enqueue(_ id: FlowID, _ slot: UInt32) {
    guard !tcp[slot].isQueued else { return }
    tcp[slot].isQueued = true
    work.append(id)
  }

  /// Runs one round of the work that is ready: each flow once, within its budget.
  mutating func doWork<Sink: FrameSink & ~Copyable>(at now: Instant, into sink: inout Sink) {
    let count = work.beginRound()
    for place in 0..<count {
      let id = work.flow(place)
      switch flows.slot(of: id) {
      case .tcp(let slot):
        tcp[slot].isQueued = false
        serviceTCP(id, slot, at: now, into: &sink)
      case .udp(let slot): readDatagrams(id, slot, at: now, into: &sink)
      case .echo(let slot): readEchoes(id, slot, at: now, into: &sink)
      case .transfer(let slot): serviceTransfer(id, slot, at: now, into: &sink)
      case .listener(let slot): readListener(id, slot, at: now, into: &sink)
      case .dns(let place): serviceDNS(id, DNSPlace(rawValue: place), at: now, into: &sink)
      case nil: break
      }
    }
  }

  /// Hands over to the host what the frames of a batch brought, flow by flow.
  mutating func deliverTouched<Sink: FrameSink & ~Copyable>(
    of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {
    for place in 0..<touched.count {
      let id = touched[place]
      switch flows.slot(of: id) {
      case .tcp(let slot): deliverPayloads(id, slot, of: batch, at: now)
      case .udp(let slot): sendDatagrams(id, slot, of: batch, at: now, into: &sink)
      case .echo(let slot): sendEchoes(id, slot, of: batch, at: now, into: &sink)
      case .transfer, .listener, .dns, nil: break
      }
    }
    touched.removeAll(keepingCapacity: true)
    payloads.removeAll()
    datagrams.removeAll()
  }

  /// The deadline of flow `index` has passed.
  mutating func timerFired<Sink: FrameSink & ~Copyable>(_ index: UInt32, at now: Instant, into sink: inout Sink) {
    guard let id = flows.id(at: index), let slot = flows.slot(of: id) else { return }
    switch slot {
    case .tcp(let place): timerFiredTCP(id, place, at: now, into: &sink)
    case .udp(let place): endUDP(id, place, .timedOut)
    case .echo(let place): endEcho(id, place, .timedOut)
    case .transfer(let place): timerFiredTransfer(id, place, at: now, into: &sink)
    case .listener: break
    case .dns(let place): timerFiredDNS(id, DNSPlace(rawValue: place), at: now, into: &sink)
    }
  }

  /// Ends the flows of a port whose peer has not come back.
  mutating func endFlows<Sink: FrameSink & ~Copyable>(of port: PortID, into sink: inout Sink) {
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), let slot = flows.slot(of: id) else { continue }
      switch slot {
      case .tcp(let place):
        if neighborPort(of: tcp[place].guest.address) == port { endTCP(id, place, .evicted, abortively: true) }
      case .udp(let place):
        if neighborPort(of: udp[place].guest.address) == port { endUDP(id, place, .evicted) }
      case .echo(let place):
        if neighborPort(of: echo[place].guest.address) == port { endEcho(id, place, .evicted) }
      case .transfer(let place):
        if neighborPort(of: transfers[place].guest.address) == port { forgetTransfer(place, .evicted) }
      // Queries are over before.
      case .listener, .dns: break
      }
    }
  }

  private func neighborPort(of address: IPAddress) -> PortID {
    neighbors.find(address).map { neighbors[$0].port } ?? .first
  }
}
