/// Frames of which the text is known, with what they are. Those of the first part two Linux 6.18 network namespaces
/// exchanged over a veth pair, or dnsmasq 2.90 and ISC's dhclient 4.4.3 sent; the others are put together by the RFCs.
enum TextFrames {
  /// The addresses of a frame from the guest, and the type of IPv4 and IPv6.
  private static let up4 = "52550a000202 525400123456 0800"
  private static let down4 = "525400123456 52550a000202 0800"
  private static let up6 = "52550a000202 525400123456 86dd"
  private static let down6 = "525400123456 52550a000202 86dd"
  private static let zeroes202 = String(repeating: "00", count: 202)

  static let syn = hex(
    """
    \(up4) 45 00 003c f907 4000 40 06 29a4 0a00020f 0a000202
    8b62 1f90 17b8adbd 00000000 a0 02 faf0 be41 0000
    020405b4 0402 080ae533211e00000000 01 03030a
    """)
  static let synAck = hex(
    """
    \(down4) 45 00 003c 0000 4000 40 06 22ac 0a000202 0a00020f
    1f90 8b62 21739163 17b8adbe a0 12 fe88 1f67 0000
    020405b4 0402 080a1b58cd02e533211e 01 03030a
    """)
  static let tcpData = hex(
    """
    \(up4) 45 00 0039 f909 4000 40 06 29a5 0a00020f 0a000202
    8b62 1f90 17b8adbe 21739164 80 18 003f 08a1 0000
    0101080ae533211e1b58cd02 68656c6c6f
    """)
  static let udp = hex(
    "\(up4) 45 00 001f 0315 4000 40 11 1fa9 0a00020f 0a000202 1388 0009 000b 0fd4 616263")
  static let fragment6 = hex(
    """
    \(up6) 6007c3a0 0015 2c 40 fec00000000000000000000000000015 fec00000000000000000000000000002
    11 00 05a8 1eb20995 a0a1a2a3a4a5a6a7a8a9aaabac
    """)
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
  static let dhcpOffer = hex(
    """
    \(down4) 45 c0 014c 01ff 0000 40 11 5ecc 0a000202 0a000215
    0043 0044 0138 5542
    02 01 06 00 1e608f08 0000 0000 00000000 0a000215 0a000202 00000000 525400123456 \(zeroes202)
    63825363 350102 36040a000202 330400015180 3a040000a8c0 3b0400012750 0104ffffff00 1c040a0002ff 03040a000202
    1a0205dc 770c01610474657374000162c002 ff
    """)

