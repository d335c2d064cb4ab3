/// A question to a name server (RFC 1035 section 4.1.2): what answers are found by.
struct DNSQuestionKey: Hashable {
  private let bytes: [UInt8]

  /// The first question of a message; nil where it has none that is whole.
  init?(_ message: [UInt8]) {
    guard message.count > 12, message[4] != 0 || message[5] != 0 else { return nil }
    var end = 12
    while end < message.count, message[end] != 0 {
      // Nothing before a question could be pointed to.
      guard message[end] < 64 else { return nil }
      end += 1 + Int(message[end])
    }
    guard end + 5 <= message.count else { return nil }
    // Letters of either case are the same (RFC 4343).
    bytes = message[12..<(end + 5)].map { (65...90).contains($0) ? $0 | 0x20 : $0 }
  }
}

/// What a name server answers to a question.
struct DNSAnswers: Hashable {
  private var datagram: [UInt8]?
  private var stream: [UInt8]?

  mutating func note(_ message: [UInt8], isStream: Bool) {
    if isStream { stream = message } else { datagram = message }
  }

  /// The answer to a query, whose identifier it gets; what was never said by stream was short enough for a datagram.
  func answer(to query: [UInt8], isStream: Bool) -> [UInt8]? {
    guard var answer = isStream ? stream ?? datagram : datagram ?? stream, query.count >= 2 else { return nil }
    (answer[0], answer[1]) = (query[0], query[1])
    return answer
  }
}
