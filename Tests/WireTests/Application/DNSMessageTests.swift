import Primitives
import Testing
import Wire

/// DNS messages as they were seen, captioned by dig.
private enum Captured {
  /// `www.example.com. IN A` with EDNS (version 0, DO, 1232 bytes, a cookie of 8 bytes), RD and AD.
  static let query = hex(
    """
    4a1b 0120 0001 0000 0000 0001  03777777 076578616d706c65 03636f6d 00 0001 0001
    00 0029 04d0 00008000 000c  000a 0008 0102030405060708
    """)
  /// Its answer: an alias, compressed, and an address.
  static let answer = hex(
    """
    4a1b 81a0 0001 0002 0000 0001  03777777 076578616d706c65 03636f6d 00 0001 0001
    c00c 0005 0001 0000003c 0004  01 61 c010
    c02d 0001 0001 0000003c 0004  c0000201
    00 0029 04d0 00000000 0000
    """)
}

@Suite struct DNSMessageTests {
  @Test func `a query's header, question and EDNS are read`() throws {
    let message = try DNSMessage(Captured.query.span)
    let header = message.header
    #expect(header.identifier == 0x4a1b && !header.flags.isResponse)
    #expect(header.flags.opcode == .query && header.additionalCount == 1)
    let found = try message.question()
    let question = try #require(found)
    #expect(question.nameLength == 17 && question.type == .a && question.recordClass == .internet)
    let said = try message.edns(behind: question)
    let edns = try #require(said)
    #expect(edns.payloadSize == 1232 && edns.wantsSecurity && edns.version == 0)
  }

  @Test func `an answer's records are passed over, compressed names among them`() throws {
    let message = try DNSMessage(Captured.answer.span)
    let header = message.header
    #expect(header.flags.isResponse && header.flags.isRecursionAvailable)
    #expect(header.flags.responseCode == .noError && header.answerCount == 2)
    let said = try message.edns(behind: try message.question())
    let edns = try #require(said)
    #expect(edns.payloadSize == 1232 && !edns.wantsSecurity)
  }

  @Test(arguments: [Captured.query, Captured.answer])
  func `a message cut at any length is not read to its end`(bytes: [UInt8]) {
    for count in bytes.indices {
      #expect(throws: WireError.self, "\(count) bytes") {
        let message = try DNSMessage(bytes.span.extracting(..<count))
        _ = try message.edns(behind: try message.question())
      }
    }
  }

  @Test func `what is written is what would have been`() throws {
    var flags = DNSFlags(rawValue: 0x0120).answer(.noError)
    flags.isAuthoritative = true
    var edns = EDNS(payloadSize: 4094)
    edns.wantsSecurity = true
    var bytes = [UInt8](repeating: 0xee, count: 200)
    let count = try write(flags, edns, limit: 200, into: &bytes)
    #expect(
      Array(bytes[..<count])
        == hex(
          """
          4a1b 8580 0001 0002 0000 0001  03777777 076578616d706c65 03636f6d 00 0001 0001
          c00c 0001 0001 00000000 0004  c0000201
          c010 001c 0001 00000000 0010  20010db8000000000000000000000001
          00 0029 0ffe 00008000 0000
          """))
  }

  @Test(arguments: [33, 44, 59, 71, 87])
  func `a record that does not fit is left out, with those behind it, and TC is set`(limit: Int) throws {
    var bytes = [UInt8](repeating: 0, count: 200)
    let count = try write(DNSFlags(rawValue: 0x8180), EDNS(payloadSize: 4094), limit: max(limit, 44), into: &bytes)
    let header = try DNSHeader(bytes.span)
    #expect(count <= max(limit, 44))
    #expect(header.answerCount == (limit >= 60 ? limit >= 88 ? 2 : 1 : 0))
    #expect(header.flags.isTruncated == (header.answerCount < 2))
    #expect(header.additionalCount == 1)
  }

  private func write(_ flags: DNSFlags, _ edns: EDNS, limit: Int, into bytes: inout [UInt8]) throws -> Int {
    let query = Captured.query
    let question = try DNSMessage(query.span).question()
    let header = DNSHeader(identifier: 0x4a1b, flags: flags, questionCount: 0)
    var span = bytes.mutableSpan
    var writer = DNSMessageWriter(
      header, question: question, of: query.span, edns: edns, limit: limit, into: &span)
    writer.append(IPAddress(IPv4Address(192, 0, 2, 1)), of: .question(skipping: 0), timeToLive: 0)
    writer.append(
      IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1)), of: .question(skipping: 4), timeToLive: 0)
    return writer.finish()
  }
}

