import Primitives
import Wire

extension FrameDecoder {
  /// Decodes a UDP datagram and what it carries.
  mutating func udp(_ payload: PacketPayload, _ frame: Span<UInt8>) {
    let (extent, range) = (payload.extent, payload.extent.range)
    let header: UDPHeader
    do throws(WireError) {
      let limit = isQuote || payload.fragment != nil ? Int.max : extent.count
      header = try UDPDatagram(frame.extracting(range), byteCount: limit).header
    } catch {
      say("\(payload.addresses.words) UDP")
      return malformed("UDP", extent, error, frame)
    }
    say("\(payload.addresses.words(header.sourcePort, header.destinationPort)) UDP")
    if header.length > UDPHeader.length { say("length \(header.length - UDPHeader.length)") }
    field("UDP", "source port", range.part(0, 2), "\(header.sourcePort)")
    field("UDP", "destination port", range.part(2, 2), "\(header.destinationPort)")
    field("UDP", "length", range.part(4, 2), "\(header.length)")
    field("UDP", "checksum", range.part(6, 2), hexadecimal(header.checksum, width: 4))
    let whole = extent.prefix(header.length)
    udpChecksum(payload, header, whole, frame)
    let data = whole.dropping(UDPHeader.length)
    if payload.fragment == nil && !isQuote {
      udpPayload(header, data, frame)
    } else {
      bytes("UDP", "payload", data.range, frame)
    }
    padding(whole.range.upperBound..<range.upperBound, frame)
  }

  private mutating func udpChecksum(
    _ payload: PacketPayload, _ header: UDPHeader, _ extent: Extent, _ frame: Span<UInt8>
  ) {
    guard payload.isWhole && extent.missing == 0 && !isQuote else { return }
    guard header.checksum != 0 else {
      // RFC 8200 section 8.1: not allowed over IPv6.
      if case .ipv6 = payload.addresses { problem("UDP", extent.range.part(6, 2), "no UDP checksum") }
      return
    }
    let before = payload.addresses.pseudoHeader(.udp, length: header.length)
    checksum("UDP", extent.range, at: UDPHeader.checksumOffset, frame, before: before, isNeverZero: true)
  }

  private mutating func udpPayload(_ header: UDPHeader, _ data: Extent, _ frame: Span<UInt8>) {
    let ports = [header.sourcePort, header.destinationPort]
    if data.range.isEmpty {
      return
    } else if ports.contains(53) || ports.contains(5353) {
      dns(data, frame)
    } else if ports.contains(67) || ports.contains(68) {
      dhcp(data, frame)
    } else if ports.contains(546) || ports.contains(547) {
      dhcpv6(data, frame)
    } else if ports.contains(69) || flow?.carriesTFTP == true {
      tftp(data, frame)
    } else {
      bytes("UDP", "payload", data.range, frame)
    }
  }
}
