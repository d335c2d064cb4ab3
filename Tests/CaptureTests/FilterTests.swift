import Capture
import Testing

@Suite struct FilterTests {
  /// A TCP segment to port 80, IPv4, without data.
  private static let segment = hex(
    """
    525500000002 525400123456 0800
    4500 0028 0000 4000 40 06 0000 0a00020f 0a000202
    9c40 0050 00000000 00000000 5002 ffff 0000 0000
    """)

  @Test(arguments: [
    ("", true), ("tcp", true), ("tcp port 80", true), ("udp or arp", false),
    ("host 10.0.2.15 and not dst port 22", true), ("ether src 52:54:00:12:34:56", true),
    ("tcp[tcpflags] & tcp-syn != 0", true), ("greater 100", false),
    ("len == 54", true), ("ip6", false),
  ])
  func `an expression says which frames pass`(expression: String, passes: Bool) throws {
    let filter = try CaptureFilter(expression)
    let segment = Self.segment
    let answer = filter.matches(segment.span, originalLength: segment.count)
    #expect(answer == passes)
  }

  @Test func `what was not captured is not found, and lengths are those on the wire`() throws {
    let segment = Array(Self.segment.prefix(30))
    let port = try CaptureFilter("tcp port 80")
    let atPort = port.matches(segment.span, originalLength: 54)
    #expect(!atPort)
    let length = try CaptureFilter("len == 54")
    let isLong = length.matches(segment.span, originalLength: 54)
    #expect(isLong)
    let nothing: [UInt8] = []
    let isArp = try CaptureFilter("arp").matches(nothing.span, originalLength: 0)
    #expect(!isArp)
  }

  @Test func `a mistake is told with libpcap's words`() throws {
    let error = #expect(throws: CaptureError.self) { _ = try CaptureFilter("tcp prot 80") }
    guard case .badFilter("tcp prot 80", let reason)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("syntax error"))
    #expect(error?.description == "capture filter 'tcp prot 80': \(reason)")
    #expect(throws: CaptureError.self) { _ = try CaptureFilter("tcp\u{0}port 80") }
  }
}
