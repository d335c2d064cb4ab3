import Primitives
import Testing
import Wire

@Suite struct TCPSegmentTests {
  @Test func `a SYN has its fields and options`() throws {
    let golden = Golden.syn
    let header = try TCPSegment(golden.span.extracting(34...)).header
    let options = TCPOptions(
      mss: 1460, windowScale: 10, isSACKPermitted: true, timestamps: TCPTimestamps(value: 0xe533_211e, echo: 0))
    #expect(
      header
        == TCPHeader(
          sourcePort: 35_682, destinationPort: 8080, sequenceNumber: SequenceNumber(0x17b8_adbd), flags: .syn,
          window: 64_240, checksum: 0xbe41, options: options))
    #expect(header.headerLength == 40)
  }

  @Test func `data follows the options`() throws {
    let golden = Golden.tcpData
    let segment = try TCPSegment(golden.span.extracting(34...))
    let (header, length, payload) = (segment.header, segment.headerLength, segment.payload.count)
    #expect(header.flags == [.psh, .ack])
    #expect(header.acknowledgmentNumber == SequenceNumber(0x2173_9164))
    #expect(header.options == TCPOptions(timestamps: TCPTimestamps(value: 0xe533_211e, echo: 0x1b58_cd02)))
    #expect((length, payload) == (32, 5))
  }

  @Test(arguments: [Golden.syn, Golden.synAck, Golden.tcpData])
  func `a header is written as Linux writes it`(_ golden: [UInt8]) throws {
    let header = try TCPSegment(golden.span.extracting(34...)).header
    let end = 34 + header.headerLength
    #expect(written(header.headerLength) { header.write(to: &$0) } == Array(golden[34..<end]))
    let shifted = written(header.headerLength + 3) { header.write(to: &$0, at: 2) }
    #expect(shifted == [0xee, 0xee] + golden[34..<end] + [0xee])
  }

  @Test(arguments: [
    (0x00 as UInt8, WireError.badHeaderLength(0)), (0x40, .badHeaderLength(16)),
    (0xf0, .truncated(needed: 60, available: 45)),
  ])
  func `a lying header length is refused`(_ offset: UInt8, _ error: WireError) {
    var bytes = Array(Golden.syn[34...]) + [UInt8](repeating: 0, count: 5)
    bytes[12] = offset
    #expect(throws: error) { _ = try TCPSegment(bytes.span).header }
  }

  @Test func `the flags have their names`() {
    #expect(TCPFlags([.syn, .ack]).description == "SYN ACK")
    #expect(TCPFlags(rawValue: 0xff).description == "FIN SYN RST PSH ACK URG ECE CWR")
    #expect(TCPFlags().description == "")
  }

  @Test func `every flag lies at its bit`() {
    let flags: [TCPFlags] = [.fin, .syn, .rst, .psh, .ack, .urg, .ece, .cwr]
    for (bit, flag) in flags.enumerated() {
      let header = TCPHeader(
        sourcePort: 1, destinationPort: 2, sequenceNumber: SequenceNumber(3), flags: flag, window: 4)
      #expect(written(20) { header.write(to: &$0) }[13] == 1 << bit)
    }
  }

  @Test func `urgent pointer and window lie at their places`() {
    let header = TCPHeader(
      sourcePort: 1, destinationPort: 2, sequenceNumber: SequenceNumber(3), acknowledgmentNumber: SequenceNumber(4),
      flags: [.urg, .ack], window: 0x1234, checksum: 0x5678, urgentPointer: 0x9abc)
    #expect(
      written(20) { header.write(to: &$0) } == hex("0001 0002 00000003 00000004 50 30 1234 5678 9abc"))
  }
}
