/// Bytes with their runs of zeros packed: how many follow as they are, these, how many zeros come then, and so on.
enum ZeroRuns {
  /// Zeros that are worth an end of what is as it is.
  private static var leastRun: Int { 8 }

  /// Packs bytes.
  static func packed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var encoder = RecordEncoder(capacity: bytes.count / 4)
    var start = bytes.startIndex
    while start < bytes.endIndex {
      let (end, zeros) = nextRun(in: bytes, from: start)
      encoder.put(count: end - start)
      encoder.put(bytes: Array(bytes[start..<end]))
      encoder.put(count: zeros)
      start = end + zeros
    }
    return encoder.bytes
  }

  /// Where the next run of zeros is that is worth it, and how long; none at the end.
  private static func nextRun(in bytes: ArraySlice<UInt8>, from start: Int) -> (start: Int, count: Int) {
    var zeros = 0
    for place in start..<bytes.endIndex {
      if bytes[place] == 0 {
        zeros += 1
      } else {
        if zeros >= leastRun { return (place - zeros, zeros) }
        zeros = 0
      }
    }
    return zeros >= leastRun ? (bytes.endIndex - zeros, zeros) : (bytes.endIndex, 0)
  }

  /// Unpacks bytes; nil where they mean nothing, or come to more than `limit`.
  static func unpacked(_ bytes: [UInt8], atMost limit: Int) -> [UInt8]? {
    var decoder = RecordDecoder(bytes)
    var unpacked: [UInt8] = []
    do throws(RecordingError) {
      while !decoder.isAtEnd {
        let count = try decoder.count(atMost: limit - unpacked.count)
        unpacked += bytes[try decoder.skip(count)]
        unpacked += repeatElement(0, count: try decoder.count(atMost: limit - unpacked.count))
      }
    } catch {
      return nil
    }
    return unpacked
  }
}
