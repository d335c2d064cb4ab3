import Buffers
import Primitives
import Wire

extension MutableSpan<UInt8> {
  /// Writes the whole checksum to a frame whose field, at `start + offset`, has the sum of the pseudo-header, as the kernel
  /// does behind a link that leaves it to that (virtio 1.2 section 5.1.6.2).
  /// - Returns: false, with nothing changed, where the field is not in the frame.
  @discardableResult
  mutating func completeChecksum(start: Int, offset: Int) -> Bool {
    guard offset >= 0, start >= 0, start + offset + 2 <= count else { return false }
    var sum = InternetChecksum()
    sum.add(span.extracting(start..<count))
    // UDP's of zero would mean that there is none (RFC 768).
    let isUDP = offset == UDPHeader.checksumOffset
    storeBigEndian(isUDP ? sum.nonzeroChecksum : sum.checksum, at: start + offset)
    return true
  }
}

/// A whole frame that stands for several segments, to be cut into these as the kernel behind a link does it: each with
/// checksums and numbers of its own.
struct SuperSegment {
  /// The first bytes of the IP header and of the transport's.
  let internet: Int
  let transport: Int
  /// The first byte of the payload.
  let payload: Int
  /// Bytes of payload in all, and in each segment but the last.
  let payloadCount: Int
  let size: Int
  let isIPv4: Bool
  let isTCP: Bool

  /// Finds the parts; nil where the frame is not what `segmentation` says, or no longer than one segment.
  init?(_ frame: Span<UInt8>, _ segmentation: Segmentation) {
    internet = EthernetFrame.headerLength
    size = Int(segmentation.size)
    isTCP = segmentation.kind != .udp
    guard size > 0, frame.count >= internet + 20 else { return nil }
    let etherType = frame.bigEndian16(at: 12)
    let proto: UInt8
    switch (etherType, segmentation.kind) {
    case (0x0800, .tcp4), (0x0800, .udp):
      isIPv4 = true
      proto = frame[internet + 9]
      transport = internet + Int(frame[internet] & 15) * 4
    case (0x86dd, .tcp6), (0x86dd, .udp):
      // The stack's own and Linux's have no extension headers here; others are left alone.
      guard frame.count >= internet + 40 else { return nil }
      isIPv4 = false
      proto = frame[internet + 6]
      transport = internet + 40
    default: return nil
    }
    guard proto == (isTCP ? 6 : 17), transport + (isTCP ? 20 : 8) <= frame.count else { return nil }
    payload = transport + (isTCP ? Int(frame[transport + 12] >> 4) * 4 : 8)
    payloadCount = frame.count - payload
    guard payload >= transport + (isTCP ? 20 : 8), payloadCount > size else { return nil }
  }

  /// How many segments it stands for.
  var segmentCount: Int { (payloadCount + size - 1) / size }

  /// Makes `segment` the segment `number`: the headers of the whole, changed as they must be, and its part of the payload.
  func write(_ number: Int, of frame: Span<UInt8>, to segment: inout [UInt8]) {
    let start = number * size
    let count = min(size, payloadCount - start)
    let length = payload + count
    if segment.count != length { segment = Array(repeating: 0, count: length) }
    var bytes = segment.mutableSpan
    bytes.copy(frame.extracting(0..<payload))
    bytes.copy(frame.extracting((payload + start)..<(payload + start + count)), at: payload)
    if isIPv4 {
      bytes.storeBigEndian(UInt16(truncatingIfNeeded: length - internet), at: internet + 2)
      let identification = frame.bigEndian16(at: internet + 4) &+ UInt16(truncatingIfNeeded: number)
      bytes.storeBigEndian(identification, at: internet + 4)
      bytes.storeBigEndian(0 as UInt16, at: internet + 10)
      var sum = InternetChecksum()
      sum.add(bytes.span.extracting(internet..<transport))
      bytes.storeBigEndian(sum.checksum, at: internet + 10)
    } else {
      bytes.storeBigEndian(UInt16(truncatingIfNeeded: length - transport), at: internet + 4)
    }
    if isTCP {
      bytes.storeBigEndian(
        frame.bigEndian32(at: transport + 4) &+ UInt32(truncatingIfNeeded: start), at: transport + 4)
      // FIN and PSH belong to the end, CWR to the start (RFC 3168 section 6.1.2).
      if start + count < payloadCount { bytes[transport + 13] &= ~0x09 }
      if number > 0 { bytes[transport + 13] &= ~0x80 }
    } else {
      bytes.storeBigEndian(UInt16(truncatingIfNeeded: 8 + count), at: transport + 4)
    }
    writeChecksum(&bytes)
  }

  private func writeChecksum(_ bytes: inout MutableSpan<UInt8>) {
    let field = transport + (isTCP ? 16 : 6)
    bytes.storeBigEndian(0 as UInt16, at: field)
    var sum = InternetChecksum()
    sum.add(bytes.span.extracting(isIPv4 ? (internet + 12)..<(internet + 20) : (internet + 8)..<(internet + 40)))
    sum.add(UInt32(bytes.count - transport))
    sum.add(UInt32(isTCP ? 6 : 17))
    sum.add(bytes.span.extracting(transport..<bytes.count))
    bytes.storeBigEndian(isTCP ? sum.checksum : sum.nonzeroChecksum, at: field)
  }
}
