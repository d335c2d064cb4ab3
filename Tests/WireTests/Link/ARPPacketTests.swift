import Primitives
import Testing
import Wire

@Suite struct ARPPacketTests {
  let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  let gateway = MACAddress(0x52, 0x55, 0x0a, 0, 2, 2)

  @Test func `a request has its fields`() throws {
    let golden = Golden.arpRequest
    let message = try ARPPacket(golden.span.extracting(14...)).message
    #expect(
      message
        == ARPMessage(
          operation: .request, senderMAC: guest, senderAddress: IPv4Address(10, 0, 2, 15),
          targetMAC: MACAddress(bits: 0), targetAddress: IPv4Address(10, 0, 2, 2)))
  }

  @Test func `a reply is written as Linux writes it`() {
    let reply = ARPMessage(
      operation: .reply, senderMAC: gateway, senderAddress: IPv4Address(10, 0, 2, 2), targetMAC: guest,
      targetAddress: IPv4Address(10, 0, 2, 15))
    #expect(written(28) { reply.write(to: &$0) } == Array(Golden.arpReply[14...]))
  }

  @Test func `padding behind a packet is left alone, an unknown operation is kept`() throws {
    var bytes = Array(Golden.arpRequest[14...]) + [UInt8](repeating: 0xaa, count: 18)
    bytes[7] = 9
    let operation = try ARPPacket(bytes.span).operation
    #expect(operation == ARPOperation(rawValue: 9))
  }

  @Test(arguments: [(0, "hardware type"), (1, "hardware type"), (2, "protocol type"), (4, "hlen"), (5, "plen")])
  func `another kind of hardware or protocol is refused`(_ offset: Int, _ field: String) {
    var bytes = Array(Golden.arpRequest[14...])
    bytes[offset] ^= 0x10
    #expect(throws: WireError.unsupportedHardware, "\(field)") { _ = try ARPPacket(bytes.span).message }
  }
}
