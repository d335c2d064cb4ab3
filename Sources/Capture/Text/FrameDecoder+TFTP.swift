import Primitives
import Wire

extension FrameDecoder {
  /// Decodes a message of TFTP (RFC 1350, RFC 2347).
  mutating func tftp(_ extent: Extent, _ frame: Span<UInt8>) {
    let range = extent.range
    let header: TFTPHeader
    do throws(WireError) {
      header = try TFTPHeader(frame.extracting(range))
    } catch {
      say("TFTP")
      return malformed("TFTP", extent, error, frame)
    }
    field("TFTP", "opcode", range.part(0, 2), "\(header.opcode.rawValue) (\(header.opcode.words))")
    say("TFTP \(header.opcode.words)")
    switch header.opcode {
    case .readRequest, .writeRequest, .optionAcknowledgment: tftpTexts(extent, frame)
    case .data:
      say("block \(header.number)")
      if extent.count > 4 { say("length \(extent.count - 4)") }
      field("TFTP", "block", range.part(2, 2), "\(header.number)")
      bytes("TFTP", "data", range.dropFirst(4), frame)
    case .acknowledgment:
      say("block \(header.number)")
      field("TFTP", "block", range.part(2, 2), "\(header.number)")
      bytes("TFTP", "rest", range.dropFirst(4), frame)
    case .error:
      let end = range.dropFirst(4).first { frame[$0] == 0 } ?? range.upperBound
      let words = "\(header.number) \"\(frame.text(range.lowerBound + 4..<end))\""
      say(words)
      field("TFTP", "error", range.lowerBound + 2..<end, words)
      bytes("TFTP", "rest", end..<range.upperBound, frame)
    default: bytes("TFTP", "rest", range.dropFirst(2), frame)
    }
  }

  /// Texts that end with a zero each: names, a mode, options and their values.
  private mutating func tftpTexts(_ extent: Extent, _ frame: Span<UInt8>) {
    var texts: [String] = []
    var offset = extent.range.lowerBound + 2
    while let end = (offset..<extent.range.upperBound).first(where: { frame[$0] == 0 }) {
      texts.append(frame.text(offset..<end))
      field("TFTP", "text", offset..<end + 1, "\"\(frame.text(offset..<end))\"")
      offset = end + 1
    }
    say(texts.joined(separator: " "))
    guard offset < extent.range.upperBound else { return }
    if extent.missing == 0 { problem("TFTP", offset..<extent.range.upperBound, "a text without an end") }
    bytes("TFTP", "rest", offset..<extent.range.upperBound, frame)
  }
}

extension TFTPOpcode {
  /// The message's name, or its number.
  fileprivate var words: String {
    switch self {
    case .readRequest: "read"
    case .writeRequest: "write"
    case .data: "data"
    case .acknowledgment: "ack"
    case .error: "error"
    case .optionAcknowledgment: "options"
    default: "opcode \(rawValue)"
    }
  }
}
