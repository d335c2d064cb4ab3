import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Sends datagram `place` of the inbox to a guest, in fragments where the guest takes no packet of its length.
  mutating func sendUDP<Sink: FrameSink & ~Copyable>(
    _ place: Int, from remote: Endpoint, to guest: Endpoint, hint: Int, at now: Instant, into sink: inout Sink
  ) {
    guard let path = path(to: guest.address, hint: hint, at: now, into: &sink) else {
      return drop(.unresolvedNeighbor, on: .first)
    }
    let length = UDPHeader.length + inbox[place].byteCount
    guard length <= Int(UInt16.max) else { return drop(.tooLong, on: path.port) }
    var udp = UDPHeader(sourcePort: remote.port, destinationPort: guest.port, length: length)
    udp.checksum = checksum(of: udp, from: remote.address, to: guest.address, payload: inbox.payload(place))
    let ip = packetHeader(path, from: remote.address, to: guest.address, .udp, payloadLength: length)
    send(udp.bits, inbox: place, as: ip, by: path, into: &sink)
  }

  /// Sends the first `count` bytes of `message` to a guest in one packet; false where the link has no room.
  mutating func sendMessage<Sink: FrameSink & ~Copyable>(
    _ count: Int, from local: Endpoint, to guest: Endpoint, by path: GuestPath, into sink: inout Sink
  ) -> Bool {
    let length = UDPHeader.length + count
    let ip = packetHeader(path, from: local.address, to: guest.address, .udp, payloadLength: length)
    var udp = UDPHeader(sourcePort: local.port, destinationPort: guest.port, length: length)
    udp.checksum = checksum(
      of: udp, from: local.address, to: guest.address, payload: message.span.extracting(0..<count))
    let headerLength = ip.length + UDPHeader.length
    let slot = SlotRequest(port: path.port, headerLength: headerLength, payloadLength: count)
    guard let run = reserve(slot, in: &sink) else { return false }
    var regions = sink.payload(of: run)
    _ = regions.write(message.span.extracting(0..<count))
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    udp.write(to: &bytes, at: ip.length)
    commit(run, on: path.port, headerLength: headerLength, payload: count, into: &sink)
    return true
  }

  /// The checksum of a datagram to a guest.
  @inline(__always)
  func checksum(
    of udp: UDPHeader, from source: IPAddress, to destination: IPAddress, payload: Span<UInt8>
  ) -> UInt16 {
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: source, destination: destination, proto: .udp, length: udp.length)
    sum.add(udp.sourcePort)
    sum.add(udp.destinationPort)
    sum.add(UInt16(udp.length))
    sum.add(payload)
    return sum.nonzeroChecksum
  }
}
