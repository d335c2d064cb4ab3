import Primitives
import Testing

@Suite struct MACAddressTests {
  let address = MACAddress(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)

  @Test func `bytes, bits and text are one address`() throws {
    #expect(address.bits == 0x5254_0012_3456)
    #expect(address.description == "52:54:00:12:34:56")
    #expect(MACAddress("52:54:00:12:34:56") == address)
    #expect(MACAddress("52:54:00:AB:cd:EF") == MACAddress(0x52, 0x54, 0, 0xab, 0xcd, 0xef))
    var bytes = [UInt8](repeating: 0xee, count: 8)
    var span = bytes.mutableSpan
    address.write(to: &span, at: 1)
    #expect(bytes == [0xee, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0xee])
    let read = MACAddress(bytes.span, at: 1)
    #expect(read == address)
  }

  @Test(arguments: [
    "", "52", "52:54:00:12:34", "52:54:00:12:34:56:78", "5:54:00:12:34:56", "052:54:00:12:34:56", "+2:54:00:12:34:56",
    "-2:54:00:12:34:56", "52:54:00:12:34:5g", "52-54-00-12-34-56", "52:54:00:12:34:", " 52:54:00:12:34:56",
  ])
  func `other text is refused`(_ text: String) { #expect(MACAddress(text) == nil) }

  @Test func `only an individual address is a station's`() {
    #expect(address.isUnicast && !address.isGroup)
    #expect(MACAddress.broadcast.isGroup && !MACAddress.broadcast.isUnicast)
    #expect(MACAddress(0x33, 0x33, 0, 0, 0, 1).isGroup)
    #expect(!MACAddress(bits: 0).isUnicast)
    #expect(MACAddress(bits: .max) == .broadcast)
  }
}

@Suite struct IPv4AddressTests {
  @Test(arguments: [
    ("0.0.0.0", 0 as UInt32), ("10.0.2.15", 0x0a00_020f), ("127.0.0.1", 0x7f00_0001),
    ("255.255.255.255", 0xffff_ffff),
  ])
  func `text and bits are one address`(_ text: String, _ bits: UInt32) {
    #expect(IPv4Address(text) == IPv4Address(bits: bits))
    #expect(IPv4Address(bits: bits).description == text)
  }

