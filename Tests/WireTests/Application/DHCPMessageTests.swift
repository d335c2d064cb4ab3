import Primitives
import Testing
import Wire

/// A message with these bytes behind the magic cookie, and what `sname` and `file` begin with.
private func message(_ options: String, sname: String = "", file: String = "") -> [UInt8] {
  var bytes = written(240) {
    DHCPHeader(operation: .reply, xid: 1, clientHardware: MACAddress(2, 0, 0, 0, 0, 1)).write(to: &$0)
  }
  for (offset, text) in [(44, sname), (108, file)] {
    for (index, byte) in hex(text).enumerated() { bytes[offset + index] = byte }
  }
  return bytes + hex(options)
}

private func value(of code: DHCPOptionCode, in bytes: [UInt8]) throws -> [UInt8]? {
  try DHCPMessage(bytes.span).value(of: code)
}

@Suite struct DHCPMessageTests {
  @Test func `the fixed part is written field by field, and read back`() throws {
    let header = DHCPHeader(
      operation: .request, xid: 0x0102_0304, secs: 0x0506, isBroadcast: true, ciaddr: IPv4Address(1, 2, 3, 4),
      yiaddr: IPv4Address(5, 6, 7, 8), siaddr: IPv4Address(9, 10, 11, 12), giaddr: IPv4Address(13, 14, 15, 16),
      clientHardware: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56))
    let bytes = written(245) { header.write(to: &$0, at: 3) }
    #expect(
      Array(bytes[3..<37])
        == hex("01 01 06 00 01020304 0506 8000 01020304 05060708 090a0b0c 0d0e0f10 525400123456"))
    #expect(Array(bytes[37..<239]) == [UInt8](repeating: 0, count: 202))
    #expect(Array(bytes[239...]) == hex("63825363 eeee"))
    let parsed = try DHCPMessage(bytes.span.extracting(3...)).header
    #expect(parsed == header)
  }

  @Test func `a captured offer has its fields and options`() throws {
    let bytes = Array(Golden.dhcpOffer[42...])
    let message = try DHCPMessage(bytes.span)
    let (header, type, mask) = (message.header, message.messageType, message.address(.subnetMask))
    let (renewal, rebinding) = (message.integer32(.renewalTime), message.integer32(.rebindingTime))
    #expect(
      header
        == DHCPHeader(
          operation: .reply, xid: 0x1e60_8f08, yiaddr: IPv4Address(10, 0, 2, 21), siaddr: IPv4Address(10, 0, 2, 2),
          clientHardware: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)))
    #expect((type, mask) == (.offer, IPv4Address(255, 255, 255, 0)))
    #expect((renewal, rebinding) == (43_200, 75_600))
    var list = DomainSearchList()
    for name in ["a.test", "b.test"] { list.append(name) }
    #expect(try value(of: .domainSearch, in: bytes) == list.bytes)
    #expect(try value(of: .parameterRequestList, in: Array(Golden.dhcpDiscover[42...]))?.count == 13)
  }

  @Test func `options have their types`() throws {
    let bytes = message("350103 3204 0a00020f 3604 0a000202 3902 05dc 0c02 766d ff")
    let message = try DHCPMessage(bytes.span)
    let (type, requested, server) = (
      message.messageType, message.address(.requestedAddress), message.address(.serverIdentifier)
    )
    let (size, name) = (message.integer16(.maximumMessageSize), message.value(of: .hostname))
    #expect(type == .request)
    #expect((requested, server) == (IPv4Address(10, 0, 2, 15), IPv4Address(10, 0, 2, 2)))
    #expect((size, name) == (1500, Array("vm".utf8)))
    let absent = (message.address(.router), message.integer16(.interfaceMTU), message.value(of: .domainName))
    #expect(absent == (nil, nil, nil))
    let isPresent = message.option(.hostname) != nil
    #expect(isPresent)
  }

  @Test(arguments: [
    ("350101 ff", DHCPMessageType.discover), ("00 00 350101 00 ff", .discover), ("350101", .discover),
    ("ff 350101", nil), ("", nil), ("3500 ff", .invalid), ("35020101 ff", .invalid),
    ("350101 350101 ff", .invalid), ("3501", nil), ("35", nil), ("3503 0101", nil), ("0cff 350101", nil),
  ])
  func `the message type is read, absent or invalid`(_ options: String, _ type: DHCPMessageType?) throws {
    let found = try DHCPMessage(message(options).span).messageType
    #expect(found == type)
  }

  @Test func `values of another length than their type's are none`() throws {
    let bytes = message("3203 0a0002 3605 0a00020f00 3901 05 ff")
    let message = try DHCPMessage(bytes.span)
    let found = (
      message.address(.requestedAddress), message.address(.serverIdentifier), message.integer16(.maximumMessageSize)
    )
    #expect(found == (nil, nil, nil))
  }

  @Test(arguments: [
    ("3401 01 0c0161 ff", [0x61, 0x62] as [UInt8]), ("3401 02 0c0161 ff", [0x61, 0x63]),
    ("3401 03 0c0161 ff", [0x61, 0x62, 0x63]), ("0c0161 ff", [0x61]), ("3401 00 0c0161 ff", [0x61]),
    ("3401 04 0c0161 ff", [0x61]), ("3401 ff 0c0161 ff", [0x61]), ("3402 0303 0c0161 ff", [0x61]),
    // An overload option in an overloaded field means nothing.
    ("3401 01 0c0161", [0x61, 0x62]),
  ])
  func `overloaded fields are read in the order options, file, sname`(_ options: String, _ name: [UInt8]) throws {
    let bytes = message(options, sname: "0c0163 ff", file: "340102 0c0162 ff")
    #expect(try value(of: .hostname, in: bytes) == name)
  }

  @Test func `an option does not run from one field into the next`() throws {
    let bytes = message("340102 ff", sname: String(repeating: "00", count: 62) + "0c02", file: "6162 ff")
    #expect(try value(of: .hostname, in: bytes) == nil)
  }

  @Test func `an option in parts is joined, and not taken for its first part`() throws {
    let bytes = message("3202 0a00 3202 020f ff")
    let message = try DHCPMessage(bytes.span)
    let (isWhole, joined) = (message.option(.requestedAddress) != nil, message.value(of: .requestedAddress))
    #expect(!isWhole)
    #expect(joined == [10, 0, 2, 15])
  }

  @Test func `a message without the cookie has no options`() throws {
    var bytes = message("350101 ff")
    bytes[239] = 0
    let wrong = try DHCPMessage(bytes.span)
    let (wrongHas, wrongType) = (wrong.hasOptions, wrong.messageType)
    #expect((wrongHas, wrongType) == (false, nil))
    let short = try DHCPMessage(bytes.span.extracting(0..<236)).hasOptions
    #expect(!short)
  }

  @Test func `only Ethernet is accepted`() {
    for index in [1, 2] {
      var bytes = message("ff")
      bytes[index] ^= 4
      #expect(throws: WireError.unsupportedHardware) { _ = try DHCPMessage(bytes.span).header }
    }
    #expect(throws: WireError.truncated(needed: 236, available: 235)) {
      _ = try DHCPMessage(message("ff").span.extracting(0..<235)).header
    }
  }

  @Test(arguments: [Golden.dhcpDiscover, Golden.dhcpOffer])
  func `every part of a captured message, and every extreme byte in it, is read or refused`(_ golden: [UInt8]) {
    func readAll(_ bytes: Span<UInt8>) {
      do {
        let message = try DHCPMessage(bytes)
        _ = (message.header, message.messageType, message.hasOptions)
        for code in 0...UInt8.max {
          let code = DHCPOptionCode(rawValue: code)
          if message.option(code) != nil, message.value(of: code) == nil { Issue.record("whole but absent") }
        }
      } catch { #expect(bytes.count < 236 || bytes[1] != 1 || bytes[2] != 6) }
    }
    let message = Array(golden[42...])
    for end in 0...message.count { readAll(message.span.extracting(0..<end)) }
    for index in message.indices where index < 3 || index >= 236 {
      for extreme in [0, 1, 0x34, 0x7f, 0xfe, 0xff] as [UInt8] {
        var bytes = message
        bytes[index] = extreme
        readAll(bytes.span)
      }
    }
  }
}

