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

  @Test func `packet too big carries the MTU in the second word`() {
    let header = ICMPv6Header(packetTooBigFor: 1280)
    #expect(written(8) { header.write(to: &$0) } == hex("02 00 0000 00000500"))
  }
}
