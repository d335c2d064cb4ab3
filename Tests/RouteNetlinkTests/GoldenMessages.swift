/// Messages as Linux 6.18 has told them on a little-endian machine, without most of the attributes that nobody reads.
enum GoldenMessages {
  /// Of a bridge `br9` that is up, with an address of its own.
  static let bridge: [UInt8] =
    [96, 0, 0, 0, 16, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]  // length, RTM_NEWLINK, NLM_F_MULTI, sequence, port
    + [0, 0, 1, 0, 2, 0, 0, 0, 0x03, 0x10, 0, 0, 0, 0, 0, 0]  // ARPHRD_ETHER; index; UP, BROADCAST, MULTICAST
    + [8, 0, 3, 0, 0x62, 0x72, 0x39, 0]  // IFLA_IFNAME
    + [5, 0, 16, 0, 2, 0, 0, 0]  // IFLA_OPERSTATE, filled up
    + [8, 0, 4, 0, 0xdc, 5, 0, 0]  // IFLA_MTU
    + [10, 0, 1, 0, 0x52, 0x54, 0, 0xaa, 0, 1, 0, 0]  // IFLA_ADDRESS
    + [28, 0, 18, 0]  // IFLA_LINKINFO
    + [11, 0, 1, 0, 0x62, 0x72, 0x69, 0x64, 0x67, 0x65, 0, 0]  //   IFLA_INFO_KIND
    + [12, 0, 2, 0, 8, 0, 1, 0, 0xdc, 5, 0, 0]  //   IFLA_INFO_DATA

  /// Of a TAP device `tap9` that is a port of it, and runs.
  static let port: [UInt8] =
    [96, 0, 0, 0, 16, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]
    + [0, 0, 1, 0, 3, 0, 0, 0, 0x43, 0x10, 1, 0, 0, 0, 0, 0]  // RUNNING and LOWER_UP, too
    + [9, 0, 3, 0, 0x74, 0x61, 0x70, 0x39, 0, 0, 0, 0]
    + [8, 0, 4, 0, 0xdc, 5, 0, 0]
    + [8, 0, 10, 0, 2, 0, 0, 0]  // IFLA_MASTER
    + [10, 0, 1, 0, 0xfe, 0x54, 0, 0xaa, 0, 2, 0, 0]
    + [24, 0, 18, 0]
    + [8, 0, 1, 0, 0x74, 0x75, 0x6e, 0]
    + [11, 0, 4, 0, 0x62, 0x72, 0x69, 0x64, 0x67, 0x65, 0, 0]  //   IFLA_INFO_SLAVE_KIND

  /// Of 192.168.1.101/24 on it.
  static let ipv4Address: [UInt8] =
    [84, 0, 0, 0, 20, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]  // RTM_NEWADDR
    + [2, 24, 0x80, 0, 2, 0, 0, 0]  // AF_INET, /24, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE; index
    + [8, 0, 1, 0, 192, 168, 1, 101, 8, 0, 2, 0, 192, 168, 1, 101]  // IFA_ADDRESS, IFA_LOCAL
    + [8, 0, 4, 0, 192, 168, 1, 255, 8, 0, 3, 0, 0x62, 0x72, 0x39, 0]  // IFA_BROADCAST, IFA_LABEL
    + [8, 0, 8, 0, 0x80, 0, 0, 0]  // IFA_FLAGS
    + [20, 0, 6, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0x17, 0xe3, 0x50, 0, 0x17, 0xe3, 0x50, 0]  // IFA_CACHEINFO

