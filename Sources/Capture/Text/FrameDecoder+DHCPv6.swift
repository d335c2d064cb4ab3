import Primitives
import Wire

extension FrameDecoder {
  /// Decodes a DHCPv6 message (RFC 8415).
  mutating func dhcpv6(_ extent: Extent, _ frame: Span<UInt8>) {
    let range = extent.range
    guard range.count >= DHCPv6Message.headerLength else {
      say("DHCPv6")
      let error = WireError.truncated(needed: DHCPv6Message.headerLength, available: range.count)
      return malformed("DHCPv6", extent, error, frame)
    }
    let type = DHCPv6MessageType(rawValue: frame[range.lowerBound])
    let transaction = frame.bigEndian32(at: range.lowerBound) & 0xff_ffff
    say("DHCPv6 \(type.words) xid \(hexadecimal(transaction, width: 6))")
    field("DHCPv6", "type", range.part(0, 1), type.words)
    field("DHCPv6", "transaction", range.part(1, 3), hexadecimal(transaction, width: 6))
    let (found, rest, _) = frame.options(in: range.dropFirst(DHCPv6Message.headerLength), .dhcpv6)
    for option in found {
      let words = dhcpv6OptionWords(option, frame, depth: 0)
      say(words)
      field("DHCPv6", "option \(option.code)", option.range, words)
    }
    guard !rest.isEmpty else { return }
    if extent.missing == 0 { problem("DHCPv6", rest, "malformed DHCPv6 options") }
    bytes("DHCPv6", "rest", rest, frame)
  }

  private func dhcpv6OptionWords(_ option: FoundOption, _ frame: Span<UInt8>, depth: Int) -> String {
    let code = DHCPv6OptionCode(rawValue: UInt16(option.code))
    let value = dhcpv6OptionValue(code, option.value, frame, depth: depth)
    return value.isEmpty ? code.words : "\(code.words) \(value)"
  }

  /// What an option's value says; its bytes where it is not as its code has it.
  private func dhcpv6OptionValue(
    _ code: DHCPv6OptionCode, _ value: Range<Int>, _ frame: Span<UInt8>, depth: Int
  ) -> String {
    let start = value.lowerBound
    switch code {
    case .nonTemporaryAddresses where value.count >= 12, .delegatedPrefixes where value.count >= 12:
      let times = "t1 \(frame.bigEndian32(at: start + 4)) t2 \(frame.bigEndian32(at: start + 8))"
      let name = hexadecimal(frame.bigEndian32(at: start), width: 8)
      return "\(name) \(times)" + nestedOptions(value.dropFirst(12), frame, depth: depth)
    case .temporaryAddresses where value.count >= 4:
      return hexadecimal(frame.bigEndian32(at: start), width: 8)
        + nestedOptions(value.dropFirst(4), frame, depth: depth)
    case .address where value.count >= 24:
      let times = "preferred \(frame.bigEndian32(at: start + 16)) valid \(frame.bigEndian32(at: start + 20))"
      return "\(IPv6Address(frame, at: start)) \(times)" + nestedOptions(value.dropFirst(24), frame, depth: depth)
    case .optionRequest where value.count.isMultiple(of: 2):
      let codes = stride(from: start, to: value.upperBound, by: 2).map { "\(frame.bigEndian16(at: $0))" }
      return codes.joined(separator: ",")
    case .statusCode where value.count >= 2:
      let text = frame.text(value.dropFirst(2))
      return "\(frame.bigEndian16(at: start))" + (text.isEmpty ? "" : " \"\(text)\"")
    case .nameServers where value.count.isMultiple(of: 16):
      return stride(from: start, to: value.upperBound, by: 16).map { "\(IPv6Address(frame, at: $0))" }.listed()
    case .domainSearch:
      return NameReader.uncompressed(frame, in: value).listed()
    case .elapsedTime where value.count == 2: return "\(frame.bigEndian16(at: start))"
    case .preference where value.count == 1: return "\(frame[start])"
    case .informationRefreshTime where value.count == 4: return "\(frame.bigEndian32(at: start))"
    case .bootFileURL: return frame.text(value)
    default: return frame.hexadecimal(value, separator: ":")
    }
  }

  /// Options within an option; what is nested deeper than the protocol has it is left as bytes.
  private func nestedOptions(_ range: Range<Int>, _ frame: Span<UInt8>, depth: Int) -> String {
    guard !range.isEmpty else { return "" }
    guard depth < 2 else { return " \(frame.hexadecimal(range))" }
    let (found, rest, _) = frame.options(in: range, .dhcpv6)
    let words = found.map { dhcpv6OptionWords($0, frame, depth: depth + 1) }
    let end = rest.isEmpty ? [] : ["malformed \(frame.hexadecimal(rest))"]
    return " [\((words + end).listed())]"
  }
}

extension DHCPv6MessageType {
  /// The message's name, or its number.
  fileprivate var words: String {
    switch self {
    case .solicit: "solicit"
    case .advertise: "advertise"
    case .request: "request"
    case .confirm: "confirm"
    case .renew: "renew"
    case .rebind: "rebind"
    case .reply: "reply"
    case .release: "release"
    case .decline: "decline"
    case .informationRequest: "information request"
    case .relayForward: "relay forward"
    default: "message type \(rawValue)"
    }
  }
}

extension DHCPv6OptionCode {
  /// How long the client has been asking, in hundredths of a second (RFC 8415 section 21.9).
  fileprivate static var elapsedTime: DHCPv6OptionCode { DHCPv6OptionCode(rawValue: 8) }

  /// The option's name, or its number.
  fileprivate var words: String {
    switch self {
    case .clientIdentifier: "client"
    case .serverIdentifier: "server"
    case .nonTemporaryAddresses: "IA_NA"
    case .temporaryAddresses: "IA_TA"
    case .address: "address"
    case .optionRequest: "asks"
    case .preference: "preference"
    case .elapsedTime: "elapsed"
    case .statusCode: "status"
    case .rapidCommit: "rapid commit"
    case .vendorClass: "class"
    case .nameServers: "dns"
    case .domainSearch: "search"
    case .delegatedPrefixes: "IA_PD"
    case .informationRefreshTime: "refresh"
    case .clientName: "name"
    case .bootFileURL: "bootfile"
    case .bootFileParameters: "bootfile parameters"
    default: "option \(rawValue)"
    }
  }
}
