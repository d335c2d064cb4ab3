import Capture
import Testing

private func compare(_ expected: [UInt8], _ got: [UInt8]) -> FrameComparison {
  FrameComparison(expected: expected.span, got: got.span)
}

private func fields(_ frame: [UInt8]) -> [DecodedField] { FrameText().fields(of: frame.span) }

/// Frames field by field, and two of them side by side.
@Suite struct FrameComparisonTests {
  @Test func `a datagram has its fields, in the order of its bytes`() {
    let found = fields(TextFrames.udp)
    #expect(
      found.map(\.description) == [
        "0 Ethernet destination 52:55:0a:00:02:02", "6 Ethernet source 52:54:00:12:34:56", "12 Ethernet type IPv4",
        "14 IPv4 version 4", "14 IPv4 header length 20", "15 IPv4 class 0x00", "16 IPv4 total length 31",
        "18 IPv4 identification 0x0315", "20 IPv4 flags DF", "20 IPv4 fragment offset 0", "22 IPv4 time to live 64",
        "23 IPv4 protocol UDP", "24 IPv4 checksum 0x1fa9", "26 IPv4 source 10.0.2.15",
        "30 IPv4 destination 10.0.2.2", "34 UDP source port 5000", "36 UDP destination port 9", "38 UDP length 11",
        "40 UDP checksum 0x0fd4", "42 UDP payload 3 bytes 61 62 63",
      ])
  }

  @Test func `a field that differs is marked, and nothing else`() {
    var other = TextFrames.udp
    other[22] = 63
    let comparison = compare(TextFrames.udp, other)
    #expect(!comparison.isEqual)
    let marked = comparison.rows.filter(\.isDifferent)
    // The checksum of the header is wrong now, which is a field of its own.
    #expect(marked.map { $0.expected?.name ?? "-" } == ["time to live", "-"])
    #expect(
      comparison.table(onlyDifferences: true).split(separator: "\n").map { $0.split(separator: " ") } == [
        ["byte", "field", "expected", "got"], ["*", "22", "IPv4", "time", "to", "live", "64", "63"],
        ["*", "24", "IPv4", "problem", "-"] + "bad IPv4 checksum 0x1fa9, should be 0x20a9".split(separator: " "),
      ])
  }

  @Test func `equal frames have no mark`() {
    let comparison = compare(TextFrames.dhcpOffer, TextFrames.dhcpOffer)
    #expect(comparison.isEqual)
    #expect(!comparison.table().contains("*"))
  }

  @Test func `of payload that looks the same, the first byte that differs is told`() {
    var other = TextFrames.dhcpOffer
    // In the name of the server, behind what is shown of it, the bytes of a text's rest.
    other[250] = 1
    let comparison = compare(TextFrames.dhcpOffer, other)
    let row = comparison.rows.first { $0.isDifferent && $0.expected?.name == "file" }
    #expect(row?.firstDifference == 100)
    #expect(comparison.table().contains("(byte 100 of it)"))
  }

  @Test func `a bit that no field tells of is a difference all the same`() {
    var other = TextFrames.udp
    // The reserved bit beside DF.
    other[20] |= 0x80
    #expect(!compare(TextFrames.udp, other).isEqual)
  }

  @Test func `frames of different protocols stand side by side, field by field`() {
    let comparison = compare(TextFrames.udp, TextFrames.tcpData)
    #expect(!comparison.isEqual)
    let names = comparison.rows.compactMap { $0.got?.name }
    #expect(names == fields(TextFrames.tcpData).map(\.name))
  }

  @Test func `every change of a byte is a difference`() {
    for frame in [TextFrames.udp, TextFrames.tcpData, TextFrames.dhcpOffer, TextFrames.routerAdvertisement] {
      for place in frame.indices {
        var other = frame
        other[place] ^= 0x10
        let isEqual = compare(frame, other).isEqual
        #expect(!isEqual, "byte \(place) of \(frame.count)")
      }
    }
  }
}
