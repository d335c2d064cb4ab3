import BasicContainers
import Buffers
import Primitives
import Wire

// The virtual resolver towards guests that ask by TCP, see `DNSStream`.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: Opening and ending

  /// Opens the resolver's end of a guest's connection, which is the flow `connection`.
  mutating func openDNSStream(of client: DNSClient, to connection: FlowID, at now: Instant) -> HostOpen {
    guard let (id, place) = insert(DNSStream(client), at: now) else { return .failed(.exhausted) }
    var opened = host.openPair(connection, id)
    if opened == .failed(.exhausted), makeRoomForSocket(sparing: connection, at: now) {
      opened = host.openPair(connection, id)
    }
    if case .failed = opened {
      dns.streams.remove(id, at: place, from: &flows, &timers)
      return opened
    }
    dns.streams[place].client.stream = place
    dns.streams[place].room = host.sendSpace(id)
    timers.set(now + DNSStream.idleTime, for: id.index)
    return opened
  }

  /// Takes a stream into the tables; where they are full, the one that is idle for longest makes room, one that waits for
  /// no answer if there is one.
  private mutating func insert(_ stream: DNSStream, at now: Instant) -> (FlowID, UInt32)? {
    if dns.streams.isFull || flows.isFull {
      let quiet = dns.streams.idlest(in: flows, at: now) { $0.queries == nil }
      guard let (id, place) = quiet ?? dns.streams.idlest(in: flows, at: now, where: { _ in true }) else { return nil }
      drop(.exhausted, on: neighbors[dns.streams[place].client.neighbor].port)
      endDNSStream(id, place)
    }
    return dns.streams.insert(stream, key: nil, to: &flows, at: now)
  }

  /// Ends the resolver's half of a connection, and forgets its queries.
  mutating func endDNSStream(_ id: FlowID, _ place: UInt32) {
    while let query = dns.streams[place].queries { endQuery(nameOfQuery(query), query) }
    host.close(id, abortively: false)
    dns.streams.remove(id, at: place, from: &flows, &timers)
  }

  private func nameOfStream(_ place: UInt32) -> FlowID {
    guard let id = flows.id(at: dns.streams[place].index) else {
      preconditionFailure("a stream that is not in the flow table")
    }
    return id
  }

  /// Notes that something has gone over a stream.
  private mutating func use(_ id: FlowID, _ place: UInt32, at now: Instant) {
    dns.streams.use(place, at: now)
    timers.set(now + DNSStream.idleTime, for: id.index)
  }

  // MARK: Work

  /// The host reports a change of a stream.
  mutating func hostReadyDNSStream(_ id: FlowID, _ place: UInt32, _ readiness: HostReadiness) {
    // A guest whose connection has gone wants no answers.
    guard readiness.isDisjoint(with: [.failed, .hungUp]) else { return endDNSStream(id, place) }
    if readiness.contains(.readClosed) { dns.streams[place].isReadClosed = true }
    enqueueDNSStream(place)
  }

  /// Puts a stream into the queue of flows with work.
  mutating func enqueueDNSStream(_ place: UInt32) {
    guard !dns.streams[place].isQueued else { return }
    dns.streams[place].isQueued = true
    work.append(nameOfStream(place))
  }

  /// Does what a stream has room for: answers that wait, then queries.
  mutating func serviceDNSStream<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, at now: Instant, into sink: inout Sink
  ) {
    dns.streams[place].isQueued = false
    var next = dns.streams[place].queries
    while let query = next {
      next = dns.queries[query].next
      guard let exchange = dns.queries[query].waiting else { continue }
      readAnswer(exchange, at: now, into: &sink)
      guard flows.slot(of: id) != nil else { return }
    }
    readQueries(id, place, at: now, into: &sink)
    guard flows.slot(of: id) != nil else { return }
    if dns.streams[place].isFinished && dns.streams[place].queries == nil { endDNSStream(id, place) }
  }

  /// Reads queries as long as there are any, and room for their answers.
  private mutating func readQueries<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, at now: Instant, into sink: inout Sink
  ) {
    for _ in 0..<DNSStream.maximumQueries {
      // The answer to another query will come back to this.
      guard !dns.streams[place].isFinished, dns.streams[place].queryCount < DNSStream.maximumQueries else { return }
      guard hasRoom(for: 0, on: id, place) else { return host.requestWritable(id) }
      switch host.receive(id, into: &arrival) {
      case .bytes(let count):
        guard let length = DNSForwarder.arrivedLength(in: arrival, count) else {
          // A query that ends in the middle is none.
          dns.streams[place].isFinished = dns.streams[place].isReadClosed
          return
        }
        host.discard(id, count: DNSForwarder.prefixLength + length)
        use(id, place, at: now)
        dns.copy(arrival, length)
        receiveQuery(byteCount: length, from: dns.streams[place].client, at: now, into: &sink)
        guard flows.slot(of: id) != nil else { return }
      case .wouldBlock: return
      case .endOfStream: dns.streams[place].isFinished = true
      case .failed: return endDNSStream(id, place)
      }
    }
    guard !dns.streams[place].isQueued else { return }
    dns.streams[place].isQueued = true
    work.postpone(id)
  }

  // MARK: Answers

  private mutating func hasRoom(for byteCount: Int, on id: FlowID, _ place: UInt32) -> Bool {
    host.sendSpace(id) >= dns.streams[place].neededRoom(for: byteCount)
  }

  /// Sends the first bytes of the resolver's `reply` by a stream.
  mutating func sendReply(_ byteCount: Int, by place: UInt32, at now: Instant) {
    let id = nameOfStream(place)
    slices.removeAll(keepingCapacity: true)
    slices.append(dns.putReply(byteCount))
    finish(host.send(slices, of: dns.blocks, on: id), of: slices[0].count, on: id, place, at: now)
  }

  /// Gives the message in `arrival` to the guest as the answer to a query, under the guest's own identifier, and ends the
  /// query; false where there is no room for it yet.
  mutating func passOn(_ length: Int, to query: UInt32, by place: UInt32, at now: Instant) -> Bool {
    let (id, count) = (nameOfStream(place), DNSForwarder.prefixLength + length)
    guard hasRoom(for: count, on: id, place) else {
      host.requestWritable(id)
      return false
    }
    arrival.store(dns.queries[query].identifier, at: DNSForwarder.prefixLength)
    endQuery(nameOfQuery(query), query)
    slices.removeAll(keepingCapacity: true)
    slices.append(PayloadSlice(frame: 0, offset: 0, count: count))
    finish(host.send(slices, of: arrival, on: id), of: count, on: id, place, at: now)
    return true
  }

  /// A message has been written to a stream, whole or not: part of one is worse than none, since what comes behind it is
  /// not to be told from it.
  private mutating func finish(_ result: HostWrite, of count: Int, on id: FlowID, _ place: UInt32, at now: Instant) {
    guard result == .accepted(count) else { return endDNSStream(id, place) }
    use(id, place, at: now)
  }
}
