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
  /// What the link does for frames to the guest.
  var offloads: LinkOffloads = []
}

extension GuestPath {
  /// Whether the link cuts frames of a family into segments of TCP.
  func segmentsTCP(_ family: IPAddress.Family) -> Bool {
    switch family {
    case .ipv4: offloads.contains([.checksum, .tcp4])
    case .ipv6: offloads.contains([.checksum, .tcp6])
    }
  }
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
  /// How many routers the packet may pass.
  var hopLimit = PacketHeader.defaultHopLimit
  // Fragmentation
  /// What the fragments of one packet have in common; sixteen bits of it in IPv4.
  var identification: UInt32 = 0
  /// IPv4 only: a packet in IPv6 is never fragmented on its way.
  var dontFragment = true
  var moreFragments = false
  /// Where the payload belongs in that of the whole packet, in bytes.
  var fragmentOffset = 0

  /// The hop limit of packets that the stack originates (RFC 1700, RFC 9293 section 3.9.2).
  static var defaultHopLimit: UInt8 { 64 }

  /// Whether the packet is a part of a longer one.
  var isFragment: Bool { moreFragments || fragmentOffset > 0 }

  /// Bytes of both headers, and of the fragment header where IPv6 has one.
  var length: Int {
    let plain = Self.length(destination.family)
    return isFragment && destination.family == .ipv6 ? plain + IPv6FragmentHeader.length : plain
  }

  /// Bytes of the Ethernet and IP headers in a family.
  static func length(_ family: IPAddress.Family) -> Int { EthernetHeader.length + internetLength(family) }

  /// Bytes of the IP header in a family.
  static func internetLength(_ family: IPAddress.Family) -> Int {
    switch family {
    case .ipv4: IPv4Header.length
    case .ipv6: IPv6Header.length
    }
  }

  /// Writes the headers to the start of `bytes`.
  func write(to bytes: inout MutableSpan<UInt8>) {
    if let source = source.ipv4, let destination = destination.ipv4 {
      EthernetHeader(destination: hardwareDestination, source: hardwareSource, type: .ipv4).write(to: &bytes)
      IPv4Header(
        dscpECN: 0, totalLength: IPv4Header.length + payloadLength,
        identification: UInt16(truncatingIfNeeded: identification), dontFragment: dontFragment,
        moreFragments: moreFragments, fragmentOffset: fragmentOffset, timeToLive: hopLimit, proto: proto,
        source: source, destination: destination
      ).write(to: &bytes, at: EthernetHeader.length)
    } else {
      EthernetHeader(destination: hardwareDestination, source: hardwareSource, type: .ipv6).write(to: &bytes)
      writeIPv6(to: &bytes)
    }
  }

  private func writeIPv6(to bytes: inout MutableSpan<UInt8>) {
    var header = IPv6Header(
      payloadLength: payloadLength, nextHeader: proto, hopLimit: hopLimit, source: source.mapped,
      destination: destination.mapped)
    if isFragment {
      header.payloadLength += IPv6FragmentHeader.length
      header.nextHeader = .fragmentHeader
      IPv6FragmentHeader(
        nextHeader: proto, offset: fragmentOffset, moreFragments: moreFragments, identification: identification
      ).write(to: &bytes, at: EthernetHeader.length + IPv6Header.length)
    }
    header.write(to: &bytes, at: EthernetHeader.length)
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
  /// Bytes of payload in each datagram but the last where the packet stands for several of UDP.
  var datagramSize: Int?
  /// What lies behind the IP header.
  var proto: IPProtocol
  /// Whether the packet, or the frame that it came in, is for more than one station.
  var isGroup: Bool
  /// Time to live, or hop limit, as received.
  var hopLimit: UInt8
  /// DSCP and ECN, as received (RFC 2474, RFC 3168).
  var trafficClass: UInt8
  /// Whether the packet may be fragmented on its way: the sender lets routers do it (IPv4), or has done it itself.
  var mayFragment: Bool
}

extension PacketContext {
  /// What is left of the hop limit behind the gateway (RFC 1812 section 5.3.1, RFC 8200 section 3).
  var onwardHopLimit: UInt8 { hopLimit - min(hopLimit, 1) }

  /// Whether the checksum over the first `length` bytes behind the IP header is right, and over the pseudo-header that
  /// all have but ICMP in IPv4 (RFC 9293 section 3.1, RFC 768, RFC 4443 section 2.3, RFC 792).
  func isChecksumValid(overFirst length: Int, of batch: borrowing FrameBatch, pseudoHeader: Bool = true) -> Bool {
    guard checksum == .unverified else { return true }
    var sum = InternetChecksum()
    if pseudoHeader { sum.addPseudoHeader(source: source, destination: destination, proto: proto, length: length) }
    sum.add(PayloadSlice(frame: frame, offset: offset, count: length), of: batch)
    return sum.folded == 0xffff
  }

  /// Goes on to what begins `offset` bytes behind the IP header's first.
  mutating func advance(to offset: Int, _ proto: IPProtocol) {
    let skipped = EthernetHeader.length + offset - self.offset
    self.offset += skipped
    byteCount -= skipped
    self.proto = proto
  }
}

extension InternetChecksum {
  /// Adds a range of a frame's bytes.
  mutating func add(_ slice: PayloadSlice, of batch: borrowing FrameBatch) {
    let bytes = batch.header(slice.frame)
    let end = slice.offset + slice.count
    // Nearly every frame lies in one piece.
    guard end > bytes.count else { return add(bytes.extracting(slice.offset..<end)) }
    batch.forEachSpan(of: slice) { add($0) }
  }
}
