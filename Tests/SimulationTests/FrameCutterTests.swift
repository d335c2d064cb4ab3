import Buffers
import Netstack
import Primitives
import Testing

@testable import Simulation

/// What the link does with frames that leave something to it, and the guest's way to make such frames.
@Suite struct FrameCutterTests {
  private static let everything: LinkOffloads = [.checksum, .tcp4, .tcp6, .udp]
  private static let cutter = FrameCutter(offloads: everything)

  private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) } }

  private static func ends(_ isV4: Bool) -> (source: IPAddress, destination: IPAddress) {
    isV4
      ? (IPAddress(IPv4Address(192, 0, 2, 1)), IPAddress(IPv4Address(10, 0, 2, 15)))
      : (
        IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1)), IPAddress(IPv6Address(high: 0xfec0 << 48, low: 15))
      )
  }

  private static func plain(_ payload: PlainPayload, isV4: Bool, identification: UInt16 = 0) -> [UInt8] {
    let (source, destination) = ends(isV4)
    let body: PlainFrame.Body
    if let from = source.ipv4, let to = destination.ipv4 {
      var packet = PlainIPv4(from: from, to: to, payload)
      packet.identification = identification
      body = .ipv4(packet)
    } else {
      body = .ipv6(PlainIPv6(from: source.mapped, to: destination.mapped, payload))
    }
    return PlainFrame(destination: MACAddress(bits: 0x5254_0012_3456), source: MACAddress(bits: 2), body).encoded
  }

  /// A frame that is to be cut into `size` bytes each: the whole packet with the pseudo-header's sum in the field.
  private static func frame(
    _ payload: PlainPayload, isV4: Bool, size: UInt16?, identification: UInt16 = 0
  ) -> LinkFrame {
    var bytes = plain(payload, isV4: isV4, identification: identification)
    let (source, destination) = ends(isV4)
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

  private static func segment(_ payload: [UInt8], _ sequence: UInt32, _ flags: PlainTCP.Flags = .ack) -> PlainTCP {
    var segment = PlainTCP()
    (segment.sourcePort, segment.destinationPort) = (80, 4000)
    segment.sequence = SequenceNumber(sequence)
    segment.acknowledgment = SequenceNumber(77)
    segment.window = 500
    segment.flags = flags
    segment.payload = payload
    segment.options = [.timestamps(1, echo: 2)]
    return segment
  }

  private static func datagram(_ payload: [UInt8]) -> PlainUDP {
    PlainUDP(sourcePort: 7, destinationPort: 5000, payload: payload)
  }

  // MARK: Cutting

  @Test(arguments: [true, false])
  func `a segment is cut with its numbers, and FIN and PSH come with the last`(isV4: Bool) throws {
    // Across the wrap of both counters.
    let whole = Self.segment(Self.bytes(2500), .max - 999, [.ack, .psh, .fin])
    let pieces = try Self.cutter.cut(Self.frame(.tcp(whole), isV4: isV4, size: 1000, identification: .max))
    let expected = [
      (Self.segment(Array(Self.bytes(2500)[..<1000]), .max - 999, .ack), UInt16.max),
      (Self.segment(Array(Self.bytes(2500)[1000..<2000]), 0, .ack), 0),
      (Self.segment(Array(Self.bytes(2500)[2000...]), 1000, [.ack, .psh, .fin]), 1),
    ].map { Self.plain(.tcp($0.0), isV4: isV4, identification: $0.1) }
    #expect(pieces == expected)
  }

  @Test func `what tells of congestion comes with the first (RFC 3168 section 6.1.2)`() throws {
    let whole = Self.segment(Self.bytes(30), 1, PlainTCP.Flags(rawValue: 0x90))
    let pieces = try Self.cutter.cut(Self.frame(.tcp(whole), isV4: true, size: 10))
    #expect(pieces.map { $0[34 + 13] } == [0x90, 0x10, 0x10])
  }

  @Test(arguments: [true, false])
  func `datagrams are cut with lengths of their own`(isV4: Bool) throws {
    let pieces = try Self.cutter.cut(Self.frame(.udp(Self.datagram(Self.bytes(25))), isV4: isV4, size: 10))
    let expected = [0..<10, 10..<20, 20..<25].enumerated().map { number, range in
      Self.plain(.udp(Self.datagram(Array(Self.bytes(25)[range]))), isV4: isV4, identification: UInt16(number))
    }
    #expect(pieces == expected)
  }

  @Test(arguments: [true, false])
  func `an unfinished checksum is completed, also of a frame no longer than one segment`(isV4: Bool) throws {
    for size in [nil, UInt16(100)] {
      for payload in [PlainPayload.tcp(Self.segment([1, 2, 3], 5)), .udp(Self.datagram([])), .udp(Self.datagram([9]))] {
        let pieces = try Self.cutter.cut(Self.frame(payload, isV4: isV4, size: size))
        #expect(pieces == [Self.plain(payload, isV4: isV4)])
      }
    }
  }

  @Test func `a datagram's sum of zero is written as all ones (RFC 768)`() throws {
    // The sum over everything but these two bytes, so that with them it is zero.
    var datagram = Self.datagram([0, 0])
    let (source, destination) = Self.ends(true)
    let rest = datagram.encoded(from: source, to: destination).span.bigEndian16(at: 6)
    datagram.payload = [UInt8(rest >> 8), UInt8(truncatingIfNeeded: rest)]
    let pieces = try Self.cutter.cut(Self.frame(.udp(datagram), isV4: true, size: nil))
    #expect(pieces.map { Array($0[40..<42]) } == [[0xff, 0xff]])
  }

  @Test func `a complete frame passes as it is`() throws {
    #expect(try Self.cutter.cut(LinkFrame([1, 2, 3])) == [[1, 2, 3]])
  }

  // MARK: What is refused

  private static var refused: [(words: String, frame: LinkFrame)] {
    let good = frame(.tcp(segment(bytes(100), 1)), isV4: true, size: 40)
    func bent(_ change: (inout LinkFrame) -> Void) -> LinkFrame {
      var frame = good
      change(&frame)
      return frame
    }
    return [
      ("segments of 0 bytes", bent { $0.segmentation?.size = 0 }),
      ("segments of 65535 bytes", bent { $0.segmentation?.size = .max }),
      ("segmentation as tcp6", bent { $0.segmentation?.kind = .tcp6 }),
      ("segmentation as udp", bent { $0.segmentation?.kind = .udp }),
      ("where the transport begins", bent { $0.checksum = .partial(start: 33, offset: 16) }),
      ("where the transport begins", bent { $0.checksum = .partial(start: 34, offset: 6) }),
      ("pseudo-header's sum", bent { $0.bytes[34 + 17] ^= 1 }),
      (
        "pseudo-header's sum",
        // The complement, as in a finished checksum.
        bent { frame in for place in [34 + 16, 34 + 17] { frame.bytes[place] ^= 0xff } }
      ),
      ("IPv4 checksum", bent { $0.bytes[24] ^= 1 }),
      ("whose checksum is", bent { $0.checksum = .unverified }),
      ("whose checksum is", bent { $0.checksum = .verified }),
      ("a packet that ends", bent { $0.bytes.append(0) }),
      ("a packet that ends", bent { $0.bytes.removeLast() }),
      ("EtherType", bent { $0.bytes[12] = 9 }),
      ("neither TCP nor UDP", bent { $0.bytes[23] = 1 }),
      ("a fragment", bent { $0.bytes[20] |= 0x20 }),
    ]
  }

  @Test func `what a kernel would refuse is refused`() {
    for (words, frame) in Self.refused {
      let fault = #expect(throws: PacketFault.self, "\(words)") { try Self.cutter.cut(frame) }
      #expect(fault?.description.contains(words) == true, "\(words): \(fault?.description ?? "")")
    }
  }

  @Test(arguments: [(true, UInt16(65_483), true), (true, 65_484, false), (false, 65_463, true), (false, 65_464, false)])
  func `a packet is no longer than 65,535 bytes in either family`(isV4: Bool, count: UInt16, fits: Bool) throws {
    let frame = Self.frame(.tcp(Self.segment(Self.bytes(Int(count)), 1)), isV4: isV4, size: 1400)
    if fits {
      #expect(try Self.cutter.cut(frame).count == 47)
    } else {
      #expect(throws: PacketFault.self) { try Self.cutter.cut(frame) }
    }
  }

  @Test func `what the link does not do is refused`() {
    let frames: [(LinkOffloads, LinkFrame)] = [
      (.tcp4, Self.frame(.tcp(Self.segment(Self.bytes(100), 1)), isV4: true, size: 10)),
      (.tcp6, Self.frame(.tcp(Self.segment(Self.bytes(100), 1)), isV4: false, size: 10)),
      (.udp, Self.frame(.udp(Self.datagram(Self.bytes(100))), isV4: true, size: 10)),
      (.checksum, Self.frame(.udp(Self.datagram(Self.bytes(100))), isV4: true, size: nil)),
    ]
    for (offload, frame) in frames {
      #expect(throws: PacketFault.self) {
        try FrameCutter(offloads: Self.everything.subtracting(offload)).cut(frame)
      }
    }
  }

  // MARK: Merging

  private static func merged(_ payloads: [PlainPayload], isV4: Bool = true) -> [LinkFrame] {
    FrameMerger(offloads: everything).merge(payloads.map { LinkFrame(plain($0, isV4: isV4)) })
  }

  @Test(arguments: [true, false])
  func `segments of one connection that follow each other become one`(isV4: Bool) throws {
    let payloads = [
      PlainPayload.tcp(Self.segment(Self.bytes(10), 1)), .tcp(Self.segment(Self.bytes(10), 11)),
      .tcp(Self.segment(Self.bytes(4), 21, [.ack, .psh, .fin])),
    ]
    let frames = Self.merged(payloads, isV4: isV4)
    let whole = Self.segment(Self.bytes(10) + Self.bytes(10) + Self.bytes(4), 1, [.ack, .psh, .fin])
    #expect(frames == [Self.frame(.tcp(whole), isV4: isV4, size: 10)])
  }

  @Test(arguments: [true, false])
  func `datagrams of one flow become one up to the first that is shorter`(isV4: Bool) throws {
    let payloads = [10, 10, 3, 10].map { PlainPayload.udp(Self.datagram(Self.bytes($0))) }
    let whole = Self.datagram(Self.bytes(10) + Self.bytes(10) + Self.bytes(3))
    #expect(
      Self.merged(payloads, isV4: isV4)
        == [Self.frame(.udp(whole), isV4: isV4, size: 10), LinkFrame(Self.plain(payloads[3], isV4: isV4))])
  }

  @Test func `what does not go together stays apart`() {
    let first = Self.segment(Self.bytes(10), 1)
    func other(_ change: (inout PlainTCP) -> Void) -> PlainPayload {
      var next = Self.segment(Self.bytes(10), 11)
      change(&next)
      return .tcp(next)
    }
    let others = [
      other { $0.sequence += 1 }, other { $0.sourcePort = 81 }, other { $0.acknowledgment += 1 },
      other { $0.window += 1 }, other { $0.options = [.timestamps(2, echo: 2)] }, other { $0.options = [] },
      other { $0.flags = [.ack, .syn] }, other { $0.flags = [.ack, .rst] }, other { $0.flags = [.ack, .urg] },
      other { $0.payload = [] }, other { $0.payload = Self.bytes(11) }, .udp(Self.datagram(Self.bytes(10))),
    ]
    for next in others { #expect(Self.merged([.tcp(first), next]).count == 2, "\(next)") }
    for flag in [PlainTCP.Flags.psh, .fin, .urg, .syn] {
      let first = Self.segment(Self.bytes(10), 1, [.ack, flag])
      #expect(Self.merged([.tcp(first), .tcp(Self.segment(Self.bytes(10), 11, [.ack, flag]))]).count == 2)
    }
  }

  @Test(arguments: [true, false], UInt64(1)...20)
  func `merged and cut again, frames are what they were`(isV4: Bool, seed: UInt64) throws {
    var dice = SeededGenerator(seed: seed)
    var payloads: [PlainPayload] = []
    var sequence: UInt32 = .max - 2000
    let size = Int.random(in: 1...100, using: &dice)
    for _ in 0..<100 {
      let count = Int.random(in: 0..<5, using: &dice) == 0 ? Int.random(in: 0...size, using: &dice) : size
      if Int.random(in: 0..<20, using: &dice) == 0 {
        payloads.append(.udp(Self.datagram(Self.bytes(count))))
      } else {
        let pushes = Int.random(in: 0..<10, using: &dice) == 0
        payloads.append(.tcp(Self.segment(Self.bytes(count), sequence, pushes ? [.ack, .psh] : .ack)))
        sequence &+= UInt32(count)
      }
    }
    let frames = Self.merged(payloads, isV4: isV4)
    #expect(frames.count < payloads.count)
    var again: [PlainPayload] = []
    for frame in frames {
      for bytes in try Self.cutter.cut(frame) {
        again.append(try #require(try PlainFrame(decoding: bytes).payload))
      }
    }
    #expect(again == payloads)
  }
}
