import BasicContainers
import Buffers
import Primitives
import Wire

// The virtual resolver towards the host's name servers: queries go on, answers come back.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Asks the next server for a query, and the one after it where that fails at once. With `repeats` servers that were
  /// asked before are asked again.
  mutating func askNext<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, repeats: Bool, at now: Instant, into sink: inout Sink
  ) {
    while let server = dns.nextServer(for: place, repeats: repeats, at: now) {
      if ask(server, place, at: now) { return timers.set(dns.nextStep(of: place, at: now), for: id.index) }
      rule(out: server, place, at: now)
    }
    // Those that were asked may still answer.
    guard dns.queries[place].exchanges != nil else { return giveUp(id, place, at: now, into: &sink) }
  }

  /// A server is not to be reached: it is not asked for this query again.
  private mutating func rule(out server: Int, _ place: UInt32, at now: Instant) {
    dns.queries[place].failed |= 1 << UInt16(server)
    dns.servers.failed(server, at: now)
  }

  /// Sends a query to a server, by the socket that it has there or a new one; false where that fails.
  private mutating func ask(_ server: Int, _ place: UInt32, at now: Instant) -> Bool {
    if dns.queries[place].client.isStream { return askByStream(server, place, at: now) }
    guard let exchange = dns.exchange(of: place, at: server) ?? beginExchange(server, place, at: now)?.exchange else {
      return false
    }
    dns.servers.asked(server)
    dns.exchanges[exchange].sent = now
    dns.identify(exchange)
    outgoing.removeAll(keepingCapacity: true)
    let message = PayloadSlice(
      frame: Int(place), offset: DNSForwarder.prefixLength, count: dns.queries[place].byteCount)
    outgoing.append(OutgoingDatagram(payload: message))
    switch host.sendDatagrams(outgoing, of: dns.blocks, on: dns.exchanges[exchange].flow) {
    // What finds no room is lost like what is lost on the way, and sent again like that.
    case .accepted, .wouldBlock: return true
    case .failed:
      endExchange(exchange)
      return false
    }
  }

  /// Opens a socket for a query at a server; nil where there is none to be had.
  mutating func beginExchange(
    _ server: Int, _ place: UInt32, at now: Instant
  ) -> (exchange: UInt32, opened: HostOpen)? {
    let identifier = UInt16(truncatingIfNeeded: generator.next())
    let new = DNSExchange(query: place, server: server, identifier: identifier, sent: now)
    guard let exchange = dns.exchanges.insert(new) else { return nil }
    guard let flow = flows.insert(DNSPlace.exchange(exchange).slot, key: nil) else {
      dns.exchanges.remove(at: exchange)
      return nil
    }
    let (destination, isStream) = (dns.servers[server], dns.queries[place].client.isStream)
    var opened = openExchange(flow, to: destination, isStream: isStream)
    if opened == .failed(.exhausted), makeRoomForSocket(sparing: flow, at: now) {
      opened = openExchange(flow, to: destination, isStream: isStream)
    }
    if case .failed = opened {
      flows.remove(flow)
      dns.exchanges.remove(at: exchange)
      return nil
    }
    dns.exchanges[exchange].flow = flow
    dns.exchanges[exchange].next = dns.queries[place].exchanges
    dns.queries[place].exchanges = exchange
    return (exchange, opened)
  }

  /// A port that nobody prefers is the host's choice (RFC 5452 section 9.2), which Linux makes by chance.
  private mutating func openExchange(_ flow: FlowID, to server: Endpoint, isStream: Bool) -> HostOpen {
    guard !isStream else { return host.connect(flow, to: server, marks: PacketMarks()) }
    return host.openDatagrams(flow, family: server.address.family, destination: server, preferredPort: 0)
  }

  /// Closes the socket of an exchange, unless the host has, and forgets it.
  mutating func endExchange(_ exchange: UInt32, isClosed: Bool = false) {
    let (flow, query) = (dns.exchanges[exchange].flow, dns.exchanges[exchange].query)
    if !isClosed { host.close(flow, abortively: false) }
    if dns.queries[query].waiting == exchange { dns.queries[query].waiting = nil }
    dns.unlink(exchange)
    flows.remove(flow)
    dns.exchanges.remove(at: exchange)
  }

  // MARK: Answers

  /// The host reports a change of something of the resolver's.
  mutating func hostReadyDNS<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: DNSPlace, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    switch place {
    case .exchange(let exchange) where dns.queries[dns.exchanges[exchange].query].client.isStream:
      hostReadyStreamExchange(exchange, readiness, at: now, into: &sink)
    case .exchange(let exchange): hostReadyExchange(id, exchange, readiness, at: now, into: &sink)
    case .stream(let place): hostReadyDNSStream(id, place, readiness)
    case .query: break  // It has no socket.
    }
  }

  private mutating func hostReadyExchange<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ exchange: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    if readiness.contains(.readable) { readAnswers(exchange, at: now, into: &sink) }
    // The answer may have come before the failure.
    guard readiness.contains(.failed), flows.slot(of: id) != nil else { return }
    guard host.takeError(id, quote: &request) != nil else { return }
    fail(exchange, at: now, into: &sink)
  }

  /// Reads what has come for an exchange, up to the answer.
  private mutating func readAnswers<Sink: FrameSink & ~Copyable>(
    _ exchange: UInt32, at now: Instant, into sink: inout Sink
  ) {
    for _ in 0..<Self.strayBatches {
      guard case .accepted(let count) = host.receiveDatagrams(dns.exchanges[exchange].flow, into: &inbox) else {
        return
      }
      for datagram in 0..<count {
        switch dns.judge(inbox, datagram, for: exchange) {
        case .stray: drop(.filtered, on: neighbors[dns.queries[dns.exchanges[exchange].query].client.neighbor].port)
        case .good: return passOn(datagram, of: exchange, at: now, into: &sink)
        case .poor:
          dns.keep(inbox, datagram, for: dns.exchanges[exchange].query)
          return passOver(exchange, at: now, into: &sink)
        }
      }
      guard inbox.isFull else { return }
    }
    // Somebody is guessing (RFC 5452 section 9.3): this socket is given up.
    fail(exchange, at: now, into: &sink)
  }

  /// Full batches of what is no answer that are read before a socket is given up.
  private static var strayBatches: Int { 4 }

  /// Notes that an exchange has had its answer.
  mutating func noteAnswer(of exchange: UInt32, at now: Instant) {
    dns.servers.answered(dns.exchanges[exchange].server, after: now - dns.exchanges[exchange].sent)
  }

  /// Gives datagram `datagram` of the inbox to the guest as the answer, under the guest's own identifier.
  private mutating func passOn<Sink: FrameSink & ~Copyable>(
    _ datagram: Int, of exchange: UInt32, at now: Instant, into sink: inout Sink
  ) {
    noteAnswer(of: exchange, at: now)
    let place = dns.exchanges[exchange].query
    let query = dns.queries[place]
    if inbox[datagram].byteCount <= query.answerLimit {
      inbox.store(query.identifier, to: datagram)
      sendUDP(
        datagram..<datagram + 1, from: query.client.resolver, to: query.client.guest, hint: query.client.neighbor,
        at: now, into: &sink)
    } else {
      do throws(WireError) {
        let count = try dns.writeTruncated(inbox, datagram, for: place)
        sendReply(count, to: query.client, at: now, into: &sink)
      } catch {
        return fail(exchange, at: now, into: &sink)
      }
    }
    dns.statistics.forwardedAnswers += 1
    endQuery(nameOfQuery(place), place)
  }

  /// An exchange had an answer that is kept for want of a better one: the next server is asked.
  mutating func passOver<Sink: FrameSink & ~Copyable>(
    _ exchange: UInt32, at now: Instant, into sink: inout Sink
  ) {
    noteAnswer(of: exchange, at: now)
    let (place, server) = (dns.exchanges[exchange].query, dns.exchanges[exchange].server)
    dns.queries[place].failed |= 1 << UInt16(server)
    endExchange(exchange)
    askNext(nameOfQuery(place), place, repeats: false, at: now, into: &sink)
  }

  /// An exchange has failed: the next server is asked.
  mutating func fail<Sink: FrameSink & ~Copyable>(
    _ exchange: UInt32, isClosed: Bool = false, at now: Instant, into sink: inout Sink
  ) {
    let (place, server) = (dns.exchanges[exchange].query, dns.exchanges[exchange].server)
    rule(out: server, place, at: now)
    endExchange(exchange, isClosed: isClosed)
    askNext(nameOfQuery(place), place, repeats: false, at: now, into: &sink)
  }

  func nameOfQuery(_ place: UInt32) -> FlowID {
    guard let id = flows.id(at: dns.queries[place].index) else {
      preconditionFailure("a query that is not in the flow table")
    }
    return id
  }
}
