import BasicContainers
import Buffers
import Primitives
import Wire

/// The ports of DHCP and BOOTP (RFC 2131 section 4.1), and of DHCPv6 (RFC 8415 section 7.2).
private enum DHCPPort {
  static let server: UInt16 = 67
  static let client: UInt16 = 68
  static let serverV6: UInt16 = 547
  static let clientV6: UInt16 = 546
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// A message to the DHCP server.
  mutating func receiveDHCP<Sink: FrameSink & ~Copyable>(
    _ payload: PayloadSlice, from hardware: MACAddress, on port: PortID, of batch: borrowing FrameBatch,
    at now: Instant, into sink: inout Sink
  ) throws(WireError) {
    guard payload.count <= request.count else { return drop(.malformed, on: port) }
    var bytes = request.mutableSpan
    batch.copy(payload, to: &bytes)
    switch try dhcp.answer(request, payload.count, from: hardware, at: now, into: &message) {
    case .silence(.released), .silence(.declined): break
    case .silence(let reason):
      if reason == .exhausted { noteExhaustion(.ipv4) }
      drop(reason == .malformed ? .malformed : .ignoredRequest, on: port)
    case .reply(let reply):
      if let lease = reply.lease {
        noteLease(lease, on: port, at: now)
      } else if reply.type == .offer {
        forgetMTU(of: hardware)
      }
      sendMessage(
        reply.byteCount, from: Endpoint(settings.ipv4Gateway, port: DHCPPort.server),
        to: Endpoint(reply.destination, port: DHCPPort.client), at: reply.hardware, on: port, into: &sink)
    }
  }

  /// A message to the DHCPv6 server. The answer goes to the port that the RFC gives to clients, and to the station that
  /// asked.
  mutating func receiveDHCPv6<Sink: FrameSink & ~Copyable>(
    _ payload: PayloadSlice, _ context: PacketContext, from hardware: MACAddress, of batch: borrowing FrameBatch,
    at now: Instant, into sink: inout Sink
  ) throws(WireError) {
    let port = context.port
    guard payload.count <= request.count else { return drop(.malformed, on: port) }
    var bytes = request.mutableSpan
    batch.copy(payload, to: &bytes)
    let message = try DHCPv6Message(request.span.extracting(0..<payload.count))
    let isGroup = context.destination.mapped.isMulticast
    switch dhcpv6.answer(message, from: hardware, isGroup: isGroup, at: now) {
    case .silence: drop(.ignoredRequest, on: port)
    case .reply(let reply):
      if reply.isExhausted { noteExhaustion(.ipv6) }
      if let lease = reply.lease { noteLease(lease, on: port, at: now) }
      var bytes = self.message.mutableSpan
      bytes.copy(reply.bytes.span)
      sendMessage(
        reply.bytes.count, from: Endpoint(IPAddress(settings.ipv6LinkLocal), port: DHCPPort.serverV6),
        to: Endpoint(context.source, port: DHCPPort.clientV6), at: hardware, on: port, into: &sink)
    }
  }

  /// Takes over a lease of an earlier run.
  mutating func restoreLease(_ lease: DHCPLease, at now: Instant) throws(CommandError) {
    do throws(DHCPLease.Refusal) {
      if let address = lease.address.ipv4 {
        guard settings.isIPv4Enabled else { throw .notGivenOut }
        try dhcp.table.restore(lease, of: address, at: now)
      } else {
        guard settings.isIPv6Enabled else { throw .notGivenOut }
        try dhcpv6.table.restore(lease, of: lease.address.mapped, at: now)
      }
    } catch {
      throw .leaseRefused(lease, error)
    }
  }

  /// Gives a guest the addresses that DHCP would, without its asking.
  mutating func assignAddresses(to hardware: MACAddress, at now: Instant) throws(CommandError) {
    guard !settings.isIPv4Enabled || dhcp.table.assign(to: hardware, at: now) != nil else { throw .noAddress(.ipv4) }
    guard !settings.isIPv6Enabled || dhcpv6.table.assign(to: hardware, at: now) != nil else { throw .noAddress(.ipv6) }
  }

  /// A guest has an address: what waits for it can go there.
  private mutating func noteLease(_ lease: DHCPLease, on port: PortID, at now: Instant) {
    learn(lease.address, at: lease.hardware, on: port, now)
    observer.leased(lease.address, to: lease.hardware, hostname: lease.hostname)
  }

  /// A guest got no address.
  private mutating func noteExhaustion(_ family: IPAddress.Family) {
    guard !exhaustedLeases.contains(family) else { return }
    exhaustedLeases.append(family)
    observer.ranOutOfLeases(family)
  }

  /// A guest that asks for an address anew may be another system on the same hardware, with another MTU.
  private mutating func forgetMTU(of hardware: MACAddress) {
    for place in 0..<neighbors.count where neighbors[place].hardware == hardware { neighbors[place].mtu = defaultMTU }
  }

  /// Sends the first `byteCount` bytes of `message` as a datagram.
  private mutating func sendMessage<Sink: FrameSink & ~Copyable>(
    _ byteCount: Int, from source: Endpoint, to destination: Endpoint, at hardware: MACAddress, on port: PortID,
    into sink: inout Sink
  ) {
    let path = GuestPath(neighbor: 0, port: port, hardware: hardware, mtu: defaultMTU)
    if !sendMessage(byteCount, from: source, to: destination, by: path, into: &sink) { drop(.linkFull, on: port) }
  }
}

extension DHCPServer {
  /// As `answer`, on the stack's own arrays.
  fileprivate mutating func answer(
    _ request: borrowing UniqueArray<UInt8>, _ byteCount: Int, from hardware: MACAddress, at now: Instant,
    into reply: inout UniqueArray<UInt8>
  ) throws(WireError) -> Answer {
    let message = try DHCPMessage(request.span.extracting(0..<byteCount))
    var bytes = reply.mutableSpan
    return answer(message, from: hardware, at: now, into: &bytes)
  }
}
