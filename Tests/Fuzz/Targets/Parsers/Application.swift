import Primitives
import Wire

extension ParserTarget {
  static let application = [
    Parser(name: "dhcp", check: checkDHCP), Parser(name: "dhcpv6", check: checkDHCPv6),
    Parser(name: "dns", check: checkDNS), Parser(name: "search list", check: checkSearchList),
    Parser(name: "tftp", check: checkTFTP),
  ]

  // MARK: DHCP

  private static func checkDHCP(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let message = try DHCPMessage(bytes.span)
    let header = message.header
    _ = (message.isWellFormed, message.messageType, message.byteCount)
    let fixed = written(DHCPHeader.length) { header.write(to: &$0) }
    return compare(header, try DHCPMessage(fixed.span).header, "fixed part") + (try rewriteDHCP(bytes))
  }

  /// Writes a message of the same options, of at most 576 bytes: those that find room are there with the same values.
  private static func rewriteDHCP(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let message = try DHCPMessage(bytes.span)
    var memory = [UInt8](repeating: 0xee, count: 576)
    var options: [(code: DHCPOptionCode, value: [UInt8])] = []
    for number in UInt8(1)...254 {
      let code = DHCPOptionCode(rawValue: number)
      if code != .overload, let value = message.value(of: code) { options.append((code, value)) }
    }
    var accepted: [(code: DHCPOptionCode, value: [UInt8])] = []
    let length: Int
    do {
      var span = memory.mutableSpan
      var writer = try DHCPMessageWriter(message.header, into: &span)
      for option in options where writer.append(option.code, option.value) { accepted.append(option) }
      length = writer.finish()
    }
    let again = try DHCPMessage(memory.span.extracting(..<length))
    var faults = compare(true, again.hasOptions, "whether what was written has options")
    for option in accepted {
      faults += compare(option.value, again.value(of: option.code) ?? [0], "option \(option.code.rawValue)")
    }
    return faults
  }

  private static func checkDHCPv6(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let message = try DHCPv6Message(bytes.span)
    _ = message.clientName?.text
    var writer = DHCPv6MessageWriter(message.type, transactionID: message.transactionID)
    if let identifier = message.clientIdentifier { writer.append(.clientIdentifier, identifier) }
    if let identifier = message.serverIdentifier { writer.append(.serverIdentifier, identifier) }
    for association in message.associations {
      writer.append(association, DHCPv6Times(lifetime: 60), association.addresses.map { ($0, 60) })
    }
    if let codes = message.requestedOptions {
      writer.append(
        .optionRequest, codes.flatMap { [UInt8($0.rawValue >> 8), UInt8(truncatingIfNeeded: $0.rawValue)] })
    }
    if message.takesRapidCommit { writer.append(.rapidCommit, [] as [UInt8]) }
    if message.hasVendorClass { writer.append(.vendorClass, [0, 0, 0, 1]) }
    if let name = message.clientName { writer.append(.clientName, [name.flags] + name.name) }
    let again = try DHCPv6Message(writer.bytes.span)
    guard !writer.isIncomplete else {
      return compare(true, writer.bytes.count <= DHCPv6MessageWriter.longestMessage, "whether the message is short")
    }
    return compare(message, again, "message")
  }

  // MARK: DNS

  private static func checkDNS(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let message = try DNSMessage(bytes.span)
    let header = message.header
    let fixed = written(DNSHeader.length) { header.write(to: &$0) }
    var faults = compare(Array(bytes.prefix(DNSHeader.length)), fixed, "header")
    guard let question = try message.question() else { return faults }
    let name = bytes.span.extracting(question.nameRange)
    faults += compare(true, DNSName.isSame(name, name), "whether a name is itself")
    if let reverse = DNSReverseName(name), !reverse.hasMore {
      let bits = reverse.address.family == .ipv4 ? 32 : 128
      if reverse.length == bits {
        faults += compare(true, DNSName(reverse: reverse.address).matches(name), "the name of \(reverse.address)")
      }
    }
    return faults + (try answerDNS(bytes, question, try message.edns(behind: question)))
  }

