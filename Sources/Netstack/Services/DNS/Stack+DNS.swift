import BasicContainers
import Buffers
import Primitives
import Wire

// The virtual resolver towards the guests: queries come, answers go.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// A message to the resolver by UDP.
  mutating func receiveDNS<Sink: FrameSink & ~Copyable>(
    _ payload: PayloadSlice, from guest: Endpoint, to resolver: Endpoint, _ context: PacketContext,
    of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {
    guard !context.source.isAny else { return drop(.badSource, on: context.port) }
    dns.copy(payload, of: batch)
    let client = DNSClient(guest: guest, resolver: resolver, neighbor: context.neighbor)
    receiveQuery(byteCount: payload.count, from: client, at: now, into: &sink)
  }

  /// Does what is to be done with the message in the resolver's `inquiry`.
  mutating func receiveQuery<Sink: FrameSink & ~Copyable>(
    byteCount: Int, from client: DNSClient, at now: Instant, into sink: inout Sink
  ) {
    switch dns.judge(byteCount: byteCount, isStream: client.isStream, dhcp, dhcpv6, at: now) {
    case .drop(let reason): drop(reason, on: neighbors[client.neighbor].port)
    case .answer(let count): sendReply(count, to: client, at: now, into: &sink)
    case .forward(let request): forward(request, from: client, at: now, into: &sink)
    }
  }

  /// Takes a query in, unless it is there, and asks the first server.
  private mutating func forward<Sink: FrameSink & ~Copyable>(
    _ request: DNSRequest, from client: DNSClient, at now: Instant, into sink: inout Sink
  ) {
    // By TCP nothing is asked again for want of an answer, and the identifiers of a connection are its own.
    let key =
      client.isStream
      ? nil : FlowKey(query: request.header.identifier, guest: client.guest, resolver: client.resolver.address)
    if let key, case (let id, .dns(let raw))? = flows.find(key), case .query(let place) = DNSPlace(rawValue: raw) {
      guard !dns.isRepetition(place, byteCount: request.byteCount) else {
        dns.statistics.repetitions += 1
        return
      }
      // Another question by the same identifier: whoever asks it has given up the one before.
      endQuery(id, place)
    }
    guard let (id, place) = insert(DNSQuery(request, from: client, at: now), key: key, at: now) else {
      return drop(.exhausted, on: neighbors[client.neighbor].port)
    }
    dns.keep(request.byteCount, for: place)
    dns.link(place)
    askNext(id, place, repeats: false, at: now, into: &sink)
  }

  /// Takes a query into the tables; where they are full, the oldest makes room, one of the same guest's rather than
  /// another's: who asks much has most of the old ones.
  private mutating func insert(_ query: DNSQuery, key: FlowKey?, at now: Instant) -> (FlowID, UInt32)? {
    if dns.queries.isFull || flows.isFull {
      let address = query.client.guest.address
      let own = dns.queries.idlest(in: flows, at: now) { $0.client.guest.address == address }
      guard let (id, place) = own ?? dns.queries.idlest(in: flows, at: now, where: { _ in true }) else { return nil }
      drop(.exhausted, on: neighbors[dns.queries[place].client.neighbor].port)
      endQuery(id, place)
    }
    return dns.queries.insert(query, key: key, to: &flows, at: now)
  }

  /// Forgets a query and everything that was asked for it.
  mutating func endQuery(_ id: FlowID, _ place: UInt32) {
    while let exchange = dns.queries[place].exchanges { endExchange(exchange) }
    if let stream = dns.queries[place].client.stream {
      dns.unlink(place, from: stream)
      // It may take another query now, or be at its end.
      enqueueDNSStream(stream)
    }
    dns.queries.remove(id, at: place, from: &flows, &timers)
  }

  /// Gives a guest what there is where no server has had a good answer.
  mutating func giveUp<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, at now: Instant, into sink: inout Sink
  ) {
    dns.statistics.failures += 1
    let client = dns.queries[place].client
    let count = dns.writeFailure(of: place)
    endQuery(id, place)
    sendReply(count, to: client, at: now, into: &sink)
  }

  /// Sends the first bytes of the resolver's `reply` to a guest.
  mutating func sendReply<Sink: FrameSink & ~Copyable>(
    _ byteCount: Int, to client: DNSClient, at now: Instant, into sink: inout Sink
  ) {
    if let stream = client.stream { return sendReply(byteCount, by: stream, at: now) }
    dns.putReply(byteCount, into: &inbox)
    sendUDP(0..<1, from: client.resolver, to: client.guest, hint: client.neighbor, at: now, into: &sink)
  }

  /// The deadline of something of the resolver's has passed.
  mutating func timerFiredDNS<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: DNSPlace, at now: Instant, into sink: inout Sink
  ) {
    switch place {
    case .query(let place): passPatience(id, place, at: now, into: &sink)
    case .stream(let place): endDNSStream(id, place)
    case .exchange: break
    }
  }

  /// A query has waited for an answer long enough to ask the next server, or to be given up.
  private mutating func passPatience<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, at now: Instant, into sink: inout Sink
  ) {
    // What waits for its guest has its answer.
    guard dns.queries[place].waiting == nil else { return }
    dns.servers.failed(Int(dns.queries[place].latest), at: now)
    guard now - dns.queries[place].begin < DNSForwarder.patience else {
      return giveUp(id, place, at: now, into: &sink)
    }
    askNext(id, place, repeats: true, at: now, into: &sink)
  }

  /// Ends something of the resolver's, for a shutdown of the network.
  mutating func shutDownDNS(_ id: FlowID, _ place: DNSPlace) {
    switch place {
    case .query(let place): endQuery(id, place)
    case .stream(let place): endDNSStream(id, place)
    case .exchange: break  // It ends with its query.
    }
  }

  /// Does what waits for something of the resolver's.
  mutating func serviceDNS<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: DNSPlace, at now: Instant, into sink: inout Sink
  ) {
    if case .stream(let place) = place { serviceDNSStream(id, place, at: now, into: &sink) }
  }

  // MARK: Settings and questions

  /// Has the resolver ask other servers, for the queries that wait as well.
  mutating func setResolvers<Sink: FrameSink & ~Copyable>(
    _ servers: [Endpoint], at now: Instant, into sink: inout Sink
  ) {
    guard dns.servers.replace(by: servers) else { return }
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), case .dns(let raw) = flows.slot(of: id) else { continue }
      guard case .query(let place) = DNSPlace(rawValue: raw) else { continue }
      while let exchange = dns.queries[place].exchanges { endExchange(exchange) }
      dns.queries[place].restart()
      askNext(id, place, repeats: false, at: now, into: &sink)
    }
  }

  /// What the virtual resolver has done.
  public var resolverStatistics: DNSStatistics { dns.statistics }

  /// Calls `body` with each server that the virtual resolver asks, the best first.
  public func forEachResolver(_ body: (DNSServerSummary) -> Void) { dns.servers.list.forEach(body) }
}
