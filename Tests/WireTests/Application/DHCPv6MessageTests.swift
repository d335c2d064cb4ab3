import Primitives
import Testing
import Wire

/// What ISC dhclient 4.4 sends, and dnsmasq 2.90 answers, over a veth pair.
private enum Exchange {
  /// SOLICIT: client DUID-LLT, ORO of 23, 24, 59, elapsed time, FQDN vm.example.test, IA_NA without an address.
  static let solicit = hex(
    """
    01 70068a 0001 000e 00010001329a1a3c525400123456 0006 0006 00170018003b 0008 0002 0000
    0027 0012 00 02766d 076578616d706c65 0474657374 00 0003 000c 00123456 00000e10 00001518
    """)
  /// ADVERTISE: both DUIDs, IA_NA with fec0::25, status 0, preference 0, domain search, name server, FQDN.
  static let advertise = hex(
    """
    02 70068a 0001 000e 00010001329a1a3c525400123456 0002 000e 00010001329a19e55ea2a373901f
    0003 0028 00123456 00000708 00000c4e 0005 0018 fec00000000000000000000000000025 00000e10 00000e10
    000d 0009 0000 73756363657373 0007 0001 00 0018 000e 076578616d706c65 0474657374 00
    0017 0010 fec00000000000000000000000000003 0027 0004 03 02766d
    """)
  /// REQUEST: the server's DUID, and the address that it has advertised.
  static let request = hex(
    """
    03 bba465 0001 000e 00010001329a1a3c525400123456 0002 000e 00010001329a19e55ea2a373901f
    0006 0006 00170018003b 0008 0002 0000 0027 0012 00 02766d 076578616d706c65 0474657374 00
    0003 0028 00123456 00000e10 00001518 0005 0018 fec00000000000000000000000000025 00001c20 00001d4c
    """)
  /// INFORMATION-REQUEST: DUID-LL, no association.
  static let informationRequest = hex(
    """
    0b 7b23c6 0001 000a 00030001525400123456 0006 0006 00170018003b 0008 0002 0000
    0027 0012 00 02766d 076578616d706c65 0474657374 00
    """)
  static let all = [solicit, advertise, request, informationRequest]
}

private let address = IPv6Address(high: 0xfec0 << 48, low: 0x25)

private func message(_ bytes: [UInt8]) throws -> DHCPv6Message { try DHCPv6Message(bytes.span) }

@Suite struct DHCPv6MessageTests {
  @Test func `dhclient's SOLICIT and REQUEST are read field by field`() throws {
    let solicit = try message(Exchange.solicit)
    #expect((solicit.type, solicit.transactionID) == (.solicit, 0x70068a))
    #expect(solicit.clientIdentifier == hex("00010001329a1a3c525400123456"))
    #expect(solicit.serverIdentifier == nil)
    #expect(solicit.requestedOptions == [.nameServers, .domainSearch, .bootFileURL])
    #expect(solicit.associations == [DHCPv6Association(.nonTemporaryAddresses, identifier: 0x123456)])
    #expect((solicit.clientName?.flags, solicit.clientName?.text) == (0, "vm.example.test"))
    #expect(!solicit.takesRapidCommit && !solicit.hasVendorClass)

    let request = try message(Exchange.request)
    #expect(request.type == .request)
    #expect(request.serverIdentifier == hex("00010001329a19e55ea2a373901f"))
    #expect(request.associations.map(\.addresses) == [[address]])
  }

  @Test func `an INFORMATION-REQUEST has no association, and may have no client (RFC 8415 section 18.2.6)`() throws {
    let request = try message(Exchange.informationRequest)
    #expect((request.type, request.associations) == (.informationRequest, []))
    let anonymous = try message(hex("0b 7b23c6"))
    #expect((anonymous.clientIdentifier, anonymous.requestedOptions) == (nil, nil))
  }

