import Primitives
import Wire

extension FrameDecoder {
  /// Decodes a TCP segment and the beginning of what it carries.
  mutating func tcp(_ payload: PacketPayload, _ frame: Span<UInt8>) {
    let (extent, range) = (payload.extent, payload.extent.range)
    // A quotation need not have more than the ports and the sequence number (RFC 792).
    if isQuote && range.count < TCPHeader.minimumLength { return quotedTCP(payload, frame) }
    let header: TCPHeader
    let headerLength: Int
    do throws(WireError) {
      let segment = try TCPSegment(frame.extracting(range))
      (header, headerLength) = (segment.header, segment.headerLength)
    } catch {
      say("\(payload.addresses.words) TCP")
      return malformed("TCP", extent, error, frame)
    }
    let data = extent.dropping(headerLength)
    say("\(payload.addresses.words(header.sourcePort, header.destinationPort)) TCP \(header.flags.letters)")
    numbers(header)
    if data.count > 0 && !isQuote { say("length \(data.count)") }
    tcpFields(header, headerLength, range, frame)
    tcpOptions(header, range.lowerBound + TCPHeader.minimumLength..<range.lowerBound + headerLength, frame)
    if payload.isWhole && !isQuote {
      let before = payload.addresses.pseudoHeader(.tcp, length: range.count)
      checksum("TCP", range, at: 16, frame, before: before)
    }
    tcpPayload(header, data, frame)
  }

  /// What a router that quotes eight bytes leaves of a segment.
  private mutating func quotedTCP(_ payload: PacketPayload, _ frame: Span<UInt8>) {
    let range = payload.extent.range
    guard range.count >= 8 else {
      say("\(payload.addresses.words) TCP")
      return bytes("TCP", "bytes", range, frame)
    }
    let ports = (frame.bigEndian16(at: range.lowerBound), frame.bigEndian16(at: range.lowerBound + 2))
    let sequence = SequenceNumber(frame.bigEndian32(at: range.lowerBound + 4))
    say("\(payload.addresses.words(ports.0, ports.1)) TCP seq \(sequence.value)")
    field("TCP", "source port", range.part(0, 2), "\(ports.0)")
    field("TCP", "destination port", range.part(2, 2), "\(ports.1)")
    field("TCP", "sequence number", range.part(4, 4), "\(sequence.value)")
    bytes("TCP", "rest", range.dropFirst(8), frame)
  }

  private mutating func numbers(_ header: TCPHeader) {
    // What is known of a flow is not of the packet that an error quotes, which goes the other way.
    let flow = isQuote ? nil : flow
    say("seq \(Self.relative(header.sequenceNumber.value, to: flow?.sequence?.value))")
    if header.flags.contains(.ack) {
      say("ack \(Self.relative(header.acknowledgmentNumber.value, to: flow?.acknowledgment?.value))")
    }
    // RFC 7323 section 2.2: the window of a SYN is never scaled.
    let shift = header.flags.contains(.syn) ? 0 : flow?.windowScale ?? 0
    say("win \(Int(header.window) << Int(shift))")
    if header.flags.contains(.urg) { say("urgent \(header.urgentPointer)") }
  }

  /// A number that is counted from another modulo 2^32, as far as that is known.
  private static func relative(_ value: UInt32, to base: UInt32?) -> UInt32 { value &- (base ?? 0) }

  private mutating func tcpFields(_ header: TCPHeader, _ length: Int, _ range: Range<Int>, _ frame: Span<UInt8>) {
    field("TCP", "source port", range.part(0, 2), "\(header.sourcePort)")
    field("TCP", "destination port", range.part(2, 2), "\(header.destinationPort)")
    field("TCP", "sequence number", range.part(4, 4), "\(header.sequenceNumber.value)")
    field("TCP", "acknowledgment number", range.part(8, 4), "\(header.acknowledgmentNumber.value)")
    field("TCP", "header length", range.part(12, 1), "\(length)")
    field("TCP", "flags", range.part(13, 1), header.flags.isEmpty ? "none" : header.flags.description)
    field("TCP", "window", range.part(14, 2), "\(header.window)")
    field("TCP", "checksum", range.part(16, 2), hexadecimal(header.checksum, width: 4))
    field("TCP", "urgent pointer", range.part(18, 2), "\(header.urgentPointer)")
  }

