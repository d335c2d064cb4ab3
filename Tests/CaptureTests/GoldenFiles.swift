/// Capture files, byte by byte, by pcap-savefile(5) and draft-ietf-opsawg-pcapng.
enum GoldenFiles {
  /// An ARP request's first bytes, enough for an Ethernet header and something behind it.
  static let frame = hex("ffffffffffff 525500000001 0806 0001")

  /// Nanoseconds, little-endian, a snap length of 262144, Ethernet; one record.
  static let nanoseconds = hex(
    """
    4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000
    00e40b54 15cd5b07 10000000 2a000000
    ffffffffffff 525500000001 0806 0001
    """)

  /// The same in microseconds, big-endian, a snap length of 65535.
  static let microseconds = hex(
    """
    a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000001
    540be400 0001e240 00000010 0000002a
    ffffffffffff 525500000001 0806 0001
    """)

  /// pcapng: a section, an interface with nanoseconds (if_tsresol 9), an enhanced packet whose epb_flags say "inbound".
  static let pcapng = hex(
    """
    0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
    01000000 20000000 0100 0000 00000400 0900 0100 09000000 0000 0000 20000000
    06000000 3c000000 00000000 048f9113 15cd4391 10000000 2a000000
    ffffffffffff 525500000001 0806 0001 0200 0400 01000000 0000 0000 3c000000
    """)

  /// As `nanoseconds`, of Linux cooked frames.
  static let linuxCooked = hex("4d3cb2a1 0200 0400 00000000 00000000 00000400 71000000")
}
