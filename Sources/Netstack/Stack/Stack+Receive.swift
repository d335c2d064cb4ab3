import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Takes one frame apart, from the outside in.
  mutating func receiveFrame<Sink: FrameSink & ~Copyable>(
    _ frame: Int, of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) {
    if !isHandedOver { counters.framesFromGuest += 1 }
    let descriptor = batch.descriptor(frame)
    do throws(WireError) {
      let ethernet = try EthernetFrame(batch.header(frame))
      guard ethernet.source.isUnicast else { return drop(.badSource, on: descriptor.port) }
      guard isForUs(ethernet.destination) else { return drop(.notForUs, on: descriptor.port) }
      switch ethernet.etherType {
      case .arp where settings.isIPv4Enabled:
        let packet = try ARPPacket(ethernet.payload)
        share(frame, of: batch, into: &sink)
        receiveARP(packet.message, on: descriptor.port, at: now, into: &sink)
      case .ipv4 where settings.isIPv4Enabled:
        try receiveIPv4(frame, of: batch, from: ethernet.source, at: now, into: &sink)
      case .ipv6 where settings.isIPv6Enabled:
        try receiveIPv6(frame, of: batch, from: ethernet.source, at: now, into: &sink)
      default:
        drop(.unknownProtocol, on: descriptor.port)
      }
    } catch {
      drop(.malformed, on: descriptor.port)
    }
  }

  /// Whether a frame is addressed to the gateway, to the resolver, to a service's address or to a group.
  @inline(__always)
  private func isForUs(_ destination: MACAddress) -> Bool {
    destination == settings.gatewayMAC || destination == settings.ipv6GatewayMAC || destination.isGroup
      || destination == NetworkSettings.hardwareAddress(of: settings.ipv4Resolver)
      || destination == NetworkSettings.hardwareAddress(of: settings.ipv6Resolver)
      || policy.serviceAddresses.contains(destination)
  }
}
