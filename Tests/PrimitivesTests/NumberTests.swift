import Primitives
import Testing

@Suite struct SequenceNumberTests {
  @Test(arguments: [
    (0 as UInt32, 0, 0 as UInt32), (5, 10, 15), (0xffff_ffff, 1, 0), (0xffff_fff0, 0x20, 0x10), (0, -1, 0xffff_ffff),
    (0x10, -0x20, 0xffff_fff0), (1, 1 << 32, 1), (7, (1 << 32) + 1, 8),
  ])
  func `addition wraps at 2^32`(_ start: UInt32, _ count: Int, _ end: UInt32) {
    #expect(SequenceNumber(start) + count == SequenceNumber(end))
    var number = SequenceNumber(start)
    number += count
    #expect(number.value == end)
  }

  @Test(arguments: [
    (0 as UInt32, 0 as UInt32, 0), (5, 3, 2), (3, 5, -2), (0, 0xffff_ffff, 1), (0xffff_ffff, 0, -1),
    (0x10, 0xffff_fff0, 0x20), (0x7fff_ffff, 0, 0x7fff_ffff), (0x8000_0000, 0, -0x8000_0000),
  ])
  func `the distance is signed and wraps`(_ left: UInt32, _ right: UInt32, _ distance: Int) {
    let (left, right) = (SequenceNumber(left), SequenceNumber(right))
    #expect(left - right == distance)
    #expect((left < right) == (distance < 0))
    #expect((left <= right) == (distance <= 0))
    #expect((left > right) == (distance > 0))
    #expect((left >= right) == (distance >= 0))
    #expect(SequenceNumber.later(left, right) == (distance < 0 ? right : left))
  }
}

@Suite struct TimeTests {
  @Test func `intervals are what they say`() {
    #expect(Interval.seconds(2) == Interval(nanoseconds: 2_000_000_000))
    #expect(Interval.milliseconds(2) == Interval.microseconds(2000))
    #expect(Interval.seconds(1) + .milliseconds(500) - .seconds(2) == .milliseconds(-500))
    #expect(Interval.seconds(3) * 2 == .seconds(6))
    #expect(Interval(nanoseconds: -7) / 2 == Interval(nanoseconds: -3))
    #expect(Interval.milliseconds(999) < .seconds(1))
  }

  @Test(arguments: [
    (0, "0.000 s"), (1_500_000_000, "1.500 s"), (1_002_999_999, "1.002 s"), (-250_000_000, "-0.250 s"),
    (60_000_000_000, "60.000 s"), (Int64.min, "-9223372036.854 s"),
  ])
  func `an interval is written in seconds`(_ nanoseconds: Int64, _ text: String) {
    #expect(Interval(nanoseconds: nanoseconds).description == text)
  }

  @Test func `instants and intervals fit together`() {
    let start = Instant(nanoseconds: 5)
    let end = start + .seconds(1)
    #expect(end - start == .seconds(1))
    #expect(end - .seconds(1) == start)
    #expect(start < end && end < .never && Instant.zero < start)
  }
}

@Suite struct SeededGeneratorTests {
  @Test func `the numbers of a seed are those of SplitMix64`() {
    // The published reference (Vigna, splitmix64.c), seeded with 1234567.
    var generator = SeededGenerator(seed: 1_234_567)
    let numbers = (0..<5).map { _ in generator.next() }
    #expect(
      numbers == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
      ])
  }
}

/// SipHash-2-4 of any bytes, as section 2 of the paper (Aumasson, Bernstein 2012) describes it.
private func reference(key: [UInt8], _ message: [UInt8]) -> UInt64 {
  func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
  func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
  let (k0, k1) = (word(key[..<8]), word(key[8...]))
  var v = [
    k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261, k1 ^ 0x7465_6462_7974_6573,
  ]
  func rounds(_ count: Int) {
    for _ in 0..<count {
      v[0] &+= v[1]
      v[2] &+= v[3]
      v[1] = rotate(v[1], 13) ^ v[0]
      v[3] = rotate(v[3], 16) ^ v[2]
      v[0] = rotate(v[0], 32)
      v[2] &+= v[1]
      v[0] &+= v[3]
      v[1] = rotate(v[1], 17) ^ v[2]
      v[3] = rotate(v[3], 21) ^ v[0]
      v[2] = rotate(v[2], 32)
    }
  }
  let padding = [UInt8](repeating: 0, count: 7 - message.count % 8) + [UInt8(message.count & 0xff)]
  let padded = message + padding
  for start in stride(from: 0, to: padded.count, by: 8) {
    let block = word(padded[start..<(start + 8)])
    v[3] ^= block
    rounds(2)
    v[0] ^= block
  }
  v[2] ^= 0xff
  rounds(4)
  return v[0] ^ v[1] ^ v[2] ^ v[3]
}

@Suite struct SipHashTests {
  @Test func `the reference gives the value of the paper's appendix`() {
    #expect(reference(key: Array(0...15), Array(0...14)) == 0xa129_ca61_49be_45e5)
  }

  @Test func `five words hash as their forty bytes`() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<200 {
      let words = (0..<7).map { _ in random.next() }
      let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
      let hash = SipHash(key: words[0], words[1]).hash(words[2], words[3], words[4], words[5], words[6])
      #expect(hash == reference(key: Array(bytes[..<16]), Array(bytes[16...])))
    }
  }
}
