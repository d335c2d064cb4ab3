import Buffers
import Primitives

/// Does to frames what the kernel does to those that leave something to it: completes checksums, and cuts frames that
/// stand for several segments.
///
/// It is written after what Linux does (net/ipv4/tcp_offload.c, net/ipv4/udp_offload.c, net/core/dev.c), apart from
/// the stack, whose frames it judges: what a kernel would refuse, or would send on broken, is a fault.
struct FrameCutter {
  /// What the link does.
  let offloads: LinkOffloads

  /// The longest IP packet, in bytes.
  private static let longestPacket = 65_535

  /// The frames that go on in place of `frame`, complete.
  func cut(_ frame: LinkFrame) throws(PacketFault) -> [[UInt8]] {
    guard frame.checksum != .unverified || frame.segmentation != nil else { return [frame.bytes] }
    guard offloads.allow(frame.checksum, frame.segmentation) else {
      throw PacketFault("asks for \(frame.wishes), the link does \(offloads)")
    }
    let layout = try FrameLayout(frame.bytes)
    try check(frame, layout)
    return Self.pieces(of: frame, layout)
  }

  /// The frames in place of one of the guest's, which is taken for what it says it is: its checksums are completed
  /// where the receiver is not to look at them, and it is cut.
  static func complete(_ frame: LinkFrame) -> [[UInt8]] {
    guard frame.checksum != .unverified || frame.segmentation != nil else { return [frame.bytes] }
    do throws(PacketFault) {
      return pieces(of: frame, try FrameLayout(frame.bytes))
    } catch {
      // Not what anybody's kernel hands over, and nothing that could be completed.
      return [frame.bytes]
    }
  }

  // MARK: What is refused

  private func check(_ frame: LinkFrame, _ layout: FrameLayout) throws(PacketFault) {
    guard layout.end == frame.bytes.count else {
      throw PacketFault("a packet that ends at \(layout.end) of \(frame.bytes.count) bytes")
    }
    guard layout.end - FrameLayout.internet <= Self.longestPacket else {
      throw PacketFault("a packet of \(layout.end - FrameLayout.internet) bytes")
    }
    if layout.isIPv4 {
      let header = Array(frame.bytes[FrameLayout.internet..<layout.transport])
      guard plainChecksum(header) == 0 else { throw PacketFault("the IPv4 checksum is wrong") }
    }
    if layout.proto == 17 {
      let length = Int(frame.bytes.span.bigEndian16(at: layout.transport + 4))
      guard length == layout.end - layout.transport else { throw PacketFault("UDP length \(length)") }
    }
    try checkChecksum(frame, layout)
    if let segmentation = frame.segmentation { try check(segmentation, layout) }
  }

  private func checkChecksum(_ frame: LinkFrame, _ layout: FrameLayout) throws(PacketFault) {
    guard case .partial(let start, let offset) = frame.checksum else {
      throw PacketFault("a frame to be cut, or verified by its sender, whose checksum is \(frame.checksum)")
    }
    guard Int(start) == layout.transport, Int(offset) == layout.checksumOffset else {
      throw PacketFault("the checksum from \(start), at \(offset), where the transport begins at \(layout.transport)")
    }
    let (sum, expected) = (frame.bytes.span.bigEndian16(at: layout.checksum), layout.pseudoHeaderSum(of: frame.bytes))
    guard sum == expected else {
      throw PacketFault("\(sum) in the checksum's field, where the pseudo-header's sum is \(expected)")
    }
  }

  private func check(_ segmentation: Segmentation, _ layout: FrameLayout) throws(PacketFault) {
    // All ones means something else to Linux (GSO_BY_FRAGS).
    guard segmentation.size > 0 && segmentation.size < UInt16.max else {
      throw PacketFault("segments of \(segmentation.size) bytes")
    }
    let fits: Bool
    switch segmentation.kind {
    case .tcp4: fits = layout.isIPv4 && layout.proto == 6
    case .tcp6: fits = !layout.isIPv4 && layout.proto == 6
    case .udp: fits = layout.proto == 17
    }
    guard fits else {
      throw PacketFault("segmentation as \(segmentation.kind) of protocol \(layout.proto), IPv4 \(layout.isIPv4)")
    }
  }

  // MARK: Cutting

  private static func pieces(of frame: LinkFrame, _ layout: FrameLayout) -> [[UInt8]] {
    let size = frame.segmentation.map { max(1, Int($0.size)) } ?? Int.max
    guard layout.payloadCount > size else {
      var bytes = frame.bytes
      layout.complete(&bytes)
      return [bytes]
    }
    return stride(from: 0, to: layout.payloadCount, by: size).enumerated().map { number, start in
      let end = min(start + size, layout.payloadCount)
      return piece(number, start..<end, of: frame.bytes, layout)
    }
  }

  /// One segment: the headers of the whole, changed as they must be, and its part of the payload.
  private static func piece(
    _ number: Int, _ range: Range<Int>, of whole: [UInt8], _ layout: FrameLayout
  ) -> [UInt8] {
    let payload = whole[(layout.payload + range.lowerBound)..<(layout.payload + range.upperBound)]
    var bytes = Array(whole[..<layout.payload]) + payload
    let isLast = range.upperBound == layout.payloadCount
    if layout.isIPv4 {
      bytes.store(UInt16(bytes.count - FrameLayout.internet), at: 16)
      bytes.store(whole.span.bigEndian16(at: 18) &+ UInt16(truncatingIfNeeded: number), at: 18)
      bytes.store(0 as UInt16, at: 24)
      bytes.store(plainChecksum(Array(bytes[FrameLayout.internet..<layout.transport])), at: 24)
    } else {
      bytes.store(UInt16(bytes.count - layout.transport), at: 18)
    }
    if layout.proto == 6 {
      let sequence = whole.span.bigEndian32(at: layout.transport + 4) &+ UInt32(range.lowerBound)
      bytes.store(sequence, at: layout.transport + 4)
      // FIN and PSH belong to the end, CWR (RFC 3168 section 6.1.2) to the start.
      if !isLast { bytes[layout.transport + 13] &= ~0x09 }
      if number > 0 { bytes[layout.transport + 13] &= ~0x80 }
    } else {
      bytes.store(UInt16(8 + payload.count), at: layout.transport + 4)
    }
    layout.with(byteCount: bytes.count).complete(&bytes)
    return bytes
  }
}

extension LinkFrame {
  /// What the frame asks of the link, in words.
  fileprivate var wishes: String { "\(checksum), " + (segmentation.map { "\($0)" } ?? "no segmentation") }
}
