import Wire

/// Bytes of hexadecimal digits, spaces between them left out.
func hex(_ text: String) -> [UInt8] {
  let digits = text.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue ?? 255) }
  precondition(digits.count.isMultiple(of: 2) && digits.allSatisfy { $0 < 16 }, "not hexadecimal: \(text)")
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// `count` bytes that `body` writes.
func written(_ count: Int, _ body: (inout MutableSpan<UInt8>) -> Void) -> [UInt8] {
  var bytes = [UInt8](repeating: 0xee, count: count)
  var span = bytes.mutableSpan
  body(&span)
  return bytes
}

// `#expect` cannot take an expression with a span in it: these take the span outside.

/// Whether the bytes, their checksum among them, sum to all ones.
func isChecksumValid(_ bytes: [UInt8]) -> Bool { InternetChecksum.verify(bytes.span) }

/// The options that the bytes hold.
func tcpOptions(_ bytes: [UInt8]) -> TCPOptions { TCPOptions(bytes.span) }

/// Frames that two Linux 6.18 network namespaces exchanged over a veth pair, checksum offload turned off.
enum Golden {
  /// ARP: 10.0.2.15 asks for 10.0.2.2.
  static let arpRequest = hex(
    """
    ffffffffffff 525400123456 0806
    0001 0800 06 04 0001 525400123456 0a00020f 000000000000 0a000202
    """)

  /// ARP: 10.0.2.2 answers.
  static let arpReply = hex(
    """
    525400123456 52550a000202 0806
    0001 0800 06 04 0002 52550a000202 0a000202 525400123456 0a00020f
    """)

  /// ICMP: `ping -c1 -s24 10.0.2.2`.
  static let echoRequest = hex(
    """
    52550a000202 525400123456 0800
    45 00 0034 402f 4000 40 01 e289 0a00020f 0a000202
    08 00 a126 3a0a 0001 63a4046b000000005c6e0c00000000001011121314151617
    """)

  /// ICMP: its answer.
  static let echoReply = hex(
    """
    525400123456 52550a000202 0800
    45 00 0034 6fcb 0000 40 01 f2ed 0a000202 0a00020f
    00 00 a926 3a0a 0001 63a4046b000000005c6e0c00000000001011121314151617
    """)

  /// ICMP: port unreachable, about `udp`.
  static let portUnreachable = hex(
    """
    525400123456 52550a000202 0800
    45 c0 003b 702e 0000 40 01 f1c3 0a000202 0a00020f
    03 03 152a 00000000
    4500001f0315400040111fa90a00020f0a00020213880009000b0fd4616263
    """)

  /// UDP: `abc` from port 5000 to port 9.
  static let udp = hex(
    """
    52550a000202 525400123456 0800
    45 00 001f 0315 4000 40 11 1fa9 0a00020f 0a000202
    1388 0009 000b 0fd4 616263
    """)

  /// UDP over IPv6: the same.
  static let udp6 = hex(
    """
    52550a000202 525400123456 86dd
    60023f09 000b 11 40 fec00000000000000000000000000015 fec00000000000000000000000000002
    1388 0009 000b 2a4c 616263
    """)

  /// TCP: SYN to port 8080 with the options MSS 1460, SACK permitted, timestamps, window scale 10.
  static let syn = hex(
    """
    52550a000202 525400123456 0800
    45 00 003c f907 4000 40 06 29a4 0a00020f 0a000202
    8b62 1f90 17b8adbd 00000000 a0 02 faf0 be41 0000
    020405b4 0402 080ae533211e00000000 01 03030a
    """)

  /// TCP: its SYN-ACK.
  static let synAck = hex(
    """
    525400123456 52550a000202 0800
    45 00 003c 0000 4000 40 06 22ac 0a000202 0a00020f
    1f90 8b62 21739163 17b8adbe a0 12 fe88 1f67 0000
    020405b4 0402 080a1b58cd02e533211e 01 03030a
    """)

  /// TCP: `hello` with PSH.
  static let tcpData = hex(
    """
    52550a000202 525400123456 0800
    45 00 0039 f909 4000 40 06 29a5 0a00020f 0a000202
    8b62 1f90 17b8adbe 21739164 80 18 003f 08a1 0000
    0101080ae533211e1b58cd02 68656c6c6f
    """)

  /// ICMPv6: `ping -c1 -s24 fec0::2`.
  static let echoRequest6 = hex(
    """
    52550a000202 525400123456 86dd
    600119c1 0020 3a 40 fec00000000000000000000000000015 fec00000000000000000000000000002
    80 00 6a20 3a0b 0001 63a4046b000000001d800c00000000001011121314151617
    """)

  /// ICMPv6: port unreachable, about `udp6`.
  static let portUnreachable6 = hex(
    """
    525400123456 52550a000202 86dd
    60027a07 003b 3a 40 fec00000000000000000000000000002 fec00000000000000000000000000015
    01 04 50b3 00000000
    60023f09000b1140fec00000000000000000000000000015fec00000000000000000000000000002
    13880009000b2a4c616263
    """)

