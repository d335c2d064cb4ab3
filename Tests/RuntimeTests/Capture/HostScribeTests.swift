import Buffers
import Capture
import Configuration
import LinuxSystem
import Logging
import Netstack
import Primitives
import Simulation
import Testing

@testable import Runtime

/// The host's side of flows, as packets.
@Suite struct HostScribeTests {
  private static let local = Endpoint(IPv4Address(192, 0, 2, 7), port: 40_000)
  private static let remote = Endpoint(IPv4Address(198, 51, 100, 1), port: 80)
  private static let flow = FlowID(rawValue: 5)

  /// The frames that a scribe leaves in a capture.
  private func frames(_ body: (HostScribe) throws -> Void) throws -> [[UInt8]] {
    let folder = try TemporaryFolder()
    var options = CaptureOptions()
    options.file = folder.path + "/a"
    let session = try CaptureSession(try #require(try CapturePlan(options)), loops: 1)
    let scribe = HostScribe(session.feeds[0], at: MonotonicClock.now)
    try body(scribe)
    scribe.endTurn()
    session.stop()
    var work = try CaptureWork(of: session, logger: Lines().logger(.info))
    work.run()
    return try LiveCaptureTests.frames(folder.path + "/a").map(\.bytes)
  }

  /// Segments in words: who sends, the flags, the numbers, and the payload. Their checksums are right.
  private func words(_ frames: [[UInt8]]) throws -> [String] {
    try frames.map { bytes in
      let frame = try PlainFrame(decoding: bytes)
      guard case .tcp(let segment)? = frame.payload else { return "\(frame)" }
      let payload =
        segment.payload.count > 20
        ? "\(segment.payload.count) bytes" : String(decoding: segment.payload, as: UTF8.self)
      return "\(segment.sourcePort) \(flags(segment)) \(segment.sequence.value) \(segment.acknowledgment.value)"
        + (payload.isEmpty ? "" : " " + payload)
    }
  }

  private func flags(_ segment: PlainTCP) -> String {
    let names: [(PlainTCP.Flags, String)] = [(.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.ack, ".")]
    return names.filter { segment.flags.contains($0.0) }.map(\.1).joined()
  }

  private func send(_ text: [UInt8], _ scribe: HostScribe, accepted: Int? = nil) {
    var list = FrameList(capacity: 1, byteCapacity: 1 << 20)
    // In several pieces, behind a header that is not sent.
    let isListed = list.append((Array("head".utf8) + text).span, port: .first, headerLength: 5, pieceLength: 65_000)
    #expect(isListed)
    let slices = [PayloadSlice(frame: 0, offset: 4, count: text.count)]
    scribe.send(Self.flow, accepted ?? text.count, of: slices.span, list.batch)
  }

  private func receive(_ text: String, skipping: Int, _ scribe: HostScribe) {
    var buffer = SlotBuffer(capacity: 4096, prefixLength: 4)
    guard
      let run = buffer.reserve(SlotRequest(port: .first, maximumSlots: 100, headerLength: 2, payloadLength: 3))
    else { return }
    var regions = buffer.payload(of: run)
    let bytes = Array(text.utf8)
    _ = regions.write(bytes.span)
    scribe.receive(Self.flow, bytes.count, skipping: skipping, &regions)
    buffer.cancel(run)
  }

  @Test func `a connection has its handshake, each byte once, and its ends`() throws {
    let frames = try frames { scribe in
      scribe.beginStream(Self.flow, local: Self.local, remote: Self.remote, isInbound: false)
      scribe.connect(Self.flow)
      send(Array("hello".utf8), scribe)
      // Of this the socket has taken a part.
      send(Array("world".utf8), scribe, accepted: 2)
      receive("abcd", skipping: 0, scribe)
      // Read again from the front, with more behind it; and again after a part was removed.
      receive("abcdef", skipping: 0, scribe)
      scribe.discard(Self.flow, 4)
      receive("efg", skipping: 0, scribe)
      receive("hi", skipping: 3, scribe)
      receive("efghi", skipping: 0, scribe)
      scribe.endOfStream(Self.flow)
      scribe.endOfStream(Self.flow)
      scribe.finishWriting(Self.flow)
      scribe.close(Self.flow, abortively: false)
      // Nothing more is known of it.
      send(Array("late".utf8), scribe)
    }
    #expect(
      try words(frames) == [
        "40000 S 0 0", "80 S. 0 1", "40000 . 1 1", "40000 P. 1 1 hello", "40000 P. 6 1 wo", "80 P. 1 8 abcd",
        "80 P. 5 8 ef", "80 P. 7 8 g", "80 P. 8 8 hi", "80 F. 10 8", "40000 F. 8 11",
      ])
    #expect(frames.allSatisfy { $0[26...29] == [192, 0, 2, 7] || $0[26...29] == [198, 51, 100, 1] })
  }

