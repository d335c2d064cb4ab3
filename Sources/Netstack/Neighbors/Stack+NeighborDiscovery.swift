import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: From guests

  /// RFC 4861: a message of neighbor discovery whose checksum is right.
  mutating func receiveNeighborDiscovery<Sink: FrameSink & ~Copyable>(
    _ context: PacketContext, of batch: borrowing FrameBatch, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) throws(WireError) {
    let bytes = batch.header(context.frame)
    // The message is short: one that lies in pieces is not honest.
    guard context.offset + context.byteCount <= bytes.count else { return drop(.malformed, on: context.port) }
    let message = try ICMPv6Message(bytes.extracting(context.offset..<(context.offset + context.byteCount)))
    // RFC 4861 sections 6.1.1, 7.1.1 and 7.1.2.
    guard context.hopLimit == neighborDiscoveryHopLimit, message.code.rawValue == 0 else {
      return drop(.malformed, on: context.port)
    }
    switch message.type {
    case .routerSolicitation:
      let options = try NeighborOptions(message.payload)
      receiveRouterSolicitation(options, context, from: hardware, at: now, into: &sink)
    case .neighborSolicitation:
      let solicitation = try NeighborMessage(message.payload)
      receiveSolicitation(solicitation, context, from: hardware, at: now, into: &sink)
    default:
      let flags = NeighborMessage.Flags(rawValue: message.restOfHeader)
      receiveAdvertisement(try NeighborMessage(message.payload), flags, context, at: now)
    }
  }

  /// RFC 4861 section 7.2.3: answers for the stack's own addresses, whether the sender wants to talk to them or to
  /// make sure that they are free (RFC 4862 section 5.4.3).
  private mutating func receiveSolicitation<Sink: FrameSink & ~Copyable>(
    _ message: NeighborMessage, _ context: PacketContext, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) {
    guard !message.target.isMulticast else { return drop(.malformed, on: context.port) }
    let target = message.target
    guard !context.source.isAny else {
      // RFC 4861 section 7.1.1: a probe goes to the solicited-node group and tells no hardware address.
      guard context.destination.mapped == target.solicitedNode, message.options.sourceLinkLayer == nil else {
        return drop(.malformed, on: context.port)
      }
      guard isOwn(target), steering.isFirst else { return }
      // RFC 4861 section 7.2.4: the answer goes to everybody, since the asker has no address yet.
      let everybody = IPAddress(IPv6Address.allNodes)
      return sendNeighborMessage(
        .neighborAdvertisement, [.router, .override], target: target, from: IPAddress(target), to: everybody,
        IPv6Address.allNodes.groupMAC, on: context.port, into: &sink)
    }
    let station = message.options.sourceLinkLayer ?? hardware
    guard station.isUnicast else { return drop(.badSource, on: context.port) }
    learn(context.source, at: station, on: context.port, now)
    guard isOwn(target), steering.isFirst else { return }
    sendNeighborMessage(
      .neighborAdvertisement, [.router, .solicited, .override], target: target, from: IPAddress(target),
      to: context.source, station, on: context.port, into: &sink)
  }

  /// RFC 4861 section 7.2.5: learns where a guest is that was asked for, or that has moved.
  private mutating func receiveAdvertisement(
    _ message: NeighborMessage, _ flags: NeighborMessage.Flags, _ context: PacketContext, at now: Instant
  ) {
    guard !message.target.isMulticast, !(context.destination.mapped.isMulticast && flags.contains(.solicited)) else {
      return drop(.malformed, on: context.port)
    }
    guard !context.source.isAny, isGuestAddress(message.target) else { return drop(.badSource, on: context.port) }
    // Nobody has asked for it, or will soon: there is no need to remember it.
    guard let place = neighbors.find(IPAddress(message.target)) else { return }
    guard let hardware = message.options.targetLinkLayer ?? neighbors[place].hardware else { return }
    guard hardware.isUnicast else { return drop(.badSource, on: context.port) }
    let isNew = hardware != neighbors[place].hardware
    guard neighbors[place].hardware == nil || !isNew || flags.contains(.override) else {
      // Without the override flag it does not take the place of what is known, which is to be confirmed anew.
      return neighbors[place].makeStale(at: now)
    }
    guard isNew || flags.contains(.solicited) else { return }
    learn(neighbors[place].address, at: hardware, on: context.port, now)
    // Where nobody has asked, it is not known whether the guest hears us.
    if !flags.contains(.solicited) { neighbors[place].makeStale(at: now) }
  }

  // MARK: To guests

  /// RFC 4861 section 7.2.2: asks who has `target`, everybody on `port`, or by section 7.3.3 the one `station` that is
  /// thought to have it.
  mutating func solicit<Sink: FrameSink & ~Copyable>(
    _ target: IPv6Address, at station: MACAddress?, on port: PortID, into sink: inout Sink
  ) {
    let source = gatewayAddress(towards: IPAddress(target))
    let destination = station == nil ? target.solicitedNode : target
    sendNeighborMessage(
      .neighborSolicitation, [], target: target, from: source, to: IPAddress(destination),
      station ?? destination.groupMAC, on: port, into: &sink)
  }

  private mutating func sendNeighborMessage<Sink: FrameSink & ~Copyable>(
    _ type: ICMPv6Type, _ flags: NeighborMessage.Flags, target: IPv6Address, from source: IPAddress,
    to destination: IPAddress, _ hardware: MACAddress, on port: PortID, into sink: inout Sink
  ) {
    let isAnswer = type == .neighborAdvertisement
    let hasOwnStation = target == settings.ipv6Resolver || policy.serviceAddresses.contains(IPAddress(target))
    let own = hasOwnStation ? NetworkSettings.hardwareAddress(of: target) : settings.ipv6GatewayMAC
    let path = GuestPath(neighbor: 0, port: port, hardware: hardware, mtu: defaultMTU)
    let byteCount = ICMPv6Header.length + NeighborMessage.writtenLength
    var ip = packetHeader(path, from: source, to: destination, .icmpv6, payloadLength: byteCount)
    ip.hopLimit = neighborDiscoveryHopLimit
    ip.hardwareSource = own
    let length = ip.length + byteCount
    let request = SlotRequest(port: port, headerLength: length, payloadLength: 0)
    guard let run = reserve(request, in: &sink) else { return drop(.linkFull, on: port) }
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    let body = ip.length + ICMPv6Header.length
    NeighborMessage.write(
      target: target, isAnswer ? .targetLinkLayer : .sourceLinkLayer, own, to: &bytes, at: body)
    var header = ICMPv6Header(type: type, restOfHeader: flags.rawValue)
    var sum = sum(of: header, in: ip)
    sum.add(bytes.span.extracting(body..<length))
    header.checksum = sum.checksum
    header.write(to: &bytes, at: ip.length)
    commit(run, on: port, headerLength: length, into: &sink)
  }
}
