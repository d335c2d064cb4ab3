import Primitives
import Wire

extension FrameDecoder {
  /// Decodes an IPv6 packet.
  mutating func ipv6(_ frame: Span<UInt8>, _ extent: Extent) {
    let range = extent.range
    do throws(WireError) {
      let packet = try IPv6Packet(frame.extracting(range), byteCount: isQuote ? .max : extent.count)
      let header = packet.header
      field("IPv6", "version", range.part(0, 1), "6")
      field("IPv6", "class", range.part(0, 2), hexadecimal(header.trafficClass, width: 2))
      field("IPv6", "flow label", range.part(1, 3), hexadecimal(header.flowLabel, width: 5))
      field("IPv6", "payload length", range.part(4, 2), "\(header.payloadLength)")
      field("IPv6", "next header", range.part(6, 1), header.nextHeader.words)
      field("IPv6", "hop limit", range.part(7, 1), "\(header.hopLimit)")
      field("IPv6", "source", range.part(8, 16), "\(header.source)")
      field("IPv6", "destination", range.part(24, 16), "\(header.destination)")
      marks(header.hopLimit, "hop limit", header.trafficClass)
      let whole = Extent(range: range, missing: isQuote ? .max / 2 : extent.missing).prefix(packet.totalLength)
      ipv6Payload(
        .ipv6(header.source, header.destination), header.nextHeader, whole.dropping(IPv6Header.length), frame)
      padding(whole.range.upperBound..<range.upperBound, frame)
    } catch {
      say("IPv6")
      malformed("IPv6", extent, error, frame)
    }
  }

  /// Walks over the extension headers (RFC 8200 section 4) to what the packet carries.
  private mutating func ipv6Payload(
    _ addresses: PacketAddresses, _ next: IPProtocol, _ extent: Extent, _ frame: Span<UInt8>
  ) {
    var next = next
    var extent = extent
    var fragment: PacketPayload.Fragment?
    while let length = next.extensionLength(frame, extent.range) {
      guard length <= extent.range.count else {
        say("\(addresses.words) \(next.words)")
        return malformed(next.words, extent, .truncated(needed: length, available: extent.range.count), frame)
      }
      let header = extent.range.lowerBound..<(extent.range.lowerBound + length)
      let following = IPProtocol(rawValue: frame[header.lowerBound])
      field(next.words, "next header", header.part(0, 1), following.words)
      if next == .fragmentHeader {
        fragment = fragmentFields(header, frame)
      } else {
        field(next.words, "length", header.part(1, 1), "\(length)")
        extensionOptions(next, header, frame)
      }
      extent = extent.dropping(length)
      next = following
      // RFC 8200 section 4.5: what follows in any fragment but the first are no headers.
      if let fragment, fragment.offset > 0 { break }
    }
    payload(PacketPayload(addresses: addresses, proto: next, extent: extent, fragment: fragment), frame)
  }

  private mutating func fragmentFields(_ range: Range<Int>, _ frame: Span<UInt8>) -> PacketPayload.Fragment? {
    guard let header = try? IPv6FragmentHeader(frame.extracting(range)) else { return nil }
    let layer = IPProtocol.fragmentHeader.words
    bytes(layer, "reserved", range.part(1, 1), frame)
    field(layer, "offset", range.part(2, 2), "\(header.offset)")
    field(layer, "more fragments", range.part(2, 2), "\(header.moreFragments)")
    field(layer, "identification", range.part(4, 4), hexadecimal(header.identification, width: 4))
    return PacketPayload.Fragment(
      identification: header.identification, offset: header.offset, moreFollow: header.moreFragments)
  }

  private mutating func extensionOptions(_ proto: IPProtocol, _ range: Range<Int>, _ frame: Span<UInt8>) {
    guard proto != .routingHeader else {
      note("routing type \(frame[range.lowerBound + 2]), segments left \(frame[range.lowerBound + 3])")
      return bytes(proto.words, "route", range.dropFirst(2), frame)
    }
    let (found, rest, isClosed) = frame.options(in: range.dropFirst(2), .ipv6)
    // RFC 8200 section 4.2: PadN says nothing.
    let names = found.filter { $0.code != 1 }.map { Self.ipv6OptionName($0.code, $0.value, frame) }
    note(names.isEmpty ? proto.words : "\(proto.words) \(names.joined(separator: ", "))")
    var position = range.lowerBound + 2
    for option in found {
      bytes(proto.words, "padding", position..<option.range.lowerBound, frame)
      position = option.range.upperBound
      field(proto.words, "option", option.range, Self.ipv6OptionName(option.code, option.value, frame))
    }
    bytes(proto.words, "padding", position..<rest.lowerBound, frame)
    if !isClosed { problem(proto.words, rest, "malformed \(proto.words)") }
    bytes(proto.words, "end of options", rest, frame)
  }

  /// RFC 8200 section 4.2, RFC 2711.
  private static func ipv6OptionName(_ code: Int, _ value: Range<Int>, _ frame: Span<UInt8>) -> String {
    let name =
      switch code {
      case 1: "padding"
      case 5: "router alert"
      default: "option \(code)"
      }
    return value.isEmpty ? name : "\(name) \(frame.hexadecimal(value))"
  }
}

extension IPProtocol {
  /// How long the extension header of this kind at the start of `range` is, in bytes; nil for what is none. Where too
  /// little is there to tell, 8, the least.
  /// - Precondition: the range lies in the frame.
  func extensionLength(_ frame: Span<UInt8>, _ range: Range<Int>) -> Int? {
    switch self {
    case .fragmentHeader: IPv6FragmentHeader.length
    case .hopByHopOptions, .routingHeader, .destinationOptions:
      range.count < 2 ? 8 : 8 + 8 * Int(frame[range.lowerBound + 1])
    default: nil
    }
  }
}
