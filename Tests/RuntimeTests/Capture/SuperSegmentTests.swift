import Buffers
import Primitives
import Testing

@testable import Runtime
@testable import Simulation

/// Frames as a wire would show them, judged by the lab's own cutter, which was written apart from this.
@Suite struct SuperSegmentTests {
  private static func bytes(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 31) }
  }

  /// A frame that leaves its sum, and with `size` its cut, to the link.
  private static func frame(_ payload: PlainPayload, isV4: Bool, size: UInt16?, identification: UInt16) -> LinkFrame {
    let (source, destination): (IPAddress, IPAddress) =
      isV4
      ? (IPAddress(IPv4Address(192, 0, 2, 1)), IPAddress(IPv4Address(10, 0, 2, 15)))
      : (
        IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1)), IPAddress(IPv6Address(high: 0xfec0 << 48, low: 15))
      )
    let body: PlainFrame.Body
    if let from = source.ipv4, let to = destination.ipv4 {
      var packet = PlainIPv4(from: from, to: to, payload)
      packet.identification = identification
      body = .ipv4(packet)
    } else {
      body = .ipv6(PlainIPv6(from: source.mapped, to: destination.mapped, payload))
    }
    var bytes = PlainFrame(destination: MACAddress(bits: 1), source: MACAddress(bits: 2), body).encoded
    let proto = payload.proto(in: source.family)
    let (start, offset) = (isV4 ? 34 : 54, proto == 6 ? 16 : 6)
    let sum = ~plainChecksum(plainPseudoHeader(source, destination, proto, bytes.count - start))
    bytes[start + offset] = UInt8(sum >> 8)
    bytes[start + offset + 1] = UInt8(truncatingIfNeeded: sum)
    let kind: Segmentation.Kind = proto == 17 ? .udp : isV4 ? .tcp4 : .tcp6
    return LinkFrame(
      bytes, checksum: .partial(start: UInt16(start), offset: UInt16(offset)),
      segmentation: size.map { Segmentation(kind: kind, size: $0) })
  }

  private static func segment(_ payload: [UInt8], _ sequence: UInt32, _ flags: PlainTCP.Flags) -> PlainTCP {
    var segment = PlainTCP()
    (segment.sourcePort, segment.destinationPort) = (80, 4000)
    segment.sequence = SequenceNumber(sequence)
    segment.acknowledgment = SequenceNumber(77)
    segment.flags = flags
    segment.payload = payload
    segment.options = [.timestamps(1, echo: 2)]
    return segment
  }

  /// What is captured of a frame.
  private static func pieces(of frame: LinkFrame) -> [[UInt8]] {
    if let segmentation = frame.segmentation, let segments = SuperSegment(frame.bytes.span, segmentation) {
      return (0..<segments.segmentCount).map { number in
        var piece: [UInt8] = []
        segments.write(number, of: frame.bytes.span, to: &piece)
        return piece
      }
    }
    var bytes = frame.bytes
    if case .partial(let start, let offset) = frame.checksum {
      var span = bytes.mutableSpan
      span.completeChecksum(start: Int(start), offset: Int(offset))
    }
    return [bytes]
  }

  @Test(arguments: [true, false], [nil, 1, 10, 999, 1448, 65_000] as [UInt16?])
  func `segments have numbers, lengths, flags and checksums of their own`(isV4: Bool, size: UInt16?) throws {
    // FIN, PSH and CWR beside ACK, across the wrap of both counters.
    let flags = PlainTCP.Flags(rawValue: 0x99)
    for count in [0, 1, 11, 2500, 60_000] where size ?? .max > 1 || count < 3000 {
      for payload in [
        PlainPayload.tcp(Self.segment(Self.bytes(count), .max - 999, flags)),
        .udp(PlainUDP(sourcePort: 7, destinationPort: 5000, payload: Self.bytes(count, seed: 3))),
      ] {
        let frame = Self.frame(payload, isV4: isV4, size: size, identification: .max)
        #expect(Self.pieces(of: frame) == FrameCutter.complete(frame), "\(count) bytes")
      }
    }
  }

  @Test func `a datagram's sum of zero is written as all ones (RFC 768)`() {
    for count in [2, 12] {
      var found = 0
      // One of these has it, whatever the rest sums to.
      for value in 0...UInt16.max {
        let payload = [UInt8(value >> 8), UInt8(value & 0xff)] + Self.bytes(count - 2)
        let frame = Self.frame(
          .udp(PlainUDP(sourcePort: 7, destinationPort: 9, payload: payload)), isV4: true, size: 2, identification: 0)
        let first = Self.pieces(of: frame)[0]
        #expect(first[40...41] != [0, 0])
        if first[40...41] == [0xff, 0xff] { found += 1 }
      }
      #expect(found > 0)
    }
  }

  @Test func `what is not what it says is left as it is`() {
    let good = Self.frame(.tcp(Self.segment(Self.bytes(100), 1, .ack)), isV4: true, size: 40, identification: 0)
    for (kind, size) in [(Segmentation.Kind.tcp6, UInt16(40)), (.udp, 40), (.tcp4, 0), (.tcp4, 100)] {
      #expect(SuperSegment(good.bytes.span, Segmentation(kind: kind, size: size)) == nil)
    }
    // Header lengths that lead out of the frame, and less than any header has.
    for (place, value) in [(14, UInt8(0x4f)), (14, 0x40), (34 + 12, 0xf0), (34 + 12, 0x10), (12, 0x88)] {
      var bytes = good.bytes
      bytes[place] = value
      let segments = SuperSegment(bytes.span, Segmentation(kind: .tcp4, size: 40))
      if let segments {
        // Still a frame of sorts: nothing outside it may be touched.
        var piece: [UInt8] = []
        for number in 0..<segments.segmentCount { segments.write(number, of: bytes.span, to: &piece) }
      }
    }
    // Cut short anywhere.
    for length in 0..<good.bytes.count {
      let part = Array(good.bytes.prefix(length))
      guard let segments = SuperSegment(part.span, Segmentation(kind: .tcp4, size: 40)) else { continue }
      var piece: [UInt8] = []
      for number in 0..<segments.segmentCount { segments.write(number, of: part.span, to: &piece) }
    }
    // A sum whose place is not in the frame.
    var bytes = [UInt8](repeating: 1, count: 40)
    var span = bytes.mutableSpan
    for (start, offset) in [(34, 5), (39, 0), (40, 0), (65_535, 65_535)] {
      let isWritten = span.completeChecksum(start: start, offset: offset)
      #expect(!isWritten)
    }
    let isLastWritten = span.completeChecksum(start: 34, offset: 4)
    #expect(isLastWritten)
  }
}
