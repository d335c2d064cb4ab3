import BasicContainers
import Buffers
import Primitives
import Wire

/// A part of a packet, as a guest has sent it.
struct Fragment {
  /// What the parts of one packet have in common: RFC 791 section 3.2, RFC 8200 section 4.5.
  struct Name: Hashable {
    var source: IPAddress
    var destination: IPAddress
    var identification: UInt32
    /// Part of the name in IPv4 only.
    var proto: IPProtocol
  }

  var name: Name
  var port: PortID
  /// What the whole packet carries.
  var proto: IPProtocol
  /// The headers before the part, from the Ethernet header's first byte up to the part: in IPv6 with the fragment
  /// header at their end.
  var headers: PayloadSlice
  /// In IPv6, where the field is that names the fragment header, from the IPv6 header's first byte on.
  var pointer = 0
  var payload: PayloadSlice
  /// Where the part belongs, in bytes.
  var offset: Int
  var moreFollow: Bool
}

/// Puts packets together that guests have sent in parts (RFC 791 section 3.2, RFC 8200 section 4.5).
///
/// Bounded in every direction, since nothing can be known of a part until all are there: so many packets at once and
/// for each source, so many parts in each, and half a minute, or a whole one in IPv6. Parts that overlap, or disagree
/// on the packet's end, spoil the packet (RFC 5722): no honest sender makes them, and each way to join them has served
/// an attack. What was spoilt is remembered, so that the parts to come are not taken for a new packet.
struct Reassembler: ~Copyable {
  enum Outcome {
    /// Other parts are to come, or this one was there already.
    case waiting
    /// The part, and what it belongs to, is refused.
    case refused
    /// All parts are there: the packet in this place may be finished.
    case complete(Int)
  }

  struct Packet {
    var name: Fragment.Name
    var port: PortID
    var proto: IPProtocol
    var began: Instant
    var deadline: Instant
    /// Bytes of headers, once the first part is there; else 0.
    var headerLength = 0
    var pointer = 0
    var byteCount = 0
    /// Known once the last part is there; else nil.
    var end: Int?
    var partCount = 0
    var isSpoilt = false

    /// Whether the whole is no longer than its length field can say: the headers of the first part count for it, and
    /// the others may have come behind shorter ones.
    var fits: Bool {
      let fixed =
        switch name.source.family {
        case .ipv4: EthernetHeader.length
        case .ipv6: EthernetHeader.length + IPv6Header.length + IPv6FragmentHeader.length
        }
      return max(0, headerLength - fixed) + (end ?? 0) <= Int(UInt16.max)
    }
  }

  private static var capacity: Int { 64 }
  private static var packetsPerSource: Int { 16 }
  /// 64 KiB in parts that fill packets of 300 bytes.
  private static var partsPerPacket: Int { 256 }
  /// RFC 1122 section 3.3.2 asks for a fixed time; Linux's 30 s. RFC 8200 section 4.5: 60 s.
  private static func lifetime(_ family: IPAddress.Family) -> Interval {
    family == .ipv4 ? .seconds(30) : .seconds(60)
  }

  private var packets = UniqueArray<Packet?>(repeating: nil, count: Reassembler.capacity)
  /// The parts of each packet, first byte and the byte behind the last.
  private var parts = UniqueArray<(start: UInt16, end: UInt16)>(
    repeating: (0, 0), count: Reassembler.capacity * Reassembler.partsPerPacket)
  private var slots = PacketSlots(count: Reassembler.capacity)
  /// An empty value to stand in for `slots` while those are lent.
  private var stopgap: PacketSlots? = PacketSlots(count: 0)
  /// When the first packet is given up.
  private(set) var next = Instant.never

  // MARK: Parts

  /// Takes a part.
  /// - Precondition: `offset + payload.count` is at most 65,535, the headers fit `PacketSlots.headroom`.
  mutating func insert(_ fragment: Fragment, of batch: borrowing FrameBatch, at now: Instant) -> Outcome {
    let place = find(fragment.name) ?? open(fragment, at: now)
    guard var packet = packets[place], !packet.isSpoilt, slots.count > 0 else { return .refused }
    let end = fragment.offset + fragment.payload.count
    switch fit(fragment.offset, end, isLast: !fragment.moreFollow, packet, at: place) {
    case .duplicate: return .waiting
    case .overlap:
      packets[place]?.isSpoilt = true
      return .refused
    case .new: break
    }
    parts[place * Self.partsPerPacket + packet.partCount] = (UInt16(fragment.offset), UInt16(end))
    packet.partCount += 1
    packet.byteCount += fragment.payload.count
    if !fragment.moreFollow { packet.end = end }
    if fragment.offset == 0 {
      packet.headerLength = fragment.headers.count
      packet.pointer = fragment.pointer
      packet.proto = fragment.proto
      slots.copy(fragment.headers, of: batch, to: place, at: PacketSlots.headroom - fragment.headers.count)
    }
    slots.copy(fragment.payload, of: batch, to: place, at: PacketSlots.headroom + fragment.offset)
    packet.isSpoilt = !packet.fits
    packets[place] = packet
    guard !packet.isSpoilt else { return .refused }
    return packet.byteCount == packet.end ? .complete(place) : .waiting
  }

  private enum Fit { case new, duplicate, overlap }

