import Primitives
import Wire

// DNS (RFC 1035): the whole message, with names put together from what they point to.
extension FrameDecoder {
  /// Decodes a message that lies in `extent`.
  mutating func dns(_ extent: Extent, _ frame: Span<UInt8>) {
    let range = extent.range
    let header: DNSHeader
    do throws(WireError) {
      header = try DNSHeader(frame.extracting(range))
    } catch {
      say("DNS")
      return malformed("DNS", extent, error, frame)
    }
    dnsFields(header, range)
    var reader = DNSReader(message: range, offset: range.lowerBound + DNSHeader.length)
    let questions = dnsQuestions(header, &reader, frame)
    var sections: [[String]] = []
    for (name, count) in [
      ("answer", header.answerCount), ("authority", header.authorityCount), ("additional", header.additionalCount),
    ] where !reader.hasFailed {
      sections.append(dnsRecords(name, Int(count), &reader, frame))
    }
    say("DNS \(header.words)\(questions.isEmpty ? "" : " \(questions.listed())")")
    if let answers = sections.first, !answers.isEmpty { say("is \(answers.listed())") }
    if header.flags.isResponse, sections.first?.isEmpty == true, sections.count > 1, !sections[1].isEmpty {
      say("authority \(sections[1].listed())")
    }
    if sections.count > 2, !sections[2].isEmpty { say("additional \(sections[2].listed())") }
    if reader.hasFailed && extent.missing == 0 { problem("DNS", reader.rest, "malformed DNS message") }
    bytes("DNS", "rest", reader.rest, frame)
  }

  private mutating func dnsFields(_ header: DNSHeader, _ range: Range<Int>) {
    field("DNS", "identifier", range.part(0, 2), hexadecimal(header.identifier, width: 4))
    field("DNS", "flags", range.part(2, 2), "\(hexadecimal(header.flags.rawValue, width: 4)) (\(header.meaning))")
    field("DNS", "questions", range.part(4, 2), "\(header.questionCount)")
    field("DNS", "answers", range.part(6, 2), "\(header.answerCount)")
    field("DNS", "authorities", range.part(8, 2), "\(header.authorityCount)")
    field("DNS", "additional records", range.part(10, 2), "\(header.additionalCount)")
  }

  private mutating func dnsQuestions(
    _ header: DNSHeader, _ reader: inout DNSReader, _ frame: Span<UInt8>
  ) -> [String] {
    var questions: [String] = []
    for _ in 0..<header.questionCount {
      guard let question = reader.question(frame) else { break }
      questions.append(question.words)
      field("DNS", "question", question.range, question.words)
    }
    return questions
  }

  private mutating func dnsRecords(
    _ name: String, _ count: Int, _ reader: inout DNSReader, _ frame: Span<UInt8>
  ) -> [String] {
    var records: [String] = []
    for _ in 0..<count {
      guard let record = reader.record(frame) else { break }
      records.append(record.words)
      field("DNS", name, record.range, record.name + " " + record.words + record.lifetime)
    }
    return records
  }
}

extension DNSHeader {
  /// `query 0x1234`, or `answer 0x1234 NXDOMAIN` with what is unusual.
  fileprivate var words: String {
    let kind = flags.isResponse ? "answer" : "query"
    let opcode = flags.opcode == .query ? "" : " opcode \(flags.opcode.rawValue)"
    var words = "\(kind) \(hexadecimal(identifier, width: 4))\(opcode)"
    if flags.isResponse && flags.responseCode != .noError { words += " \(flags.responseCode.words)" }
    if flags.isTruncated { words += " truncated" }
    if flags.isAuthoritative { words += " authoritative" }
    return words
  }

  /// The flags in words.
  fileprivate var meaning: String {
    let bits: [(UInt16, String)] = [
      (0x8000, "response"), (0x0400, "authoritative"), (0x0200, "truncated"), (0x0100, "recursion desired"),
      (0x0080, "recursion available"), (0x0020, "authentic"), (0x0010, "checking disabled"),
    ]
    let names = bits.filter { flags.rawValue & $0.0 != 0 }.map(\.1)
    return (["opcode \(flags.opcode.rawValue)"] + names + [flags.responseCode.words]).joined(separator: ", ")
  }
}

extension DNSResponseCode {
  /// The code's name in RFC 1035 and its successors, or its number.
  var words: String {
    switch self {
    case .noError: "NOERROR"
    case .formatError: "FORMERR"
    case .serverFailure: "SERVFAIL"
    case .nameError: "NXDOMAIN"
    case .notImplemented: "NOTIMP"
    case .refused: "REFUSED"
    default: "code \(rawValue)"
    }
  }
}
