import Primitives
import Wire

// Ethernet, its VLAN tags (IEEE 802.1Q), and ARP.
extension FrameDecoder {
  /// Decodes a frame of any bytes.
  mutating func decode(_ frame: Span<UInt8>, originalLength: Int?) {
    let extent = Extent(range: 0..<frame.count, missing: max(0, (originalLength ?? frame.count) - frame.count))
    let header: EthernetHeader
    do throws(WireError) {
      header = try EthernetFrame(frame).header
    } catch {
      say("Ethernet")
      return malformed("Ethernet", extent, error, frame)
    }
    if showsHardware { say("\(header.source) > \(header.destination)") }
    field("Ethernet", "destination", 0..<6, "\(header.destination)")
    field("Ethernet", "source", 6..<12, "\(header.source)")
    field("Ethernet", "type", 12..<14, header.type.words)
    etherType(header.type, frame, extent.dropping(EthernetHeader.length))
  }

  private mutating func etherType(_ type: EtherType, _ frame: Span<UInt8>, _ extent: Extent) {
    switch type {
    case .arp: arp(frame, extent)
    case .ipv4: ipv4(frame, extent)
    case .ipv6: ipv6(frame, extent)
    case .vlan, .serviceVLAN: vlan(frame, extent)
    default:
      // IEEE 802.3: below 0x600 it is a length.
      say(type.rawValue < 0x600 ? "802.3 length \(type.rawValue)" : "\(type.words) length \(extent.count)")
      bytes("Ethernet", "payload", extent.range, frame)
    }
  }

  private mutating func vlan(_ frame: Span<UInt8>, _ extent: Extent) {
    guard extent.range.count >= 4 else {
      say("VLAN")
      return malformed("VLAN", extent, .truncated(needed: 4, available: extent.range.count), frame)
    }
    let tag = frame.bigEndian16(at: extent.range.lowerBound)
    let type = EtherType(rawValue: frame.bigEndian16(at: extent.range.lowerBound + 2))
    say("VLAN \(tag & 0xfff)")
    field("VLAN", "priority", extent.range.part(0, 2), "\(tag >> 13)")
    field("VLAN", "identifier", extent.range.part(0, 2), "\(tag & 0xfff)")
    field("VLAN", "type", extent.range.part(2, 2), type.words)
    etherType(type, frame, extent.dropping(4))
  }

  private mutating func arp(_ frame: Span<UInt8>, _ extent: Extent) {
    let message: ARPMessage
    do throws(WireError) {
      message = try ARPPacket(frame.extracting(extent.range)).message
    } catch {
      say("ARP")
      return malformed("ARP", extent, error, frame)
    }
    switch message.operation {
    case .request:
      say("ARP who has \(message.targetAddress)? tell \(message.senderAddress) at \(message.senderMAC)")
    case .reply:
      say(
        "ARP \(message.senderAddress) is at \(message.senderMAC), to \(message.targetAddress) at \(message.targetMAC)")
    default:
      say("ARP operation \(message.operation.rawValue)")
    }
    let range = extent.range
    field("ARP", "hardware type", range.part(0, 2), "Ethernet")
    field("ARP", "protocol type", range.part(2, 2), "IPv4")
    field("ARP", "address lengths", range.part(4, 2), "6 and 4")
    field("ARP", "operation", range.part(6, 2), message.operation.words)
    field("ARP", "sender hardware", range.part(8, 6), "\(message.senderMAC)")
    field("ARP", "sender address", range.part(14, 4), "\(message.senderAddress)")
    field("ARP", "target hardware", range.part(18, 6), "\(message.targetMAC)")
    field("ARP", "target address", range.part(24, 4), "\(message.targetAddress)")
    padding(range.dropFirst(ARPMessage.length), frame)
  }

  /// What fills a short frame up to 60 bytes.
  mutating func padding(_ range: Range<Int>, _ frame: Span<UInt8>) {
    guard !isQuote else { return bytes("quotation", "rest", range, frame) }
    bytes("Ethernet", "padding", range, frame)
  }
}

extension EtherType {
  /// A tag of a virtual LAN (IEEE 802.1Q).
  static var vlan: EtherType { EtherType(rawValue: 0x8100) }
  /// A provider's tag around another (IEEE 802.1ad).
  static var serviceVLAN: EtherType { EtherType(rawValue: 0x88a8) }

  /// The protocol, or its number.
  var words: String {
    switch self {
    case .arp: "ARP"
    case .ipv4: "IPv4"
    case .ipv6: "IPv6"
    case .vlan: "VLAN"
    case .serviceVLAN: "service VLAN"
    default: "EtherType \(hexadecimal(rawValue, width: 4))"
    }
  }
}

extension ARPOperation {
  /// The operation's name, or its number.
  fileprivate var words: String {
    switch self {
    case .request: "request"
    case .reply: "reply"
    default: "\(rawValue)"
    }
  }
}
