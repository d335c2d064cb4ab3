import Primitives
import Wire

// Changes of a segment in its place. Its checksum is changed by as much as the bytes were (RFC 1624), so that one that
// was wrong stays wrong.
extension MutableSpan<UInt8> {
  /// Stores a number at `offset` of a segment that lies in `segment`.
  mutating func replace32(at offset: Int, by value: UInt32, of segment: Range<Int>) {
    let old = span.bigEndian32(at: offset)
    guard old != value else { return }
    storeBigEndian(value, at: offset)
    adjustChecksum(of: segment, at: offset, from: old, to: value)
  }

  /// RFC 1624 section 3, equation 3. A number that begins at an odd byte of the segment counts with its bytes exchanged.
  private mutating func adjustChecksum(of segment: Range<Int>, at offset: Int, from old: UInt32, to new: UInt32) {
    let place = segment.lowerBound + 16
    var sum = UInt64(~span.bigEndian16(at: place))
    let isOdd = (offset - segment.lowerBound) & 1 != 0
    for word in [~old, new] {
      // Rotated by a byte, the four bytes stand in the words that they are part of.
      let word = isOdd ? word << 8 | word >> 24 : word
      sum += UInt64(word >> 16) + UInt64(word & 0xffff)
    }
    while sum > 0xffff { sum = (sum & 0xffff) + sum >> 16 }
    storeBigEndian(~UInt16(sum), at: place)
  }

  /// Calls `body` with the kind of each option in `range`, and where its value lies.
  mutating func forEachOption(
    in range: Range<Int>, _ body: (UInt8, Range<Int>, inout MutableSpan<UInt8>) -> Void
  ) {
    var offset = range.lowerBound
    while offset < range.upperBound, self[offset] != 0 {
      guard self[offset] != 1 else {
        offset += 1
        continue
      }
      guard offset + 2 <= range.upperBound else { return }
      let length = Int(self[offset + 1])
      guard length >= 2, offset + length <= range.upperBound else { return }
      body(self[offset], offset + 2..<offset + length, &self)
      offset += length
    }
  }

  /// Puts NOPs in the place of those of a SYN's options that `answer`, the other end's, does not take up.
  mutating func dropOptions(in range: Range<Int>, of segment: Range<Int>, notIn answer: TCPOptions) {
    forEachOption(in: range) { kind, value, frame in
      let isTaken =
        switch kind {
        case 3: answer.windowScale != nil
        case 4: answer.isSACKPermitted
        case 8: answer.timestamps != nil
        default: true
        }
      guard !isTaken else { return }
      for offset in value.lowerBound - 2..<value.upperBound { frame.replace8(at: offset, by: 1, of: segment) }
    }
  }

  private mutating func replace8(at offset: Int, by value: UInt8, of segment: Range<Int>) {
    let isLow = (offset - segment.lowerBound) & 1 != 0
    let (old, new) = (UInt32(self[offset]), UInt32(value))
    self[offset] = value
    adjustChecksum(of: segment, at: segment.lowerBound, from: isLow ? old : old << 8, to: isLow ? new : new << 8)
  }
}
