import Primitives
import Wire

/// Whole frames of what a server of addresses says.
enum ServerFrame {
  /// A UDP datagram over IPv4.
  static func datagram(
    _ payload: Span<UInt8>, from source: Endpoint, to destination: Endpoint, at hardware: MACAddress, by own: MACAddress
  ) -> [UInt8] {
    guard let from = source.address.ipv4, let to = destination.address.ipv4 else {
      preconditionFailure("DHCP is spoken over IPv4")
    }
    let udpLength = UDPHeader.length + payload.count
    var ip = IPv4Header(totalLength: IPv4Header.length + udpLength, proto: .udp, source: from, destination: to)
    ip.timeToLive = 64
    var udp = UDPHeader(sourcePort: source.port, destinationPort: destination.port, length: udpLength)
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: from, destination: to, proto: .udp, length: udpLength)
    sum.add(udp.bits)
    sum.add(payload)
    udp.checksum = sum.nonzeroChecksum
    return frame(.ipv4, to: hardware, by: own, length: ip.totalLength) { bytes, start in
      ip.write(to: &bytes, at: start)
      udp.write(to: &bytes, at: start + IPv4Header.length)
      bytes.copy(payload, at: start + IPv4Header.length + UDPHeader.length)
    }
  }

  /// A question who has an address, asked of everybody. It comes from our own address: a guest that is looking itself
  /// whether the address is free takes one from nobody's for a rival's (RFC 5227 section 2.1.1).
  static func question(about target: IPv4Address, from source: IPv4Address, by own: MACAddress) -> [UInt8] {
    let message = ARPMessage(
      operation: .request, senderMAC: own, senderAddress: source, targetMAC: MACAddress(bits: 0), targetAddress: target)
    return frame(.arp, to: .broadcast, by: own, length: ARPMessage.length) { bytes, start in
      message.write(to: &bytes, at: start)
    }
  }

  /// A router advertisement.
  static func advertisement(
    _ message: RouterAdvertisement, from source: IPv6Address, to destination: IPv6Address, at hardware: MACAddress,
    by own: MACAddress
  ) -> [UInt8] {
    let body = message.body
    let length = ICMPv6Header.length + body.count
    let ip = IPv6Header(
      payloadLength: length, nextHeader: .icmpv6, hopLimit: neighborDiscoveryHopLimit, source: source,
      destination: destination)
    var header = ICMPv6Header(type: .routerAdvertisement, restOfHeader: message.restOfHeader)
    return frame(.ipv6, to: hardware, by: own, length: IPv6Header.length + length) { bytes, start in
      ip.write(to: &bytes, at: start)
      let place = start + IPv6Header.length
      header.write(to: &bytes, at: place)
      bytes.copy(body.span, at: place + ICMPv6Header.length)
      var sum = InternetChecksum()
      sum.addPseudoHeader(source: source, destination: destination, proto: .icmpv6, length: length)
      sum.add(bytes.span.extracting(place..<(place + length)))
      header.checksum = sum.checksum
      header.write(to: &bytes, at: place)
    }
  }

  private static func frame(
    _ type: EtherType, to hardware: MACAddress, by own: MACAddress, length: Int,
    _ write: (inout MutableSpan<UInt8>, Int) -> Void
  ) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: EthernetHeader.length + length)
    var bytes = frame.mutableSpan
    EthernetHeader(destination: hardware, source: own, type: type).write(to: &bytes)
    write(&bytes, EthernetHeader.length)
    return frame
  }
}
