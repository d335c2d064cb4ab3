import Buffers
import Netstack
import Primitives
import Testing

@testable import Recording

/// Each call of a host is told, and answered from the recording as it was.
struct CallTests {
  private static let flow = FlowID(index: 7, generation: 3)
  private static let other = FlowID(index: 8, generation: 1)
  private static let endpoint = Endpoint(IPv4Address(192, 0, 2, 1), port: 80)
  private static let endpointV6 = Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1)), port: 443)

  /// Makes calls of a host that is recorded, and the same of one that answers from the recording; compares what they
  /// return.
  private func check<Result: Equatable>(
    _ host: ScriptedHost, _ call: (inout any HostNetwork) -> Result
  ) throws -> Result {
    var bytes: [UInt8] = []
    let recorder = Recorder(RecordingHead(settings: NetworkSettings(), seed: (1, 2, 3, 4))) { block, _ in
      bytes += block
      return true
    }
    var recorded: any HostNetwork = Recorded(host, by: recorder)
    let result = call(&recorded)
    recorder.finish()
    let tape = ReplayTape(try RecordingReader(bytes: bytes), frames: nil)
    var replayed: any HostNetwork = ReplayHost(tape: tape)
    let again = call(&replayed)
    #expect(tape.difference == nil)
    #expect(again == result)
    #expect(tape.nextInput() == nil)
    #expect(tape.reader.end == .finished)
    return result
  }

  private static let errors: [HostError] = [
    .refused, .reset, .hostUnreachable, .networkUnreachable, .timedOut, .addressInUse, .addressUnavailable, .forbidden,
    .exhausted, .notASocket, .messageTooLong, .other(-1), .other(112),
  ]

  @Test func `what comes of opening`() throws {
    for open in [HostOpen.ready, .inProgress] + Self.errors.map({ .failed($0) }) {
      var host = ScriptedHost()
      host.open = open
      let results = try check(host) { host in
        [
          host.connect(Self.flow, to: Self.endpoint, marks: PacketMarks(hopLimit: 3, dscp: 4, mayFragment: false)),
          host.connect(Self.flow, to: HostService(2, name: "unix:/run/x")),
          host.openPair(Self.flow, Self.other), host.finishConnecting(Self.flow),
          host.listen(Self.flow, at: .port(.udp, Self.endpointV6)), host.listen(Self.flow, at: .local("/run/y")),
          host.openDatagrams(Self.flow, family: .ipv6, destination: Self.endpointV6, preferredPort: 5),
          host.openDatagrams(Self.flow, family: .ipv4, destination: nil, preferredPort: 0),
          host.openEcho(Self.flow, family: .ipv4, identifier: 9),
        ]
      }
      #expect(results.allSatisfy { $0 == open })
    }
  }

  @Test func `what is accepted`() throws {
    let accepts: [HostAccept] = [
      .accepted(peer: Self.endpoint, local: Self.endpointV6), .acceptedLocal, .wouldBlock, .failed(.exhausted),
    ]
    for accept in accepts {
      var host = ScriptedHost()
      host.accept = accept
      #expect(try check(host) { $0.accept(from: Self.flow, as: Self.other) } == accept)
    }
  }

  @Test func `numbers, and calls that return nothing`() throws {
    for count in [0, 1, 127, 128, 4_194_304] {
      var host = ScriptedHost()
      host.count = count
      let results = try check(host) { host in
        host.close(Self.flow, abortively: true)
        host.discard(Self.flow, count: 17)
        host.requestWritable(Self.flow)
        host.finishWriting(Self.flow)
        return [host.sendSpace(Self.flow), host.unacknowledgedByteCount(Self.flow)]
      }
      #expect(results == [count, count])
    }
  }

  @Test func `what is read of streams and files, with its bytes`() throws {
    let reads: [HostRead] = [.bytes(1), .bytes(1000), .bytes(3000), .wouldBlock, .endOfStream, .failed(.reset)]
    for read in reads {
      var host = ScriptedHost()
      host.read = read
      let bytes = try check(host) { host in
        var slots = SlotBuffer(capacity: 1 << 16, prefixLength: 4)
        let request = SlotRequest(port: .first, maximumSlots: 3, headerLength: 14, payloadLength: 1000)
        guard let run = slots.reserve(request) else { return [[UInt8]]() }
        var copies: [[UInt8]] = []
        do {
          var regions = slots.payload(of: run)
          let stream = host.receive(Self.flow, skipping: 5, into: &regions)
          copies.append(Array("\(stream)".utf8))
          for index in 0..<regions.count { copies.append(regions.bytes(index).copy) }
        }
        do {
          var regions = slots.payload(of: run)
          let file = host.readFile(Self.flow, at: 1 << 40, into: &regions)
          copies.append(Array("\(file)".utf8))
          for index in 0..<regions.count { copies.append(regions.bytes(index).copy) }
        }
        slots.cancel(run)
        return copies
      }
      #expect(bytes.count == 8)
    }
  }

  @Test func `what is written, and sent as datagrams`() throws {
    for write in [HostWrite.accepted(0), .accepted(2), .wouldBlock, .failed(.messageTooLong)] {
      var host = ScriptedHost()
      host.write = write
      let results = try check(host) { host in
        var frames = FrameList(capacity: 4, byteCapacity: 4000)
        _ = frames.append([UInt8](repeating: 7, count: 1000).span, port: .first, headerLength: 60, pieceLength: 300)
        let slices = [PayloadSlice(frame: 0, offset: 50, count: 500), PayloadSlice(frame: 0, offset: 600, count: 10)]
        let datagrams = [
          OutgoingDatagram(payload: slices[0], destination: Self.endpoint, source: Self.endpoint.address),
          OutgoingDatagram(payload: slices[1], marks: PacketMarks(hopLimit: 1)),
        ]
        return [
          host.send(slices.span, of: frames.batch, on: Self.flow),
          host.sendDatagrams(datagrams.span, of: frames.batch, on: Self.flow),
        ]
      }
      #expect(results == [write, write])
    }
  }

  @Test func `datagrams that are read, in the messages that they came in`() throws {
    var host = ScriptedHost()
    host.messages = [
      ScriptedHost.Message(bytes: [], source: Self.endpoint, segmentSize: 0),
      ScriptedHost.Message(bytes: [UInt8](0..<250), source: Self.endpointV6, segmentSize: 100),
      ScriptedHost.Message(bytes: [1, 2, 3], source: Self.endpoint, segmentSize: 0),
    ]
    let datagrams = try check(host) { host in
      var batch = DatagramBatch(capacity: 3)
      let result = host.receiveDatagrams(Self.flow, into: &batch)
      var copies: [[UInt8]] = [Array("\(result) \(batch.isFull)".utf8)]
      for index in 0..<batch.count { copies.append(Array("\(batch[index])".utf8) + batch.payload(index).copy) }
      return copies
    }
    #expect(datagrams.count == 6)
    #expect(datagrams[0] == Array("accepted(5) true".utf8))
  }

  @Test func `failures, with what is known of their packets`() throws {
    let reports: [NetworkReport?] = [
      nil, .networkUnreachable, .hostUnreachable, .protocolUnreachable, .portUnreachable, .prohibited,
      .tooBig(mtu: 1280), .timeExceeded, .reassemblyTimeExceeded, .parameterProblem,
    ]
    for report in reports {
      var host = ScriptedHost()
      host.failure = HostFailure(
        .hostUnreachable, report: report, reporter: Self.endpoint.address, destination: Self.endpointV6, quoteLength: 9)
      let copies = try check(host) { host in
        var quote = [UInt8](repeating: 0, count: 20)
        var span = quote.mutableSpan
        let failure = host.takeError(Self.flow, quote: &span)
        return [Array("\(String(describing: failure))".utf8), quote]
      }
      #expect(copies[1] == Array(1...9) + [UInt8](repeating: 0, count: 11))
    }
    #expect(
      try check(ScriptedHost()) { host in
        var quote = [UInt8](repeating: 0, count: 20)
        var span = quote.mutableSpan
        return host.takeError(Self.flow, quote: &span)
      } == nil)
  }

  @Test func `files that are opened`() throws {
    let opens: [HostFileOpen] = [
      .ready(byteCount: 0), .ready(byteCount: 1 << 40), .failed(.notFound), .failed(.forbidden), .failed(.exhausted),
      .failed(.other(5)),
    ]
    for open in opens {
      var host = ScriptedHost()
      host.fileOpen = open
      #expect(try check(host) { $0.openFile(Self.flow, named: [UInt8]("/boot/linux".utf8).span) } == open)
    }
  }
}

extension Span where Element == UInt8 {
  /// The bytes.
  fileprivate var copy: [UInt8] { indices.map { self[$0] } }
}
