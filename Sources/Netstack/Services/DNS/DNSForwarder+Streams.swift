import BasicContainers
import Buffers
import Primitives
import Wire

// Messages behind their lengths, as they lie in streams (RFC 1035 section 4.2.2), and whose connection a query came by.
extension DNSForwarder {
  // MARK: What was read

  /// The length of the message at the start of `arrival`, into which `byteCount` bytes were read; nil where some of it is
  /// yet to come.
  static func arrivedLength(in arrival: borrowing StreamBuffer, _ byteCount: Int) -> Int? {
    guard byteCount >= prefixLength else { return nil }
    let length = Int(arrival.bytes(0..<prefixLength).bigEndian16(at: 0))
    return byteCount >= prefixLength + length ? length : nil
  }

  private static func message(of length: Int) -> Range<Int> { prefixLength..<(prefixLength + length) }

  /// As `copy`, of the message in `arrival`.
  mutating func copy(_ arrival: borrowing StreamBuffer, _ length: Int) {
    var bytes = inquiry.mutableSpan
    bytes.copy(arrival.bytes(Self.message(of: min(length, Self.longestQuery))))
  }

  /// As `judge`, of the message in `arrival`.
  borrowing func judge(_ arrival: borrowing StreamBuffer, _ length: Int, for exchange: UInt32) -> Verdict {
    judge(arrival.bytes(Self.message(of: length)), for: exchange)
  }

  /// As `keep`, of the message in `arrival`.
  mutating func keep(_ arrival: borrowing StreamBuffer, _ length: Int, for place: UInt32) {
    keep(arrival.bytes(Self.message(of: length)), for: place)
  }

  // MARK: What is to be written

  /// The message of a query, in `blocks`.
  func slice(of place: UInt32) -> PayloadSlice {
    PayloadSlice(frame: Int(place), offset: 0, count: Self.prefixLength + queries[place].byteCount)
  }

  /// Puts the first bytes of `reply` into `blocks`; where they lie.
  mutating func putReply(_ byteCount: Int) -> PayloadSlice {
    blocks.store(UInt16(byteCount), to: Self.replyBlock, at: 0)
    blocks.copy(reply, byteCount, to: Self.replyBlock, at: Self.prefixLength)
    return PayloadSlice(frame: Self.replyBlock, offset: 0, count: Self.prefixLength + byteCount)
  }

  // MARK: The queries of a stream

  /// Puts a query into its stream's list, if it has come by one.
  mutating func link(_ place: UInt32) {
    guard let stream = queries[place].client.stream else { return }
    queries[place].next = streams[stream].queries
    streams[stream].queries = place
    streams[stream].queryCount += 1
  }

  /// Takes a query out of its stream's list.
  mutating func unlink(_ place: UInt32, from stream: UInt32) {
    streams[stream].queryCount -= 1
    let next = queries[place].next
    guard var previous = streams[stream].queries, previous != place else {
      streams[stream].queries = next
      return
    }
    while let other = queries[previous].next, other != place { previous = other }
    queries[previous].next = next
  }
}
