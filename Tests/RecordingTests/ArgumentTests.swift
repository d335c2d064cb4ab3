import Buffers
import Netstack
import Primitives
import Testing

@testable import Recording

/// A call with another argument than the recorded one is a difference, in words that tell the two apart.
struct ArgumentTests {
  private typealias Call = (inout any HostNetwork) -> Void

  private static let (flow, other) = (FlowID(index: 7, generation: 3), FlowID(index: 7, generation: 4))
  private static let (near, far) = (remote(1), remote(1, port: 81))

  /// What is different where `recorded` is on the tape and the core does `replayed`; nil where nothing is.
  private func difference(_ recorded: Call, _ replayed: Call) throws -> ReplayDifference.What? {
    var bytes: [UInt8] = []
    let recorder = Recorder(RecordingHead(settings: NetworkSettings(), seed: (1, 2, 3, 4))) { block, _ in
      bytes += block
      return true
    }
    var scripted = ScriptedHost()
    scripted.write = .accepted(1)
    var host: any HostNetwork = Recorded(scripted, by: recorder)
    recorded(&host)
    recorder.finish()
    let tape = ReplayTape(try RecordingReader(bytes: bytes), frames: nil)
    var again: any HostNetwork = ReplayHost(tape: tape)
    replayed(&again)
    return tape.difference?.what
  }

  private func check(_ what: String, _ calls: Call...) throws {
    for (number, recorded) in calls.enumerated() {
      for (place, replayed) in calls.enumerated() {
        let difference = try difference(recorded, replayed)
        guard number != place else {
          #expect(difference == nil, "\(what)")
          continue
        }
        guard case .call(let expected, let got)? = difference else {
          Issue.record("\(what): call \(place) in the place of \(number) is \(String(describing: difference))")
          continue
        }
        #expect(expected != got, "\(what)")
      }
    }
  }

  @Test func `of what is opened and closed`() throws {
    let (flow, other, near) = (Self.flow, Self.other, Self.near)
    try check(
      "connect", { _ = $0.connect(flow, to: near, marks: PacketMarks()) },
      { _ = $0.connect(other, to: near, marks: PacketMarks()) },
      { _ = $0.connect(flow, to: Self.far, marks: PacketMarks()) },
      { _ = $0.connect(flow, to: near, marks: PacketMarks(hopLimit: 9)) },
      { _ = $0.connect(flow, to: near, marks: PacketMarks(dscp: 9)) },
      { _ = $0.connect(flow, to: near, marks: PacketMarks(mayFragment: false)) },
      { _ = $0.connect(flow, to: HostService(1, name: "unix:/a")) },
      { _ = $0.connect(flow, to: HostService(1, name: "unix:/b")) }, { _ = $0.finishConnecting(flow) })
    try check("openPair", { _ = $0.openPair(flow, other) }, { _ = $0.openPair(other, flow) })
    try check(
      "listen", { _ = $0.listen(flow, at: .port(.tcp, near)) }, { _ = $0.listen(flow, at: .port(.udp, near)) },
      { _ = $0.listen(flow, at: .local("/run/x")) }, { _ = $0.accept(from: flow, as: other) },
      { _ = $0.accept(from: other, as: flow) })
    try check(
      "openDatagrams", { _ = $0.openDatagrams(flow, family: .ipv4, destination: near, preferredPort: 5) },
      { _ = $0.openDatagrams(flow, family: .ipv6, destination: near, preferredPort: 5) },
      { _ = $0.openDatagrams(flow, family: .ipv4, destination: nil, preferredPort: 5) },
      { _ = $0.openDatagrams(flow, family: .ipv4, destination: near, preferredPort: 6) })
    try check(
      "openEcho", { _ = $0.openEcho(flow, family: .ipv4, identifier: 1) },
      { _ = $0.openEcho(flow, family: .ipv6, identifier: 1) }, { _ = $0.openEcho(flow, family: .ipv4, identifier: 2) })
    try check("close", { $0.close(flow, abortively: true) }, { $0.close(flow, abortively: false) })
  }

