import Buffers
import Netstack
import Primitives
import Testing

@testable import Simulation

/// The simulated host behaves as Linux's sockets do, and notes what a correct core never does.
@Suite struct SimulatedHostTests {
  private static let flow = FlowID(index: 3, generation: 7)
  private static let server = Endpoint(IPv4Address(192, 0, 2, 1), port: 80)

  /// A host with an open connection, and what `body` finds.
  private func withConnection(_ body: (inout SimulatedHost, ConnectionID) -> Void) {
    var host = SimulatedHost()
    host.services[Self.server] = RemoteService()
    #expect(host.connect(Self.flow, to: Self.server, marks: PacketMarks()) == .ready)
    host.takeEvents { _, _ in }
    body(&host, host.allConnections[0])
  }

  /// What one read brings, as text, and its result.
  private func read(_ host: inout SimulatedHost, skipping: Int, room: Int = 100) -> (HostRead, String) {
    var slots = SlotBuffer(capacity: 4096, prefixLength: 0)
    let request = SlotRequest(port: .first, headerLength: 14, payloadLength: room)
    guard let run = slots.reserve(request) else { return (.wouldBlock, "") }
    var regions = slots.payload(of: run)
    let result = host.receive(Self.flow, skipping: skipping, into: &regions)
    var text = ""
    if case .bytes(let count) = result {
      let bytes = regions.bytes(0)
      text = String(decoding: (0..<count).map { bytes[$0] }, as: UTF8.self)
    }
    slots.cancel(run)
    return (result, text)
  }

  @Test func `reading does not remove, discarding does`() {
    withConnection { host, peer in
      host.peerWrites(Array("hello world".utf8), on: peer)
      let whole = read(&host, skipping: 0)
      let again = read(&host, skipping: 6)
      host.discard(Self.flow, count: 6)
      let rest = read(&host, skipping: 0)
      let nothing = read(&host, skipping: 5)
      #expect([whole.1, again.1, rest.1] == ["hello world", "world", "world"])
      #expect(nothing.0 == .wouldBlock)
      let misuses = host.misuses
      #expect(misuses.isEmpty)
    }
  }

  @Test func `a reset is reported once, behind the data, and then looks like an end`() {
    withConnection { host, peer in
      host.peerWrites(Array("last".utf8), on: peer)
      host.peerResets(peer)
      let results = [read(&host, skipping: 0).0, read(&host, skipping: 4).0, read(&host, skipping: 4).0]
      #expect(results == [.bytes(4), .failed(.reset), .endOfStream])
    }
  }

  @Test func `events come once for each change, with everything that is ready`() {
    withConnection { host, peer in
      host.peerWrites([1], on: peer)
      host.peerFinishes(peer)
      var events: [HostReadiness] = []
      host.takeEvents { events.append($1) }
      host.takeEvents { events.append($1) }
      #expect(events == [[.readable, .writable, .readClosed]])
    }
  }

  @Test func `what a correct core never does is noted`() {
    withConnection { host, peer in
      host.peerWrites([1, 2, 3], on: peer)
      host.discard(Self.flow, count: 1)
      _ = read(&host, skipping: 2)
      host.close(FlowID(index: 3, generation: 6), abortively: false)
      host.finishWriting(Self.flow)
      host.finishWriting(Self.flow)
      host.close(Self.flow, abortively: false)
      host.close(Self.flow, abortively: false)
      _ = host.sendSpace(Self.flow)
      let misuses = host.misuses
      #expect(misuses.count == 6)
    }
  }

  @Test func `a full send buffer takes a part, then nothing, and says when there is room`() {
    var host = SimulatedHost()
    var service = RemoteService(readsAtOnce: false)
    service.sendBufferSize = 100
    host.services[Self.server] = service
    _ = host.connect(Self.flow, to: Self.server, marks: PacketMarks())
    host.takeEvents { _, _ in }
    var frames = FrameList(capacity: 1, byteCapacity: 200)
    let isAppended = frames.append([UInt8](repeating: 7, count: 150).span, port: .first)
    #expect(isAppended)
    let slice = [PayloadSlice(frame: 0, offset: 0, count: 150)]
    let results = [
      host.send(slice.span, of: frames.batch, on: Self.flow), host.send(slice.span, of: frames.batch, on: Self.flow),
    ]
    #expect(results == [.accepted(100), .wouldBlock])
    var events = 0
    // Linux reports room from a third of the buffer on.
    host.peerReads(20, on: host.allConnections[0])
    host.takeEvents { _, _ in events += 1 }
    #expect(events == 0)
    host.peerReads(20, on: host.allConnections[0])
    host.takeEvents { _, readiness in events += readiness.contains(.writable) ? 1 : 0 }
    #expect(events == 1)
  }
}