  /// What each frame is, and its line.
  static let lines: [(what: String, frame: [UInt8], line: String)] = [
    (
      "an ARP request",
      hex("ffffffffffff 525400123456 0806 0001080006040001 525400123456 0a00020f 000000000000 0a000202"),
      "ARP who has 10.0.2.2? tell 10.0.2.15 at 52:54:00:12:34:56"
    ),
    (
      "an ARP reply",
      hex("525400123456 52550a000202 0806 0001080006040002 52550a000202 0a000202 525400123456 0a00020f"),
      "ARP 10.0.2.2 is at 52:55:0a:00:02:02, to 10.0.2.15 at 52:54:00:12:34:56"
    ),
    (
      "an echo request",
      hex(
        """
        \(up4) 45 00 0034 402f 4000 40 01 e289 0a00020f 0a000202
        08 00 a126 3a0a 0001 63a4046b000000005c6e0c00000000001011121314151617
        """), "10.0.2.15 > 10.0.2.2 ICMP echo request id 14858 seq 1 length 24"
    ),
    (
      "a port that nobody has",
      hex(
        """
        \(down4) 45 c0 003b 702e 0000 40 01 f1c3 0a000202 0a00020f
        03 03 152a 00000000 4500001f0315400040111fa90a00020f0a00020213880009000b0fd4616263
        """),
      "10.0.2.2 > 10.0.2.15 ICMP port unreachable [10.0.2.15:5000 > 10.0.2.2:9 UDP length 3] (class 0xc0)"
    ),
    ("a datagram", udp, "10.0.2.15:5000 > 10.0.2.2:9 UDP length 3"),
    (
      "a datagram over IPv6",
      hex(
        """
        \(up6) 60023f09 000b 11 40 fec00000000000000000000000000015 fec00000000000000000000000000002
        1388 0009 000b 2a4c 616263
        """), "[fec0::15]:5000 > [fec0::2]:9 UDP length 3"
    ),
    (
      "a datagram over IPv6 without a sum, which must not be",
      hex(
        """
        \(up6) 60023f09 000b 11 40 fec00000000000000000000000000015 fec00000000000000000000000000002
        1388 0009 000b 0000 616263
        """), "[fec0::15]:5000 > [fec0::2]:9 UDP length 3 {no UDP checksum}"
    ),
    (
      "a SYN", syn,
      "10.0.2.15:35682 > 10.0.2.2:8080 TCP S seq 397979069 win 64240 mss 1460 sackOK ts 3845333278 echo 0 wscale 10"
    ),
    (
      "a segment", tcpData,
      "10.0.2.15:35682 > 10.0.2.2:8080 TCP PA seq 397979070 ack 561221988 win 63 length 5 ts 3845333278 echo 458804482"
    ),
    (
      "a neighbor solicitation",
      hex(
        """
        3333ff000002 525400123456 86dd
        60000000 0020 3a ff fec00000000000000000000000000015 ff0200000000000000000001ff000002
        87 00 f547 00000000 fec00000000000000000000000000002 0101525400123456
        """), "fec0::15 > ff02::1:ff00:2 ICMPv6 neighbor solicitation fec0::2 source 52:54:00:12:34:56"
    ),
    (
      "a neighbor advertisement",
      hex(
        """
        \(down6) 60000000 0020 3a ff fec00000000000000000000000000002 fec00000000000000000000000000015
        88 00 baf0 60000000 fec00000000000000000000000000002 020152550a000202
        """), "fec0::2 > fec0::15 ICMPv6 neighbor advertisement fec0::2 flags SO target 52:55:0a:00:02:02"
    ),
    (
      "a router solicitation",
      hex(
        """
        333300000002 525400123456 86dd
        60000000 0010 3a ff fe80000000000000505400fffe123456 ff020000000000000000000000000002
        85 00 71b5 00000000 0101525400123456
        """), "fe80::5054:ff:fe12:3456 > ff02::2 ICMPv6 router solicitation source 52:54:00:12:34:56"
    ),
    (
      "a router advertisement", routerAdvertisement,
      "fe80::5056:ff:fe00:2 > ff02::1 ICMPv6 router advertisement hop limit 64 lifetime 1800 prefix fec0::/64 flags LA "
        + "valid 86400 preferred 86400 mtu 1500 source 52:56:00:00:00:02 search example.test, lab for 86400 "
        + "resolvers fec0::3 for 86400 (class 0xc0)"
    ),
    (
      "options that nobody knows, and what is said of them",
      hex(
        """
        \(down6) 6006aa7c 0040 3a 40 fec00000000000000000000000000002 fec00000000000000000000000000015
        04 02 2d40 0000002a 600b843b00103c40fec00000000000000000000000000015fec00000000000000000000000000002
        11009e0001020000138800090008eeb4
        """),
      "fec0::2 > fec0::15 ICMPv6 unrecognized option at byte 42 [[fec0::15]:5000 > [fec0::2]:9 UDP "
        + "(destination options option 158)]"
    ),
    (
      "the last fragment of a datagram", fragment6,
      "fec0::15 > fec0::2 UDP length 13 (fragment of 0x1eb20995, bytes 1448-1460, the last)"
    ),
    (
      "a DHCP offer", dhcpOffer,
      "10.0.2.2:67 > 10.0.2.21:68 UDP length 304 DHCP offer xid 0x1e608f08 hardware 52:54:00:12:34:56 yiaddr 10.0.2.21 "
        + "siaddr 10.0.2.2 server 10.0.2.2 lease 86400 renewal 43200 rebinding 75600 mask 255.255.255.0 "
        + "broadcast 10.0.2.255 router 10.0.2.2 mtu 1500 search a.test, b.test (class 0xc0)"
    ),
    (
      "a tagged frame",
      hex("ffffffffffff 525400123456 8100 2005 0806 0001080006040001 525400123456 0a00020f 000000000000 0a000202"),
      "VLAN 5 ARP who has 10.0.2.2? tell 10.0.2.15 at 52:54:00:12:34:56"
    ),
    (
      "a packet with options",
      hex(
        """
        \(up4) 48 00 0024 0000 0000 40 02 5230 0a00020f 0a000202
        01 94040000 01 0703 0100 00 00 11112222
        """), "10.0.2.15 > 10.0.2.2 protocol 2 length 4 (options router alert 00 00, record route 01)"
    ),
    ("an unknown type", hex("ffffffffffff 525400123456 88cc 0207"), "EtherType 0x88cc length 2"),
    ("a frame of IEEE 802.3", hex("0180c2000000 525400123456 0026 4242"), "802.3 length 38"),
  ]

  /// All of them.
  static let frames = lines.map(\.frame) + [synAck]
}