@Suite struct DNSNameTests {
  // The macros of a test take no spans.
  private func matches(_ name: DNSName, _ bytes: String) -> Bool { name.matches(hex(bytes).span) }
  private func contains(_ name: DNSName, _ bytes: String) -> Bool { name.contains(hex(bytes).span) }
  private func isSame(_ name: String, _ other: String) -> Bool { DNSName.isSame(hex(name).span, hex(other).span) }
  private func reverseName(_ name: DNSName) -> DNSReverseName? { DNSReverseName(name.bytes.span) }

  @Test(arguments: [
    ("a.test", "0161 0474657374 00"), ("A.Test.", "0161 0474657374 00"), ("x", "0178 00"),
    ("_sip._udp.a", "045f736970 045f756470 0161 00"),
  ])
  func `a name's text is read, its letters in lower case`(text: String, bytes: String) throws {
    let name = try #require(DNSName(text))
    #expect(name.bytes == hex(bytes))
    #expect(name.description == (text.hasSuffix(".") ? String(text.dropLast()) : text).lowercased())
  }

  @Test(arguments: ["", ".", "a..b", ".a", String(repeating: "a", count: 64)])
  func `what is no domain name is refused`(text: String) { #expect(DNSName(text) == nil) }

  @Test func `letters are compared without their case, and nothing else is (RFC 4343 section 3)`() throws {
    let name = try #require(DNSName("a-z.test"))
    #expect(matches(name, "03412d5a 0454655374 00"))
    #expect(!matches(name, "03412d7b 0454655374 00"))
    // 0x0d and 0x2d differ by 0x20 as letters do.
    #expect(!matches(name, "03410d5a 0454655374 00"))
    #expect(isSame("0141 00", "0161 00"))
    #expect(!isSame("0140 00", "0160 00"))
  }

  @Test func `a name contains those below it, by whole labels`() throws {
    let name = try #require(DNSName("b.test"))
    #expect(contains(name, "0162 0454455354 00"))
    #expect(contains(name, "0161 0162 0474657374 00"))
    #expect(!contains(name, "026162 0474657374 00"))
    #expect(!contains(name, "0474657374 00"))
    #expect(!contains(name, "00"))
  }

  @Test(
    arguments: [
      (IPAddress(IPv4Address(192, 0, 2, 15)), "15.2.0.192.in-addr.arpa"),
      (
        IPAddress(IPv6Address(high: 0x2001_0db8_0000_0000, low: 0xabcd)),
        "d.c.b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
      ),
    ])
  func `an address has its reverse name, and is read from it`(address: IPAddress, text: String) throws {
    let name = try #require(DNSName(text))
    #expect(DNSName(reverse: address) == name)
    let reverse = try #require(reverseName(name))
    #expect(reverse.address == address && !reverse.hasMore)
    #expect(reverse.length == (address.family == .ipv4 ? 32 : 128))
  }

  @Test(
    arguments: [
      ("2.0.10.in-addr.arpa", "10.0.2.0", 24, false), ("in-addr.arpa", "0.0.0.0", 0, false),
      ("a.1.2.0.10.in-addr.arpa", "10.0.2.1", 32, true), ("256.0.10.in-addr.arpa", "10.0.0.0", 16, true),
      ("01.10.in-addr.arpa", "10.0.0.0", 8, true), ("1.x.10.in-addr.arpa", "10.0.0.0", 8, true),
      ("0.c.e.F.ip6.arpa", "fec0::", 16, false), ("g.e.f.ip6.arpa", "fe00::", 8, true),
      ("00.e.f.ip6.arpa", "fe00::", 8, true),
    ] as [(String, String, Int, Bool)])
  func `a part of a reverse name is the beginning of addresses`(
    text: String, address: String, length: Int, hasMore: Bool
  ) throws {
    let name = try #require(DNSName(text))
    let reverse = try #require(reverseName(name))
    #expect(reverse.address.description == address)
    #expect(reverse.length == length && reverse.hasMore == hasMore)
  }

  @Test(arguments: ["example.com", "in-addr.arpa.example", "xin-addr.arpa", "arpa"])
  func `any other name is no reverse name`(text: String) throws {
    let name = try #require(DNSName(text))
    #expect(reverseName(name) == nil)
  }
}
