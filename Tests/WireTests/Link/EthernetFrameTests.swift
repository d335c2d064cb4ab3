import Primitives
import Testing
import Wire

@Suite struct EthernetFrameTests {
  @Test func `a frame has its three fields and what follows them`() throws {
    let golden = Golden.arpRequest
    let frame = try EthernetFrame(golden.span)
    let (header, payloadLength) = (frame.header, frame.payload.count)
    #expect(
      header == EthernetHeader(destination: .broadcast, source: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56), type: .arp)
    )
    #expect(payloadLength == 28)
  }

  @Test(arguments: Golden.frames)
  func `a header is written as it was read`(_ golden: [UInt8]) throws {
    let header = try EthernetFrame(golden.span).header
    #expect(written(14) { header.write(to: &$0) } == Array(golden[..<14]))
    #expect(written(17) { header.write(to: &$0, at: 2) } == [0xee, 0xee] + golden[..<14] + [0xee])
  }

  @Test func `a frame of only a header is one without payload`() throws {
    let bytes = [UInt8](repeating: 0, count: 14)
    let payloadIsEmpty = try EthernetFrame(bytes.span).payload.isEmpty
    #expect(payloadIsEmpty)
  }

  @Test(arguments: 0..<14)
  func `fewer bytes than a header are refused`(_ count: Int) {
    #expect(throws: WireError.truncated(needed: 14, available: count)) {
      let golden = Golden.syn
      _ = try EthernetFrame(golden.span.extracting(0..<count)).header
    }
  }
}