  @Test func `of what is counted and asked for`() throws {
    let flow = Self.flow
    try check("discard", { $0.discard(flow, count: 1) }, { $0.discard(flow, count: 2) })
    try check(
      "questions", { _ = $0.sendSpace(flow) }, { _ = $0.sendSpace(Self.other) },
      { _ = $0.unacknowledgedByteCount(flow) }, { $0.requestWritable(flow) }, { $0.finishWriting(flow) })
    func takeError(_ room: Int) -> Call {
      { host in
        var quote = [UInt8](repeating: 0, count: room)
        var span = quote.mutableSpan
        _ = host.takeError(flow, quote: &span)
      }
    }
    try check("takeError", takeError(20), takeError(21))
    try check(
      "openFile", { _ = $0.openFile(flow, named: Array("a".utf8).span) },
      { _ = $0.openFile(flow, named: Array("b".utf8).span) })
  }

  @Test func `of reads: how much is skipped, where they begin and how much has room`() throws {
    func read(_ room: Int, _ body: @escaping (inout any HostNetwork, inout ByteRegions) -> Void) -> Call {
      { host in
        var slots = SlotBuffer(capacity: 4096, prefixLength: 0)
        let request = SlotRequest(port: .first, maximumSlots: 1, headerLength: 14, payloadLength: room)
        guard let run = slots.reserve(request) else { return }
        do {
          var regions = slots.payload(of: run)
          body(&host, &regions)
        }
        slots.cancel(run)
      }
    }
    try check(
      "reads", read(100) { _ = $0.receive(Self.flow, skipping: 0, into: &$1) },
      read(100) { _ = $0.receive(Self.flow, skipping: 1, into: &$1) },
      read(101) { _ = $0.receive(Self.flow, skipping: 0, into: &$1) },
      read(100) { _ = $0.readFile(Self.flow, at: 0, into: &$1) },
      read(100) { _ = $0.readFile(Self.flow, at: 1, into: &$1) },
      read(101) { _ = $0.readFile(Self.flow, at: 0, into: &$1) })
  }

  @Test func `of writes: every byte`() throws {
    func send(_ text: String) -> Call {
      { host in
        var frames = FrameList(capacity: 1, byteCapacity: 100)
        _ = frames.append(Array(text.utf8).span, port: .first)
        let slices = [
          PayloadSlice(frame: 0, offset: 0, count: 3), PayloadSlice(frame: 0, offset: 3, count: text.utf8.count - 3),
        ]
        _ = host.send(slices.span, of: frames.batch, on: Self.flow)
      }
    }
    try check("send", send("abcdef"), send("xbcdef"), send("abcdex"), send("abcde"))
  }

  @Test func `of datagrams: every byte, who they go to and come from, how they are marked and divided`() throws {
    func send(_ text: String, _ datagrams: OutgoingDatagram...) -> Call {
      { host in
        var frames = FrameList(capacity: 1, byteCapacity: 100)
        _ = frames.append(Array(text.utf8).span, port: .first)
        _ = host.sendDatagrams(datagrams.span, of: frames.batch, on: Self.flow)
      }
    }
    func datagram(
      _ range: Range<Int>, to destination: Endpoint? = nil, from source: IPAddress? = nil,
      _ marks: PacketMarks = .init()
    ) -> OutgoingDatagram {
      OutgoingDatagram(
        payload: PayloadSlice(frame: 0, offset: range.lowerBound, count: range.count), destination: destination,
        source: source, marks: marks)
    }
    try check(
      "sendDatagrams", send("aaaa", datagram(0..<4)), send("aaab", datagram(0..<4)), send("aaaa", datagram(0..<3)),
      send("aaaa", datagram(0..<4, to: Self.near)), send("aaaa", datagram(0..<4, to: Self.far)),
      send("aaaa", datagram(0..<4, from: Self.near.address)),
      send("aaaa", datagram(0..<4, PacketMarks(hopLimit: 1))), send("aaaa", datagram(0..<4, PacketMarks(dscp: 1))),
      send("aaaa", datagram(0..<4, PacketMarks(mayFragment: false))),
      send("aaaa", datagram(0..<1), datagram(1..<4)), send("aaaa", datagram(0..<2), datagram(2..<4)))
  }
}