  @Test(arguments: [
    "", "10.0.2", "10.0.2.15.1", "10.0.2.256", "10.0.2.-1", "10.0.2.+1", "10.0.2.015", "10.0.2.", ".0.2.15", "10..2.15",
    "10.0.2.15 ", "0x0a.0.2.15", "10.0.2.１", "1000.0.2.1",
  ])
  func `other text is refused`(_ text: String) { #expect(IPv4Address(text) == nil) }

  @Test(arguments: [
    ("127.255.0.1", "loopback"), ("169.254.169.254", "linkLocal"), ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"), ("240.0.0.1", "reserved"), ("255.255.255.255", "reserved"),
    ("0.1.2.3", "thisNetwork"), ("10.0.2.15", ""), ("126.0.0.1", ""), ("128.0.0.1", ""), ("169.253.0.1", ""),
    ("223.255.255.255", ""), ("1.0.0.0", ""),
  ])
  func `an address is of its block and no other`(_ text: String, _ block: String) throws {
    let address = try #require(IPv4Address(text))
    #expect(address.isLoopback == (block == "loopback"))
    #expect(address.isLinkLocal == (block == "linkLocal"))
    #expect(address.isMulticast == (block == "multicast"))
    #expect(address.isReserved == (block == "reserved"))
    #expect(address.isThisNetwork == (block == "thisNetwork"))
  }

  @Test(arguments: [
    (0, "0.0.0.0/0", "0.0.0.0", "255.255.255.255"), (8, "10.0.0.0/8", "255.0.0.0", "10.255.255.255"),
    (24, "10.0.2.0/24", "255.255.255.0", "10.0.2.255"), (28, "10.0.2.0/28", "255.255.255.240", "10.0.2.15"),
    (32, "10.0.2.15/32", "255.255.255.255", "10.0.2.15"),
  ])
  func `a prefix has network, mask and broadcast`(_ length: Int, _ text: String, _ mask: String, _ broadcast: String) {
    let prefix = IPv4Prefix(containing: IPv4Address(10, 0, 2, 15), length: length)
    #expect(prefix.description == text)
    #expect(prefix.mask.description == mask)
    #expect(prefix.broadcast.description == broadcast)
    #expect(prefix.contains(prefix.network) && prefix.contains(prefix.broadcast))
    #expect(length == 0 || !prefix.contains(IPv4Address(bits: prefix.network.bits &- 1)))
    #expect(length == 0 || !prefix.contains(IPv4Address(bits: prefix.broadcast.bits &+ 1)))
  }

  @Test(arguments: [-1, 33])
  func `a prefix of another length is a mistake of ours`(_ length: Int) async {
    await #expect(processExitsWith: .failure) { [length] in _ = IPv4Prefix(containing: .any, length: length) }
  }

  @Test func `addresses are ordered by value`() {
    #expect(IPv4Address(10, 0, 2, 15) < IPv4Address(10, 0, 3, 0))
    #expect(!(IPv4Address.broadcast < .broadcast))
  }
}

@Suite struct IPv6AddressTests {
  @Test(arguments: [
    // RFC 5952 section 4: how an address is written.
    ("2001:db8::1", "2001:db8::1"), ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
    ("2001:DB8::ABCD", "2001:db8::abcd"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("0:0:0:0:0:0:0:0", "::"), ("::", "::"), ("::1", "::1"),
    ("1::", "1::"),
    ("fec0:0:0:0:0:0:0:0", "fec0::"), ("0:1::", "0:1::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("0:0:1::", "0:0:1::"),
    ("::ffff:10.0.2.15", "::ffff:10.0.2.15"), ("::ffff:a00:20f", "::ffff:10.0.2.15"),
    ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"),
  ])
  func `text is read, and written as RFC 5952 has it`(_ text: String, _ canonical: String) throws {
    let address = try #require(IPv6Address(text))
    #expect(address.description == canonical)
    #expect(IPv6Address(canonical) == address)
  }

  @Test(arguments: [
    "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::1::", "1:", ":1", "1:2:3:4:5:6:7:",
    "12345::",
    "g::", "+1::", "-1::", "fe80::1%eth0", "::10.0.2", "::10.0.2.15:1", "1:2:3:4:5:6:7:10.0.2.15", "::1 ", "1:::2",
    "1::2:3:4:5:6:7:8", "::1:2:3:4:5:6:7:8", "10.0.2.15",
  ])
  func `other text is refused`(_ text: String) { #expect(IPv6Address(text) == nil) }

  @Test func `any address is read back from its text`() {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<2000 {
      // Many zero groups, so that runs of every length and place occur.
      let half = { (random: inout SeededGenerator) -> UInt64 in
        (0..<4).reduce(0) { sum, _ in
          sum << 16 | (Bool.random(using: &random) ? 0 : UInt64.random(in: 0...0xffff, using: &random))
        }
      }
      let address = IPv6Address(high: half(&random), low: half(&random))
      #expect(IPv6Address(address.description) == address)
    }
  }

  @Test func `bytes are read as they are written`() {
    let address = IPv6Address(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10)
    var bytes = [UInt8](repeating: 0xee, count: 17)
    var span = bytes.mutableSpan
    address.write(to: &span, at: 1)
    #expect(bytes == [0xee] + (1...16))
    let read = IPv6Address(bytes.span, at: 1)
    #expect(read == address)
  }

  @Test(arguments: [
    ("fe80::1", "linkLocal"), ("febf::1", "linkLocal"), ("fec0::1", ""), ("fe7f::1", ""), ("ff02::1", "multicast"),
    ("::ffff:1.2.3.4", "mapped"), ("::", "compatible"), ("::1", "compatible"), ("::1.2.3.4", "compatible"),
    ("::1:0:0:1", ""), ("2001:db8::1", ""),
  ])
  func `an address is of its block and no other`(_ text: String, _ block: String) throws {
    let address = try #require(IPv6Address(text))
    #expect(address.isLinkLocal == (block == "linkLocal"))
    #expect(address.isMulticast == (block == "multicast"))
    #expect(address.isMapped == (block == "mapped"))
    #expect(address.isCompatible == (block == "compatible"))
  }

  @Test func `the IPv4 address in 64:ff9b::/96 is found`() {
    #expect(IPv6Address("64:ff9b::127.0.0.1")?.translatedIPv4 == .loopback)
    #expect(IPv6Address("64:ff9b:1::127.0.0.1")?.translatedIPv4 == nil)
    #expect(IPv6Address("64:ff9c::127.0.0.1")?.translatedIPv4 == nil)
  }

  @Test(arguments: [
    (0, "::/0"), (1, "8000::/1"), (10, "fec0::/10"), (63, "fec0:0:0:2::/63"), (64, "fec0:0:0:3::/64"),
    (65, "fec0:0:0:3:8000::/65"), (127, "fec0::3:8000:0:0:4/127"), (128, "fec0::3:8000:0:0:5/128"),
  ])
  func `a prefix keeps its bits and no others`(_ length: Int, _ text: String) throws {
    let address = try #require(IPv6Address("fec0:0:0:3:8000::5"))
    let prefix = IPv6Prefix(containing: address, length: length)
    #expect(prefix.description == text)
    #expect(prefix.contains(address))
    let other = IPv6Address(high: ~address.high, low: address.low)
    #expect(prefix.contains(other) == (length == 0))
    let neighbor = IPv6Address(high: address.high, low: address.low ^ 1)
    #expect(prefix.contains(neighbor) == (length < 128))
  }
}

@Suite struct IPAddressTests {
  @Test func `an IPv4 address and its mapped form are one`() throws {
    let address = IPAddress(IPv4Address(10, 0, 2, 15))
    #expect(IPAddress(try #require(IPv6Address("::ffff:10.0.2.15"))) == address)
    #expect(IPAddress("10.0.2.15") == address && IPAddress("::ffff:10.0.2.15") == address)
    #expect(address.family == .ipv4)
    #expect((address.ipv4, address.ipv6) == (IPv4Address(10, 0, 2, 15), nil))
    #expect(address.description == "10.0.2.15")
  }

  @Test func `an IPv6 address is none of IPv4`() throws {
    let address = try #require(IPAddress("fec0::2"))
    #expect(address.family == .ipv6)
    #expect((address.ipv4, address.ipv6) == (nil, IPv6Address("fec0::2")))
    #expect(IPAddress("nonsense") == nil)
  }

  @Test(arguments: [
    ("127.0.0.1", true, false, false), ("::1", true, false, false), ("169.254.1.1", false, true, false),
    ("fe80::1", false, true, false), ("0.0.0.0", false, false, true), ("::", false, false, true),
    ("10.0.2.15", false, false, false), ("fec0::2", false, false, false),
  ])
  func `both families have loopback, link-local and unspecified addresses`(
    _ text: String, _ isLoopback: Bool, _ isLinkLocal: Bool, _ isAny: Bool
  ) throws {
    let address = try #require(IPAddress(text))
    #expect((address.isLoopback, address.isLinkLocal, address.isAny) == (isLoopback, isLinkLocal, isAny))
  }

  @Test func `an endpoint of IPv6 is written in brackets`() throws {
    #expect(Endpoint(IPv4Address(10, 0, 2, 15), port: 80).description == "10.0.2.15:80")
    #expect(Endpoint(try #require(IPAddress("fec0::2")), port: 80).description == "[fec0::2]:80")
  }
}
