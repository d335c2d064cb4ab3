import Primitives
import Wire

/// Follows the flows of a capture: counts what each has carried, and knows what a segment's numbers are counted from.
///
/// Memory is bounded whatever a file holds: where there are more flows than `capacity`, the one that was silent for
/// longest makes room, and waits in `takeEnded` to be told of.
public struct FlowTracker: ~Copyable {
  /// The most flows at once.
  public let capacity: Int

  private struct Key: Hashable {
    let proto: UInt8
    let low: Endpoint
    let high: Endpoint

    init(_ proto: IPProtocol, _ one: Endpoint, _ other: Endpoint) {
      self.proto = proto.rawValue
      let isOrdered =
        (one.address.mapped.high, one.address.mapped.low, UInt64(one.port))
        <= (other.address.mapped.high, other.address.mapped.low, UInt64(other.port))
      (low, high) = isOrdered ? (one, other) : (other, one)
    }
  }

  private struct Entry {
    var key: Key
    var record: FlowRecord
    /// Counts flows in the order of their first frames.
    var number: Int
    /// The neighbors in the order of the last frames; -1 for none.
    var older = -1
    var newer = -1
  }

  private var entries: [Entry] = []
  private var places: [Key: Int] = [:]
  private var oldest = -1
  private var newest = -1
  private var count = 0
  private var ended: [FlowRecord] = []
  /// Endpoints that have asked for files, the latest last.
  private var clientsOfTFTP: [Endpoint] = []
  private static let mostClients = 64

  /// Makes a tracker that has seen nothing.
  public init(capacity: Int = 65_536) {
    precondition(capacity > 0, "a tracker without room")
    self.capacity = capacity
  }

  /// The flows that are followed, in the order of their first frames.
  public var flows: [FlowRecord] { entries.sorted { $0.number < $1.number }.map(\.record) }

  /// How many flows there were.
  public var flowCount: Int { count }

  /// Takes the flows that had to make room, the oldest first.
  public mutating func takeEnded() -> [FlowRecord] {
    defer { ended.removeAll() }
    return ended
  }

  /// Notes a frame, and returns what is known of its flow; nil where it belongs to none.
  ///
  /// - Parameters:
  ///   - frame: The bytes from the first of the Ethernet header; any bytes at all.
  ///   - originalLength: Bytes of the frame on the wire.
  ///   - time: When it passed, in nanoseconds since 1970.
  ///   - isFromGuest: Whether the guest has sent it.
  public mutating func note(
    _ frame: Span<UInt8>, originalLength: Int, at time: Int64, isFromGuest: Bool
  ) -> FlowReference? {
    guard let packet = TransportPacket(frame, originalLength: originalLength) else { return nil }
    if packet.isError(frame) {
      noteError(packet, frame)
      return nil
    }
    if packet.proto == .icmp || packet.proto == .icmpv6 {
      guard packet.isEcho(frame).isEcho else { return nil }
    }
    let segment = packet.segment(frame)
    if packet.proto == .tcp && segment == nil { return nil }
    let header = segment?.header
    let place = place(of: packet, header, isFromGuest: isFromGuest, at: time)
    let side: FlowOutcome.Side = entries[place].record.opener == packet.source ? .opener : .other
    entries[place].record.lastTime = time
    entries[place].record[side].frames += 1
    if let header, let segment {
      let length = max(0, packet.length - segment.headerLength)
      entries[place].record.note(header, length, by: side, at: time)
      return entries[place].record.reference(of: side)
    }
    entries[place].record[side].bytes += max(0, packet.length - 8)
    if packet.proto == .udp { return reference(ofDatagram: packet) }
    entries[place].record.noteEcho(packet, frame, by: side, at: time)
    return nil
  }

  // MARK: Places

  private mutating func place(
    of packet: TransportPacket, _ header: TCPHeader?, isFromGuest: Bool, at time: Int64
  ) -> Int {
    let key = Key(packet.proto, packet.source, packet.destination)
    if let place = places[key] {
      if !entries[place].record.isFollowed(by: header, from: packet.source) {
        touch(place)
        return place
      }
      places[key] = nil
    }
    let record = FlowRecord(packet, isFromGuest: isFromGuest, at: time)
    let entry = Entry(key: key, record: record, number: count)
    count += 1
    let place: Int
    if entries.count < capacity {
      place = entries.count
      entries.append(entry)
    } else {
      place = oldest
      unlink(place)
      ended.append(entries[place].record)
      // A later connection of the same ends may have its key.
      if places[entries[place].key] == place { places[entries[place].key] = nil }
      entries[place] = entry
    }
    places[key] = place
    link(place)
    return place
  }

  private mutating func touch(_ place: Int) {
    guard place != newest else { return }
    unlink(place)
    link(place)
  }

  private mutating func link(_ place: Int) {
    entries[place].older = newest
    entries[place].newer = -1
    if newest >= 0 { entries[newest].newer = place } else { oldest = place }
    newest = place
  }

  private mutating func unlink(_ place: Int) {
    let (older, newer) = (entries[place].older, entries[place].newer)
    if older >= 0 { entries[older].newer = newer } else { oldest = newer }
    if newer >= 0 { entries[newer].older = older } else { newest = older }
  }

  // MARK: What is not TCP

  private mutating func noteError(_ packet: TransportPacket, _ frame: Span<UInt8>) {
    guard let quoted = TransportPacket(quotedIn: packet, frame),
      let place = places[Key(quoted.proto, quoted.source, quoted.destination)]
    else { return }
    let bytes = frame.extracting(packet.range)
    let words =
      packet.proto == .icmp
      ? (try? ICMPv4Message(bytes))?.header.words : (try? ICMPv6Message(bytes))?.header.words
    entries[place].record.report = (words ?? "", packet.source.address)
  }

  /// RFC 1350 section 4: a request goes to port 69, and the rest between ports of the two ends' choice.
  private mutating func reference(ofDatagram packet: TransportPacket) -> FlowReference? {
    if packet.destination.port == 69 {
      clientsOfTFTP.removeAll { $0 == packet.source }
      if clientsOfTFTP.count == Self.mostClients { clientsOfTFTP.removeFirst() }
      clientsOfTFTP.append(packet.source)
    }
    guard !clientsOfTFTP.isEmpty,
      clientsOfTFTP.contains(packet.source) || clientsOfTFTP.contains(packet.destination)
    else { return nil }
    var reference = FlowReference()
    reference.carriesTFTP = true
    return reference
  }
}
