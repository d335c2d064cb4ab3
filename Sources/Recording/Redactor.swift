import Buffers
import Netstack
import Primitives
import Wire

/// Replaces what guests and hosts say to each other, and leaves what the network is made of.
///
/// A payload becomes a hash of it in its first eight bytes and zeros behind them. Checksums that cover it change with
/// it: one that was right is right, one that was wrong is wrong. Frames to guests are not replaced but masked: their
/// payload and its checksum are left out, in the recording and in the replay alike, where they are other bytes.
///
/// Left as they are: Ethernet, ARP, IP and transport headers, ICMP but for the data of echoes and for what errors quote,
/// and the messages that the core itself reads: DHCP, DNS at the network's resolver, and requests to the TFTP server.
struct Redactor {
  /// The servers of which the core's own questions and answers stay.
  var resolvers: [Endpoint] = []

  private let hash: SipHash
  let settings: NetworkSettings
  /// The flows whose bytes the core itself reads.
  private var visibleFlows: Set<FlowID> = []
  /// The flows of echo, whose datagrams are ICMP messages.
  private var echoFlows: Set<FlowID> = []

  init(_ settings: NetworkSettings, key: (UInt64, UInt64)) {
    self.settings = settings
    hash = SipHash(key: key.0, key.1)
  }

  /// Bytes of an ICMP header, which stay.
  static var icmpHeaderLength: Int { 8 }

  // MARK: Flows

  /// Takes notice of what a call says of a flow.
  mutating func note(_ call: RecordedCall) {
    switch call {
    case .connect(let flow, let destination, _) where resolvers.contains(destination): visibleFlows.insert(flow)
    case .openDatagrams(let flow, _, .some(let destination), _) where resolvers.contains(destination):
      visibleFlows.insert(flow)
    case .openPair(let one, let other): visibleFlows.formUnion([one, other])
    case .openEcho(let flow, _, _): echoFlows.insert(flow)
    case .close(let flow, _):
      visibleFlows.remove(flow)
      echoFlows.remove(flow)
    default: break
    }
  }

  /// Whether the core itself reads what the flow's host says.
  func isVisible(_ flow: FlowID) -> Bool { visibleFlows.contains(flow) }

  // MARK: Bytes

  /// Replaces a payload.
  func redact(payload bytes: inout MutableSpan<UInt8>) { redact(0..<bytes.count, of: &bytes) }

  private func redact(_ range: Range<Int>, of bytes: inout MutableSpan<UInt8>) {
    guard !range.isEmpty else { return }
    let value = hash.hash(RecordDigest.of(bytes.span.extracting(range)), UInt64(range.count), 0, 0, 0)
    bytes.fill(at: range.lowerBound, length: range.count)
    for index in 0..<min(range.count, 8) {
      bytes[range.lowerBound + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
    }
  }

  /// Replaces a datagram of a flow: of echo, all but the ICMP header.
  func redact(datagram bytes: inout MutableSpan<UInt8>, of flow: FlowID) {
    let start = echoFlows.contains(flow) ? min(Self.icmpHeaderLength, bytes.count) : 0
    redact(start..<bytes.count, of: &bytes)
  }

  /// Replaces the bytes of `range`, and has the checksum at `checksum` change with them.
  private func redact(
    _ range: Range<Int>, of frame: inout MutableSpan<UInt8>, checksum: Int?, isOptional: Bool = false
  ) {
    guard !range.isEmpty else { return }
    let before = Self.sum(frame.span.extracting(range))
    redact(range, of: &frame)
    guard let checksum, !isOptional || frame.span.bigEndian16(at: checksum) != 0 else { return }
    // RFC 1624: HC' = ~(~HC + ~m + m').
    var sum = InternetChecksum()
    sum.add(~frame.span.bigEndian16(at: checksum))
    sum.add(~before)
    sum.add(Self.sum(frame.span.extracting(range)))
    frame.storeBigEndian(isOptional ? sum.nonzeroChecksum : sum.checksum, at: checksum)
  }

  private static func sum(_ bytes: Span<UInt8>) -> UInt16 {
    var sum = InternetChecksum()
    sum.add(bytes)
    return sum.folded
  }

  /// Replaces the data of a fragment. The checksum over it is in another fragment, so the sum of the bytes stays.
  private func redact(fragment range: Range<Int>, of frame: inout MutableSpan<UInt8>) {
    guard range.count >= 2 else { return }
    let sum = Self.sum(frame.span.extracting(range))
    frame.fill(at: range.lowerBound, length: range.count)
    frame.storeBigEndian(sum, at: range.lowerBound)
  }

  // MARK: Frames

  /// Replaces what a guest says in a frame.
  func redact(_ frame: inout MutableSpan<UInt8>, _ descriptor: FrameDescriptor) {
    guard frame.count > EthernetHeader.length else { return }
    let layout = PacketLayout(frame.span, from: EthernetHeader.length, settings)
    // Padding is nobody's message, and may be anything.
    frame.fill(at: layout.end, length: frame.count - layout.end)
    switch layout.content {
    case .plain: break
    case .unknown(let start): redact(start..<layout.end, of: &frame, checksum: nil)
    case .fragment(let start, _): redact(fragment: start..<layout.end, of: &frame)
    case .segment(let start, let checksum, let isOptional):
      var covering: Int? = checksum
      // Only the sum of the pseudo-header is there, and the payload is not in it.
      if case .partial = descriptor.checksum { covering = nil }
      redact(start..<layout.end, of: &frame, checksum: covering, isOptional: isOptional)
    case .message(let start, let checksum): redact(start..<layout.end, of: &frame, checksum: checksum)
    }
  }

  /// Sets what is left out of the header part of a frame to a guest to zero; false where the payload behind it is left
  /// out as well.
  func mask(header: inout MutableSpan<UInt8>) -> Bool {
    guard header.count > EthernetHeader.length else { return true }
    let layout = PacketLayout(header.span, from: EthernetHeader.length, settings)
    switch layout.content {
    case .plain: return true
    case .unknown(let start): Self.clear(&header, from: start)
    case .fragment(let start, let checksum): Self.clear(&header, from: start, checksum: checksum)
    case .segment(let start, let checksum, _), .message(let start, let checksum):
      Self.clear(&header, from: start, checksum: checksum)
    }
    return false
  }

  private static func clear(_ bytes: inout MutableSpan<UInt8>, from start: Int, checksum: Int? = nil) {
    if let checksum, checksum + 2 <= bytes.count { bytes.storeBigEndian(0 as UInt16, at: checksum) }
    guard start < bytes.count else { return }
    bytes.fill(at: start, length: bytes.count - start)
  }
}
