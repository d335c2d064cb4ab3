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
    var udp = UDPHeader(sourcePort: remote.port, destinationPort: guest.port, length: length)
    udp.checksum = checksum(of: udp, from: remote.address, to: guest.address, payload: inbox.payload(place))
    var ip = packetHeader(path, from: remote.address, to: guest.address, .udp, payloadLength: length)
    let room = path.mtu - (ip.length - EthernetHeader.length)
    guard length > room else {
      return sendUDPFragment(0..<length, of: place, udp, ip, on: path.port, into: &sink)
    }
    // RFC 791 section 3.2: fragments of a multiple of eight bytes, but for the last.
    guard guest.address.family == .ipv4, room >= 8 else { return drop(.linkFull, on: path.port) }
    ip.identification = nextIdentification()
    ip.dontFragment = false
    for start in stride(from: 0, to: length, by: room & ~7) {
      let end = min(start + room & ~7, length)
      ip.fragmentOffset = start
      ip.moreFragments = end < length
      ip.payloadLength = end - start
      sendUDPFragment(start..<end, of: place, udp, ip, on: path.port, into: &sink)
    }
  }

  /// Sends the bytes `range` of a datagram, of which the first eight are its header.
  private mutating func sendUDPFragment<Sink: FrameSink & ~Copyable>(
    _ range: Range<Int>, of place: Int, _ udp: UDPHeader, _ ip: PacketHeader, on port: PortID, into sink: inout Sink
  ) {
    let isFirst = range.lowerBound == 0
    let length = ip.length + (isFirst ? UDPHeader.length : 0)
    let first = isFirst ? 0 : range.lowerBound - UDPHeader.length
    let payload = first..<(range.upperBound - UDPHeader.length)
    let slot = SlotRequest(port: port, headerLength: length, payloadLength: payload.count)
    guard let run = reserve(slot, in: &sink) else { return drop(.linkFull, on: port) }
    var regions = sink.payload(of: run)
    _ = regions.write(inbox.payload(place).extracting(payload))
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    if isFirst { udp.write(to: &bytes, at: ip.length) }
    commit(run, on: port, headerLength: length, payload: payload.count, into: &sink)
  }

  /// The checksum of a datagram to a guest.
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