  /// How a part goes with those that are there.
  private func fit(_ start: Int, _ end: Int, isLast: Bool, _ packet: Packet, at place: Int) -> Fit {
    if let known = packet.end, end > known || (isLast && end != known) { return .overlap }
    var highest = 0
    let first = place * Self.partsPerPacket
    for index in first..<(first + packet.partCount) {
      let part = parts[index]
      if Int(part.start) == start && Int(part.end) == end { return .duplicate }
      if start < Int(part.end) && Int(part.start) < end { return .overlap }
      highest = max(highest, Int(part.end))
    }
    if isLast && highest > end { return .overlap }
    return packet.partCount < Self.partsPerPacket ? .new : .overlap
  }

  // MARK: Whole packets

  /// Makes the packet in `place`, of which all parts are there, a frame of the slots that `lend` gives.
  mutating func finish(_ place: Int) {
    guard let packet = packets[place], let end = packet.end else { return }
    var headers = slots.headers(of: place)
    let start = PacketSlots.headroom - packet.headerLength
    let headerLength: Int
    switch packet.name.source.family {
    case .ipv4: headerLength = Self.finishIPv4(&headers, at: start, packet.headerLength, end)
    case .ipv6: headerLength = Self.finishIPv6(&headers, at: start, packet, end)
    }
    slots.lay(
      place, from: PacketSlots.headroom - headerLength, byteCount: headerLength + end, port: packet.port)
    packets[place] = nil
    updateNext()
  }

  /// RFC 791 section 3.2: the header of the first part, of the whole packet's length.
  private static func finishIPv4(
    _ headers: inout MutableSpan<UInt8>, at start: Int, _ headerLength: Int, _ payloadLength: Int
  ) -> Int {
    let ip = start + EthernetHeader.length
    let length = headerLength - EthernetHeader.length
    headers.storeBigEndian(UInt16(length + payloadLength), at: ip + 2)
    headers.storeBigEndian(headers.span.bigEndian16(at: ip + 6) & 0x4000, at: ip + 6)
    headers.storeBigEndian(0 as UInt16, at: ip + 10)
    var sum = InternetChecksum()
    sum.add(headers.span.extracting(ip..<(ip + length)))
    headers.storeBigEndian(sum.checksum, at: ip + 10)
    return headerLength
  }

  /// RFC 8200 section 4.5: the headers of the first part without the fragment header, of the whole packet's length.
  private static func finishIPv6(
    _ headers: inout MutableSpan<UInt8>, at start: Int, _ packet: Packet, _ payloadLength: Int
  ) -> Int {
    let length = packet.headerLength - IPv6FragmentHeader.length
    for index in stride(from: start + length - 1, through: start, by: -1) {
      headers[index + IPv6FragmentHeader.length] = headers[index]
    }
    let ip = start + IPv6FragmentHeader.length + EthernetHeader.length
    let extensions = length - EthernetHeader.length - IPv6Header.length
    headers[ip + packet.pointer] = packet.proto.rawValue
    headers.storeBigEndian(UInt16(extensions + payloadLength), at: ip + 4)
    return length
  }

  /// Hands the slots out, so that what lies in them can be used while the owner of the reassembler changes.
  mutating func lend() -> PacketSlots {
    var lent = stopgap.take() ?? PacketSlots(count: 0)
    swap(&lent, &slots)
    return lent
  }

  /// Takes back what `lend` gave.
  mutating func giveBack(_ lent: consuming PacketSlots) {
    var lent = lent
    swap(&lent, &slots)
    stopgap = consume lent
  }

  // MARK: Time

  /// Gives up a packet whose time is over: with the start of it laid out as a frame if that is there, to be quoted.
  /// Nil where there is none.
  mutating func expire(at now: Instant) -> Packet? {
    for place in 0..<packets.count {
      guard let packet = packets[place], packet.deadline <= now else { continue }
      packets[place] = nil
      updateNext()
      if packet.headerLength > 0 && !packet.isSpoilt { layStart(packet, at: place) }
      return packet
    }
    return nil
  }

  private mutating func layStart(_ packet: Packet, at place: Int) {
    let first = place * Self.partsPerPacket
    for index in first..<(first + packet.partCount) where parts[index].start == 0 {
      slots.lay(
        place, from: PacketSlots.headroom - packet.headerLength,
        byteCount: packet.headerLength + Int(parts[index].end), port: packet.port)
    }
  }

  private mutating func updateNext() {
    next = .never
    for place in 0..<packets.count {
      if let packet = packets[place] { next = min(next, packet.deadline) }
    }
  }

  // MARK: Places

  /// The number of packets of which parts are there.
  var packetCount: Int {
    var count = 0
    for place in 0..<packets.count where packets[place] != nil { count += 1 }
    return count
  }

  private func find(_ name: Fragment.Name) -> Int? {
    for place in 0..<packets.count where packets[place]?.name == name { return place }
    return nil
  }

  /// Begins a packet; where there are too many, or too many of one source, the oldest of those makes room.
  private mutating func open(_ fragment: Fragment, at now: Instant) -> Int {
    var (free, oldest, oldestOfSource) = (Int?.none, 0, 0)
    var ofSource = 0
    for place in 0..<packets.count {
      guard let packet = packets[place] else {
        free = free ?? place
        continue
      }
      if let other = packets[oldest], packet.began < other.began { oldest = place }
      guard packet.name.source == fragment.name.source else { continue }
      if ofSource == 0 || packet.began < (packets[oldestOfSource]?.began ?? .never) { oldestOfSource = place }
      ofSource += 1
    }
    let place = ofSource >= Self.packetsPerSource ? oldestOfSource : free ?? oldest
    packets[place] = Packet(
      name: fragment.name, port: fragment.port, proto: fragment.proto, began: now,
      deadline: now + Self.lifetime(fragment.name.source.family))
    updateNext()
    return place
  }
}
