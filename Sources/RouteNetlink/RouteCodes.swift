// The numbers of rtnetlink(7), as linux/rtnetlink.h and its neighbors have them.

/// The kinds of messages (RTM_*).
enum RouteMessageKind {
  static let newLink: UInt16 = 16
  static let removeLink: UInt16 = 17
  static let getLink: UInt16 = 18
  static let newAddress: UInt16 = 20
  static let removeAddress: UInt16 = 21
  static let getAddress: UInt16 = 22
  static let newRoute: UInt16 = 24
  static let removeRoute: UInt16 = 25
  static let getRoute: UInt16 = 26
  static let newNeighbor: UInt16 = 28
  static let getNeighbor: UInt16 = 30
}

/// The attributes of an interface (IFLA_*).
enum LinkAttribute {
  static let hardware: UInt16 = 1
  static let name: UInt16 = 3
  static let mtu: UInt16 = 4
  static let master: UInt16 = 10
  static let queueLength: UInt16 = 13
  static let information: UInt16 = 18
  static let namespace: UInt16 = 28
  static let extent: UInt16 = 29
  static let carrier: UInt16 = 33

  /// The attributes in `information` (IFLA_INFO_*).
  enum Information {
    static let kind: UInt16 = 1
    static let portKind: UInt16 = 4
  }

  /// A value of `extent`: without counters, which are most of what is told of an interface (RTEXT_FILTER_SKIP_STATS).
  static let withoutCounters: UInt32 = 8
}

/// The attributes of an address (IFA_*).
enum AddressAttribute {
  static let address: UInt16 = 1
  static let local: UInt16 = 2
  static let flags: UInt16 = 8

  /// A flag: it is used without asking whether somebody has it (IFA_F_NODAD).
  static let withoutDetection: UInt32 = 2
}

/// The attributes of a route (RTA_*).
enum RouteAttribute {
  static let destination: UInt16 = 1
  static let output: UInt16 = 4
  static let gateway: UInt16 = 5
  static let metric: UInt16 = 6
  static let paths: UInt16 = 9
  static let table: UInt16 = 15
}

/// The attributes of a neighbor (NDA_*).
enum NeighborAttribute {
  static let hardware: UInt16 = 2
  static let bridge: UInt16 = 9
}

/// The families of rtnetlink's structures.
enum RouteFamily {
  static let all: UInt8 = 0
  static let ipv4: UInt8 = 2
  static let bridge: UInt8 = 7
  static let ipv6: UInt8 = 10
}
