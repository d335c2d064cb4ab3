import Primitives
import Wire

// Neighbor discovery (RFC 4861, RFC 8106), and who listens to which group (RFC 2710, RFC 3810).
extension FrameDecoder {
  /// Decodes what follows the first four bytes of a message of neighbor discovery.
  mutating func neighborDiscovery(
    _ header: ICMPv6Header, _ range: Range<Int>, _ data: Extent, _ frame: Span<UInt8>
  ) {
    let fixed: Int
    switch header.type {
    case .routerSolicitation:
      fixed = 0
      bytes("ICMPv6", "reserved", range.part(4, 4), frame)
    case .routerAdvertisement:
      fixed = 8
      routerFields(header.restOfHeader, range)
    case .neighborAdvertisement:
      fixed = 16
      let flags = NeighborMessage.Flags(rawValue: header.restOfHeader).letters
      field("ICMPv6", "flags", range.part(4, 4), flags.isEmpty ? "none" : flags)
    case .redirect:
      fixed = 32
      bytes("ICMPv6", "reserved", range.part(4, 4), frame)
    default:
      fixed = 16
      bytes("ICMPv6", "reserved", range.part(4, 4), frame)
    }
    guard data.range.count >= fixed else {
      let error = WireError.truncated(needed: fixed, available: data.range.count)
      return malformed("ICMPv6", data, error, frame)
    }
    neighborFields(header, data.range, frame)
    neighborOptions(data.dropping(fixed), frame)
  }

  private mutating func routerFields(_ rest: UInt32, _ range: Range<Int>) {
    let flags = (rest >> 16 & 0x80 != 0 ? "M" : "") + (rest >> 16 & 0x40 != 0 ? "O" : "")
    say("hop limit \(rest >> 24)\(flags.isEmpty ? "" : " flags \(flags)") lifetime \(rest & 0xffff)")
    field("ICMPv6", "hop limit", range.part(4, 1), "\(rest >> 24)")
    field("ICMPv6", "flags", range.part(5, 1), flags.isEmpty ? "none" : flags)
    field("ICMPv6", "router lifetime", range.part(6, 2), "\(rest & 0xffff)")
  }

  /// The fields of fixed length behind the ICMPv6 header.
  private mutating func neighborFields(_ header: ICMPv6Header, _ range: Range<Int>, _ frame: Span<UInt8>) {
    let start = range.lowerBound
    switch header.type {
    case .routerAdvertisement:
      let (reachable, retransmission) = (frame.bigEndian32(at: start), frame.bigEndian32(at: start + 4))
      if reachable != 0 { say("reachable \(reachable) ms") }
      if retransmission != 0 { say("retransmission \(retransmission) ms") }
      field("ICMPv6", "reachable time", range.part(0, 4), "\(reachable)")
      field("ICMPv6", "retransmission timer", range.part(4, 4), "\(retransmission)")
    case .neighborSolicitation, .neighborAdvertisement:
      let flags = NeighborMessage.Flags(rawValue: header.restOfHeader).letters
      let target = IPv6Address(frame, at: start)
      say("\(target)")
      if header.type == .neighborAdvertisement && !flags.isEmpty { say("flags \(flags)") }
      field("ICMPv6", "target", range.part(0, 16), "\(target)")
    case .redirect:
      say("of \(IPv6Address(frame, at: start + 16)) to \(IPv6Address(frame, at: start))")
      field("ICMPv6", "target", range.part(0, 16), "\(IPv6Address(frame, at: start))")
      field("ICMPv6", "destination", range.part(16, 16), "\(IPv6Address(frame, at: start + 16))")
    default: break
    }
  }

  private mutating func neighborOptions(_ extent: Extent, _ frame: Span<UInt8>) {
    let (found, rest, _) = frame.options(in: extent.range, .neighborDiscovery)
    for option in found {
      let words = neighborOptionWords(option, frame)
      say(words)
      field("ICMPv6", "option", option.range, words)
    }
    guard !rest.isEmpty else { return }
    if extent.missing == 0 && !isQuote { problem("ICMPv6", rest, "malformed options of neighbor discovery") }
    bytes("ICMPv6", "end of options", rest, frame)
  }