@Suite struct DHCPMessageWriterTests {
  static let header = DHCPHeader(operation: .reply, xid: 1, clientHardware: MACAddress(2, 0, 0, 0, 0, 1))

  /// What is written in `count` bytes, whether an option was left out, and how long the message is.
  private func write(
    _ count: Int, limit: Int = .max, mayOverload: Bool = false, _ body: (inout DHCPMessageWriter) -> Void
  ) throws -> (bytes: [UInt8], isIncomplete: Bool) {
    var bytes = [UInt8](repeating: 0xee, count: count)
    var span = bytes.mutableSpan
    var writer = try DHCPMessageWriter(Self.header, into: &span, limit: limit, mayOverload: mayOverload)
    body(&writer)
    let isIncomplete = writer.isIncomplete
    let length = writer.finish()
    for index in length..<count { #expect(bytes[index] == 0xee) }
    return (Array(bytes[..<length]), isIncomplete)
  }

  @Test func `a short message is padded to 300 bytes`() throws {
    let (bytes, isIncomplete) = try write(400) {
      $0.append(.messageType, DHCPMessageType.ack.rawValue)
      $0.append(.interfaceMTU, 1500 as UInt16)
      $0.append(.leaseTime, 86_400 as UInt32)
      $0.append(.router, IPv4Address(10, 0, 2, 2))
      $0.append(.hostname, "vm")
    }
    let options = hex("350105 1a0205dc 330400015180 03040a000202 0c02766d ff")
    #expect(Array(bytes[240...]) == options + [UInt8](repeating: 0, count: 60 - options.count))
    #expect(!isIncomplete)
  }

  @Test func `a value longer than 255 bytes is split, and read back whole`() throws {
    for count in [0, 1, 254, 255, 256, 510, 511, 700] {
      let content = (0..<count).map { UInt8($0 & 0xff) }
      let (bytes, isIncomplete) = try write(1500) { $0.append(.domainSearch, content) }
      #expect(!isIncomplete)
      #expect(try value(of: .domainSearch, in: bytes) == content)
      #expect(bytes.count == max(300, 240 + count + 2 * max(1, (count + 254) / 255) + 1))
    }
  }

  @Test func `an option is written whole or not at all, up to the last byte`() throws {
    for (room, fits) in [(300, true), (299, false)] {
      // 240 of header, 2 and 57 of the option, 1 of the end.
      let content = [UInt8](repeating: 7, count: 57 + (300 - room))
      let (bytes, isIncomplete) = try write(300) { $0.append(.hostname, content) }
      #expect(isIncomplete == !fits)
      #expect(try value(of: .hostname, in: bytes) == (fits ? content : nil))
    }
    let (bytes, isIncomplete) = try write(1000, limit: 310) {
      $0.append(.domainName, [UInt8](repeating: 1, count: 68))
      $0.append(.hostname, "vm")
    }
    #expect(isIncomplete)
    #expect(try value(of: .domainName, in: bytes) == nil)
    #expect(try value(of: .hostname, in: bytes) == Array("vm".utf8))
  }

  @Test func `what finds no room goes to file, then to sname, and option 52 says so (RFC 2132 section 9.3)`() throws {
    let (bytes, isIncomplete) = try write(300, mayOverload: true) {
      $0.append(.hostname, [UInt8](repeating: 1, count: 50))
      $0.append(.domainName, [UInt8](repeating: 2, count: 100))
      $0.append(.router, IPv4Address(10, 0, 2, 2))
      $0.append(.rootPath, [UInt8](repeating: 3, count: 40))
      $0.append(.domainSearch, [UInt8](repeating: 4, count: 60))
    }
    #expect(isIncomplete)
    #expect(try value(of: .overload, in: bytes) == [3])
    // In `file` the name of the domain and the router, and their end; in `sname` one more.
    #expect(Array(bytes[108..<110]) == [15, 100] && Array(bytes[210..<217]) == hex("0304 0a000202 ff"))
    #expect(Array(bytes[44..<46]) == [17, 40] && bytes[86] == 255)
    #expect(try value(of: .domainName, in: bytes)?.count == 100)
    #expect(try value(of: .domainSearch, in: bytes) == nil)
  }

  @Test func `a file to boot keeps its field to itself`() throws {
    let (bytes, isIncomplete) = try write(300, mayOverload: true) {
      $0.setBootFile("pxelinux.0")
      $0.append(.hostname, [UInt8](repeating: 1, count: 70))
      $0.append(.domainName, [UInt8](repeating: 2, count: 60))
    }
    #expect(isIncomplete)
    #expect(Array(bytes[108..<119]) == Array("pxelinux.0".utf8) + [0])
    #expect(try value(of: .overload, in: bytes) == [2])
    #expect(try value(of: .domainName, in: bytes)?.count == 60)
  }

  @Test func `less room than the shortest message is refused`() {
    #expect(throws: WireError.truncated(needed: 300, available: 299)) { _ = try write(299) { _ in } }
  }
}

extension DHCPOptionCode {
  /// Where a diskless client's files are, which no server of ours says.
  fileprivate static let rootPath = DHCPOptionCode(rawValue: 17)
}
