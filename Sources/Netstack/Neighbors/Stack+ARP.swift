import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 826: learns the sender, and answers for the stack's own addresses.
  mutating func receiveARP<Sink: FrameSink & ~Copyable>(
    _ message: ARPMessage, on port: PortID, at now: Instant, into sink: inout Sink
  ) {
    guard message.senderMAC.isUnicast else { return drop(.badSource, on: port) }
    // The sender of a probe (RFC 5227) has no address yet: there is nothing to learn, but it is answered.
    if message.senderAddress != .any {
      guard isGuestAddress(message.senderAddress) else { return drop(.badSource, on: port) }
      learn(IPAddress(message.senderAddress), at: message.senderMAC, on: port, now)
    }
    guard message.operation == .request, isOwn(message.targetAddress), steering.isFirst else { return }
    let own = NetworkSettings.hardwareAddress(of: message.targetAddress)
    let reply = ARPMessage(
      operation: .reply, senderMAC: own, senderAddress: message.targetAddress, targetMAC: message.senderMAC,
      targetAddress: message.senderAddress)
    sendARP(reply, to: message.senderMAC, on: port, into: &sink)
  }

  /// Asks who has `target`: everybody on `port`, or the one `station` that is thought to have it.
  mutating func requestARP<Sink: FrameSink & ~Copyable>(
    for target: IPv4Address, at station: MACAddress?, on port: PortID, into sink: inout Sink
  ) {
    let request = ARPMessage(
      operation: .request, senderMAC: settings.gatewayMAC, senderAddress: settings.ipv4Gateway,
      targetMAC: MACAddress(bits: 0), targetAddress: target)
    sendARP(request, to: station ?? .broadcast, on: port, into: &sink)
  }

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
