import Buffers
import Primitives

/// Makes of frames what a guest with segmentation offload hands over in their place: consecutive segments of one TCP
/// connection, or consecutive datagrams of one UDP flow, as one frame with an unfinished checksum.
///
/// It is the opposite of `FrameCutter`: cut again, the frame gives the same frames, but for PSH on the way and for IPv4's
/// identification.
struct FrameMerger {
  /// What the link allows.
  let offloads: LinkOffloads

  /// The frames of `frames` with those merged that may be.
  func merge(_ frames: [LinkFrame]) -> [LinkFrame] {
    var merged: [LinkFrame] = []
    var first: (frame: LinkFrame, layout: FrameLayout, size: Int)?
    for frame in frames {
      let layout = layout(of: frame)
      if let layout, let (open, head, size) = first,
        let joined = join(frame, layout, to: open, head, size: size)
      {
        // A shorter one is the last.
        first = layout.payloadCount < size ? nil : (joined, head, size)
        merged[merged.count - 1] = joined
      } else {
        merged.append(frame)
        first = layout.map { (frame, $0, $0.payloadCount) }
      }
    }
    return merged
  }

  /// The layout of a frame that may become part of a longer one.
  private func layout(of frame: LinkFrame) -> FrameLayout? {
    // What has no layout is not TCP or UDP, and goes as it is.
    guard frame.checksum == .unverified, frame.segmentation == nil, let layout = try? FrameLayout(frame.bytes),
      layout.payloadCount > 0, layout.end == frame.bytes.count, offloads.allow(.partial(start: 0, offset: 0), nil)
    else { return nil }
    // What is broken stays broken.
    var completed = frame.bytes
    layout.complete(&completed)
    guard completed == frame.bytes else { return nil }
    return offloads.allow(.unverified, Segmentation(kind: layout.kind, size: 1)) ? layout : nil
  }

  /// `open` with the payload of `next` behind it; nil where that is not its continuation.
  private func join(
    _ next: LinkFrame, _ layout: FrameLayout, to open: LinkFrame, _ head: FrameLayout, size: Int
  ) -> LinkFrame? {
    let length = open.bytes.count + layout.payloadCount
    guard layout.payloadCount <= size, length - FrameLayout.internet <= 65_535, layout.payload == head.payload,
      layout.proto == head.proto, layout.isIPv4 == head.isIPv4
    else { return nil }
    if head.proto == 6 && !continues(next.bytes, open.bytes, head) { return nil }
    guard head.template(of: next.bytes) == head.template(of: open.bytes) else { return nil }
    var joined = open
    joined.bytes += next.bytes[layout.payload...]
    if head.proto == 6 { joined.bytes[head.transport + 13] |= next.bytes[head.transport + 13] & 0x09 }
    joined.checksum = .partial(start: UInt16(head.transport), offset: UInt16(head.checksumOffset))
    joined.segmentation = Segmentation(kind: head.kind, size: UInt16(size))
    head.stretch(&joined.bytes)
    return joined
  }

  /// Whether a segment goes on where `open` ends, and neither says anything of its own.
  private func continues(_ next: [UInt8], _ open: [UInt8], _ layout: FrameLayout) -> Bool {
    let (sequence, flags) = (layout.transport + 4, layout.transport + 13)
    let end = open.span.bigEndian32(at: sequence) &+ UInt32(open.count - layout.payload)
    // FIN ends a frame, and so does PSH; with SYN, RST or URG a segment stands for itself.
    return next.span.bigEndian32(at: sequence) == end && open[flags] & 0x2f == 0 && next[flags] & 0x26 == 0
      && (open[flags] | 0x09) == (next[flags] | 0x09)
  }
}

extension FrameLayout {
  fileprivate var kind: Segmentation.Kind { proto == 17 ? .udp : isIPv4 ? .tcp4 : .tcp6 }

  /// The headers of a frame without what differs from one of several segments to the next.
  fileprivate func template(of bytes: [UInt8]) -> [UInt8] {
    var headers = Array(bytes[..<payload])
    if isIPv4 {
      for offset in [16, 18, 24] { headers.store(0 as UInt16, at: offset) }
    } else {
      headers.store(0 as UInt16, at: 18)
    }
    headers.store(0 as UInt16, at: checksum)
    if proto == 6 {
      headers.store(0 as UInt32, at: transport + 4)
      headers[transport + 13] &= ~0x09
    } else {
      headers.store(0 as UInt16, at: transport + 4)
    }
    return headers
  }

  /// Makes the headers of a frame that has grown say so, with the pseudo-header's sum for a checksum.
  fileprivate func stretch(_ bytes: inout [UInt8]) {
    if isIPv4 {
      bytes.store(UInt16(bytes.count - Self.internet), at: 16)
      bytes.store(0 as UInt16, at: 24)
      bytes.store(plainChecksum(Array(bytes[Self.internet..<transport])), at: 24)
    } else {
      bytes.store(UInt16(bytes.count - transport), at: 18)
    }
    if proto == 17 { bytes.store(UInt16(bytes.count - transport), at: transport + 4) }
    let sum = ~plainChecksum(pseudoHeader(of: bytes, length: bytes.count - transport))
    bytes.store(sum, at: checksum)
  }
}
