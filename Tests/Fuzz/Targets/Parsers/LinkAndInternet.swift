import Primitives
import Wire

extension ParserTarget {
  static let link = [
    Parser(name: "ethernet") { bytes throws(WireError) in
      let frame = try EthernetFrame(bytes.span)
      let header = frame.header
      let again = written(EthernetHeader.length) { header.write(to: &$0) }
      return compare(Array(bytes.prefix(EthernetHeader.length)), again, "header")
        + compare(bytes.count, EthernetHeader.length + frame.payload.count, "length")
    },
    Parser(name: "arp") { bytes throws(WireError) in
      let message = try ARPPacket(bytes.span).message
      let again = written(ARPMessage.length) { message.write(to: &$0) }
      return compare(Array(bytes.prefix(ARPMessage.length)), again, "message")
    },
  ]

  static let internet = [
    Parser(name: "ipv4", check: checkIPv4), Parser(name: "ipv6", check: checkIPv6),
    Parser(name: "ipv6 fragment") { bytes throws(WireError) in
      let header = try IPv6FragmentHeader(bytes.span)
      let again = written(IPv6FragmentHeader.length) { header.write(to: &$0) }
      return compare(header, try IPv6FragmentHeader(again.span), "header")
    },
    Parser(name: "icmp") { bytes throws(WireError) in
      let message = try ICMPv4Message(bytes.span)
      let again = written(ICMPv4Header.length) { $0.storeBigEndian(message.header.bits, at: 0) }
      return compare(Array(bytes.prefix(ICMPv4Header.length)), again, "header")
        + compare(bytes.count, ICMPv4Header.length + message.payload.count, "length")
    },
    Parser(name: "icmpv6") { bytes throws(WireError) in
      let message = try ICMPv6Message(bytes.span)
      let again = written(ICMPv6Header.length) { $0.storeBigEndian(message.header.bits, at: 0) }
      return compare(Array(bytes.prefix(ICMPv6Header.length)), again, "header")
        + compare(bytes.count, ICMPv6Header.length + message.payload.count, "length")
    },
    Parser(name: "neighbor message", check: checkNeighborMessage),
  ]

  private static func checkIPv4(_ bytes: [UInt8]) throws(WireError) -> [String] {
    // As in a frame of which only a part lies here, and then as a whole.
    let packet = try IPv4Packet(bytes.span, byteCount: 65_535)
    let header = packet.header
    let again = written(IPv4Header.length) { header.write(to: &$0) }
    let written = try IPv4Packet(again.span, byteCount: 65_535)
    var faults = compare(header, written.header, "header")
    if !written.isHeaderChecksumValid { faults.append("the checksum is written wrong") }
    faults += compare(
      InternetChecksum.verify(bytes.span.extracting(..<packet.headerLength)), packet.isHeaderChecksumValid, "checksum")
    let end = min(packet.totalLength, bytes.count)
    faults += compare(end, packet.headerLength + packet.payload.count, "end of the payload")
    faults += compare(packet.headerLength, IPv4Header.length + packet.options.count, "end of the options")
    if packet.totalLength <= bytes.count { _ = try IPv4Packet(bytes.span) }
    return faults
  }

  private static func checkIPv6(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let packet = try IPv6Packet(bytes.span, byteCount: 65_575)
    let header = packet.header
    let again = written(IPv6Header.length) { header.write(to: &$0) }
    return compare(Array(bytes.prefix(IPv6Header.length)), again, "header")
      + compare(min(packet.totalLength, bytes.count), IPv6Header.length + packet.payload.count, "end of the payload")
  }

  private static func checkNeighborMessage(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let message = try NeighborMessage(bytes.span)
    var faults: [String] = []
    let options: [(NeighborOption, MACAddress?)] = [
      (.sourceLinkLayer, message.options.sourceLinkLayer), (.targetLinkLayer, message.options.targetLinkLayer),
    ]
    for case (let option, let hardware?) in options {
      let again = written(NeighborMessage.writtenLength) {
        NeighborMessage.write(target: message.target, option, hardware, to: &$0, at: 0)
      }
      let read = try NeighborMessage(again.span)
      faults += compare(message.target, read.target, "target")
      let copy = option == .sourceLinkLayer ? read.options.sourceLinkLayer : read.options.targetLinkLayer
      faults += compare(hardware, copy ?? MACAddress(bits: 0), "hardware address")
    }
    return faults
  }
}