  /// Of fd00::1/64, which has no IFA_LOCAL.
  static let ipv6Address: [UInt8] =
    [72, 0, 0, 0, 20, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]
    + [10, 64, 0x82, 0, 2, 0, 0, 0]
    + [20, 0, 1, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    + [20, 0, 6, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0x17, 0xe3, 0x50, 0, 0x17, 0xe3, 0x50, 0]
    + [8, 0, 8, 0, 0x82, 0, 0, 0]

  /// Of the default route via 192.168.1.1, metric 100.
  static let ipv4Default: [UInt8] =
    [60, 0, 0, 0, 24, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]  // RTM_NEWROUTE
    + [2, 0, 0, 0, 0xfe, 3, 0, 1, 0x10, 0, 0, 0]  // AF_INET, /0; main, boot, universe, unicast; RTNH_F_LINKDOWN
    + [8, 0, 15, 0, 0xfe, 0, 0, 0, 8, 0, 6, 0, 100, 0, 0, 0]  // RTA_TABLE, RTA_PRIORITY
    + [8, 0, 5, 0, 192, 168, 1, 1, 8, 0, 4, 0, 2, 0, 0, 0]  // RTA_GATEWAY, RTA_OIF

  /// Of the default route via fd00::9, whose link is up.
  static let ipv6Default: [UInt8] =
    [116, 0, 0, 0, 24, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]
    + [10, 0, 0, 0, 0xfe, 3, 0, 1, 0, 0, 0, 0]
    + [8, 0, 15, 0, 0xfe, 0, 0, 0, 8, 0, 6, 0, 0, 4, 0, 0]
    + [20, 0, 5, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]
    + [8, 0, 4, 0, 2, 0, 0, 0]
    + [36, 0, 12, 0] + [UInt8](repeating: 0, count: 32)  // RTA_CACHEINFO
    + [5, 0, 20, 0, 0, 0, 0, 0]  // RTA_PREF

  /// Of the host's own 192.168.1.101, in the table of those.
  static let localRoute: [UInt8] =
    [60, 0, 0, 0, 24, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]
    + [2, 32, 0, 0, 0xff, 2, 0xfe, 2, 0, 0, 0, 0]  // AF_INET, /32; local, kernel, host, local
    + [8, 0, 15, 0, 0xff, 0, 0, 0, 8, 0, 1, 0, 192, 168, 1, 101]  // RTA_TABLE, RTA_DST
    + [8, 0, 7, 0, 192, 168, 1, 101, 8, 0, 4, 0, 2, 0, 0, 0]  // RTA_PREFSRC, RTA_OIF

  /// Of a default route with two paths, via 192.168.1.1, whose interface is off, and via 192.168.2.1.
  static let twoPaths: [UInt8] =
    [76, 0, 0, 0, 24, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]
    + [2, 0, 0, 0, 0xfe, 3, 0, 1, 0, 0, 0, 0]
    + [8, 0, 15, 0, 0xfe, 0, 0, 0]
    + [36, 0, 9, 0]  // RTA_MULTIPATH
    + [16, 0, 0x11, 0, 2, 0, 0, 0, 8, 0, 5, 0, 192, 168, 1, 1]  //   RTNH_F_DEAD, LINKDOWN; index; RTA_GATEWAY
    + [16, 0, 0, 0, 3, 0, 0, 0, 8, 0, 5, 0, 192, 168, 2, 1]
    + [4, 0, 22, 0]  // RTA_ENCAP, as if it were there

  /// Of the port's own hardware address in the bridge's table.
  static let ownEntry: [UInt8] =
    [76, 0, 0, 0, 28, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]  // RTM_NEWNEIGH
    + [7, 0, 0, 0, 3, 0, 0, 0, 0x80, 0, 0, 0]  // AF_BRIDGE; index; NUD_PERMANENT, flags, type
    + [10, 0, 2, 0, 0xfe, 0x54, 0, 0xaa, 0, 2, 0, 0]  // NDA_LLADDR
    + [8, 0, 9, 0, 2, 0, 0, 0, 8, 0, 15, 0, 0, 0, 0, 0]  // NDA_MASTER, NDA_FLAGS_EXT
    + [20, 0, 3, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]  // NDA_CACHEINFO

  /// Of a multicast address that the interface listens to, which is no bridge's.
  static let multicastEntry: [UInt8] =
    [40, 0, 0, 0, 28, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]
    + [7, 0, 0, 0, 3, 0, 0, 0, 0x80, 0, 2, 0]  // NTF_SELF
    + [10, 0, 2, 0, 0x33, 0x33, 0, 0, 0, 1, 0, 0]

  /// The end of a list.
  static let done: [UInt8] = [20, 0, 0, 0, 3, 0, 2, 0, 7, 0, 0, 0, 0xa5, 0x39, 0, 0, 0, 0, 0, 0]

  /// "Operation not supported", with the kernel's own words.
  static let refusal: [UInt8] =
    [60, 0, 0, 0, 2, 0, 0, 3, 7, 0, 0, 0, 0xa5, 0x39, 0, 0]  // NLM_F_CAPPED, NLM_F_ACK_TLVS
    + [0xa1, 0xff, 0xff, 0xff]
    + [40, 0, 0, 0, 16, 0, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0]
    + [24, 0, 1, 0] + Array("Unknown device type".utf8) + [0]

  static let all = [
    bridge, port, ipv4Address, ipv6Address, ipv4Default, ipv6Default, localRoute, twoPaths, ownEntry, multicastEntry,
  ]
}
