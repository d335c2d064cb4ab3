import Capture
import Primitives
import Testing
import Wire

/// What is said of messages of ICMP that no guest needs every day.
@Suite struct ControlMessageTextTests {
  /// The line of a frame, behind its addresses.
  private func words(_ frame: [UInt8]) -> String {
    let line = FrameText().line(of: frame.span)
    return line.ranges(of: " ICMP").first.map { String(line[$0.lowerBound...].dropFirst()) } ?? line
  }

  /// A message of ICMPv6 from fec0::2 to fec0::15, with a right checksum.
  private func message6(_ bytes: [UInt8]) -> [UInt8] {
    let (source, destination) = (IPv6Address(high: 0xfec0 << 48, low: 2), IPv6Address(high: 0xfec0 << 48, low: 0x15))
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: source, destination: destination, proto: .icmpv6, length: bytes.count)
    sum.add(bytes.span)
    var frame = [UInt8](repeating: 0, count: 54) + bytes
    var span = frame.mutableSpan
    EthernetHeader(destination: FrameBuilder.guestMAC, source: FrameBuilder.gatewayMAC, type: .ipv6).write(to: &span)
    IPv6Header(payloadLength: bytes.count, nextHeader: .icmpv6, source: source, destination: destination)
      .write(to: &span, at: 14)
    span.storeBigEndian(sum.checksum, at: 56)
    return frame
  }

  private static let quoted = Array(FrameBuilder.udp(from: 5, to: 6, [1])[14...])

  @Test(arguments: [
    ("05 01 0000 0a000203", "ICMP redirect to 10.0.2.3 [10.0.2.15:5 > 10.0.2.2:6 UDP length 1]"),
    ("0c 00 0000 09000000", "ICMP parameter problem at byte 9 [10.0.2.15:5 > 10.0.2.2:6 UDP length 1]"),
    ("0b 01 0000 00000000", "ICMP reassembly time exceeded [10.0.2.15:5 > 10.0.2.2:6 UDP length 1]"),
    ("03 0d 0000 00000000", "ICMP prohibited [10.0.2.15:5 > 10.0.2.2:6 UDP length 1]"),
    ("04 00 0000 00000000", "ICMP type 4 code 0 [10.0.2.15:5 > 10.0.2.2:6 UDP length 1]"),
  ])
  func `an error says what it is about`(header: String, line: String) {
    #expect(words(FrameBuilder.packet(.icmp, hex(header) + Self.quoted, checksum: 2, toGuest: true)) == line)
  }

  @Test(arguments: [
    ("82 00 0000 03e8 0000 ff020000000000000000000000000016", "ICMPv6 listener query ff02::16"),
    ("83 00 0000 0000 0000 ff020000000000000000000000000016", "ICMPv6 listener report ff02::16"),
    ("84 00 0000 0000 0000 ff020000000000000000000000000016", "ICMPv6 listener done ff02::16"),
    (
      """
      8f 00 0000 0000 0002 04 01 0000 ff020000000000000000000000000016 11223344
      03 00 0001 ff020000000000000000000000000017 fec00000000000000000000000000009
      """, "ICMPv6 listener report v2 ff02::16 mode 4, ff02::17 mode 3"
    ),
    (
      "8f 00 0000 0000 0002 04 00 0000 ff020000000000000000000000000016",
      "ICMPv6 listener report v2 ff02::16 mode 4 {1 records where there should be 2}"
    ),
    (
      "89 00 0000 00000000 fe800000000000000000000000000001 fec00000000000000000000000000009 0201 525400123456",
      "ICMPv6 redirect of fec0::9 to fe80::1 target 52:54:00:12:34:56"
    ),
    ("86 00 0000 40 80 0708 00000000 00000000", "ICMPv6 router advertisement hop limit 64 flags M lifetime 1800"),
    (
      "86 00 0000 00 40 0000 00000001 00000002 0304 40 80 00000003 00000004 00000000 fec00000000000000000000000000000",
      "ICMPv6 router advertisement hop limit 0 flags O lifetime 0 reachable 1 ms retransmission 2 ms "
        + "prefix fec0::/64 flags L valid 3 preferred 4"
    ),
    (
      "86 00 0000 40 00 0000 00000000 00000000 0304 40 40 00000003 00000004 00000000 fec00000000000000000000000000000",
      "ICMPv6 router advertisement hop limit 64 lifetime 0 prefix fec0::/64 flags A valid 3 preferred 4"
    ),
    ("02 00 0000 00000500", "ICMPv6 packet too big mtu 1280"), ("c8 07 0000 00000000", "ICMPv6 type 200 code 7"),
  ])
  func `a message of ICMPv6 has its fields`(bytes: String, line: String) {
    #expect(words(message6(hex(bytes))) == line)
  }
}
