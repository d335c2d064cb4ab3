import Primitives
import Testing
import Wire

@Suite struct IPv4PacketTests {
  let guest = IPv4Address(10, 0, 2, 15)
  let gateway = IPv4Address(10, 0, 2, 2)

  @Test func `a packet has its fields`() throws {
    let golden = Golden.portUnreachable
    let packet = try IPv4Packet(golden.span.extracting(14...))
    let (header, isFragment, isValid) = (packet.header, packet.isFragment, packet.isHeaderChecksumValid)
    let (headerLength, payloadLength, options) = (packet.headerLength, packet.payload.count, packet.options.count)
    #expect(
      header
        == IPv4Header(
          dscpECN: 0xc0, totalLength: 59, identification: 0x702e, timeToLive: 64, proto: .icmp, source: gateway,
          destination: guest))
    #expect(!isFragment)
    #expect(isValid)
    #expect((headerLength, payloadLength, options) == (20, 39, 0))
  }

  @Test(arguments: Golden.frames.filter { $0[12...13] == [0x08, 0x00] })
  func `a header is written as it was read, checksum included`(_ golden: [UInt8]) throws {
    let header = try IPv4Packet(golden.span.extracting(14...)).header
    #expect(written(20) { header.write(to: &$0) } == Array(golden[14..<34]))
    #expect(written(23) { header.write(to: &$0, at: 1) } == [0xee] + golden[14..<34] + [0xee, 0xee])
  }

  @Test(arguments: [
    (false, true, 0, 0x2000), (false, true, 1480, 0x20b9), (false, false, 2960, 0x0172), (true, false, 0, 0x4000),
    (false, false, 65_528, 0x1fff),
  ])
  func `the fragment fields go both ways`(_ dontFragment: Bool, _ more: Bool, _ offset: Int, _ field: Int) throws {
    let header = IPv4Header(
      totalLength: 20, dontFragment: dontFragment, moreFragments: more, fragmentOffset: offset, proto: .udp,
      source: guest, destination: gateway)
    let bytes = written(20) { header.write(to: &$0) }
    #expect(Array(bytes[6...7]) == [UInt8(field >> 8), UInt8(field & 0xff)])
    let packet = try IPv4Packet(bytes.span)
    let (parsed, isFragment) = (packet.header, packet.isFragment)
    #expect(parsed == header)
    #expect(isFragment == (more || offset > 0))
  }

  @Test func `the bytes given may be only the first part of a packet`() throws {
    let golden = Golden.udp
    let packet = try IPv4Packet(golden.span.extracting(14..<34), byteCount: 31)
    let (total, payload, rest) = (packet.totalLength, packet.payload.count, packet.payloadLength)
    #expect((total, payload, rest) == (31, 0, 11))
    #expect(throws: WireError.badTotalLength(31, available: 30)) {
      _ = try IPv4Packet(golden.span.extracting(14..<34), byteCount: 30).header
    }
  }

  @Test func `Ethernet padding is not payload`() throws {
    let bytes = Golden.udp[14...] + [UInt8](repeating: 0, count: 15)
    let payload = try IPv4Packet(Array(bytes).span).payload.count
    #expect(payload == 11)
  }

  @Test func `options lie between header and payload`() throws {
    let bytes = hex("46 00 001a 0000 0000 40 11 0000 0a00020f 0a000202  94040000  abcd")
    let packet = try IPv4Packet(bytes.span)
    let (options, payload) = (packet.options.bigEndian32(at: 0), packet.payload.bigEndian16(at: 0))
    let lengths = (packet.headerLength, packet.options.count, packet.payload.count)
    #expect((options, payload) == (0x9404_0000, 0xabcd))
    #expect(lengths == (24, 4, 2))
  }

  @Test(arguments: [
    ("65000014 00000000 40110000 0a00020f 0a000202", WireError.badVersion(6)),
    ("44000014 00000000 40110000 0a00020f 0a000202", .badHeaderLength(16)),
    ("40000014 00000000 40110000 0a00020f 0a000202", .badHeaderLength(0)),
    ("4f00003c 00000000 40110000 0a00020f 0a000202", .truncated(needed: 60, available: 20)),
    ("45000013 00000000 40110000 0a00020f 0a000202", .badTotalLength(19, available: 20)),
    ("45000000 00000000 40110000 0a00020f 0a000202", .badTotalLength(0, available: 20)),
    ("45000015 00000000 40110000 0a00020f 0a000202", .badTotalLength(21, available: 20)),
    ("4500ffff 00000000 40110000 0a00020f 0a000202", .badTotalLength(65_535, available: 20)),
    ("46000014 00000000 40110000 0a00020f 0a000202 00000000", .badTotalLength(20, available: 24)),
    ("45000014 00000000 40110000 0a00020f 0a0002", .truncated(needed: 20, available: 19)),
    ("", .truncated(needed: 20, available: 0)),
  ])
  func `a lying header is refused`(_ text: String, _ error: WireError) {
    #expect(throws: error) { _ = try IPv4Packet(hex(text).span).header }
  }

  @Test func `a wrong bit anywhere in the header breaks its checksum`() throws {
    for bit in 0..<160 where !(0..<8).contains(bit) {
      var bytes = Array(Golden.udp[14...])
      bytes[bit / 8] ^= 1 << (bit % 8)
      // Changed lengths are refused before the checksum is looked at; here they still fit.
      guard let isValid = try? IPv4Packet(bytes.span, byteCount: 65_535).isHeaderChecksumValid else { continue }
      #expect(!isValid, "bit \(bit)")
    }
  }
}
