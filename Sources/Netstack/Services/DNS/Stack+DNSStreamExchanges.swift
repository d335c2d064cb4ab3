import BasicContainers
import Buffers
import Primitives
import Wire

// The virtual resolver towards the host's name servers by TCP: a connection for each query at a server.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Has a server asked for a query, on a connection that is there or is begun; false where that fails.
  mutating func askByStream(_ server: Int, _ place: UInt32, at now: Instant) -> Bool {
    // What a connection carries is not lost: there is nothing to be said again.
    guard dns.exchange(of: place, at: server) == nil else { return true }
    guard let (exchange, opened) = beginExchange(server, place, at: now) else { return false }
    dns.servers.asked(server)
    dns.exchanges[exchange].isConnecting = opened == .inProgress
    guard opened == .ready, !sendQuery(of: exchange) else { return true }
    endExchange(exchange)
    return false
  }

  /// Writes a query to the server; false where the connection does not take it.
  private mutating func sendQuery(of exchange: UInt32) -> Bool {
    let (place, flow) = (dns.exchanges[exchange].query, dns.exchanges[exchange].flow)
    dns.identify(exchange)
    slices.removeAll(keepingCapacity: true)
    slices.append(dns.slice(of: place))
    // A new connection has room for much more than a query.
    return host.send(slices, of: dns.blocks, on: flow) == .accepted(slices[0].count)
  }

  /// The host reports a change of an exchange's connection.
  mutating func hostReadyStreamExchange<Sink: FrameSink & ~Copyable>(
    _ exchange: UInt32, _ readiness: HostReadiness, at now: Instant, into sink: inout Sink
  ) {
    if readiness.contains(.readClosed) { dns.exchanges[exchange].isReadClosed = true }
    guard dns.exchanges[exchange].isConnecting else { return readAnswer(exchange, at: now, into: &sink) }
    let flow = dns.exchanges[exchange].flow
    guard !readiness.contains(.failed) || host.takeError(flow, quote: &request) == nil else {
      return fail(exchange, at: now, into: &sink)
    }
    switch host.finishConnecting(flow) {
    case .inProgress: break
    case .ready:
      dns.exchanges[exchange].isConnecting = false
      if !sendQuery(of: exchange) { fail(exchange, at: now, into: &sink) }
    case .failed: fail(exchange, isClosed: true, at: now, into: &sink)
    }
  }

  /// Reads the answer of a server, once all of it is there.
  mutating func readAnswer<Sink: FrameSink & ~Copyable>(
    _ exchange: UInt32, at now: Instant, into sink: inout Sink
  ) {
    switch host.receive(dns.exchanges[exchange].flow, into: &arrival) {
    case .bytes(let count):
      guard let length = DNSForwarder.arrivedLength(in: arrival, count) else {
        if dns.exchanges[exchange].isReadClosed { fail(exchange, at: now, into: &sink) }
        return
      }
      switch dns.judge(arrival, length, for: exchange) {
      case .good: passOn(length, of: exchange, at: now)
      case .poor:
        dns.keep(arrival, length, for: dns.exchanges[exchange].query)
        passOver(exchange, at: now, into: &sink)
      case .stray:
        drop(.filtered, on: neighbors[dns.queries[dns.exchanges[exchange].query].client.neighbor].port)
        fail(exchange, at: now, into: &sink)
      }
    case .wouldBlock: break
    case .endOfStream, .failed: fail(exchange, at: now, into: &sink)
    }
  }

  /// Gives the message in `arrival` to the guest, or lets it wait for room where it is.
  private mutating func passOn(_ length: Int, of exchange: UInt32, at now: Instant) {
    let place = dns.exchanges[exchange].query
    guard let stream = dns.queries[place].client.stream else {
      preconditionFailure("an answer by TCP to a query by UDP")
    }
    if dns.queries[place].waiting == nil { noteAnswer(of: exchange, at: now) }
    dns.queries[place].waiting = exchange
    if passOn(length, to: place, by: stream, at: now) { dns.statistics.forwardedAnswers += 1 }
  }
}
