import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// A message to the DHCP server, which answers at once.
  mutating func receiveDHCP<Sink: FrameSink & ~Copyable>(
    _ payload: PayloadSlice, from hardware: MACAddress, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) throws(WireError) {
    let port = batch.descriptor(payload.frame).port
    var request = [UInt8](repeating: 0, count: payload.count)
    var copy = request.mutableSpan
    batch.copy(payload, to: &copy)
    // What a packet that every guest takes has room for.
    let headers = IPv4Header.length + UDPHeader.length
    var bytes = [UInt8](repeating: 0, count: max(DHCPMessageWriter.minimumLength, defaultMTU - headers))
    var answer = bytes.mutableSpan
    switch dhcp.answer(try DHCPMessage(request.span), from: hardware, at: now, into: &answer) {
    case .reply(let reply):
      if let lease = reply.lease {
        observer.leased(lease.address, to: lease.hardware, hostname: reply.hostname ?? "")
      }
      send(reply, bytes.span.extracting(0..<reply.byteCount), on: port, into: &sink)
    case .silence(.released), .silence(.declined):
      break
    case .silence:
      drop(.ignoredRequest, on: port)
    }
  }

  private mutating func send<Sink: FrameSink & ~Copyable>(
    _ reply: DHCPServer.Reply, _ bytes: Span<UInt8>, on port: PortID, into sink: inout Sink
  ) {
    let (server, client) = (IPAddress(settings.ipv4Gateway), IPAddress(reply.destination))
    var udp = UDPHeader(sourcePort: 67, destinationPort: 68, length: UDPHeader.length + bytes.count)
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: server, destination: client, proto: .udp, length: udp.length)
    sum.add(udp.sourcePort)
    sum.add(udp.destinationPort)
    sum.add(UInt16(udp.length))
    sum.add(bytes)
    udp.checksum = sum.nonzeroChecksum
    // The client has no address by which its station could be looked up.
    let ip = PacketHeader(
      hardwareSource: settings.gatewayMAC, hardwareDestination: reply.hardware, source: server, destination: client,
      proto: .udp, payloadLength: udp.length)
    let length = ip.length + UDPHeader.length
    let slot = SlotRequest(port: port, headerLength: length, payloadLength: bytes.count)
    guard let run = reserve(slot, in: &sink) else { return drop(.linkFull, on: port) }
    var regions = sink.payload(of: run)
    _ = regions.write(bytes)
    var header = sink.header(0, of: run)
    ip.write(to: &header)
    udp.write(to: &header, at: ip.length)
    commit(run, on: port, headerLength: length, payload: bytes.count, into: &sink)
  }
}
