import Capture
import Primitives
import Testing

/// A frame's line.
private func line(_ frame: [UInt8], originalLength: Int? = nil, flow: FlowReference? = nil) -> String {
  FrameText().line(of: frame.span, originalLength: originalLength, flow: flow)
}

/// Frames as text, on a line.
@Suite struct FrameTextTests {
  @Test(arguments: TextFrames.lines.indices)
  func `a frame has its line`(index: Int) {
    let (what, frame, text) = TextFrames.lines[index]
    #expect(line(frame) == text, "\(what)")
  }

  @Test func `numbers of a flow that is known count from its first`() {
    var flow = FlowReference()
    (flow.sequence, flow.acknowledgment) = (SequenceNumber(0x17b8_adbd), SequenceNumber(0x2173_9163))
    (flow.timestamp, flow.echo, flow.windowScale) = (0xe533_211c, 0x1b58_cd02, 10)
    #expect(
      line(TextFrames.tcpData, flow: flow)
        == "10.0.2.15:35682 > 10.0.2.2:8080 TCP PA seq 1 ack 1 win 64512 length 5 ts 2 echo 0")
  }

  @Test func `hardware addresses are shown where they are asked for`() {
    let frame = TextFrames.udp
    let text = FrameText(showsHardware: true).line(of: frame.span)
    #expect(
      text == "52:54:00:12:34:56 > 52:55:0a:00:02:02 10.0.2.15:5000 > 10.0.2.2:9 UDP length 3")
  }

  @Test(arguments: [
    (24, "bad IPv4 checksum 0x1fe7, should be 0x1fa9"), (40, "bad UDP checksum 0x31d4, should be 0x0fd4"),
  ])
  func `a wrong checksum is told, with the right one`(place: Int, words: String) {
    var frame = TextFrames.udp
    frame[place] ^= 0x3e
    if place == 24 { (frame[24], frame[25]) = (0x1f, 0xe7) }
    #expect(line(frame) == "10.0.2.15:5000 > 10.0.2.2:9 UDP length 3 {\(words)}")
  }

  @Test func `a wrong byte anywhere in a segment spoils its checksum`() {
    for place in 34..<TextFrames.tcpData.count where place != 46 {
      var frame = TextFrames.tcpData
      frame[place] ^= 1
      #expect(line(frame).contains("{bad TCP checksum"), "byte \(place)")
    }
  }

  @Test func `what a capture has cut off is no fault of the frame's`() {
    let cut = Array(TextFrames.tcpData.prefix(66))
    #expect(
      line(cut, originalLength: TextFrames.tcpData.count)
        == "10.0.2.15:35682 > 10.0.2.2:8080 TCP PA seq 397979070 ack 561221988 win 63 length 5 "
        + "ts 3845333278 echo 458804482")
    #expect(line(cut) == "IPv4 {malformed IPv4: length 57, but 52 bytes are there}")
    #expect(line(Array(TextFrames.tcpData.prefix(40)), originalLength: 71) == "10.0.2.15 > 10.0.2.2 TCP cut off")
  }

  @Test(arguments: [
    (0..<5, "Ethernet {malformed Ethernet: 5 bytes where 14 are needed}"),
    (0..<20, "IPv4 {malformed IPv4: 6 bytes where 20 are needed}"),
  ])
  func `a frame that is too short is told`(range: Range<Int>, text: String) {
    #expect(line(Array(TextFrames.udp[range])) == text)
  }

  @Test func `text of a frame stays on its line`() {
    let request =
      hex(
        """
        52550a000202 525400123456 0800 4500 0000 0000 4000 40 06 0000 0a00020f 0a000202
        8b62 0050 00000001 00000001 5018 ffff 0000 0000
        """) + Array("GET /\u{1b}[31m\\é HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
    var frame = request
    (frame[16], frame[17]) = (0, UInt8(frame.count - 14))
    let text = line(frame)
    #expect(text.contains(#"HTTP GET /\x1b[31m\x5c\xc3\xa9 HTTP/1.1 {"#), "\(text)")
    #expect(text.utf8.allSatisfy { (0x20...0x7e).contains($0) })
  }

  @Test func `any beginning of a frame, and any frame with a byte changed, has a line and fields`() {
    for frame in TextFrames.frames {
      for count in 0...frame.count {
        let beginning = Array(frame.prefix(count))
        check(beginning, originalLength: count)
        check(beginning, originalLength: frame.count)
      }
      for place in frame.indices {
        for value: UInt8 in [0, 1, 0x3f, 0x7f, 0x80, 0xc0, 0xff] {
          var changed = frame
          changed[place] = value
          check(changed, originalLength: frame.count)
        }
      }
    }
  }

  /// Text is printable and the same each time; every byte is in a field, and no field is beyond the frame.
  private func check(_ frame: [UInt8], originalLength: Int) {
    let text = line(frame, originalLength: originalLength)
    #expect(!text.isEmpty && text.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "\(text)")
    let fields = FrameText().fields(of: frame.span, originalLength: originalLength)
    var isCovered = [Bool](repeating: false, count: frame.count)
    for field in fields {
      guard field.range.lowerBound >= 0 && field.range.upperBound <= frame.count else {
        Issue.record("\(field) reaches beyond \(frame.count) bytes")
        continue
      }
      for index in field.range { isCovered[index] = true }
    }
    if let hole = isCovered.firstIndex(of: false) { Issue.record("byte \(hole) of \(frame) is in no field: \(text)") }
  }
}