  @Test func `associations of each kind are read, with the addresses in them`() throws {
    let solicit = try message(
      hex(
        """
        01 000001 0004 0004 00000007 0019 000c 00000008 00000000 00000000 000e 0000 0010 0004 00000157
        0003 0048 00000009 00000000 00000000
        0005 0018 fec00000000000000000000000000025 00000000 00000000
        0005 001c fec00000000000000000000000000026 00000000 00000000 0063 0000
        """))
    #expect(
      solicit.associations == [
        DHCPv6Association(.temporaryAddresses, identifier: 7), DHCPv6Association(.delegatedPrefixes, identifier: 8),
        DHCPv6Association(
          .nonTemporaryAddresses, identifier: 9,
          addresses: [address, IPv6Address(high: address.high, low: 0x26)]),
      ])
    #expect(solicit.takesRapidCommit && solicit.hasVendorClass)
  }

  @Test func `a repeated option counts where it stands first, but two clients or two servers are nobody's message`()
    throws
  {
    let twice = try message(hex("01 000001 0006 0002 0017 0006 0002 0018 0027 0003 00 0161 0027 0003 00 0162"))
    #expect(twice.requestedOptions == [.nameServers])
    #expect(twice.clientName?.text == "a")
    for code in ["0001", "0002"] {
      #expect(throws: WireError.repeatedOption(code == "0001" ? 1 : 2)) {
        _ = try message(hex("01 000001 \(code) 0003 000161 \(code) 0003 000161"))
      }
    }
  }

  @Test(arguments: [
    ("01 0000", WireError.truncated(needed: 4, available: 3)),
    ("01 000001 0001", .truncated(needed: 8, available: 6)),
    ("01 000001 0001 0004 000300", .truncated(needed: 12, available: 11)),
    // DUIDs of 2 and of 131 bytes (section 11.1); an ORO of half a code.
    ("01 000001 0001 0002 0003", .badHeaderLength(2)),
    ("01 000001 0002 0083" + String(repeating: "00", count: 131), .badHeaderLength(131)),
    ("01 000001 0006 0003 001700", .badHeaderLength(3)),
    // IA_NA, IA_TA and IA_PD shorter than what comes before their options.
    ("01 000001 0003 000b 0000000000000000000000", .truncated(needed: 12, available: 11)),
    ("01 000001 0004 0003 000000", .truncated(needed: 4, available: 3)),
    ("01 000001 0019 0004 00000000", .truncated(needed: 12, available: 4)),
    // Within an IA_NA: an address of 15 bytes, an option that runs over the association's end, half a header.
    (
      "01 000001 0003 0020 000000000000000000000000 0005 0010 fec00000000000000000000000000025",
      .truncated(needed: 24, available: 16)
    ),
    ("01 000001 0003 0012 000000000000000000000000 000d 0003 0000", .truncated(needed: 19, available: 18)),
    ("01 000001 0003 000e 000000000000000000000000 000d", .truncated(needed: 16, available: 14)),
    // Within an address of an IA_NA: an option that runs over the address's end.
    (
      """
      01 000001 0003 002d 000000000000000000000000
      0005 001d fec00000000000000000000000000025 00000000 00000000 000d 0002 00
      """, .truncated(needed: 30, available: 29)
    ),
  ])
  func `lengths that lie are refused, in options and in options of options`(text: String, error: WireError) {
    #expect(throws: error) { _ = try message(hex(text)) }
  }

  @Test(arguments: [
    ("00", ""), ("00 00", ""), ("01 02766d", "vm"), ("01 02766d 00", "vm"), ("04 0161 0162 00", "a.b"),
    // No flags; a label over the end; a pointer; something behind the root.
    ("", nil), ("01 03766d", nil), ("01 c000", nil), ("01 02766d 00 00", nil),
  ])
  func `a client's name is read where it is one (RFC 4704 section 4.2)`(data: String, name: String?) throws {
    let length = String(hex(data).count + 0x100, radix: 16).dropFirst()
    #expect(try message(hex("01 000001 0027 00\(length)" + data)).clientName?.text == name)
  }

  @Test(arguments: Exchange.all)
  func `every part of a captured message, and every extreme byte in it, is read or refused`(_ golden: [UInt8]) {
    func read(_ bytes: [UInt8]) -> Bool {
      do throws(WireError) {
        let message = try DHCPv6Message(bytes.span)
        #expect(message.clientIdentifier?.count ?? 3 <= 130)
        return true
      } catch { return false }
    }
    #expect(read(golden))
    // A message ends with an option or is cut.
    let whole = (0...golden.count).filter { read(Array(golden[..<$0])) }
    #expect(whole.allSatisfy { end in boundaries(golden).contains(end) })
    #expect(whole.count == boundaries(golden).count)
    for index in golden.indices {
      for extreme in [0, 1, 0x7f, 0x80, 0xfe, 0xff] as [UInt8] {
        var bytes = golden
        bytes[index] = extreme
        _ = read(bytes)
      }
    }
  }

  /// Where a message's options end.
  private func boundaries(_ bytes: [UInt8]) -> [Int] {
    var ends = [4]
    while let end = ends.last, end < bytes.count {
      ends.append(end + 4 + Int(bytes[end + 2]) << 8 + Int(bytes[end + 3]))
    }
    return ends
  }
}

@Suite struct DHCPv6MessageWriterTests {
  @Test func `options are written by these bytes`() {
    var writer = DHCPv6MessageWriter(.reply, transactionID: 0x12_3456)
    writer.append(.clientIdentifier, [0, 3, 0, 1])
    writer.append(.nameServers, address)
    writer.append(.informationRefreshTime, 86_400 as UInt32)
    writer.append(.bootFileURL, "a:b")
    writer.append(DHCPv6Status.useMulticast)
    #expect(
      writer.bytes
        == hex(
          """
          07 123456 0001 0004 00030001 0017 0010 fec00000000000000000000000000025 0020 0004 00015180
          003b 0003 613a62 000d 0002 0005
          """))
  }

  @Test func `an association is written with its times and addresses, or with how it fared`() throws {
    var writer = DHCPv6MessageWriter(.reply, transactionID: 1)
    let addresses = DHCPv6Association(.nonTemporaryAddresses, identifier: 9, addresses: [address])
    writer.append(addresses, DHCPv6Times(lifetime: 1000), [(address, 1000)])
    writer.append(DHCPv6Association(.temporaryAddresses, identifier: 7), .noAddressesAvailable)
    writer.append(DHCPv6Association(.delegatedPrefixes, identifier: 8), .noPrefixAvailable)
    #expect(
      writer.bytes
        == hex(
          """
          07 000001
          0003 0028 00000009 000001f4 00000320 0005 0018 fec00000000000000000000000000025 000003e8 000003e8
          0004 000a 00000007 000d 0002 0002
          0019 0012 00000008 00000000 00000000 000d 0002 0006
          """))
    #expect(try message(writer.bytes).associations.first == addresses)
  }

  @Test func `a message is no longer than what fits every link, and an option in it whole or left out`() {
    var writer = DHCPv6MessageWriter(.reply, transactionID: 1)
    // 1280 bytes less 40 of IPv6 and 8 of UDP; 4 of the message and 4 of the option.
    writer.append(.domainSearch, [UInt8](repeating: 1, count: 1225))
    #expect((writer.bytes.count, writer.isIncomplete) == (4, true))
    writer.append(.domainSearch, [UInt8](repeating: 1, count: 1224))
    #expect(writer.bytes.count == 1232)
  }
}