  /// Writes an answer, which repeats the question and EDNS.
  private static func answerDNS(
    _ bytes: [UInt8], _ question: DNSQuestion, _ edns: EDNS?
  ) throws(WireError) -> [String] {
    let message = try DNSMessage(bytes.span)
    var memory = [UInt8](repeating: 0xee, count: 512)
    let header = DNSHeader(
      identifier: message.header.identifier, flags: message.header.flags.answer(.noError), questionCount: 1)
    let length: Int
    do {
      var span = memory.mutableSpan
      var writer = DNSMessageWriter(
        header, question: question, of: bytes.span, edns: edns, limit: EDNS.minimumPayloadSize, into: &span)
      for number in UInt8(0)..<20 {
        writer.append(IPAddress(IPv4Address(192, 0, 2, number)), of: .question(skipping: 0), timeToLive: 60)
        writer.append(IPAddress(IPv6Address(high: 1, low: 2)), of: .question(skipping: 0), timeToLive: 60)
      }
      length = writer.finish()
    }
    let again = try DNSMessage(memory.span.extracting(..<length))
    let repeated = try again.question()
    var faults = compare(true, repeated == question, "whether the question is repeated")
    faults += compare(true, try again.edns(behind: repeated) == edns, "whether EDNS is repeated")
    let isAnswered = again.header.answerCount > 0 || again.header.flags.isTruncated
    return faults + compare(true, isAnswered, "whether there is an answer")
  }

  /// Texts, one a line, as a list of domains: read again by RFC 1035 section 4.1.4 they are the same.
  private static func checkSearchList(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let lines = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    var list = DomainSearchList()
    let names = lines.filter { list.append($0) }.map { DNSName($0) }
    var read: [[UInt8]] = []
    var offset = 0
    while offset < list.bytes.count {
      guard let name = expanded(list.bytes, at: &offset) else { return ["the list is broken at \(offset)"] }
      read.append(name)
    }
    return compare(names.map { $0?.bytes ?? [] }, read.map(lowercased), "names")
  }

  /// The name at `offset`, which moves behind it, with its pointers followed.
  private static func expanded(_ bytes: [UInt8], at offset: inout Int) -> [UInt8]? {
    var name: [UInt8] = []
    var place = offset
    var end: Int?
    while place < bytes.count {
      let length = Int(bytes[place])
      if length >= 0xc0 {
        guard place + 1 < bytes.count else { return nil }
        let target = (length & 0x3f) << 8 | Int(bytes[place + 1])
        // Only what stands before can be pointed at, so that this ends.
        guard target < place else { return nil }
        end = end ?? place + 2
        place = target
        continue
      }
      guard length < 64, place + 1 + length <= bytes.count else { return nil }
      name += bytes[place...(place + length)]
      place += 1 + length
      if length == 0 {
        offset = end ?? place
        return name
      }
    }
    return nil
  }

  private static func lowercased(_ name: [UInt8]) -> [UInt8] {
    name.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
  }

  // MARK: TFTP

  private static func checkTFTP(_ bytes: [UInt8]) throws(WireError) -> [String] {
    let header = try TFTPHeader(bytes.span)
    let again = written(TFTPHeader.length) { header.write(to: &$0) }
    var faults = compare(Array(bytes.prefix(TFTPHeader.length)), again, "header")
    let request = try TFTPRequest(bytes.span)
    faults += compare(false, request.fileName.isEmpty, "whether the file has no name")
    faults += compare(
      false, bytes.prefix(request.fileName.upperBound).dropFirst(2).contains(0), "whether there is a zero in the name")
    var memory = [UInt8](repeating: 0xee, count: TFTPOptions.longestAcknowledgment)
    let length: Int
    do {
      var span = memory.mutableSpan
      length = request.options.writeAcknowledgment(to: &span)
    }
    let repeated = [0, 1] + Array("file\0octet\0".utf8) + memory[2..<length]
    return faults + compare(request.options, try TFTPRequest(repeated.span).options, "options")
  }
}
