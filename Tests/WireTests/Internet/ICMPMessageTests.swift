import Primitives
import Testing
import Wire

@Suite struct ICMPMessageTests {
  @Test func `an echo request has its fields and is written back`() throws {
    let bytes = Array(Golden.echoRequest[34...])
    let message = try ICMPv4Message(bytes.span)
    let (header, identifier, sequence) = (message.header, message.identifier, message.sequenceNumber)
    #expect(header == ICMPv4Header(type: .echoRequest, identifier: 0x3a0a, sequenceNumber: 1, checksum: 0xa126))
    #expect((identifier, sequence) == (0x3a0a, 1))
    #expect(written(8) { header.write(to: &$0) } == Array(bytes[..<8]))
    #expect(isChecksumValid(bytes))
  }

  @Test func `an error has its code and the packet that caused it`() throws {
    let golden = Golden.portUnreachable
    let message = try ICMPv4Message(golden.span.extracting(34...))
    let (header, cause) = (message.header, try IPv4Packet(message.payload).header)
    #expect(header == ICMPv4Header(type: .destinationUnreachable, code: .portUnreachable, checksum: 0x152a))
    #expect(cause.proto == .udp)
    #expect(header.type.isError)
    #expect(!ICMPv4Type.echoReply.isError)
  }

  @Test func `fragmentation needed carries the next hop's MTU in the low half of the second word`() {
    let header = ICMPv4Header(fragmentationNeededFor: 1400)
    #expect(written(8) { header.write(to: &$0) } == hex("03 04 0000 0000 0578"))
  }

  @Test func `an ICMPv6 echo request has its fields and is written back`() throws {
    let bytes = Array(Golden.echoRequest6[54...])
    let message = try ICMPv6Message(bytes.span)
    let (header, identifier, sequence) = (message.header, message.identifier, message.sequenceNumber)
    #expect(header == ICMPv6Header(type: .echoRequest, identifier: 0x3a0b, sequenceNumber: 1, checksum: 0x6a20))
    #expect((identifier, sequence) == (0x3a0b, 1))
    #expect(written(8) { header.write(to: &$0) } == Array(bytes[..<8]))
  }

  @Test func `neighbour and router messages have their types`() throws {
    func header(of golden: [UInt8]) throws -> ICMPv6Header {
      try ICMPv6Message(golden.span.extracting(54...)).header
    }
    let advertisement = try header(of: Golden.neighborAdvertisement)
    let solicitation = try header(of: Golden.routerSolicitation)
    let unreachable = try header(of: Golden.portUnreachable6)
    #expect(
      advertisement == ICMPv6Header(type: .neighborAdvertisement, checksum: 0xbaf0, restOfHeader: 0x6000_0000))
    #expect(solicitation == ICMPv6Header(type: .routerSolicitation, checksum: 0x71b5))
    #expect(unreachable == ICMPv6Header(type: .destinationUnreachable, code: .portUnreachable, checksum: 0x50b3))
    #expect(unreachable.type.isError)
    #expect(!solicitation.type.isError)
  }

  @Test func `an ICMPv6 error has its code, its pointer and the packet that caused it`() throws {
    let goldens = (noRoute: Golden.noRoute6, problem: Golden.parameterProblem6)
    let noRoute = try ICMPv6Message(goldens.noRoute.span.extracting(54...))
    let unreachable = noRoute.header
    let echo = try IPv6Packet(noRoute.payload).header
    #expect(unreachable == ICMPv6Header(type: .destinationUnreachable, code: .noRoute, checksum: 0x3d25))
    #expect((echo.nextHeader, echo.hopLimit) == (.icmpv6, 1))
    let message = try ICMPv6Message(goldens.problem.span.extracting(54...))
    let problem = message.header
    #expect(
      problem
        == ICMPv6Header(type: .parameterProblem, code: .unrecognizedOption, checksum: 0x2d40, restOfHeader: 42))
    // The pointer counts from the quoted packet's first byte (RFC 4443 section 3.4).
    let option = message.payload[Int(problem.restOfHeader)]
    #expect(option == 0x9e)
    let isQuoteExact = Array(Golden.parameterProblem6[62...]) == Array(Golden.udpBehindOptions6[14...])
    #expect(isQuoteExact)
    for type in [ICMPv6Type.packetTooBig, .timeExceeded, .parameterProblem] { #expect(type.isError) }
    #expect(!ICMPv6Type.redirect.isError)
  }

  @Test func `packet too big carries the MTU in the second word`() {
    let header = ICMPv6Header(packetTooBigFor: 1280)
    #expect(written(8) { header.write(to: &$0) } == hex("02 00 0000 00000500"))
  }
}
