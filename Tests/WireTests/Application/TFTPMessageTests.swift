import Testing
import Wire

/// A request of these fields, each with the zero that ends it.
private func request(_ fields: [String]) -> [UInt8] { fields.reduce(into: [0, 1]) { $0 += Array($1.utf8) + [0] } }

/// A request of these fields.
private func request(_ fields: String...) -> [UInt8] { request(fields) }

/// The options that a request with these fields behind its mode asks for.
private func options(_ fields: String...) throws -> TFTPOptions {
  try TFTPRequest(request(["f", "octet"] + fields).span).options
}

@Suite struct TFTPMessageTests {
  @Test func `a request has a name and a mode in letters of either case`() throws {
    // RFC 1350 section 5: opcode 1, "boot.bin", "octet".
    let bytes: [UInt8] = [0, 1, 0x62, 0x6f, 0x6f, 0x74, 0x2e, 0x62, 0x69, 0x6e, 0, 0x6f, 0x63, 0x74, 0x65, 0x74, 0]
    let read = try TFTPRequest(bytes.span)
    #expect(Array(bytes[read.fileName]) == Array("boot.bin".utf8))
    #expect(read.mode == .octet && read.options.isEmpty && !read.hasFaultyOptions)
    #expect(try TFTPRequest(request("f", "OcTeT").span).mode == .octet)
    #expect(try TFTPRequest(request("f", "NETASCII").span).mode == .netascii)
    #expect(try TFTPRequest(request("f", "mail").span).mode == nil)
    // Not letters that differ in the bit that tells large from small.
    #expect(try TFTPRequest(request("f", "octet ").span).mode == nil)
    #expect(try TFTPRequest(request("\u{1}\u{7f}", "octet").span).fileName == 2..<4)
  }

  @Test func `options are known by names in letters of either case, in any order, among others`() throws {
    var expected = TFTPOptions()
    (expected.blockSize, expected.transferSize, expected.timeout, expected.windowSize) = (1432, 0, 3, 16)
    #expect(
      try options("windowsize", "16", "multicast", "", "TSize", "0", "x", "y", "TIMEOUT", "3", "blkSize", "1432")
        == expected)
  }

  @Test(
    arguments: [
      ("blksize", "7", nil), ("blksize", "8", 8), ("blksize", "65464", 65_464), ("blksize", "65465", nil),  // RFC 2348
      ("timeout", "0", nil), ("timeout", "1", 1), ("timeout", "255", 255), ("timeout", "256", nil),  // RFC 2349
      ("windowsize", "0", nil), ("windowsize", "1", 1), ("windowsize", "65535", 65_535),  // RFC 7440
      ("windowsize", "65536", nil),
      ("tsize", "0", 0), ("tsize", "999999999999999999", 999_999_999_999_999_999),
      ("tsize", "1000000000000000000", nil),
      ("blksize", "", nil), ("blksize", "-512", nil), ("blksize", "+512", nil), ("blksize", " 512", nil),
      ("blksize", "0x200", nil), ("blksize", "512.0", nil), ("blksize", "99999999999999999999999", nil),
      ("blksize", "000512", 512),
    ] as [(String, String, Int?)])
  func `a value that its RFC does not allow is as good as not asked for`(
    name: String, value: String, expected: Int?
  ) throws {
    let options = try options(name, value)
    let values = [options.blockSize, options.timeout, options.windowSize, options.transferSize.map { Int($0) }]
    #expect(values.compactMap(\.self) == [expected].compactMap(\.self))
  }

  @Test(arguments: [
    (["blksize", "512", "blksize", "512"], true),
    (["blksize", "512", "BLKSIZE", "1024"], true),
    (["blksize"], true),
    (["blksize", "512", "tsize"], true),
    (["blksize", "512", "tsize", ""], false),
    (["other", "1", "other", "2"], false),
    // Zeroes behind the last option, as some firmware sends.
    (["blksize", "512", "", "", ""], false),
  ])
  func `an option is given once, and with a value (RFC 2347)`(fields: [String], isFaulty: Bool) throws {
    #expect(try TFTPRequest(request(["f", "octet"] + fields).span).hasFaultyOptions == isFaulty)
  }

  @Test func `a request that is cut anywhere but behind a pair is refused`() throws {
    let whole = request("boot.ipxe", "octet", "blksize", "1432", "tsize", "0")
    // Behind the mode, and behind each option; behind an option's name it is whole, but faulty.
    let ends: Set = [18, 31, 39]
    for count in 0...whole.count {
      let part = Array(whole[..<count])
      if ends.contains(count) {
        #expect(try !TFTPRequest(part.span).hasFaultyOptions)
      } else if let read = try? TFTPRequest(part.span) {
        #expect(read.hasFaultyOptions, "cut to \(count)")
        #expect(whole[count - 1] == 0)
      }
    }
    #expect(throws: WireError.self) { try TFTPRequest(request("", "octet").span) }
    #expect(throws: WireError.self) { try TFTPRequest([UInt8](repeating: 0x61, count: 600).span) }
  }

  @Test func `every byte of a request may have any value`() {
    let whole = request("f", "octet", "blksize", "1432", "windowsize", "4")
    for index in whole.indices {
      for value in UInt8.min...UInt8.max {
        var bytes = whole
        bytes[index] = value
        do {
          let read = try TFTPRequest(bytes.span)
          #expect(bytes[read.fileName].allSatisfy { $0 != 0 })
        } catch {
          #expect(error == .badHeaderLength(0) || value != 0)
        }
      }
    }
  }

  @Test func `headers are read and written`() throws {
    let bytes: [UInt8] = [0, 4, 0xff, 0xfe]
    let header = try TFTPHeader(bytes.span)
    #expect(header == TFTPHeader(.acknowledgment, number: 0xfffe))
    var written = [UInt8](repeating: 0xa5, count: 5)
    var span = written.mutableSpan
    header.write(to: &span, at: 1)
    #expect(written == [0xa5] + bytes)
    for count in 0..<4 { #expect(throws: WireError.self) { try TFTPHeader(Array(bytes[..<count]).span) } }
  }

  @Test func `an error has a text for people`() {
    var bytes = [UInt8](repeating: 0xa5, count: 100)
    var span = bytes.mutableSpan
    let count = TFTPHeader.writeError(.fileNotFound, "File not found", to: &span)
    #expect(Array(bytes[..<count]) == [0, 5, 0, 1] + Array("File not found".utf8) + [0])
  }

  @Test func `the acknowledgment of options has those that are accepted, as RFC 2347 section "Examples" shows`() {
    var options = TFTPOptions()
    #expect(options.isEmpty)
    (options.blockSize, options.timeout) = (1432, 255)
    var bytes = [UInt8](repeating: 0xa5, count: TFTPOptions.longestAcknowledgment)
    var span = bytes.mutableSpan
    var count = options.writeAcknowledgment(to: &span)
    #expect(Array(bytes[..<count]) == [0, 6] + Array("blksize\u{0}1432\u{0}timeout\u{0}255\u{0}".utf8))
    (options.transferSize, options.windowSize, options.blockSize) = (.max, 65_535, 65_464)
    span = bytes.mutableSpan
    count = options.writeAcknowledgment(to: &span)
    #expect(count == 2 + 14 + 27 + 12 + 17)
  }
}
