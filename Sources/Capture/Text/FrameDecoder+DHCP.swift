import Primitives
import Wire

extension FrameDecoder {
  /// Decodes a DHCP or BOOTP message (RFC 2131, RFC 2132).
  mutating func dhcp(_ extent: Extent, _ frame: Span<UInt8>) {
    let range = extent.range
    let header: DHCPHeader
    let type: DHCPMessageType?
    let hasOptions: Bool
    do throws(WireError) {
      let message = try DHCPMessage(frame.extracting(range))
      (header, type, hasOptions) = (message.header, message.messageType, message.hasOptions)
    } catch {
      say("DHCP")
      return malformed("DHCP", extent, error, frame)
    }
    say("\(type.map { "DHCP \($0.words)" } ?? "BOOTP \(header.operation.words)")")
    dhcpLine(header, range, frame)
    dhcpFields(header, range, frame)
    guard hasOptions else {
      return bytes("DHCP", "vendor area", range.dropFirst(DHCPMessage.fixedLength), frame)
    }
    field("DHCP", "magic cookie", range.part(236, 4), "0x63825363")
    dhcpOptions(range.dropFirst(DHCPHeader.length), extent.missing == 0, frame)
  }

  private mutating func dhcpLine(_ header: DHCPHeader, _ range: Range<Int>, _ frame: Span<UInt8>) {
    say("xid \(hexadecimal(header.xid, width: 8)) hardware \(header.clientHardware)")
    if header.secs != 0 { say("secs \(header.secs)") }
    if header.isBroadcast { say("broadcast") }
    if header.ciaddr != .any { say("ciaddr \(header.ciaddr)") }
    if header.yiaddr != .any { say("yiaddr \(header.yiaddr)") }
    if header.siaddr != .any { say("siaddr \(header.siaddr)") }
    if header.giaddr != .any { say("giaddr \(header.giaddr)") }
    for (name, place) in [("sname", range.part(44, 64)), ("file", range.part(108, 128))] {
      let text = place.prefix { frame[$0] != 0 }
      if !text.isEmpty { say("\(name) \(frame.text(text))") }
    }
  }

  private mutating func dhcpFields(_ header: DHCPHeader, _ range: Range<Int>, _ frame: Span<UInt8>) {
    field("DHCP", "operation", range.part(0, 1), header.operation.words)
    field("DHCP", "hardware type", range.part(1, 1), "Ethernet")
    field("DHCP", "hardware length", range.part(2, 1), "6")
    field("DHCP", "hops", range.part(3, 1), "\(frame[range.lowerBound + 3])")
    field("DHCP", "xid", range.part(4, 4), hexadecimal(header.xid, width: 8))
    field("DHCP", "secs", range.part(8, 2), "\(header.secs)")
    field("DHCP", "flags", range.part(10, 2), hexadecimal(frame.bigEndian16(at: range.lowerBound + 10), width: 4))
    field("DHCP", "ciaddr", range.part(12, 4), "\(header.ciaddr)")
    field("DHCP", "yiaddr", range.part(16, 4), "\(header.yiaddr)")
    field("DHCP", "siaddr", range.part(20, 4), "\(header.siaddr)")
    field("DHCP", "giaddr", range.part(24, 4), "\(header.giaddr)")
    field("DHCP", "chaddr", range.part(28, 6), "\(header.clientHardware)")
    bytes("DHCP", "chaddr padding", range.part(34, 10), frame)
    for (name, place) in [("sname", range.part(44, 64)), ("file", range.part(108, 128))] {
      field("DHCP", name, place, "\"\(frame.text(place.prefix { frame[$0] != 0 }, limit: 128))\"")
    }
  }

  private mutating func dhcpOptions(_ range: Range<Int>, _ isWhole: Bool, _ frame: Span<UInt8>) {
    let (found, rest, isClosed) = frame.options(in: range, .dhcp)
    var position = range.lowerBound
    for option in found {
      bytes("DHCP", "padding", position..<option.range.lowerBound, frame)
      position = option.range.upperBound
      let code = DHCPOptionCode(rawValue: UInt8(option.code))
      let words = "\(code.words) \(dhcpOptionWords(code, option.value, frame))"
      if code != .messageType { say(words) }
      field("DHCP", "option \(option.code)", option.range, words)
    }
    bytes("DHCP", "padding", position..<rest.lowerBound, frame)
    if !isClosed && isWhole { problem("DHCP", rest, "malformed DHCP options") }
    bytes("DHCP", isClosed ? "end of options" : "rest", rest, frame)
  }

