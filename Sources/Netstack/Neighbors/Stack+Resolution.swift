import BasicContainers
import Buffers
import Primitives
import Wire

// Finding the station of an address, and noticing that it has gone, the same way in both families. Who is not known is
// asked for three times, a second apart; then what waits is given up (RFC 1122 section 2.3.2.1, RFC 4861 section 7.2.2).
// Who is sent something after a long silence has five seconds to say anything at all; then it is asked three times
// whether it is still there, and forgotten (RFC 1122 section 2.3.2.1 (2), RFC 4861 section 7.3). Any frame of a guest
// confirms its station: RFC 4861 section 7.3.1 wants proof that both directions work, but a link of ours has no other.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Where a packet to `address` goes; nil, and a question to the network, where that is not known.
  /// `hint` is its place in the neighbor table when it was last used.
  mutating func path<Sink: FrameSink & ~Copyable>(
    to address: IPAddress, hint: Int, at now: Instant, into sink: inout Sink
  ) -> GuestPath? {
    let place = neighbors.findOrAdd(address, port: .first, mtu: defaultMTU, at: now, hint: hint)
    guard let hardware = neighbors[place].hardware else {
      if neighbors[place].search == .none { resolve(place, attempt: 1, at: now, into: &sink) }
      return nil
    }
    if neighbors[place].isStale(at: now) && neighbors[place].search == .none {
      search(.delaying, place, until: now + Self.delayBeforeProbe)
    }
    let port = neighbors[place].port
    return GuestPath(
      neighbor: place, port: port, hardware: hardware, mtu: neighbors[place].mtu,
      offloads: Int(port.rawValue) < ports.count ? ports[Int(port.rawValue)].offloads : [])
  }

  /// RETRANS_TIMER (RFC 4861 section 10); RFC 1122 section 2.3.2.1: at most one request a second for an address.
  private static var requestInterval: Interval { .seconds(1) }
  /// MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT (RFC 4861 section 10).
  private static var maximumRequests: Int { 3 }
  /// DELAY_FIRST_PROBE_TIME (RFC 4861 section 10).
  private static var delayBeforeProbe: Interval { .seconds(5) }

  /// Notes how far the search for a neighbor is, and when it goes on.
  private mutating func search(_ search: Neighbor.Search, _ place: Int, until next: Instant) {
    neighbors[place].search = search
    neighbors[place].nextStep = next
    nextResolution = min(nextResolution, next)
  }

  /// Asks all ports for the station of a neighbor.
  private mutating func resolve<Sink: FrameSink & ~Copyable>(
    _ place: Int, attempt: Int, at now: Instant, into sink: inout Sink
  ) {
    neighbors[place].lastUse = now
    search(.resolving(attempt), place, until: now + Self.requestInterval)
    let target = neighbors[place].address
    for port in 0..<ports.count where ports[port].isAttached {
      ask(target, on: PortID(rawValue: UInt16(port)), into: &sink)
    }
  }

  /// Asks the station of a neighbor whether it is still there.
  private mutating func probe<Sink: FrameSink & ~Copyable>(
    _ place: Int, attempt: Int, at now: Instant, into sink: inout Sink
  ) {
    search(.probing(attempt), place, until: now + Self.requestInterval)
    let neighbor = neighbors[place]
    ask(neighbor.address, at: neighbor.hardware, on: neighbor.port, into: &sink)
  }

  /// Asks who has `target`: everybody on `port`, or the one `station` that is thought to have it.
  private mutating func ask<Sink: FrameSink & ~Copyable>(
    _ target: IPAddress, at station: MACAddress? = nil, on port: PortID, into sink: inout Sink
  ) {
    if let target = target.ipv4 {
      requestARP(for: target, at: station, on: port, into: &sink)
    } else {
      solicit(target.mapped, at: station, on: port, into: &sink)
    }
  }

  /// Goes on with the searches whose next step is due.
  mutating func advanceResolution<Sink: FrameSink & ~Copyable>(to now: Instant, into sink: inout Sink) {
    guard nextResolution <= now else { return }
    nextResolution = .never
    for place in 0..<neighbors.count where neighbors[place].search != .none {
      if neighbors[place].nextStep <= now {
        continueSearch(place, at: now, into: &sink)
      } else {
        nextResolution = min(nextResolution, neighbors[place].nextStep)
      }
    }
  }

  private mutating func continueSearch<Sink: FrameSink & ~Copyable>(
    _ place: Int, at now: Instant, into sink: inout Sink
  ) {
    switch neighbors[place].search {
    case .none: break
    case .resolving(let attempt) where attempt < Self.maximumRequests:
      resolve(place, attempt: attempt + 1, at: now, into: &sink)
    case .resolving:
      endSearch(place)
      giveUpFlows(to: neighbors[place].address)
    // Whoever was heard from meanwhile is not stale any more.
    case .delaying where !neighbors[place].isStale(at: now), .probing where !neighbors[place].isStale(at: now):
      endSearch(place)
    case .delaying:
      probe(place, attempt: 1, at: now, into: &sink)
    case .probing(let attempt) where attempt < Self.maximumRequests:
      probe(place, attempt: attempt + 1, at: now, into: &sink)
    case .probing:
      // RFC 4861 section 7.3.3: the next packet begins anew, and asks everybody.
      neighbors[place].hardware = nil
      endSearch(place)
    }
  }

  private mutating func endSearch(_ place: Int) {
    neighbors[place].search = .none
    neighbors[place].nextStep = .never
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
    endSearch(place)
    observer.learned(address, at: hardware, on: port)
    resumeFlows()
  }

  /// What a guest is sent at most before it has shown that it takes more.
  var defaultMTU: Int { min(settings.mtu, 1500) }
}
