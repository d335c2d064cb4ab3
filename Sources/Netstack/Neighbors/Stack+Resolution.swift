import BasicContainers
import Buffers
import Primitives
import Wire

// Finding the station of an address, the same way in both families: ask at most once a second, three times, then give
// up what waits (RFC 1122 section 2.3.2.1, RFC 4861 section 7.2.2).
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Where a packet to `address` goes; nil, and a question to the network, where that is not known.
  /// `hint` is its place in the neighbor table when it was last used.
  mutating func path<Sink: FrameSink & ~Copyable>(
    to address: IPAddress, hint: Int, at now: Instant, into sink: inout Sink
  ) -> GuestPath? {
    let place = neighbors.findOrAdd(address, port: .first, mtu: defaultMTU, at: now, hint: hint)
    if let hardware = neighbors[place].hardware {
      return GuestPath(neighbor: place, port: neighbors[place].port, hardware: hardware, mtu: neighbors[place].mtu)
    }
    if neighbors[place].requests == 0 { request(place, at: now, into: &sink) }
    return nil
  }

  /// RETRANS_TIMER (RFC 4861 section 10); RFC 1122 section 2.3.2.1: at most one request a second for an address.
  private static var requestInterval: Interval { .seconds(1) }
  /// MAX_MULTICAST_SOLICIT (RFC 4861 section 10).
  private static var maximumRequests: Int { 3 }

  /// Asks all ports for the station of a neighbor.
  private mutating func request<Sink: FrameSink & ~Copyable>(_ place: Int, at now: Instant, into sink: inout Sink) {
    neighbors[place].requests += 1
    neighbors[place].lastUse = now
    neighbors[place].nextRequest = now + Self.requestInterval
    nextResolution = min(nextResolution, neighbors[place].nextRequest)
    let target = neighbors[place].address
    for port in 0..<ports.count where ports[port].isAttached {
      let port = PortID(rawValue: UInt16(port))
      if let target = target.ipv4 {
        requestARP(for: target, on: port, into: &sink)
      } else {
        solicit(target.mapped, on: port, into: &sink)
      }
    }
  }

  /// Asks again for the neighbors that have not answered for a second, and gives up those who never did.
  mutating func advanceResolution<Sink: FrameSink & ~Copyable>(to now: Instant, into sink: inout Sink) {
    guard nextResolution <= now else { return }
    nextResolution = .never
    for place in 0..<neighbors.count where neighbors[place].requests > 0 {
      if neighbors[place].nextRequest > now {
        nextResolution = min(nextResolution, neighbors[place].nextRequest)
      } else if neighbors[place].requests < Self.maximumRequests {
        request(place, at: now, into: &sink)
      } else {
        neighbors[place].requests = 0
        neighbors[place].nextRequest = .never
        giveUpFlows(to: neighbors[place].address)
      }
    }
  }

  /// RFC 4861 section 7.2.2, RFC 1122 section 3.3.1: nobody is there. Whoever waits for the guest learns it: clients of
  /// forwards are reset.
  private mutating func giveUpFlows(to guest: IPAddress) {
    var kept = 0
    for waiting in 0..<unresolved.count {
      let id = unresolved[waiting]
      if case .tcp(let slot) = flows.slot(of: id), tcp[slot].guest.address == guest {
        endTCP(id, slot, .failed(.hostUnreachable), abortively: true)
      } else {
        unresolved[kept] = id
        kept += 1
      }
    }
    while unresolved.count > kept { _ = unresolved.popLast() }
  }

  /// Notes that `address` is at `hardware`, and lets the flows go on that waited to know.
  mutating func learn(_ address: IPAddress, at hardware: MACAddress, on port: PortID, _ now: Instant) {
    let place = neighbors.findOrAdd(address, port: port, mtu: defaultMTU, at: now)
    neighbors[place].lastUse = now
    if neighbors[place].hardware == hardware && neighbors[place].port == port { return }
    // Another station, perhaps with other abilities.
    neighbors[place].hardware = hardware
    neighbors[place].port = port
    neighbors[place].mtu = defaultMTU
    neighbors[place].requests = 0
    neighbors[place].nextRequest = .never
    observer.learned(address, at: hardware, on: port)
    for waiting in 0..<unresolved.count {
      if case .tcp(let slot) = flows.slot(of: unresolved[waiting]) { enqueue(unresolved[waiting], slot) }
    }
    unresolved.removeAll(keepingCapacity: true)
  }

  /// What a guest is sent at most before it has shown that it takes more.
  var defaultMTU: Int { min(settings.mtu, 1500) }
}