  /// What an option's value says; its bytes where it is not as its code has it.
  private func dhcpOptionWords(_ code: DHCPOptionCode, _ value: Range<Int>, _ frame: Span<UInt8>) -> String {
    let start = value.lowerBound
    switch code {
    case .messageType where value.count == 1:
      return DHCPMessageType(rawValue: frame[start]).words
    case .subnetMask, .router, .domainNameServer, .requestedAddress, .serverIdentifier, DHCPOptionCode(rawValue: 28):
      guard !value.isEmpty, value.count.isMultiple(of: 4) else { break }
      return stride(from: start, to: value.upperBound, by: 4).map { "\(IPv4Address(frame, at: $0))" }.listed()
    case .leaseTime, .renewalTime, .rebindingTime:
      if value.count == 4 { return "\(frame.bigEndian32(at: start))" }
    case .interfaceMTU, .maximumMessageSize:
      if value.count == 2 { return "\(frame.bigEndian16(at: start))" }
    case .hostname, .domainName, .message, .vendorClass, .tftpServerName, .bootFile:
      return frame.text(value)
    case .parameterRequestList:
      return value.map { "\(frame[$0])" }.joined(separator: ",")
    case .domainSearch:
      let names = NameReader.uncompressed(frame, in: value)
      if !names.isEmpty { return names.listed() }
    case .classlessStaticRoutes:
      if let routes = Self.routes(value, frame) { return routes.listed() }
    default: break
    }
    return frame.hexadecimal(value, separator: ":")
  }

  /// RFC 3442: the length of a destination, as many of its bytes as that covers, and the router.
  private static func routes(_ value: Range<Int>, _ frame: Span<UInt8>) -> [String]? {
    var routes: [String] = []
    var offset = value.lowerBound
    while offset < value.upperBound {
      let length = Int(frame[offset])
      let router = offset + 1 + (length + 7) / 8
      guard length <= 32, router + 4 <= value.upperBound else { return nil }
      var bits: UInt32 = 0
      for (place, index) in (offset + 1..<router).enumerated() { bits |= UInt32(frame[index]) << (24 - 8 * place) }
      routes.append("\(IPv4Address(bits: bits))/\(length) via \(IPv4Address(frame, at: router))")
      offset = router + 4
    }
    return routes
  }
}

extension DHCPOperation {
  /// The operation's name, or its number.
  fileprivate var words: String {
    switch self {
    case .request: "request"
    case .reply: "reply"
    default: "operation \(rawValue)"
    }
  }
}

extension DHCPMessageType {
  /// The message's name, or its number.
  fileprivate var words: String {
    switch self {
    case .discover: "discover"
    case .offer: "offer"
    case .request: "request"
    case .decline: "decline"
    case .ack: "ack"
    case .nak: "nak"
    case .release: "release"
    case .inform: "inform"
    default: "message type \(rawValue)"
    }
  }
}

extension DHCPOptionCode {
  /// The option's name, or its number.
  fileprivate var words: String {
    switch self {
    case .subnetMask: "mask"
    case .router: "router"
    case .domainNameServer: "dns"
    case .hostname: "hostname"
    case .domainName: "domain"
    case .interfaceMTU: "mtu"
    case DHCPOptionCode(rawValue: 28): "broadcast"
    case .requestedAddress: "requested"
    case .leaseTime: "lease"
    case .overload: "overload"
    case .messageType: "message type"
    case .serverIdentifier: "server"
    case .parameterRequestList: "asks"
    case .message: "message"
    case .maximumMessageSize: "size"
    case .renewalTime: "renewal"
    case .rebindingTime: "rebinding"
    case .vendorClass: "class"
    case .clientIdentifier: "client"
    case .tftpServerName: "tftp"
    case .bootFile: "bootfile"
    case .rapidCommit: "rapid commit"
    case .domainSearch: "search"
    case .classlessStaticRoutes: "routes"
    default: "option \(rawValue)"
    }
  }
}
