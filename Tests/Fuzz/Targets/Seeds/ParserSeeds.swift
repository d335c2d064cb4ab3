import Primitives
import Simulation

extension ParserTarget {
  /// A message of each format, some of them with all that can be in one.
  static var seeds: [[UInt8]] {
    messages.compactMap { name, message in
      parsers.firstIndex { $0.name == name }.map { [UInt8($0)] + message }
    }
  }

  private static let hardware = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  private static let (guest4, server4) = (IPv4Address(10, 0, 2, 15), IPv4Address(192, 0, 2, 1))
  private static let (guest6, server6) = (
    IPv6Address(high: 0xfec0 << 48, low: 15), IPv6Address(high: 0x2001_0db8 << 32, low: 1)
  )

  private static var messages: [(String, [UInt8])] {
    let datagram = PlainUDP(sourcePort: 5000, destinationPort: 53, payload: query.encoded)
    let arp = PlainARP(operation: 1, senderMAC: hardware, senderAddress: guest4, targetAddress: server4)
    let frame = PlainFrame(destination: .broadcast, source: hardware, .arp(arp)).encoded
    let (source, destination) = (IPAddress(guest4), IPAddress(server4))
    var packet4 = PlainIPv4(from: guest4, to: server4, .udp(datagram))
    packet4.options = [1, 1, 1, 0]
    var packet6 = PlainIPv6(from: guest6, to: server6, .tcp(segment))
    packet6.extensions = [.options(0, [5, 2, 0, 0])]
    let echo = PlainICMP(type: 8, rest: 0x1234_0001, payload: [1, 2, 3])
    let solicitation = PlainDiscovery(type: 135, target: guest6, options: [.linkLayer(1, hardware)])
    return [
      ("ethernet", frame), ("arp", Array(frame.dropFirst(14))), ("ipv4", packet4.encoded), ("ipv6", packet6.encoded),
      ("ipv6 fragment", [17, 0, 0, 9, 0, 0, 0, 7]), ("icmp", echo.encoded), ("icmpv6", solicitation.message.encoded),
      ("neighbor message", solicitation.message.payload), ("udp", datagram.encoded(from: source, to: destination)),
      ("tcp", segment.encoded(from: source, to: destination)),
      ("tcp options", [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7]),
      ("tcp options", [1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0]),
      ("dhcp", dhcp), ("dhcpv6", dhcpv6), ("dns", query.encoded), ("dns", reverseQuery.encoded),
      ("search list", Array("example.org\nsub.example.org.\nEXAMPLE.net\n".utf8)),
      ("tftp", Array("\0\u{1}boot.img\0OCTET\0blksize\01468\0tsize\00\0timeout\01\0windowsize\04\0".utf8)),
      ("checksum", [0, 3] + (0..<200)), ("address", Array("2001:db8::192.0.2.1".utf8)),
      ("address", Array("52:54:00:12:34:56".utf8)), ("address", Array("www.example.com.".utf8)),
      ("rtnetlink", newLink),
    ]
  }

  /// RTM_NEWLINK of tap0, of index 5: its name, MTU and hardware address.
  private static var newLink: [UInt8] {
    let header: [UInt8] = [64, 0, 0, 0, 16, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
    let interface: [UInt8] = [0, 0, 1, 0, 5, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
    return header + interface + [9, 0, 3, 0] + Array("tap0\0\0\0\0".utf8) + [8, 0, 4, 0, 0xdc, 5, 0, 0]
      + [10, 0, 1, 0, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0]
  }

  private static var segment: PlainTCP {
    var segment = PlainTCP()
    (segment.sourcePort, segment.destinationPort) = (50_000, 80)
    segment.flags = [.ack, .psh]
    segment.options = [
      .timestamps(1, echo: 2), .sack([PlainTCP.Block(SequenceNumber(10), SequenceNumber(20))]),
    ]
    segment.payload = Array("GET / HTTP/1.0".utf8)
    return segment
  }

  private static var query: PlainDNS {
    var query = PlainDNS(7, PlainDNS.Question("www.example.com", 1))
    query.additionals.append(.edns(1232, flags: 0x8000))
    return query
  }

  private static var reverseQuery: PlainDNS { PlainDNS(8, PlainDNS.Question("15.2.0.10.in-addr.arpa", 12)) }

  private static var dhcp: [UInt8] {
    let fixed: [UInt8] = [1, 1, 6, 0, 0x11, 0x22, 0x33, 0x44] + [UInt8](repeating: 0, count: 20)
    let names: [UInt8] = [0x52, 0x54, 0, 0x12, 0x34, 0x56] + [UInt8](repeating: 0, count: 10 + 192)
    let options: [UInt8] = [53, 1, 1, 61, 7, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 55, 3, 1, 3, 6, 57, 2, 5, 220, 255]
    return fixed + names + [99, 130, 83, 99] + options
  }

  private static var dhcpv6: [UInt8] {
    let address: [UInt8] = [0xfe, 0xc0] + [UInt8](repeating: 0, count: 13) + [0x15]
    let inner: [UInt8] = [0, 5, 0, 24] + address + [0, 0, 0, 60, 0, 0, 0, 60]
    let association: [UInt8] = [0, 3, 0, 40, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 8) + inner
    return [3, 0, 0, 9, 0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56] + association
      + [0, 6, 0, 4, 0, 23, 0, 24, 0, 14, 0, 0, 0, 39, 0, 7, 1, 5] + Array("guest".utf8)
  }
}
