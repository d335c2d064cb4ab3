import Primitives
import Testing
import Wire

@Suite struct TCPOptionsTests {
  static func blocks(_ edges: [(UInt32, UInt32)]) -> SACKBlocks {
    var blocks = SACKBlocks()
    for (start, end) in edges { blocks.append(SACKBlock(start: SequenceNumber(start), end: SequenceNumber(end))) }
    return blocks
  }

  static let fourBlocks = blocks([(1, 2), (3, 4), (5, 6), (7, 8)])
  static let timestamps = TCPTimestamps(value: 0x0102_0304, echo: 0x0506_0708)

  @Test(arguments: [
    ("", TCPOptions()),
    ("00 02 04 05 b4", TCPOptions()),
    ("01 01 01 01", TCPOptions()),
    ("02 04 05b4", TCPOptions(mss: 1460)),
    ("01 03 03 0e", TCPOptions(windowScale: 14)),
    ("01 03 03 ff", TCPOptions(windowScale: 14)),
    ("04 02 00 00", TCPOptions(isSACKPermitted: true)),
    ("01 01 08 0a 01020304 05060708", TCPOptions(timestamps: timestamps)),
    ("08 0a 01020304 05060708 01 01", TCPOptions(timestamps: timestamps)),
    ("01 01 05 0a 00000001 00000002", TCPOptions(sackBlocks: blocks([(1, 2)]))),
    (
      "01 01 05 22 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008",
      TCPOptions(sackBlocks: fourBlocks)
    ),
    // Unknown kinds are passed over.
    ("fe 05 aa bb cc 02 04 05b4", TCPOptions(mss: 1460)),
    // Known kinds of a wrong length are passed over.
    ("02 03 05 02 04 05b4", TCPOptions(mss: 1460)),
    ("05 02 02 04 05b4", TCPOptions(mss: 1460)),
    ("05 09 00000001000000 02 04 05b4", TCPOptions(mss: 1460)),
    // A length of 0 or 1, one that runs over, or a missing one ends the reading; what was read counts.
    ("02 04 05b4 03 00 03 03 07", TCPOptions(mss: 1460)),
    ("02 04 05b4 03 01 03 03 07", TCPOptions(mss: 1460)),
    ("02 04 05b4 08 0a 01020304 050607", TCPOptions(mss: 1460)),
    ("02 04 05b4 03", TCPOptions(mss: 1460)),
    ("02 04 05", TCPOptions()),
  ])
  func `options are read`(_ text: String, _ options: TCPOptions) {
    #expect(tcpOptions(hex(text)) == options)
  }

  @Test(arguments: [
    ("", TCPOptions()),
    ("020405b4", TCPOptions(mss: 1460)),
    ("01030307", TCPOptions(windowScale: 7)),
    ("01010402", TCPOptions(isSACKPermitted: true)),
    ("0101080a0102030405060708", TCPOptions(timestamps: timestamps)),
    ("0402080a0102030405060708", TCPOptions(isSACKPermitted: true, timestamps: timestamps)),
    (
      "020405b4 0402080a0102030405060708 01030307",
      TCPOptions(mss: 1460, windowScale: 7, isSACKPermitted: true, timestamps: timestamps)
    ),
    ("0101050a 00000001 00000002", TCPOptions(sackBlocks: blocks([(1, 2)]))),
    (
      "0101080a0102030405060708 0101051a 00000001 00000002 00000003 00000004 00000005 00000006",
      TCPOptions(timestamps: timestamps, sackBlocks: blocks([(1, 2), (3, 4), (5, 6)]))
    ),
  ])
  func `options are written in whole words, and read back`(_ text: String, _ options: TCPOptions) {
    #expect(options.byteCount == hex(text).count)
    let bytes = written(options.byteCount) { options.write(to: &$0) }
    #expect(bytes == hex(text))
    #expect(tcpOptions(bytes) == options)
  }

  @Test func `blocks for which there is no room are left out`() {
    let beside = TCPOptions(timestamps: Self.timestamps, sackBlocks: Self.fourBlocks)
    #expect(beside.byteCount == 40)
    let bytes = written(40) { beside.write(to: &$0) }
    #expect(tcpOptions(bytes).sackBlocks == Self.blocks([(1, 2), (3, 4), (5, 6)]))
    #expect(TCPOptions(sackBlocks: Self.fourBlocks).byteCount == 36)
    let full = TCPOptions(
      mss: 1, windowScale: 1, isSACKPermitted: true, timestamps: Self.timestamps, sackBlocks: Self.fourBlocks)
    #expect(full.byteCount == 40)
    #expect(tcpOptions(written(40) { full.write(to: &$0) }).sackBlocks.count == 2)
  }

  @Test func `a list of blocks takes four`() {
    var blocks = Self.fourBlocks
    let wasTaken = blocks.append(SACKBlock(start: SequenceNumber(9), end: SequenceNumber(10)))
    #expect(!wasTaken)
    #expect(blocks == Self.fourBlocks)
    #expect(blocks.map(\.start.value) == [1, 3, 5, 7])
    #expect(SACKBlocks().isEmpty)
  }

  @Test func `random bytes are read without harm, and what was read is written and read back`() {
    var random = SeededGenerator(seed: 7)
    let kinds: [UInt8] = [0, 1, 2, 3, 4, 5, 8, 10, 18, 26, 34]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        Bool.random(using: &random) ? kinds[Int.random(in: 0..<kinds.count, using: &random)] : 1
      }
      let options = tcpOptions(bytes)
      #expect(options.byteCount <= 40 && options.byteCount.isMultiple(of: 4))
      let copy = tcpOptions(written(options.byteCount) { options.write(to: &$0) })
      // Any two blocks find room beside all the other options.
      if options.sackBlocks.count <= 2 { #expect(copy == options) }
    }
  }
}
