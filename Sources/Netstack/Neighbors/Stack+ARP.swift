import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 826: learns the sender, and answers for the gateway and the resolver.
  mutating func receiveARP<Sink: FrameSink & ~Copyable>(
    _ message: ARPMessage, on port: PortID, at now: Instant, into sink: inout Sink
  ) {
    guard message.senderMAC.isUnicast else { return drop(.badSource, on: port) }
    // The sender of a probe (RFC 5227) has no address yet: there is nothing to learn, but it is answered.
    if message.senderAddress != .any {
      guard isGuestAddress(message.senderAddress) else { return drop(.badSource, on: port) }
      learn(IPAddress(message.senderAddress), at: message.senderMAC, on: port, now)
    }
    guard message.operation == .request else { return }
    guard message.targetAddress == settings.ipv4Gateway || message.targetAddress == settings.ipv4Resolver else {
      return
    }
    let own = NetworkSettings.hardwareAddress(of: message.targetAddress)
    let reply = ARPMessage(
      operation: .reply, senderMAC: own, senderAddress: message.targetAddress, targetMAC: message.senderMAC,
      targetAddress: message.senderAddress)
    sendARP(reply, to: message.senderMAC, on: port, into: &sink)
  }

  /// Where a packet to `address` goes; nil, and a question to the network, where that is not known.
  /// `hint` is its place in the neighbor table when it was last used.
  mutating func path<Sink: FrameSink & ~Copyable>(
    to address: IPAddress, hint: Int, at now: Instant, into sink: inout Sink
  ) -> GuestPath? {
    let place = neighbors.findOrAdd(address, port: .first, mtu: defaultMTU, at: now, hint: hint)
    if let hardware = neighbors[place].hardware {
      return GuestPath(neighbor: place, port: neighbors[place].port, hardware: hardware, mtu: neighbors[place].mtu)
    }
    if let last = neighbors[place].lastRequest, now - last < Self.requestInterval { return nil }
    neighbors[place].lastRequest = now
    guard let target = address.ipv4 else { return nil }
    let request = ARPMessage(
      operation: .request, senderMAC: settings.gatewayMAC, senderAddress: settings.ipv4Gateway,
      targetMAC: MACAddress(bits: 0), targetAddress: target)
    for port in 0..<ports.count where ports[port].isAttached {
      sendARP(request, to: .broadcast, on: PortID(rawValue: UInt16(port)), into: &sink)
    }
    return nil
  }

  /// RFC 1122 section 2.3.2.1: at most one request a second for an address.
  private static var requestInterval: Interval { .seconds(1) }

  /// Notes that `address` is at `hardware`, and lets the flows go on that waited to know.
  mutating func learn(_ address: IPAddress, at hardware: MACAddress, on port: PortID, _ now: Instant) {
    let place = neighbors.findOrAdd(address, port: port, mtu: defaultMTU, at: now)
    neighbors[place].lastUse = now
    if neighbors[place].hardware == hardware && neighbors[place].port == port { return }
    // Another station, perhaps with other abilities.
    neighbors[place].hardware = hardware
    neighbors[place].port = port
    neighbors[place].mtu = defaultMTU
    observer.learned(address, at: hardware, on: port)
    for waiting in 0..<unresolved.count {
      if case .tcp(let slot) = flows.slot(of: unresolved[waiting]) { enqueue(unresolved[waiting], slot) }
    }
    unresolved.removeAll(keepingCapacity: true)
  }

  /// What a guest is sent at most before it has shown that it takes more.
  var defaultMTU: Int { min(settings.mtu, 1500) }

  private mutating func sendARP<Sink: FrameSink & ~Copyable>(
    _ message: ARPMessage, to destination: MACAddress, on port: PortID, into sink: inout Sink
  ) {
    let length = EthernetHeader.length + ARPMessage.length
    let request = SlotRequest(port: port, headerLength: length, payloadLength: 0)
    guard let run = reserve(request, in: &sink) else { return drop(.linkFull, on: port) }
    var bytes = sink.header(0, of: run)
    EthernetHeader(destination: destination, source: message.senderMAC, type: .arp).write(to: &bytes)
    message.write(to: &bytes, at: EthernetHeader.length)
    commit(run, on: port, headerLength: length, into: &sink)
  }
}
