import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Sends datagrams of the inbox, all of one length but perhaps the last, from one endpoint to a guest: as one frame
  /// where the link cuts it into datagrams; in fragments where the guest takes no packet of their length.
  mutating func sendUDP<Sink: FrameSink & ~Copyable>(
    _ places: Range<Int>, from remote: Endpoint, to guest: Endpoint, hint: Int, at now: Instant, into sink: inout Sink
  ) {
    guard let path = path(to: guest.address, hint: hint, at: now, into: &sink) else {
      for _ in places { drop(.unresolvedNeighbor, on: .first) }
      return
    }
    let packetLength =
      PacketHeader.internetLength(guest.address.family) + UDPHeader.length + inbox[places.lowerBound].byteCount
    guard places.count > 1, path.offloads.contains([.checksum, .udp]), packetLength <= path.mtu else {
      for place in places { sendUDP(place, from: remote, to: guest, by: path, into: &sink) }
      return
    }
    sendTogether(places, from: remote, to: guest, by: path, into: &sink)
  }

  /// Sends one datagram.
  private mutating func sendUDP<Sink: FrameSink & ~Copyable>(
    _ place: Int, from remote: Endpoint, to guest: Endpoint, by path: GuestPath, into sink: inout Sink
  ) {
    let length = UDPHeader.length + inbox[place].byteCount
    guard length <= Int(UInt16.max) else { return drop(.tooLong, on: path.port) }
    var udp = UDPHeader(sourcePort: remote.port, destinationPort: guest.port, length: length)
    let ip = packetHeader(path, from: remote.address, to: guest.address, .udp, payloadLength: length)
    var state = ChecksumState.unverified
    // A packet in parts has its checksum in one of them, over all.
    if path.offloads.contains(.checksum), ip.length - EthernetHeader.length + length <= path.mtu {
      state = udp.leaveChecksum(ip)
    } else {
      udp.checksum = checksum(of: udp, from: remote.address, to: guest.address, payload: inbox.payload(place))
    }
    send(udp.bits, inbox: place, as: ip, by: path, checksum: state, into: &sink)
  }

  /// Sends datagrams as one frame, which the link cuts.
  private mutating func sendTogether<Sink: FrameSink & ~Copyable>(
    _ places: Range<Int>, from remote: Endpoint, to guest: Endpoint, by path: GuestPath, into sink: inout Sink
  ) {
    let total = Int(inbox.byteCount(places))
    let length = UDPHeader.length + total
    var udp = UDPHeader(sourcePort: remote.port, destinationPort: guest.port, length: length)
    let ip = packetHeader(path, from: remote.address, to: guest.address, .udp, payloadLength: length)
    let checksum = udp.leaveChecksum(ip)
    let headerLength = ip.length + UDPHeader.length
    let request = SlotRequest(port: path.port, headerLength: headerLength, payloadLength: total)
    guard let run = reserve(request, in: &sink) else {
      for _ in places { drop(.linkFull, on: path.port) }
      return
    }
    copy(places, to: sink.payload(of: run))
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    udp.write(to: &bytes, at: ip.length)
    let size = UInt16(inbox[places.lowerBound].byteCount)
    commit(
      run, on: path.port, headerLength: headerLength, payload: total, checksum: checksum,
      segmentation: Segmentation(kind: .udp, size: size), into: &sink)
  }

  private func copy(_ places: Range<Int>, to regions: consuming ByteRegions) {
    var regions = regions
    var region = regions[0]
    var offset = 0
    for place in places {
      let payload = inbox.payload(place)
      region.copy(payload, at: offset)
      offset += payload.count
    }
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

extension UDPHeader {
  /// Leaves the checksum of a datagram behind the headers `ip` to the link, which begins with the pseudo-header's sum.
  fileprivate mutating func leaveChecksum(_ ip: PacketHeader) -> ChecksumState {
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: ip.source, destination: ip.destination, proto: .udp, length: length)
    checksum = sum.folded
    return .partial(start: UInt16(ip.length), offset: UInt16(Self.checksumOffset))
  }
}

extension DatagramBatch {
  /// The datagrams from `place` on that can go to a guest as one frame: from one endpoint to one address, and a train.
  @inline(__always)
  func alike(from place: Int) -> Range<Int> {
    let first = self[place]
    var train = DatagramTrain(first.byteCount)
    while place + train.count < count {
      let next = self[place + train.count]
      guard next.source == first.source, next.destination == first.destination, train.append(next.byteCount) else {
        break
      }
    }
    return place..<(place + train.count)
  }

  /// Bytes of payload in several datagrams.
  func byteCount(_ places: Range<Int>) -> UInt64 {
    var total = 0
    for place in places { total += self[place].byteCount }
    return UInt64(total)
  }
}