  // MARK: Options

  private mutating func tcpOptions(_ header: TCPHeader, _ range: Range<Int>, _ frame: Span<UInt8>) {
    guard !range.isEmpty else { return }
    let (found, rest, isClosed) = frame.options(in: range, .internet)
    var position = range.lowerBound
    for option in found {
      noOperations(position..<option.range.lowerBound, frame)
      position = option.range.upperBound
      // One at a time by the parser that the stack has, which knows what is of the right length.
      let options = TCPOptions(frame.extracting(option.range))
      let isKnown = options != TCPOptions()
      // Fields are what the bytes say, whatever the flow.
      let words =
        isKnown
        ? tcpOptionWords(options, purpose == .line ? flow : nil)
        : "option \(option.code) \(frame.hexadecimal(option.value))"
      say(words)
      field("TCP", "option", option.range, words)
    }
    noOperations(position..<rest.lowerBound, frame)
    if !isClosed { problem("TCP", rest, "malformed TCP options") }
    bytes("TCP", "end of options", rest, frame)
  }

  private mutating func noOperations(_ range: Range<Int>, _ frame: Span<UInt8>) {
    bytes("TCP", "no operation", range, frame)
  }

  private func tcpOptionWords(_ options: TCPOptions, _ flow: FlowReference?) -> String {
    if let mss = options.mss { return "mss \(mss)" }
    if let scale = options.windowScale { return "wscale \(scale)" }
    if options.isSACKPermitted { return "sackOK" }
    if let timestamps = options.timestamps {
      // The echo of a first SYN is nothing, and stays so.
      let echo = timestamps.echo == 0 ? 0 : Self.relative(timestamps.echo, to: flow?.echo)
      return "ts \(Self.relative(timestamps.value, to: flow?.timestamp)) echo \(echo)"
    }
    let blocks = options.sackBlocks.map { block in
      let base = flow?.acknowledgment?.value
      return "\(Self.relative(block.start.value, to: base))-\(Self.relative(block.end.value, to: base))"
    }
    return "sack \(blocks.joined(separator: " "))"
  }

  // MARK: Payload

  private mutating func tcpPayload(_ header: TCPHeader, _ data: Extent, _ frame: Span<UInt8>) {
    guard !data.range.isEmpty else { return }
    let ports = [header.sourcePort, header.destinationPort]
    // RFC 1035 section 4.2.2: a message stands behind its length.
    if ports.contains(53), data.range.count > 2, data.missing == 0, !isQuote,
      Int(frame.bigEndian16(at: data.range.lowerBound)) == data.range.count - 2
    {
      field("TCP", "message length", data.range.part(0, 2), "\(data.range.count - 2)")
      return dns(data.dropping(2), frame)
    }
    if !isQuote, let line = Self.firstLineOfHTTP(data.range, frame) {
      let text = frame.text(line)
      say("HTTP \(text)")
      field("HTTP", "first line", line, text)
      return bytes("HTTP", "rest", line.upperBound..<data.range.upperBound, frame)
    }
    bytes("TCP", "payload", data.range, frame)
  }

  /// Where the first line of an HTTP/1 message lies at the start of `range` (RFC 9112 section 2.1), nil where there is
  /// none.
  private static func firstLineOfHTTP(_ range: Range<Int>, _ frame: Span<UInt8>) -> Range<Int>? {
    let methods = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "HTTP/1."]
    guard methods.contains(where: { frame.begins(with: $0, at: range) }) else { return nil }
    let end = range.first { frame[$0] == 0x0d || frame[$0] == 0x0a } ?? range.upperBound
    return range.lowerBound..<end
  }
}

extension Span<UInt8> {
  /// Whether `range` begins with `text`.
  /// - Precondition: the range lies in the span.
  fileprivate func begins(with text: String, at range: Range<Int>) -> Bool {
    guard range.count >= text.utf8.count else { return false }
    for (index, byte) in zip(range, text.utf8) where self[index] != byte { return false }
    return true
  }
}

extension TCPFlags {
  /// The bits as letters, and `-` for none.
  var letters: String {
    let letters: [(TCPFlags, String)] = [
      (.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.ack, "A"), (.urg, "U"), (.ece, "E"), (.cwr, "C"),
    ]
    return isEmpty ? "-" : letters.filter { contains($0.0) }.map(\.1).joined()
  }
}