  /// ICMPv6: neighbour advertisement, solicited and override, of fec0::2.
  static let neighborAdvertisement = hex(
    """
    525400123456 52550a000202 86dd
    60000000 0020 3a ff fec00000000000000000000000000002 fec00000000000000000000000000015
    88 00 baf0 60000000 fec00000000000000000000000000002 020152550a000202
    """)

  /// ICMPv6: neighbour solicitation for fec0::2.
  static let neighborSolicitation = hex(
    """
    3333ff000002 525400123456 86dd
    60000000 0020 3a ff fec00000000000000000000000000015 ff0200000000000000000001ff000002
    87 00 f547 00000000 fec00000000000000000000000000002 0101525400123456
    """)

  /// ICMPv6: the probe of fec0::15 before it is used, with a nonce (RFC 7527).
  static let addressProbe = hex(
    """
    3333ff000015 525400123456 86dd
    60000000 0020 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff000015
    87 00 296f 00000000 fec00000000000000000000000000015 0e01fab08703c290
    """)

  /// ICMPv6: no route, about an echo request.
  static let noRoute6 = hex(
    """
    525400123456 52550a000202 86dd
    600d8825 0040 3a 40 fec00000000000000000000000000002 fec00000000000000000000000000015
    01 00 3d25 00000000
    600429fc00103a01fec0000000000000000000000000001520010db8000000000000000000000009
    8000fb834b8800010001020304050607
    """)

  /// UDP over IPv6 behind destination options, of which the first, 0x9e, is not known to anybody.
  static let udpBehindOptions6 = hex(
    """
    52550a000202 525400123456 86dd
    600b843b 0010 3c 40 fec00000000000000000000000000015 fec00000000000000000000000000002
    11 00 9e00 01 02 0000
    1388 0009 0008 eeb4
    """)

  /// ICMPv6: parameter problem, about `udpBehindOptions6`.
  static let parameterProblem6 = hex(
    """
    525400123456 52550a000202 86dd
    6006aa7c 0040 3a 40 fec00000000000000000000000000002 fec00000000000000000000000000015
    04 02 2d40 0000002a
    600b843b00103c40fec00000000000000000000000000015fec00000000000000000000000000002
    11009e000102000013880009000 8eeb4
    """)

  /// UDP over IPv6: the last 13 bytes of a datagram of 1453.
  static let fragment6 = hex(
    """
    52550a000202 525400123456 86dd
    6007c3a0 0015 2c 40 fec00000000000000000000000000015 fec00000000000000000000000000002
    11 00 05a8 1eb20995
    a0a1a2a3a4a5a6a7a8a9aaabac
    """)

  /// ICMPv6: router advertisement of dnsmasq 2.90 for fec0::/64, with MTU, domains to search and resolver.
  static let routerAdvertisement = hex(
    """
    333300000001 525600000002 86dd
    6c08c46a 0078 3a ff fe80000000000000505600fffe000002 ff020000000000000000000000000001
    86 00 2b89 40 00 0708 00000000 00000000
    03 04 40 c0 00015180 00015180 00000000 fec00000000000000000000000000000
    05 01 0000 000005dc
    01 01 525600000002
    1f 04 0000 00015180 076578616d706c65047465737400 036c616200 0000000000
    19 03 0000 00015180 fec00000000000000000000000000003
    """)

  /// ICMPv6: router solicitation.
  static let routerSolicitation = hex(
    """
    333300000002 525400123456 86dd
    60000000 0010 3a ff fe80000000000000505400fffe123456 ff020000000000000000000000000002
    85 00 71b5 00000000 0101525400123456
    """)

  /// DHCP: a DISCOVER of ISC's dhclient 4.4.3.
  static let dhcpDiscover =
    hex(
      """
      ffffffffffff 525400123456 0800
      45 10 0148 0000 0000 80 11 3996 00000000 ffffffff
      0044 0043 0134 7f3e
      01 01 06 00 1e608f08 0000 0000 00000000 00000000 00000000 00000000 525400123456
      """) + zeroes(202)
    + hex("63825363 350101 0c02766d 370d011c02030f06770c2c2f1a792a ff") + zeroes(37)

  /// DHCP: the OFFER of dnsmasq 2.90 to it.
  static let dhcpOffer =
    hex(
      """
      525400123456 52550a000202 0800
      45 c0 014c 01ff 0000 40 11 5ecc 0a000202 0a000215
      0043 0044 0138 5542
      02 01 06 00 1e608f08 0000 0000 00000000 0a000215 0a000202 00000000 525400123456
      """) + zeroes(202)
    + hex(
      """
      63825363 350102 36040a000202 330400015180 3a040000a8c0 3b0400012750 0104ffffff00 1c040a0002ff 03040a000202
      1a0205dc 770c01610474657374000162c002 ff
      """)

  private static func zeroes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  /// All of them.
  static let frames = [
    arpRequest, arpReply, echoRequest, echoReply, portUnreachable, udp, udp6, syn, synAck, tcpData, echoRequest6,
    portUnreachable6, neighborAdvertisement, neighborSolicitation, addressProbe, noRoute6, parameterProblem6,
    routerAdvertisement, routerSolicitation, dhcpDiscover, dhcpOffer,
  ]

  /// Those whose IPv6 header is followed by another than their protocol's.
  static let framesWithExtensions = [udpBehindOptions6, fragment6]
}
