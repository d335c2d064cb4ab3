import Primitives
import Wire

/// Reads domain names in a frame as text (RFC 1035 sections 3.1 and 4.1.4).
enum NameReader {
  /// Reads the name at `offset` of a message; nil where it is none.
  ///
  /// A pointer leads only to before the name that has it, so that reading ends, whatever the message. Text other than
  /// letters, digits, `-` and `_` is escaped as everywhere.
  static func read(
    _ frame: Span<UInt8>, at offset: Int, in message: Range<Int>
  ) -> (name: String, end: Int)? {
    var labels: [String] = []
    var (next, limit, length) = (offset, message.upperBound, 0)
    var end: Int?
    while next < limit {
      let first = Int(frame[next])
      if first == 0 { return (labels.isEmpty ? "." : labels.joined(separator: "."), end ?? next + 1) }
      if first >= 0xc0 {
        guard next + 2 <= limit else { return nil }
        let target = message.lowerBound + Int(frame.bigEndian16(at: next) & 0x3fff)
        end = end ?? next + 2
        guard target < next, target < offset else { return nil }
        // Whoever is pointed to points further back only.
        limit = next
        next = target
        continue
      }
      length += 1 + first
      guard first <= DNSName.longestLabel, length <= DNSName.longest, next + 1 + first <= limit else { return nil }
      labels.append(frame.text(next + 1..<next + 1 + first))
      next += 1 + first
    }
    return nil
  }

  /// Reads names one after another, without pointers but to the first byte of `range` on, until they end or are padding.
  static func uncompressed(_ frame: Span<UInt8>, in range: Range<Int>) -> [String] {
    var names: [String] = []
    var offset = range.lowerBound
    while offset < range.upperBound, frame[offset] != 0, let (name, end) = read(frame, at: offset, in: range) {
      names.append(name)
      offset = end
    }
    return names
  }
}
