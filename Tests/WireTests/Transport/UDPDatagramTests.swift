import Primitives
import Testing
import Wire

@Suite struct UDPDatagramTests {
  @Test func `a datagram has its fields and is written back`() throws {
    let bytes = Array(Golden.udp[34...])
    let datagram = try UDPDatagram(bytes.span)
    let (header, payload) = (datagram.header, datagram.payload.count)
    #expect(header == UDPHeader(sourcePort: 5000, destinationPort: 9, length: 11, checksum: 0x0fd4))
    #expect(payload == 3)
    #expect(written(8) { header.write(to: &$0) } == Array(bytes[..<8]))
  }

  @Test func `the bytes given may be only the first part, or more than the datagram`() throws {
    let bytes = Array(Golden.udp[34...])
    let first = try UDPDatagram(bytes.span.extracting(0..<8), byteCount: 11)
    let (payload, payloadLength) = (first.payload.count, first.payloadLength)
    #expect((payload, payloadLength) == (0, 3))
    let padded = bytes + [1, 2]
    let withPadding = try UDPDatagram(padded.span).payload.count
    #expect(withPadding == 3)
  }

  @Test(arguments: [
    ("1388 0009 0007 0000", 8, WireError.badTotalLength(7, available: 8)),
    ("1388 0009 0000 0000", 8, .badTotalLength(0, available: 8)),
    ("1388 0009 0009 0000", 8, .badTotalLength(9, available: 8)),
    ("1388 0009 ffff 0000", 1000, .badTotalLength(65_535, available: 1000)),
    ("1388 0009 0008 00", 8, .truncated(needed: 8, available: 7)),
  ])
  func `a lying length is refused`(_ text: String, _ byteCount: Int, _ error: WireError) {
    #expect(throws: error) { _ = try UDPDatagram(hex(text).span, byteCount: byteCount).header }
  }
}
