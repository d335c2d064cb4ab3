import Primitives
import Wire

extension ParserTarget {
  static let transport = [
    Parser(name: "udp") { bytes throws(WireError) in
      let datagram = try UDPDatagram(bytes.span, byteCount: 65_535)
      let header = datagram.header
      let again = written(UDPHeader.length) { header.write(to: &$0) }
      return compare(Array(bytes.prefix(UDPHeader.length)), again, "header")
        + compare(min(datagram.length, bytes.count), UDPHeader.length + datagram.payload.count, "end of the payload")
    },
    Parser(name: "tcp") { bytes throws(WireError) in
      let segment = try TCPSegment(bytes.span)
      let header = segment.header
      let again = written(header.headerLength) { header.write(to: &$0) }
      let read = try TCPSegment(again.span).header
      var expected = header
      expected.options = fitting(header.options)
      return compare(expected, read, "header")
        + compare(bytes.count, segment.headerLength + segment.payload.count, "length")
    },
    Parser(name: "tcp options") { bytes throws(WireError) in
      let options = TCPOptions(bytes.span)
      let again = written(options.byteCount) { options.write(to: &$0) }
      return compare(fitting(options), TCPOptions(again.span), "options")
        + compare(true, again.count <= TCPOptions.maximumByteCount, "whether \(again.count) bytes fit a header")
    },
  ]

  /// The options without the blocks that find no room beside the others (RFC 2018 section 3).
  private static func fitting(_ options: TCPOptions) -> TCPOptions {
    var fitting = options
    fitting.sackBlocks = SACKBlocks()
    let room = (TCPOptions.maximumByteCount - 4 - fitting.byteCount) / 8
    for block in options.sackBlocks.prefix(room) { fitting.sackBlocks.append(block) }
    return fitting
  }
}
