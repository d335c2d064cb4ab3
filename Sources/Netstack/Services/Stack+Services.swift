import BasicContainers
import Buffers
import Primitives
import Wire

/// The ports of DHCP and BOOTP (RFC 2131 section 4.1).
private enum DHCPPort {
  static let server: UInt16 = 67
  static let client: UInt16 = 68
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
    case .silence: drop(.ignoredRequest, on: port)
    case .reply(let reply):
      if let lease = reply.lease {
        learn(IPAddress(lease.address), at: lease.hardware, on: port, now)
        observer.leased(lease.address, to: lease.hardware, hostname: reply.hostname ?? "")
      } else if reply.type == .offer {
        forgetMTU(of: hardware)
      }
      sendDHCP(reply, on: port, into: &sink)
    }
  }

  /// A guest that asks for an address anew may be another system on the same hardware, with another MTU.
  private mutating func forgetMTU(of hardware: MACAddress) {
    for place in 0..<neighbors.count where neighbors[place].hardware == hardware { neighbors[place].mtu = defaultMTU }
  }

  /// Sends the reply in `message`.
  private mutating func sendDHCP<Sink: FrameSink & ~Copyable>(
    _ reply: DHCPServer.Reply, on port: PortID, into sink: inout Sink
  ) {
    let (source, destination) = (IPAddress(settings.ipv4Gateway), IPAddress(reply.destination))
    let path = GuestPath(neighbor: 0, port: port, hardware: reply.hardware, mtu: defaultMTU)
    let length = UDPHeader.length + reply.byteCount
    let ip = packetHeader(path, from: source, to: destination, .udp, payloadLength: length)
    var udp = UDPHeader(sourcePort: DHCPPort.server, destinationPort: DHCPPort.client, length: length)
    udp.checksum = checksum(
      of: udp, from: source, to: destination, payload: message.span.extracting(0..<reply.byteCount))
    let headerLength = ip.length + UDPHeader.length
    let slot = SlotRequest(port: port, headerLength: headerLength, payloadLength: reply.byteCount)
    guard let run = reserve(slot, in: &sink) else { return drop(.linkFull, on: port) }
    var regions = sink.payload(of: run)
    _ = regions.write(message.span.extracting(0..<reply.byteCount))
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    udp.write(to: &bytes, at: ip.length)
    commit(run, on: port, headerLength: headerLength, payload: reply.byteCount, into: &sink)
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
