import Primitives
import Wire

extension FrameDecoder {
  /// Decodes an IPv4 packet.
  mutating func ipv4(_ frame: Span<UInt8>, _ extent: Extent) {
    let range = extent.range
    do throws(WireError) {
      let packet = try IPv4Packet(frame.extracting(range), byteCount: isQuote ? .max : extent.count)
      let header = packet.header
      ipv4Fields(header, packet.headerLength, frame, range)
      if !packet.isHeaderChecksumValid && !isQuote {
        checksum("IPv4", range.lowerBound..<(range.lowerBound + packet.headerLength), at: 10, frame)
      }
      marks(header.timeToLive, "ttl", header.dscpECN)
      ipv4Options(frame, range.lowerBound + 20..<range.lowerBound + packet.headerLength)
      let whole = Extent(range: range, missing: isQuote ? .max / 2 : extent.missing).prefix(header.totalLength)
      let fragment =
        packet.isFragment
        ? PacketPayload.Fragment(
          identification: UInt32(header.identification), offset: header.fragmentOffset,
          moreFollow: header.moreFragments) : nil
      payload(
        PacketPayload(
          addresses: .ipv4(header.source, header.destination), proto: header.proto,
          extent: whole.dropping(packet.headerLength), fragment: fragment), frame)
      padding(whole.range.upperBound..<range.upperBound, frame)
    } catch {
      say("IPv4")
      malformed("IPv4", extent, error, frame)
    }
  }

  /// Notes what is unusual: an initial time to live, and one of a packet that has passed no router, is 64, 128 or 255.
  mutating func marks(_ timeToLive: UInt8, _ name: String, _ dscpECN: UInt8) {
    if ![64, 128, 255].contains(timeToLive) { note("\(name) \(timeToLive)") }
    if dscpECN != 0 { note("class \(hexadecimal(dscpECN, width: 2))") }
  }

  private mutating func ipv4Fields(
    _ header: IPv4Header, _ length: Int, _ frame: Span<UInt8>, _ range: Range<Int>
  ) {
    let flags = [header.dontFragment ? "DF" : nil, header.moreFragments ? "MF" : nil].compactMap { $0 }
    field("IPv4", "version", range.part(0, 1), "4")
    field("IPv4", "header length", range.part(0, 1), "\(length)")
    field("IPv4", "class", range.part(1, 1), hexadecimal(header.dscpECN, width: 2))
    field("IPv4", "total length", range.part(2, 2), "\(header.totalLength)")
    field("IPv4", "identification", range.part(4, 2), hexadecimal(header.identification, width: 4))
    field("IPv4", "flags", range.part(6, 2), flags.isEmpty ? "none" : flags.joined(separator: " "))
    field("IPv4", "fragment offset", range.part(6, 2), "\(header.fragmentOffset)")
    field("IPv4", "time to live", range.part(8, 1), "\(header.timeToLive)")
    field("IPv4", "protocol", range.part(9, 1), header.proto.words)
    field("IPv4", "checksum", range.part(10, 2), hexadecimal(frame.bigEndian16(at: range.lowerBound + 10), width: 4))
    field("IPv4", "source", range.part(12, 4), "\(header.source)")
    field("IPv4", "destination", range.part(16, 4), "\(header.destination)")
  }

  private mutating func ipv4Options(_ frame: Span<UInt8>, _ range: Range<Int>) {
    guard !range.isEmpty else { return }
    let (found, rest, isClosed) = frame.options(in: range, .internet)
    var names: [String] = []
    var position = range.lowerBound
    for option in found {
      bytes("IPv4", "no operation", position..<option.range.lowerBound, frame)
      position = option.range.upperBound
      let value = option.value.isEmpty ? "" : " \(frame.hexadecimal(option.value))"
      names.append(Self.ipv4OptionName(option.code) + value)
      field("IPv4", "option", option.range, Self.ipv4OptionName(option.code) + value)
    }
    bytes("IPv4", "no operation", position..<rest.lowerBound, frame)
    note("options \(names.isEmpty ? "none" : names.joined(separator: ", "))")
    if !isClosed { problem("IPv4", rest, "malformed IPv4 options") }
    bytes("IPv4", "end of options", rest, frame)
  }

  /// RFC 791 section 3.1, RFC 2113, RFC 1393.
  private static func ipv4OptionName(_ code: Int) -> String {
    switch code {
    case 7: "record route"
    case 68: "timestamp"
    case 130: "security"
    case 131: "loose source route"
    case 137: "strict source route"
    case 148: "router alert"
    default: "option \(code)"
    }
  }
}
