import Primitives
import Wire

extension FrameDecoder {
  /// Decodes an ICMP message for IPv4, and the packet that an error is about.
  mutating func icmp(_ payload: PacketPayload, _ frame: Span<UInt8>) {
    let (extent, range) = (payload.extent, payload.extent.range)
    say("\(payload.addresses.words) ICMP")
    let header: ICMPv4Header
    do throws(WireError) {
      header = try ICMPv4Message(frame.extracting(range)).header
    } catch {
      return malformed("ICMP", extent, error, frame)
    }
    say(header.words)
    icmpFields("ICMP", header.type.rawValue, header.code.rawValue, header.words, header.checksum, range)
    if payload.isWhole && !isQuote { checksum("ICMP", range, at: 2, frame) }
    let data = extent.dropping(ICMPv4Header.length)
    switch header.type {
    case .echoRequest, .echoReply: echo("ICMP", header.restOfHeader, range, data, frame)
    default:
      field("ICMP", "rest of header", range.part(4, 4), hexadecimal(header.restOfHeader, width: 8))
      if header.type == .redirect { say("to \(IPv4Address(bits: header.restOfHeader))") }
      if header.type == .destinationUnreachable, header.code == .fragmentationNeeded {
        say("mtu \(header.restOfHeader & 0xffff)")
      }
      if header.type == .parameterProblem { say("at byte \(header.restOfHeader >> 24)") }
      icmpData("ICMP", header.type.isError, data, frame) { $0.ipv4(frame, $1) }
    }
  }

  /// Decodes an ICMPv6 message.
  mutating func icmpv6(_ payload: PacketPayload, _ frame: Span<UInt8>) {
    let (extent, range) = (payload.extent, payload.extent.range)
    say("\(payload.addresses.words) ICMPv6")
    let header: ICMPv6Header
    do throws(WireError) {
      header = try ICMPv6Message(frame.extracting(range)).header
    } catch {
      return malformed("ICMPv6", extent, error, frame)
    }
    say(header.words)
    icmpFields("ICMPv6", header.type.rawValue, header.code.rawValue, header.words, header.checksum, range)
    if payload.isWhole && !isQuote {
      checksum("ICMPv6", range, at: 2, frame, before: payload.addresses.pseudoHeader(.icmpv6, length: range.count))
    }
    let data = extent.dropping(ICMPv6Header.length)
    switch header.type {
    case .echoRequest, .echoReply: echo("ICMPv6", header.restOfHeader, range, data, frame)
    case .routerSolicitation, .routerAdvertisement, .neighborSolicitation, .neighborAdvertisement, .redirect:
      neighborDiscovery(header, range, data, frame)
    case .listenerQuery, .listenerReport, .listenerDone, .listenerReport2:
      listenerMessage(header, range, data, frame)
    default:
      field("ICMPv6", "rest of header", range.part(4, 4), hexadecimal(header.restOfHeader, width: 8))
      if header.type == .packetTooBig { say("mtu \(header.restOfHeader)") }
      if header.type == .parameterProblem { say("at byte \(header.restOfHeader)") }
      icmpData("ICMPv6", header.type.isError, data, frame) { $0.ipv6(frame, $1) }
    }
  }

  private mutating func icmpFields(
    _ layer: String, _ type: UInt8, _ code: UInt8, _ words: String, _ checksum: UInt16, _ range: Range<Int>
  ) {
    field(layer, "type", range.part(0, 1), "\(type) (\(words))")
    field(layer, "code", range.part(1, 1), "\(code)")
    field(layer, "checksum", range.part(2, 2), hexadecimal(checksum, width: 4))
  }

  private mutating func echo(
    _ layer: String, _ rest: UInt32, _ range: Range<Int>, _ data: Extent, _ frame: Span<UInt8>
  ) {
    say("id \(rest >> 16) seq \(rest & 0xffff)")
    if data.count > 0 && !isQuote { say("length \(data.count)") }
    field(layer, "identifier", range.part(4, 2), "\(rest >> 16)")
    field(layer, "sequence number", range.part(6, 2), "\(rest & 0xffff)")
    bytes(layer, "data", data.range, frame)
  }

  /// What follows the header: of an error, the packet that it is about. An error about an error, which nobody may send,
  /// is not looked into.
  private mutating func icmpData(
    _ layer: String, _ isError: Bool, _ data: Extent, _ frame: Span<UInt8>,
    _ decode: (inout FrameDecoder, Extent) -> Void
  ) {
    guard isError && !isQuote && !data.range.isEmpty else {
      if data.count > 0 && !isQuote { say("length \(data.count)") }
      return bytes(layer, "data", data.range, frame)
    }
    quote { decode(&$0, data) }
  }
}

extension ICMPHeader<ICMPv4> {
  /// What the message says, by its type and code.
  var words: String {
    switch (type, code) {
    case (.echoRequest, _): "echo request"
    case (.echoReply, _): "echo reply"
    case (.destinationUnreachable, .networkUnreachable): "network unreachable"
    case (.destinationUnreachable, .hostUnreachable): "host unreachable"
    case (.destinationUnreachable, .protocolUnreachable): "protocol unreachable"
    case (.destinationUnreachable, .portUnreachable): "port unreachable"
    case (.destinationUnreachable, .fragmentationNeeded): "fragmentation needed"
    case (.destinationUnreachable, .networkProhibited): "network prohibited"
    case (.destinationUnreachable, .hostProhibited): "host prohibited"
    case (.destinationUnreachable, .adminProhibited): "prohibited"
    case (.destinationUnreachable, _): "unreachable code \(code.rawValue)"
    case (.redirect, _): "redirect"
    case (.timeExceeded, .timeToLiveExceeded): "time exceeded"
    case (.timeExceeded, .reassemblyTimeExceeded): "reassembly time exceeded"
    case (.parameterProblem, _): "parameter problem"
    default: "type \(type.rawValue) code \(code.rawValue)"
    }
  }
}

extension ICMPHeader<ICMPv6> {
  /// What the message says, by its type and code.
  var words: String {
    switch (type, code) {
    case (.echoRequest, _): "echo request"
    case (.echoReply, _): "echo reply"
    case (.destinationUnreachable, .noRoute): "no route"
    case (.destinationUnreachable, .adminProhibited): "prohibited"
    case (.destinationUnreachable, .beyondScope): "beyond scope"
    case (.destinationUnreachable, .addressUnreachable): "address unreachable"
    case (.destinationUnreachable, .portUnreachable): "port unreachable"
    case (.destinationUnreachable, _): "unreachable code \(code.rawValue)"
    case (.packetTooBig, _): "packet too big"
    case (.timeExceeded, .hopLimitExceeded): "time exceeded"
    case (.timeExceeded, .reassemblyTimeExceeded): "reassembly time exceeded"
    case (.parameterProblem, .erroneousField): "erroneous field"
    case (.parameterProblem, .unrecognizedNextHeader): "unrecognized next header"
    case (.parameterProblem, .unrecognizedOption): "unrecognized option"
    case (.parameterProblem, _): "parameter problem code \(code.rawValue)"
    case (.routerSolicitation, _): "router solicitation"
    case (.routerAdvertisement, _): "router advertisement"
    case (.neighborSolicitation, _): "neighbor solicitation"
    case (.neighborAdvertisement, _): "neighbor advertisement"
    case (.redirect, _): "redirect"
    case (.listenerQuery, _): "listener query"
    case (.listenerReport, _): "listener report"
    case (.listenerDone, _): "listener done"
    case (.listenerReport2, _): "listener report v2"
    default: "type \(type.rawValue) code \(code.rawValue)"
    }
  }
}
