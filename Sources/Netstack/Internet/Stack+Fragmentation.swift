import Buffers
import Primitives
import Wire

/// The parts of a packet that is longer than its receiver takes (RFC 791 section 3.2, RFC 8200 section 4.5), one
/// after the other; or the packet itself, if it is not.
struct PacketParts {
  private var header: PacketHeader
  /// Bytes behind the IP header of the whole packet.
  private let length: Int
  /// Bytes behind the headers of each part but the last.
  private let step: Int
  private var next = 0

  /// Nil where the packet is longer than a packet can be, or the MTU takes not even eight bytes.
  fileprivate init?(of whole: PacketHeader, mtu: Int, identification: UInt32) {
    let headerLength = PacketHeader.internetLength(whole.destination.family)
    header = whole
    length = whole.payloadLength
    if headerLength + length <= mtu {
      step = length
      return
    }
    header.identification = identification
    header.dontFragment = false
    switch whole.destination.family {
    case .ipv4:
      guard headerLength + length <= Int(UInt16.max) else { return nil }
      step = (mtu - headerLength) & ~7
    case .ipv6:
      guard length <= Int(UInt16.max) else { return nil }
      step = (mtu - headerLength - IPv6FragmentHeader.length) & ~7
    }
    if step < 8 { return nil }
  }

  /// The headers of the next part: its `payloadLength` bytes are those of the whole from its `fragmentOffset` on.
  mutating func nextPart() -> PacketHeader? {
    guard next < length || (next == 0 && length == 0) else { return nil }
    let count = min(step, length - next)
    header.fragmentOffset = next
    header.payloadLength = count
    next += max(count, 1)
    header.moreFragments = next < length
    return header
  }
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// The parts in which a packet goes to a guest that takes `mtu` bytes; nil, counted, where it cannot go.
  mutating func parts(of ip: PacketHeader, by path: GuestPath) -> PacketParts? {
    identification &+= 1
    if let parts = PacketParts(of: ip, mtu: path.mtu, identification: identification) { return parts }
    drop(.tooLong, on: path.port)
    return nil
  }

  /// Sends a packet of eight bytes of transport header and `data`, bytes of a frame, in as many parts as it takes.
  mutating func send<Sink: FrameSink & ~Copyable>(
    _ header: UInt64, _ data: PayloadSlice, of batch: borrowing FrameBatch, as ip: PacketHeader, by path: GuestPath,
    into sink: inout Sink
  ) {
    guard var parts = parts(of: ip, by: path) else { return }
    while let part = parts.nextPart() {
      guard let run = reserve(part, by: path, in: &sink) else { return drop(.linkFull, on: path.port) }
      let range = Self.dataRange(of: part)
      let slice = PayloadSlice(frame: data.frame, offset: data.offset + range.lowerBound, count: range.count)
      var regions = sink.payload(of: run)
      var region = regions[0]
      batch.copy(slice, to: &region)
      commit(run, header, part, by: path, into: &sink)
    }
  }

  /// Sends a packet of eight bytes of transport header and datagram `place` of the inbox, from its byte `first` on, in
  /// as many parts as it takes; `checksum` says who completes that of a packet in one.
  mutating func send<Sink: FrameSink & ~Copyable>(
    _ header: UInt64, inbox place: Int, from first: Int = 0, as ip: PacketHeader, by path: GuestPath,
    checksum: ChecksumState = .unverified, into sink: inout Sink
  ) {
    guard var parts = parts(of: ip, by: path) else { return }
    while let part = parts.nextPart() {
      guard let run = reserve(part, by: path, in: &sink) else { return drop(.linkFull, on: path.port) }
      var regions = sink.payload(of: run)
      let range = Self.dataRange(of: part)
      _ = regions.write(inbox.payload(place).extracting(first + range.lowerBound..<first + range.upperBound))
      commit(run, header, part, by: path, checksum: checksum, into: &sink)
    }
  }

  /// The eight bytes of the transport's header, which the first part has.
  private static var transportLength: Int { 8 }

  /// The bytes of the data that a part has, the transport's header not counted.
  private static func dataRange(of part: PacketHeader) -> Range<Int> {
    let first = max(0, part.fragmentOffset - transportLength)
    return first..<(part.fragmentOffset + part.payloadLength - transportLength)
  }

  private mutating func reserve<Sink: FrameSink & ~Copyable>(
    _ part: PacketHeader, by path: GuestPath, in sink: inout Sink
  ) -> SlotRun? {
    let length = part.length + (part.fragmentOffset == 0 ? Self.transportLength : 0)
    let data = Self.dataRange(of: part).count
    return reserve(SlotRequest(port: path.port, headerLength: length, payloadLength: data), in: &sink)
  }

  private mutating func commit<Sink: FrameSink & ~Copyable>(
    _ run: consuming SlotRun, _ header: UInt64, _ part: PacketHeader, by path: GuestPath,
    checksum: ChecksumState = .unverified, into sink: inout Sink
  ) {
    let (headerLength, payloadLength) = (run.headerLength, run.payloadLength)
    var bytes = sink.header(0, of: run)
    part.write(to: &bytes)
    if part.fragmentOffset == 0 { bytes.storeBigEndian(header, at: part.length) }
    commit(
      run, on: path.port, headerLength: headerLength, payload: payloadLength, checksum: checksum, into: &sink)
  }
}
