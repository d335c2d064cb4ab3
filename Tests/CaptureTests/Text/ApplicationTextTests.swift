import Capture
import Primitives
import Testing
import Wire

private func line(_ frame: [UInt8], flow: FlowReference? = nil) -> String {
  FrameText().line(of: frame.span, flow: flow)
}

/// What is said of what datagrams and segments carry.
@Suite struct ApplicationTextTests {
  /// A query for example.com.
  private static let query = hex("1234 0100 0001 0000 0000 0001 076578616d706c6503636f6d00 0001 0001")

  @Test func `a DNS query has its question, and what EDNS says`() {
    let frame = FrameBuilder.udp(from: 4000, to: 53, Self.query + hex("00 0029 04d0 00008000 0000"))
    #expect(
      line(frame)
        == "10.0.2.15:4000 > 10.0.2.2:53 UDP length 40 DNS query 0x1234 A? example.com additional EDNS 1232 DO")
  }

  @Test func `a DNS answer has its records, with names put together from what they point to`() {
    let answer = hex(
      """
      1234 8180 0001 0003 0001 0000 076578616d706c6503636f6d00 0001 0001
      c00c 0005 0001 0000003c 0006 03777777c00c
      c029 0001 0001 0000003c 0004 5db8d822
      c029 0010 0001 0000003c 0004 03615c62
      c00c 0002 0001 0000003c 0005 026e73c00c
      """)
    let frame = FrameBuilder.udp(from: 53, to: 4000, answer, toGuest: true)
    #expect(
      line(frame)
        == "10.0.2.2:53 > 10.0.2.15:4000 UDP length \(answer.count) DNS answer 0x1234 A? example.com is "
        + #"CNAME www.example.com, A 93.184.216.34, TXT "a\x5cb""#)
  }

  @Test(arguments: [
    ("000f 0001 0000003c 0007 000a 026d78c014", "MX 10 mx.com"),
    ("0021 0001 0000003c 000b 0001 0002 01bb 026878c014", "SRV 1 2 443 hx.com"),
    ("001c 0001 0000003c 0010 20010db8000000000000000000000001", "AAAA 2001:db8::1"),
    ("000c 0001 0000003c 0005 027078c014", "PTR px.com"), ("0001 0001 0000003c 0003 0a0002", "A 0a 00 02"),
    ("0063 0003 0000003c 0002 abcd", "TYPE99 ab cd class 3"),
  ])
  func `a record has what its type says, and else its bytes`(record: String, words: String) {
    let answer = hex(
      "1234 8180 0001 0001 0000 0000 076578616d706c6503636f6d00 0001 0001 c00c \(record)")
    let frame = FrameBuilder.udp(from: 53, to: 4000, answer, toGuest: true)
    #expect(line(frame).hasSuffix(" DNS answer 0x1234 A? example.com is \(words)"), "\(line(frame))")
  }

  @Test(arguments: [
    ("0029 04d0 0000 0000 0000", "EDNS 1232"), ("0029 04d0 0100 8000 0000", "EDNS 1232 upper code 1 DO"),
    ("0029 04d0 0001 4000 0004 000a 0000", "EDNS 1232 version 1 option 10"),
  ])
  func `EDNS has its size, its version, its options and whether DNSSEC is asked for`(record: String, words: String) {
    let frame = FrameBuilder.udp(from: 4000, to: 53, Self.query + hex("00" + record))
    #expect(line(frame).hasSuffix(" A? example.com additional \(words)"), "\(line(frame))")
  }

  @Test func `a DNS answer without records has its code, and who says so`() {
    let answer = hex(
      """
      1234 8183 0001 0000 0001 0000 076578616d706c6503636f6d00 0001 0001
      c014 0006 0001 0000003c 001d 026e73c014 0161c014 00000001 00000002 00000003 00000004 00000005
      """)
    let frame = FrameBuilder.udp(from: 53, to: 4000, answer, toGuest: true)
    #expect(
      line(frame)
        == "10.0.2.2:53 > 10.0.2.15:4000 UDP length \(answer.count) DNS answer 0x1234 NXDOMAIN A? example.com "
        + "authority SOA ns.com a.com 1 2 3 4 5")
  }

  @Test(arguments: [
    "1234 0100 0001 0000 0000 0000 c00c 0001 0001", "1234 0100 0001 0000 0000 0000 0161c00c 0001 0001",
    "1234 0100 0001 0000 0000 0000 c0ff 0001 0001", "1234 0100 0002 0000 0000 0000 00 0001 0001",
    "1234 8100 0000 ffff 0000 0000 00 0001 0001 00000000 ffff", "1234 0100 0001 0000 0000 0000 40 0001 0001",
  ])
  func `a DNS message whose names or records are none is told`(bytes: String) {
    #expect(line(FrameBuilder.udp(from: 4000, to: 53, hex(bytes))).hasSuffix(" {malformed DNS message}"))
  }

  @Test func `DNS by TCP stands behind its length`() {
    let header = TCPHeader(
      sourcePort: 4000, destinationPort: 53, sequenceNumber: SequenceNumber(1), acknowledgmentNumber: SequenceNumber(1),
      flags: [.ack, .psh], window: 1000)
    var message = Self.query
    message[11] = 0
    let frame = FrameBuilder.tcp(header, [0, UInt8(message.count)] + message)
    #expect(
      line(frame)
        == "10.0.2.15:4000 > 10.0.2.2:53 TCP PA seq 1 ack 1 win 1000 length 31 DNS query 0x1234 A? example.com")
  }

  @Test(arguments: [
    ("0001 626f6f742e6970786500 6f6374657400 626c6b73697a6500 3134333200", "read boot.ipxe octet blksize 1432"),
    ("0006 626c6b73697a6500 3134333200", "options blksize 1432"), ("0003 0001 616263", "data block 1 length 3"),
    ("0004 0001", "ack block 1"), ("0005 0001 6e6f00", "error 1 \"no\""), ("0009 0000", "opcode 9"),
    ("0001 626f", "read  {a text without an end}"),
  ])
  func `a message of TFTP has its words`(bytes: String, words: String) {
    let bytes = hex(bytes)
    #expect(
      line(FrameBuilder.udp(from: 4000, to: 69, bytes))
        == "10.0.2.15:4000 > 10.0.2.2:69 UDP length \(bytes.count) TFTP \(words)")
  }

  @Test func `a message of TFTP between other ports is known by its flow`() {
    let frame = FrameBuilder.udp(from: 4000, to: 50_000, hex("0004 0001"))
    #expect(line(frame) == "10.0.2.15:4000 > 10.0.2.2:50000 UDP length 4")
    var flow = FlowReference()
    flow.carriesTFTP = true
    #expect(line(frame, flow: flow).hasSuffix(" UDP length 4 TFTP ack block 1"))
  }

  @Test func `a DHCP message tells how long the client has tried, and routes`() {
    let fixed = hex("01 01 06 00 00000001 0003 0000") + [UInt8](repeating: 0, count: 16) + hex("525400123456")
    let options = hex("63825363 350103 790c 0c ac10 0a000202 00 0a000203 ff")
    let message = fixed + [UInt8](repeating: 0, count: 236 - fixed.count) + options
    #expect(
      line(FrameBuilder.udp(from: 68, to: 67, message)).hasSuffix(
        " DHCP request xid 0x00000001 hardware 52:54:00:12:34:56 secs 3 "
          + "routes 172.16.0.0/12 via 10.0.2.2, 0.0.0.0/0 via 10.0.2.3"))
  }

  @Test func `a DHCPv6 message has its options, and those within them`() {
    let message = hex(
      """
      07 1c9a31 0002 000a 00030001525600000002 0007 0001 ff
      0003 0028 00123456 0000a8c0 00010e00 0005 0018 fec00000000000000000000000000015 00003840 00015180
      0017 0010 fec00000000000000000000000000003 0018 0008 0161047465737400 000d 0004 0002 6e6f
      """)
    let frame = FrameBuilder.udp(from: 547, to: 546, message, toGuest: true)
    #expect(
      line(frame)
        == "10.0.2.2:547 > 10.0.2.15:546 UDP length \(message.count) DHCPv6 reply xid 0x1c9a31 "
        + "server 00:03:00:01:52:56:00:00:00:02 preference 255 IA_NA 0x00123456 t1 43200 t2 69120 "
        + "[address fec0::15 preferred 14400 valid 86400] dns fec0::3 search a.test status 2 \"no\"")
  }

  @Test func `SACK blocks, options that are none and unusual flags are told`() {
    var blocks = SACKBlocks()
    blocks.append(SACKBlock(start: SequenceNumber(2000), end: SequenceNumber(3000)))
    let header = TCPHeader(
      sourcePort: 1, destinationPort: 2, sequenceNumber: SequenceNumber(100),
      acknowledgmentNumber: SequenceNumber(1000),
      flags: [.ack, .urg, .ece, .cwr], window: 7, urgentPointer: 3, options: TCPOptions(sackBlocks: blocks))
    let words = "10.0.2.15:1 > 10.0.2.2:2 TCP AUEC seq 100 ack 1000 win 7 urgent 3"
    #expect(line(FrameBuilder.tcp(header)) == words + " sack 2000-3000")
    var flow = FlowReference()
    (flow.sequence, flow.acknowledgment) = (SequenceNumber(99), SequenceNumber(999))
    #expect(line(FrameBuilder.tcp(header), flow: flow).hasSuffix(" seq 1 ack 1 win 7 urgent 3 sack 1001-2001"))
  }

  @Test func `an error about a packet too long has the MTU, and one about eight bytes of a segment what is there`() {
    let quoted = Array(
      FrameBuilder.tcp(
        TCPHeader(sourcePort: 5, destinationPort: 6, sequenceNumber: SequenceNumber(77), flags: .ack, window: 9)
      )[14..<42])
    let frame = FrameBuilder.icmp(ICMPv4Header(fragmentationNeededFor: 1400), quoted, toGuest: true)
    #expect(
      line(frame)
        == "10.0.2.2 > 10.0.2.15 ICMP fragmentation needed mtu 1400 [10.0.2.15:5 > 10.0.2.2:6 TCP seq 77]")
  }

  @Test func `an error about an error is not looked into`() {
    let inner = FrameBuilder.icmp(ICMPv4Header(type: .destinationUnreachable, code: .portUnreachable), [1, 2, 3, 4])
    let frame = FrameBuilder.icmp(
      ICMPv4Header(type: .timeExceeded, code: .timeToLiveExceeded), Array(inner[14...]), toGuest: true)
    #expect(line(frame) == "10.0.2.2 > 10.0.2.15 ICMP time exceeded [10.0.2.15 > 10.0.2.2 ICMP port unreachable]")
  }
}
