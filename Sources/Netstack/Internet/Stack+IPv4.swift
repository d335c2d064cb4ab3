import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 791 and RFC 1122 section 3.2.1: checks an IPv4 packet and hands it to its protocol.
  mutating func receiveIPv4<Sink: FrameSink & ~Copyable>(
    _ frame: Int, of batch: borrowing FrameBatch, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) throws(WireError) {
    let descriptor = batch.descriptor(frame)
    let bytes = batch.header(frame).extracting(droppingFirst: EthernetHeader.length)
    let packet = try IPv4Packet(bytes, byteCount: Int(descriptor.byteCount) - EthernetHeader.length)
    guard packet.isHeaderChecksumValid else { return drop(.badChecksum, on: descriptor.port) }
    guard packet.source == .any || isGuestAddress(packet.source) else { return drop(.badSource, on: descriptor.port) }
    var context = PacketContext(
      frame: frame, port: descriptor.port, neighbor: 0, source: IPAddress(packet.source),
      destination: IPAddress(packet.destination), offset: EthernetHeader.length + packet.headerLength,
      byteCount: packet.payloadLength, checksum: descriptor.checksum,
      datagramSize: descriptor.segmentation?.datagramSize,
      proto: packet.proto,
      isGroup: isGroup(packet.destination) || isGroupFrame(frame, of: batch), hopLimit: packet.timeToLive,
      trafficClass: packet.dscpECN, mayFragment: !packet.dontFragment || descriptor.isReassembled)
    guard try isOurs(context, isFragment: packet.isFragment, of: batch, into: &sink) else { return }
    guard packet.source != .any else {
      // Only a client that is asking for an address speaks without one (RFC 2131 section 4.1).
      guard packet.proto == .udp, !packet.isFragment else { return drop(.badSource, on: descriptor.port) }
      return try receiveUDP(context, of: batch, from: hardware, at: now, into: &sink)
    }
    // How long a packet is that came in parts, or is still to be cut, says nothing of the packets that the guest takes.
    let length = descriptor.isReassembled || descriptor.segmentation != nil ? 0 : packet.totalLength
    context.neighbor = heard(context.source, from: hardware, on: descriptor.port, packetLength: length, at: now)
    if packet.timeToLive <= 1 && !isOwn(packet.destination) && !isGroup(packet.destination) {
      drop(.hopLimitExceeded, on: descriptor.port)
      // RFC 1122 section 3.2.2: no error answers a fragment that is not the first.
      guard packet.fragmentOffset == 0 else { return }
      return sendError(.timeExceeded, context, of: batch, at: now, into: &sink)
    }
    guard !packet.isFragment else {
      return receiveFragment(packet, context, of: batch, from: hardware, at: now, into: &sink)
    }
    switch packet.proto {
    case .tcp: try receiveTCP(context, of: batch, at: now, into: &sink)
    case .udp: try receiveUDP(context, of: batch, from: hardware, at: now, into: &sink)
    case .icmp: try receiveICMPv4(context, of: batch, at: now, into: &sink)
    default:
      drop(.unknownProtocol, on: descriptor.port)
      sendError(.unknownProtocol(pointer: 0), context, of: batch, at: now, into: &sink)
    }
  }

  /// Follows what a guest's packets show of it: its hardware address, its port, how long its packets may be. Returns
  /// its place in the neighbor table.
  mutating func heard(
    _ address: IPAddress, from hardware: MACAddress, on port: PortID, packetLength: Int, at now: Instant
  ) -> Int {
    let place = neighbors.findOrAdd(address, port: port, mtu: defaultMTU, at: now)
    if neighbors[place].hardware != hardware || neighbors[place].port != port {
      learn(address, at: hardware, on: port, now)
    }
    neighbors[place].lastUse = now
    if packetLength > neighbors[place].mtu { raiseMTU(of: place, to: packetLength) }
    return place
  }

  /// The guest has shown that it takes packets of `length` bytes; it gets them, as far as the network's MTU allows.
  mutating func raiseMTU(of place: Int, to length: Int) {
    neighbors[place].mtu = max(neighbors[place].mtu, min(length, settings.mtu))
  }

  /// Whether a frame is for more than one station: the packet in it is answered by no error (RFC 1122 section 3.2.2).
  @inline(__always)
  func isGroupFrame(_ frame: Int, of batch: borrowing FrameBatch) -> Bool { batch.header(frame)[0] & 1 != 0 }

  // MARK: Output

  /// Commits a run of one frame, without payload unless given.
  mutating func commit<Sink: FrameSink & ~Copyable>(
    _ run: consuming SlotRun, on port: PortID, headerLength: Int, payload: Int = 0,
    checksum: ChecksumState = .unverified, segmentation: Segmentation? = nil, into sink: inout Sink
  ) {
    let descriptor = FrameDescriptor(
      port: port, headerLength: headerLength, byteCount: headerLength + payload, checksum: checksum,
      segmentation: segmentation)
    sink.commit(run, slots: 1, lastPayload: payload, as: descriptor)
    counters.framesToGuest += 1
  }

  /// The Ethernet and IP headers of a packet that goes to a guest by `path`.
  @inline(__always)
  func packetHeader(
    _ path: GuestPath, from source: IPAddress, to destination: IPAddress, _ proto: IPProtocol, payloadLength: Int
  ) -> PacketHeader {
    PacketHeader(
      hardwareSource: destination.family == .ipv4 ? settings.gatewayMAC : settings.ipv6GatewayMAC,
      hardwareDestination: path.hardware, source: source,
      destination: destination, proto: proto, payloadLength: payloadLength)
  }
}
