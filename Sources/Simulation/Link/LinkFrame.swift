public import Buffers
import Primitives

/// A frame on the simulation's link, with what its sender has left to others.
public struct LinkFrame: Hashable, Sendable {
  /// The frame, from the first byte of the Ethernet header.
  public var bytes: [UInt8]
  /// What is known of the transport checksum.
  public var checksum = ChecksumState.unverified
  /// Present where the frame stands for several segments.
  public var segmentation: Segmentation?

  /// Makes a frame of its parts.
  public init(_ bytes: [UInt8], checksum: ChecksumState = .unverified, segmentation: Segmentation? = nil) {
    self.bytes = bytes
    self.checksum = checksum
    self.segmentation = segmentation
  }
}

/// Where the headers of a frame with TCP or UDP in it lie, all in bytes from the frame's first.
///
/// Written apart from `Wire`, from which nothing comes.
struct FrameLayout {
  let isIPv4: Bool
  /// 6 for TCP, 17 for UDP.
  let proto: UInt8
  /// Where the transport's header begins.
  let transport: Int
  /// Where its payload begins.
  let payload: Int
  /// Where the packet ends, behind which there may be padding.
  private(set) var end: Int

  /// Where the IP header begins.
  static let internet = 14

  /// Where the checksum lies in the transport's header.
  var checksumOffset: Int { proto == 6 ? 16 : 6 }
  /// Where the checksum lies in the frame.
  var checksum: Int { transport + checksumOffset }

  /// Finds the headers; what they say of themselves beyond their lengths is not looked at.
  init(_ bytes: [UInt8]) throws(PacketFault) {
    guard bytes.count >= 42 else { throw PacketFault("no packet of TCP or UDP in \(bytes.count) bytes") }
    let span = bytes.span
    switch span.bigEndian16(at: 12) {
    case 0x0800:
      isIPv4 = true
      proto = bytes[23]
      transport = Self.internet + Int(bytes[14] & 15) * 4
      end = Self.internet + Int(span.bigEndian16(at: 16))
      guard bytes[14] >> 4 == 4, transport >= Self.internet + 20 else { throw PacketFault("not an IPv4 header") }
      guard span.bigEndian16(at: 20) & 0x3fff == 0 else { throw PacketFault("a fragment") }
    case 0x86dd:
      isIPv4 = false
      proto = bytes[20]
      transport = Self.internet + 40
      end = transport + Int(span.bigEndian16(at: 18))
    case let type: throw PacketFault("EtherType \(type)")
    }
    guard proto == 6 || proto == 17 else { throw PacketFault("protocol \(proto), neither TCP nor UDP") }
    guard end <= bytes.count, transport + (proto == 6 ? 20 : 8) <= end else {
      throw PacketFault("a packet that ends at \(end) in \(bytes.count) bytes")
    }
    payload = transport + (proto == 6 ? Int(bytes[transport + 12] >> 4) * 4 : 8)
    guard payload <= end else { throw PacketFault("a transport's header that ends at \(payload) of \(end)") }
  }

  /// The layout of a frame with the same headers, of `byteCount` bytes.
  func with(byteCount: Int) -> FrameLayout {
    var layout = self
    layout.end = byteCount
    return layout
  }

  /// Bytes of payload.
  var payloadCount: Int { end - payload }

  /// What the transport's checksum covers beside its own `length` bytes.
  func pseudoHeader(of bytes: [UInt8], length: Int) -> [UInt8] {
    let addresses = isIPv4 ? Array(bytes[26..<34]) : Array(bytes[22..<54])
    var writer = PlainWriter()
    writer.append(addresses)
    if isIPv4 {
      writer.append([0, proto])
      writer.append(UInt16(truncatingIfNeeded: length))
    } else {
      writer.append(UInt32(truncatingIfNeeded: length))
      writer.append([0, 0, 0, proto])
    }
    return writer.bytes
  }

  /// The sum of the pseudo-header, not complemented: what a partial checksum begins with.
  func pseudoHeaderSum(of bytes: [UInt8]) -> UInt16 {
    ~plainChecksum(pseudoHeader(of: bytes, length: end - transport))
  }

  /// Writes the checksum of the transport, over its bytes as they are.
  func complete(_ bytes: inout [UInt8]) {
    bytes.store(0 as UInt16, at: checksum)
    let sum = plainChecksum(pseudoHeader(of: bytes, length: end - transport), Array(bytes[transport..<end]))
    // RFC 768: a sum of zero is sent as all ones.
    bytes.store(sum == 0 && proto == 17 ? 0xffff : sum, at: checksum)
  }
}

extension [UInt8] {
  /// Writes a number in network byte order.
  mutating func store(_ value: UInt16, at offset: Int) {
    self[offset] = UInt8(truncatingIfNeeded: value >> 8)
    self[offset + 1] = UInt8(truncatingIfNeeded: value)
  }

  /// Writes a number in network byte order.
  mutating func store(_ value: UInt32, at offset: Int) {
    store(UInt16(truncatingIfNeeded: value >> 16), at: offset)
    store(UInt16(truncatingIfNeeded: value), at: offset + 2)
  }
}
