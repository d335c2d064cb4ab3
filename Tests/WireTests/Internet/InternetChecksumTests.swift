import Primitives
import Testing
import Wire

/// RFC 1071 word by word, as its section 4.1 has it.
private func reference(_ bytes: some Sequence<UInt8>) -> UInt16 {
  var sum = 0
  var isHigh = true
  for byte in bytes {
    sum += isHigh ? Int(byte) << 8 : Int(byte)
    if sum > 0xffff { sum -= 0xffff }
    isHigh.toggle()
  }
  return UInt16(sum)
}

@Suite struct InternetChecksumTests {
  @Test func `the example of RFC 1071 section 3 has the sum ddf2`() {
    var checksum = InternetChecksum()
    checksum.add(hex("00 01 f2 03 f4 f5 f6 f7").span)
    #expect(checksum.folded == 0xddf2)
    #expect(checksum.checksum == ~0xddf2)
  }

  @Test func `the sum of nothing is 0, and of all ones 0xffff`() {
    #expect(InternetChecksum().folded == 0)
    for count in stride(from: 2, to: 300, by: 2) {
      #expect(isChecksumValid([UInt8](repeating: 0xff, count: count)))
    }
    #expect(!isChecksumValid([]))
  }

  @Test(arguments: 0..<16)
  func `every length up to 300 bytes, at every alignment, sums as word by word`(offset: Int) {
    var random = SeededGenerator(seed: UInt64(offset))
    let bytes = (0..<320).map { _ in UInt8.random(in: 0...255, using: &random) }
    for length in 0...300 {
      var checksum = InternetChecksum()
      checksum.add(bytes.span.extracting(offset..<(offset + length)))
      #expect(checksum.folded == reference(bytes[offset..<(offset + length)]), "\(length) bytes")
    }
  }

  @Test(arguments: 0..<100)
  func `a message in parts of any length sums as a whole`(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let extremes: [UInt8] = [0, 0xff]
    let bytes = (0..<Int.random(in: 1...70_000, using: &random)).map { _ in
      seed.isMultiple(of: 3) ? extremes[Int.random(in: 0...1, using: &random)] : .random(in: 0...255, using: &random)
    }
    var checksum = InternetChecksum()
    var start = 0
    while start < bytes.count {
      let longest = [1, 3, 64, 200, 20_000][Int.random(in: 0..<5, using: &random)]
      let end = min(bytes.count, start + Int.random(in: 0...longest, using: &random))
      checksum.add(bytes.span.extracting(start..<end))
      start = end
    }
    #expect(checksum.folded == reference(bytes))
  }

  @Test func `integers count as their bytes, at odd positions too`() {
    for prefix in [[], [0x5a]] as [[UInt8]] {
      var checksum = InternetChecksum()
      checksum.add(prefix.span)
      checksum.add(0x1234 as UInt16)
      checksum.add(0x89ab_cdef as UInt32)
      checksum.add(0xfedc_ba98_7654_3210 as UInt64)
      checksum.add([0xa5].span)
      #expect(checksum.folded == reference(prefix + hex("1234 89abcdef fedcba9876543210 a5")))
    }
  }

  @Test func `the captured TCP, UDP and ICMPv6 checksums are right with their pseudo-headers`() throws {
    for golden in Golden.frames {
      let frame = try EthernetFrame(golden.span)
      var checksum = InternetChecksum()
      switch frame.etherType {
      case .ipv4:
        let packet = try IPv4Packet(frame.payload)
        if packet.proto != .icmp {
          checksum.addPseudoHeader(
            source: IPAddress(packet.source), destination: IPAddress(packet.destination), proto: packet.proto,
            length: packet.payloadLength)
        }
        checksum.add(packet.payload)
      case .ipv6:
        let packet = try IPv6Packet(frame.payload)
        checksum.addPseudoHeader(
          source: IPAddress(packet.source), destination: IPAddress(packet.destination), proto: packet.nextHeader,
          length: packet.payloadLength)
        checksum.add(packet.payload)
      default:
        continue
      }
      #expect(checksum.folded == 0xffff)
    }
  }

  @Test func `a UDP checksum of 0 is sent as 0xffff`() {
    var checksum = InternetChecksum()
    checksum.add(0xffff as UInt16)
    #expect(checksum.checksum == 0)
    #expect(checksum.nonzeroChecksum == 0xffff)
    checksum.add(1 as UInt16)
    #expect(checksum.nonzeroChecksum == checksum.checksum)
  }
}
