import Primitives
import Testing

@testable import Recording

/// Numbers, fingerprints and runs of zeros.
struct FormatTests {
  @Test func `numbers are read as they were written`() throws {
    let numbers: [UInt64] = [0, 1, 127, 128, 16_383, 16_384, 1 << 62, .max]
    let signed: [Int64] = [0, -1, 1, -64, 64, .min, .max]
    var encoder = RecordEncoder()
    for number in numbers {
      encoder.put(word: number)
      encoder.put(whole: number)
    }
    for number in signed { encoder.put(signed: number) }
    var decoder = RecordDecoder(encoder.bytes)
    for number in numbers {
      #expect(try decoder.word() == number)
      #expect(try decoder.whole() == number)
    }
    for number in signed { #expect(try decoder.signed() == number) }
    #expect(decoder.isAtEnd)
  }

  @Test func `a number of more than 64 bits is damage`() {
    for last in [2, 0x7f, 0x81] as [UInt8] {
      var decoder = RecordDecoder([UInt8](repeating: 0xff, count: 9) + [last, 0])
      #expect(throws: RecordingError.damaged) { try decoder.word() }
    }
  }

  @Test func `a fingerprint changes with each byte, and with the number of bytes`() {
    var seen: Set<UInt64> = []
    for count in 0...100 { seen.insert(RecordDigest.of([UInt8](repeating: 0, count: count).span)) }
    for place in 0..<100 {
      var bytes = [UInt8](repeating: 0, count: 100)
      bytes[place] = 1
      seen.insert(RecordDigest.of(bytes.span))
    }
    #expect(seen.count == 201)
  }

  @Test func `zeros are packed, and unpacked as they were`() {
    var generator = SeededGenerator(seed: 9)
    for count in [0, 1, 7, 8, 9, 1000, 5000] {
      for _ in 0..<20 {
        var bytes: [UInt8] = []
        while bytes.count < count {
          let isZero = Bool.random(using: &generator)
          for _ in 0..<Int.random(in: 1...60, using: &generator) { bytes.append(isZero ? 0 : 7) }
        }
        let packed = ZeroRuns.packed(bytes[...])
        #expect(ZeroRuns.unpacked(packed, atMost: bytes.count) == bytes)
        if !bytes.isEmpty { #expect(ZeroRuns.unpacked(packed, atMost: bytes.count - 1) == nil) }
      }
    }
    #expect(ZeroRuns.packed([UInt8](repeating: 0, count: 60_000)[...]).count < 6)
  }

  @Test func `what is redacted is short, whatever was said`() throws {
    let (whole, redacted) = (recordedConversation(), recordedConversation(redacted: true))
    #expect(whole.count > 40_000)
    #expect(redacted.count < 15_000, "\(redacted.count) bytes")
  }
}