  private func neighborOptionWords(_ option: FoundOption, _ frame: Span<UInt8>) -> String {
    let (value, start) = (option.value, option.value.lowerBound)
    switch NeighborOption(rawValue: UInt8(option.code)) {
    case .sourceLinkLayer where value.count == 6: return "source \(MACAddress(frame, at: start))"
    case .targetLinkLayer where value.count == 6: return "target \(MACAddress(frame, at: start))"
    case .mtu where value.count == 6: return "mtu \(frame.bigEndian32(at: start + 2))"
    case .prefixInformation where value.count == 30:
      let flags = (frame[start + 1] & 0x80 != 0 ? "L" : "") + (frame[start + 1] & 0x40 != 0 ? "A" : "")
      return "prefix \(IPv6Address(frame, at: start + 14))/\(frame[start])\(flags.isEmpty ? "" : " flags \(flags)")"
        + " valid \(frame.bigEndian32(at: start + 2)) preferred \(frame.bigEndian32(at: start + 6))"
    case .resolvers where value.count >= 22 && (value.count - 6).isMultiple(of: 16):
      let addresses = stride(from: start + 6, to: value.upperBound, by: 16).map { "\(IPv6Address(frame, at: $0))" }
      return "resolvers \(addresses.listed()) for \(frame.bigEndian32(at: start + 2))"
    case .searchList where value.count > 6:
      let names = NameReader.uncompressed(frame, in: value.dropFirst(6))
      return "search \(names.listed()) for \(frame.bigEndian32(at: start + 2))"
    // RFC 7527 section 3: by which a host knows its own probes.
    case NeighborOption(rawValue: 14): return "nonce \(frame.hexadecimal(value, separator: ""))"
    default: return "option \(option.code) \(frame.hexadecimal(value))"
    }
  }

  // MARK: Groups

  /// Decodes a message about groups behind its first four bytes.
  mutating func listenerMessage(
    _ header: ICMPv6Header, _ range: Range<Int>, _ data: Extent, _ frame: Span<UInt8>
  ) {
    guard header.type != .listenerReport2 else {
      return listenerReport2(header.restOfHeader & 0xffff, range, data, frame)
    }
    field("ICMPv6", "response delay", range.part(4, 2), "\(header.restOfHeader >> 16)")
    bytes("ICMPv6", "reserved", range.part(6, 2), frame)
    guard data.range.count >= 16 else {
      return malformed("ICMPv6", data, .truncated(needed: 16, available: data.range.count), frame)
    }
    let group = IPv6Address(frame, at: data.range.lowerBound)
    say("\(group)")
    field("ICMPv6", "group", data.range.part(0, 16), "\(group)")
    bytes("ICMPv6", "rest", data.range.dropFirst(16), frame)
  }

  /// RFC 3810 section 5.2: records, each with a group and the sources that it is listened to of.
  private mutating func listenerReport2(_ count: UInt32, _ range: Range<Int>, _ data: Extent, _ frame: Span<UInt8>) {
    bytes("ICMPv6", "reserved", range.part(4, 2), frame)
    field("ICMPv6", "records", range.part(6, 2), "\(count)")
    var words: [String] = []
    var rest = data.range
    for _ in 0..<count {
      guard rest.count >= 20 else { break }
      let start = rest.lowerBound
      let length = 20 + 16 * Int(frame.bigEndian16(at: start + 2)) + 4 * Int(frame[start + 1])
      guard length <= rest.count else { break }
      let record = "\(IPv6Address(frame, at: start + 4)) mode \(frame[start])"
      words.append(record)
      field("ICMPv6", "record", rest.part(0, length), record)
      rest = rest.dropFirst(length)
    }
    say(words.listed())
    if words.count < count && data.missing == 0 && !isQuote {
      problem("ICMPv6", rest, "\(words.count) records where there should be \(count)")
    }
    bytes("ICMPv6", "rest", rest, frame)
  }
}

extension NeighborMessage.Flags {
  /// The flags as letters: R router, S solicited, O override.
  fileprivate var letters: String {
    (contains(.router) ? "R" : "") + (contains(.solicited) ? "S" : "") + (contains(.override) ? "O" : "")
  }
}
