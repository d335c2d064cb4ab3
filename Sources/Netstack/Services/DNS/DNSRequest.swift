import BasicContainers
import Primitives
import Wire

/// What is known of a message from a guest.
struct DNSRequest {
  let header: DNSHeader
  let byteCount: Int
  /// Whether it came by TCP.
  let isStream: Bool
  /// The question, or the zone of an UPDATE; nil until it was read.
  private(set) var question: DNSQuestion?
  /// What it says by EDNS.
  private(set) var edns: EDNS?

  /// Reads the header.
  /// - Precondition: `message` holds one.
  init(_ message: borrowing UniqueArray<UInt8>, byteCount: Int, isStream: Bool) {
    do throws(WireError) {
      header = try DNSHeader(message.span)
    } catch {
      preconditionFailure("a message without a header: \(error)")
    }
    self.byteCount = byteCount
    self.isStream = isStream
  }

  /// Reads the rest: false where that is not one question (RFC 9619 section 4; an UPDATE has one zone, RFC 2136 section
  /// 2.3) and as many records as the header says.
  mutating func read(_ message: borrowing UniqueArray<UInt8>) -> Bool {
    guard header.questionCount == 1 else { return false }
    do throws(WireError) {
      let message = try DNSMessage(message.span.extracting(0..<byteCount))
      let question = try message.question()
      edns = try message.edns(behind: question)
      self.question = question
      return true
    } catch {
      return false
    }
  }

  /// The longest answer that the guest takes, in bytes (RFC 1035 section 4.2, RFC 6891 section 6.2.3).
  var answerLimit: Int {
    isStream ? Int(UInt16.max) : max(EDNS.minimumPayloadSize, Int(edns?.payloadSize ?? 0))
  }

  /// What an answer of ours says by EDNS, which it does if it was asked so (RFC 6891 section 6.1.1).
  func answerEDNS(_ code: DNSResponseCode) -> EDNS? {
    guard let edns else { return nil }
    var answer = EDNS(payloadSize: UInt16(DNSForwarder.longestQuery))
    answer.upperResponseCode = UInt8(code.rawValue >> 4)
    // RFC 3225 section 3: DO comes back as it was.
    answer.wantsSecurity = edns.wantsSecurity
    return answer
  }

  /// Writes an answer without records, and returns its length in bytes.
  func writeAnswer(
    _ code: DNSResponseCode, _ message: borrowing UniqueArray<UInt8>, into reply: inout UniqueArray<UInt8>
  ) -> Int {
    let header = DNSHeader(identifier: header.identifier, flags: header.flags.answer(code), questionCount: 0)
    var bytes = reply.mutableSpan
    return DNSMessageWriter(header, question: question, of: message.span, edns: answerEDNS(code), into: &bytes).finish()
  }
}
