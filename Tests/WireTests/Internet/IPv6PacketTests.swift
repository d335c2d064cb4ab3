import Primitives
import Testing
import Wire

@Suite struct IPv6PacketTests {
  @Test func `a packet has its fields`() throws {
    let golden = Golden.udp6
    let packet = try IPv6Packet(golden.span.extracting(14...))
    let (header, total, payload) = (packet.header, packet.totalLength, packet.payload.count)
    #expect(
      header
        == IPv6Header(
          flowLabel: 0x23f09, payloadLength: 11, nextHeader: .udp, hopLimit: 64,
          source: IPv6Address(high: 0xfec0 << 48, low: 0x15), destination: IPv6Address(high: 0xfec0 << 48, low: 2)))
    #expect((total, payload) == (51, 11))
  }

  @Test(arguments: (Golden.frames + Golden.framesWithExtensions).filter { $0[12...13] == [0x86, 0xdd] })
  func `a header is written as it was read`(_ golden: [UInt8]) throws {
    let header = try IPv6Packet(golden.span.extracting(14...)).header
    #expect(written(40) { header.write(to: &$0) } == Array(golden[14..<54]))
  }

  @Test func `traffic class and flow label do not touch each other`() throws {
    let header = IPv6Header(
      trafficClass: 0xff, flowLabel: 0, payloadLength: 0, nextHeader: .noNextHeader, source: .any, destination: .any)
    var other = header
    (other.trafficClass, other.flowLabel) = (0, 0xf_ffff)
    for value in [header, other] {
      let bytes = written(40) { value.write(to: &$0) }
      let parsed = try IPv6Packet(bytes.span).header
      #expect(parsed == value)
    }
  }

  @Test func `a payload longer than the frame is refused, a shorter one is padded`() throws {
    let bytes = Array(Golden.udp6[14...])
    #expect(throws: WireError.badTotalLength(51, available: 50)) {
      _ = try IPv6Packet(bytes.span, byteCount: 50).header
    }
    let padded = bytes + [0, 0, 0]
    let payload = try IPv6Packet(padded.span).payload.count
    #expect(payload == 11)
    let firstPart = try IPv6Packet(bytes.span.extracting(0..<40), byteCount: 51).payloadLength
    #expect(firstPart == 11)
  }

  @Test func `another version is refused`() {
    var bytes = Array(Golden.udp6[14...])
    bytes[0] = 0x45
    #expect(throws: WireError.badVersion(4)) { _ = try IPv6Packet(bytes.span).header }
  }

  @Test func `a captured fragment has its place in the packet (RFC 8200 section 4.5)`() throws {
    let golden = Golden.fragment6
    let packet = try IPv6Packet(golden.span.extracting(14...))
    let (next, count) = (packet.nextHeader, packet.payload.count)
    let fragment = try IPv6FragmentHeader(packet.payload)
    #expect(next == .fragmentHeader)
    #expect(count == 8 + 13)
    #expect(
      fragment == IPv6FragmentHeader(nextHeader: .udp, offset: 1448, moreFragments: false, identification: 0x1eb2_0995))
    #expect(written(8) { fragment.write(to: &$0) } == Array(Golden.fragment6[54..<62]))
  }

  @Test func `a fragment header has its fields and is written back (RFC 8200 section 4.5)`() throws {
    let bytes = hex("11 00 05a9 12345678")
    let header = try IPv6FragmentHeader(bytes.span)
    #expect(
      header == IPv6FragmentHeader(nextHeader: .udp, offset: 1448, moreFragments: true, identification: 0x1234_5678))
    #expect(written(8) { header.write(to: &$0) } == bytes)
    // The reserved bits are ignored on receipt and sent as zero.
    #expect(try IPv6FragmentHeader(hex("11 ff 05af 12345678").span) == header)
    #expect(throws: WireError.truncated(needed: 8, available: 7)) {
      _ = try IPv6FragmentHeader(bytes.span.extracting(0..<7))
    }
  }
}