  @Test func `a refusal, a reset and a client of a forward are shown as what they are`() throws {
    let refused = try frames { scribe in
      scribe.beginStream(Self.flow, local: Self.local, remote: Self.remote, isInbound: false)
      scribe.fail(Self.flow)
      scribe.close(Self.flow, abortively: false)
    }
    #expect(try words(refused) == ["40000 S 0 0", "80 R. 0 1"])
    let inbound = try frames { scribe in
      scribe.beginStream(Self.flow, local: Self.local, remote: Self.remote, isInbound: true)
      receive("x", skipping: 0, scribe)
      scribe.close(Self.flow, abortively: true)
    }
    #expect(
      try words(inbound) == ["80 S 0 0", "40000 S. 0 1", "80 . 1 1", "80 P. 1 1 x", "40000 R. 1 2"])
  }

  @Test func `what is longer than a packet goes in several`() throws {
    let text = [UInt8](repeating: 7, count: 150_000)
    let frames = try frames { scribe in
      scribe.beginStream(Self.flow, local: Self.local, remote: Self.remote, isInbound: false)
      scribe.connect(Self.flow)
      send(text, scribe)
    }
    #expect(
      try words(Array(frames.dropFirst(3))) == [
        "40000 . 1 1 65400 bytes", "40000 . 65401 1 65400 bytes", "40000 P. 130801 1 19200 bytes",
      ])
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `datagrams and echoes come from the host's ends`(family: IPAddress.Family) throws {
    let (near, far): (IPAddress, IPAddress) =
      family == .ipv4
      ? (Self.local.address, Self.remote.address)
      : (
        IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 7)), IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 9))
      )
    let (local, remote) = (Endpoint(near, port: 5000), Endpoint(far, port: 53))
    // An echo request of identifier 1, of which the checksum means nothing here.
    let echo: [UInt8] = [family == .ipv4 ? 8 : 128, 0, 0xaa, 0xbb, 0, 1, 0, 9] + Array("ping!".utf8)
    let sent = try frames { scribe in
      scribe.beginDatagrams(Self.flow, local: local, remote: remote)
      var list = FrameList(capacity: 2, byteCapacity: 4096)
      let isListed = list.append(Array("query".utf8).span, port: .first) && list.append(echo.span, port: .first)
      #expect(isListed)
      let query = [OutgoingDatagram(payload: PayloadSlice(frame: 0, offset: 0, count: 5))]
      scribe.send(Self.flow, 1, of: query.span, list.batch)
      var answers = DatagramBatch(capacity: 2)
      let isAppended = answers.append(Array("answer".utf8).span, from: remote)
      #expect(isAppended)
      scribe.receive(Self.flow, answers)
      scribe.close(Self.flow, abortively: false)
      scribe.beginEcho(Self.flow, identifier: 0x1234)
      let message = PayloadSlice(frame: 1, offset: 0, count: echo.count)
      let ping = [OutgoingDatagram(payload: message, destination: Endpoint(far, port: 0))]
      scribe.send(Self.flow, 1, of: ping.span, list.batch)
    }
    try #require(sent.count == 3)
    let datagrams = try sent.prefix(2).map { bytes -> String in
      guard case .udp(let datagram)? = try PlainFrame(decoding: bytes).payload else { return "" }
      let text = String(decoding: datagram.payload, as: UTF8.self)
      return "\(datagram.sourcePort) \(datagram.destinationPort) \(text)"
    }
    #expect(datagrams == ["5000 53 query", "53 5000 answer"])
    // Decoding checks the sum, too.
    _ = try PlainFrame(decoding: sent[2])
    let start = family == .ipv4 ? 34 : 54
    #expect(Array(sent[2][(start + 4)...]) == [0x12, 0x34, 0, 9] + Array("ping!".utf8))
  }

  @Test func `a datagram has the address that it came to, and only what was sent is shown`() throws {
    let any = Endpoint(.any(.ipv6), port: 5000)
    let sent = try frames { scribe in
      // A socket of both families that is bound to no address.
      scribe.beginDatagrams(Self.flow, local: any, remote: nil)
      var list = FrameList(capacity: 1, byteCapacity: 64)
      let isListed = list.append(Array("query".utf8).span, port: .first)
      #expect(isListed)
      let payload = PayloadSlice(frame: 0, offset: 0, count: 5)
      let queries = [
        OutgoingDatagram(payload: payload, destination: Self.remote, source: Self.local.address),
        OutgoingDatagram(payload: payload, destination: Self.remote),
        OutgoingDatagram(payload: payload, destination: Self.local),
      ]
      scribe.send(Self.flow, 2, of: queries.span, list.batch)
      var answers = DatagramBatch(capacity: 1)
      let isAppended = answers.append(Array("answer".utf8).span, from: Self.remote, to: Self.local.address)
      #expect(isAppended)
      scribe.receive(Self.flow, answers)
    }
    let (local, remote) = ([192, 0, 2, 7] as [UInt8], [198, 51, 100, 1] as [UInt8])
    #expect(sent.map { Array($0[26..<34]) } == [local + remote, [0, 0, 0, 0] + remote, remote + local])
    // What leaves the host comes from its hardware address, and what comes goes there.
    let host = [2, 0, 0, 0, 0, 1] as [UInt8]
    #expect(sent.map { Array($0[6..<12]) == host } == [true, true, false])
    #expect(sent.map { Array($0[0..<6]) == host } == [false, false, true])
  }
}
