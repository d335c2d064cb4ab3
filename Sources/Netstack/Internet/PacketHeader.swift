import Buffers
import Primitives
import Wire

/// Where a packet for a guest goes: out of which port, to which station, at most how long.
struct GuestPath: Hashable {
  /// The guest's place in the neighbor table.
  var neighbor: Int
  var port: PortID
  var hardware: MACAddress
  /// The longest IP packet that the guest takes, in bytes.
  var mtu: Int
}

/// The Ethernet and IP headers of a packet to a guest.
struct PacketHeader {
  /// From the gateway's hardware address, whatever the packet's source: it is the router.
  var hardwareSource: MACAddress
  var hardwareDestination: MACAddress
  var source: IPAddress
  var destination: IPAddress
  var proto: IPProtocol
  /// Bytes behind the IP header.
  var payloadLength: Int
  // Fragmentation (IPv4)
  var identification: UInt16 = 0
  var dontFragment = true
  var moreFragments = false
  var fragmentOffset = 0
  /// The hop limit of packets that the stack originates (RFC 1700, RFC 9293 section 3.9.2).
  static let hopLimit: UInt8 = 64

  /// Bytes of both headers.
  var length: Int { Self.length(destination.family) }

  /// Bytes of the Ethernet and IP headers in a family.
  static func length(_ family: IPAddress.Family) -> Int { EthernetHeader.length + internetLength(family) }

  /// Bytes of the IP header in a family.
  static func internetLength(_ family: IPAddress.Family) -> Int {
    switch family {
    case .ipv4: IPv4Header.length
    case .ipv6: IPv6Header.length
    }
  }

  /// Writes both headers to the start of `bytes`.
  func write(to bytes: inout MutableSpan<UInt8>) {
    if let source = source.ipv4, let destination = destination.ipv4 {
      EthernetHeader(destination: hardwareDestination, source: hardwareSource, type: .ipv4).write(to: &bytes)
      IPv4Header(
        dscpECN: 0, totalLength: IPv4Header.length + payloadLength, identification: identification,
        dontFragment: dontFragment, moreFragments: moreFragments, fragmentOffset: fragmentOffset,
        timeToLive: Self.hopLimit, proto: proto, source: source, destination: destination
      ).write(to: &bytes, at: EthernetHeader.length)
    } else {
      EthernetHeader(destination: hardwareDestination, source: hardwareSource, type: .ipv6).write(to: &bytes)
      IPv6Header(
        trafficClass: 0, flowLabel: 0, payloadLength: payloadLength, nextHeader: proto, hopLimit: Self.hopLimit,
        source: source.mapped, destination: destination.mapped
      ).write(to: &bytes, at: EthernetHeader.length)
    }
  }
}

/// A packet from a guest, its IP header checked: what the transports need to know of it.
struct PacketContext {
  /// The frame's index in its batch.
  var frame: Int
  var port: PortID
  /// The place of the sender in the neighbor table.
  var neighbor: Int
  var source: IPAddress
  var destination: IPAddress
  /// The first byte behind the IP header, counted from the start of the frame.
  var offset: Int
  /// Bytes behind the IP header.
  var byteCount: Int
  var checksum: ChecksumState
  /// Time to live, or hop limit, as received.
  var hopLimit: UInt8
  /// DSCP and ECN, as received (RFC 2474, RFC 3168).
  var trafficClass: UInt8
  /// Whether the sender lets routers fragment the packet; never so in IPv6.
  var mayFragment: Bool
}
