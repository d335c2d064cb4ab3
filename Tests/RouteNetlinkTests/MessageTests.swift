import LinuxSystem
import Primitives
import Testing

@testable import RouteNetlink

@Suite struct MessageTests {
  @Test func `a message is a header, the family's structure and its attributes, in fours`() throws {
    var message = NetlinkMessage(20, [.create, .exclusive], sequence: 7)
    message.append(UInt8(2))
    message.append(UInt8(24))
    message.append(UInt16(0))
    message.append(UInt32(3))
    message.append(2, address: IPAddress(IPv4Address(10, 0, 2, 15)))
    message.append(3, text: "tap0")
    message.append(8, integer: 2)
    let expected: [UInt8] = [
      52, 0, 0, 0, 20, 0, 0x05, 0x06, 7, 0, 0, 0, 0, 0, 0, 0,  // length, RTM_NEWADDR, flags, sequence, port
      2, 24, 0, 0, 3, 0, 0, 0,  // AF_INET, /24, flags, scope; index
      8, 0, 2, 0, 10, 0, 2, 15,  // IFA_LOCAL
      9, 0, 3, 0, 0x74, 0x61, 0x70, 0x30, 0, 0, 0, 0,  // IFA_LABEL, with its zero, filled up
      8, 0, 8, 0, 2, 0, 0, 0,  // IFA_FLAGS
    ]
    try #require(UInt16(1).littleEndian == 1, "the bytes above are a little-endian machine's")
    #expect(message.finished == expected)
  }

  @Test func `an address of IPv6 goes in network byte order`() throws {
    let address = try #require(IPAddress("fec0::15"))
    #expect(address.networkBytes == [0xfe, 0xc0] + [UInt8](repeating: 0, count: 13) + [0x15])
    #expect(address.netlinkFamily == 10)
  }

  /// An error, -17, about a message of type 20, with the kernel's words; then an acknowledgment.
  static let answers: [UInt8] =
    [52, 0, 0, 0, 2, 0, 0x00, 0x03, 9, 0, 0, 0, 1, 0, 0, 0]  // NLM_F_CAPPED, NLM_F_ACK_TLVS
    + [0xef, 0xff, 0xff, 0xff]  // EEXIST
    + [52, 0, 0, 0, 20, 0, 5, 6, 9, 0, 0, 0, 0, 0, 0, 0]  // the header that it is about
    + [13, 0, 1, 0] + Array("In use!!".utf8) + [0, 0, 0, 0]  // NLMSGERR_ATTR_MSG
    + [36, 0, 0, 0, 2, 0, 0x00, 0x01, 10, 0, 0, 0, 1, 0, 0, 0]
    + [0, 0, 0, 0] + [UInt8](repeating: 0, count: 16)

  @Test func `an error tells its number and the kernel's words, and what follows is found`() throws {
    var rest = Self.answers[...]
    let error = try #require(NetlinkReply(takingFrom: &rest))
    #expect(error.sequence == 9)
    #expect(error.errorNumber == 17)
    #expect(error.explanation == "In use!!")
    let acknowledgment = try #require(NetlinkReply(takingFrom: &rest))
    #expect(acknowledgment.errorNumber == 0)
    #expect(acknowledgment.explanation == nil)
    #expect(rest.isEmpty)
  }

  @Test func `what is cut short is no message, and no attribute`() {
    for length in 0..<Self.answers.count {
      var rest = Self.answers.prefix(length)
      var replies: [NetlinkReply] = []
      while let reply = NetlinkReply(takingFrom: &rest) { replies.append(reply) }
      #expect(replies.count == (length >= 52 ? 1 : 0))
      _ = replies.map(\.explanation)
    }
    #expect(NetlinkAttributes([4, 0, 1]).first(1) == nil)
    #expect(NetlinkAttributes([3, 0, 1, 0]).first(1) == nil)
    #expect(NetlinkAttributes([9, 0, 1, 0, 7, 7, 7, 7]).first(1) == nil)
    #expect(NetlinkAttributes([5, 0, 9, 0, 7, 0, 0, 0, 8, 0, 1, 0x80, 1, 2, 0, 0]).integer(1) == 0x201)
  }
}
