import Buffers
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// The rules of writing to a stream and of ending it.
@Suite struct StreamWritingTests {
  @Test func `slices leave in order by one call`() throws {
    let host = try Host()
    let (flow, peer) = try host.connection()
    let bytes = pattern(30_000)
    #expect(host.send(flow, bytes, piece: 1460) == .accepted(30_000))
    #expect(host.calls.sends == 1)
    var received: [UInt8] = []
    while received.count < bytes.count { received += try peer.receiveNext() }
    #expect(received == bytes)
    #expect(host.send(flow, []) == .accepted(0))
    #expect(host.calls.sends == 1)
  }

  @Test func `a full socket blocks nobody, and tells when there is room again`() throws {
    let host = try Host()
    let (flow, peer) = try host.connection()
    let fresh = host.sendSpace(flow)
    #expect(fresh > 2000)
    let total = try host.fill(flow)
    #expect(total > fresh / 4)
    #expect(host.sendSpace(flow) < fresh)
    #expect(host.unacknowledgedByteCount(flow) > 0)
    #expect(try host.takeReadiness(flow) == [])

    host.requestWritable(flow)
    #expect(host.calls.rearmings == 1)
    #expect(try host.takeReadiness(flow) == [])
    var received = 0
    while received < total { received += try peer.receiveNext().count }
    #expect(try host.wait(flow, for: .writable) == .writable)
    #expect(host.sendSpace(flow) >= fresh)
    #expect(host.unacknowledgedByteCount(flow) == 0)
    #expect(host.send(flow, [1]) == .accepted(1))
  }

  @Test func `room that is there already is told at once when asked for`() throws {
    let host = try Host()
    let (flow, peer) = try host.connection()
    defer { withExtendedLifetime(peer) {} }
    host.requestWritable(flow)
    #expect(try host.wait(flow, for: .writable) == .writable)
    #expect(try host.takeReadiness(flow) == [])
    host.requestWritable(flow)
    #expect(try host.wait(flow, for: .writable) == .writable)
  }

  @Test(arguments: bothModes)
  func `closed with bytes unread, what was written still arrives`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    let (flow, peer) = try host.connection()
    try peer.send(pattern(30_000))
    try host.wait(flow, for: .readable)
    // Peeked, not removed: in the socket it is unread.
    #expect(try host.peek(flow, 1000).0 == .bytes(1000))
    let total = try host.fill(flow)
    host.close(flow, abortively: false)
    #expect(try peer.receiveAll().count == total)
  }

  @Test func `closed abortively, the peer sees a reset`() throws {
    let host = try Host()
    let (flow, peer) = try host.connection()
    host.close(flow, abortively: true)
    try peer.wait(for: .readable)
    let error = #expect(throws: SystemError.self) { _ = try peer.receive() }
    #expect(error?.reason == "Connection reset by peer")
  }

  @Test(arguments: bothModes)
  func `each direction ends by itself`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    // Ours first.
    do {
      let (flow, peer) = try host.connection()
      #expect(host.send(flow, [1, 2]) == .accepted(2))
      host.finishWriting(flow)
      #expect(try peer.receiveAll() == [1, 2])
      try peer.send([3])
      try host.wait(flow, for: .readable)
      #expect(try host.peek(flow, 10).1 == [3])
      try peer.finish()
      try host.wait(flow, for: .readClosed)
      #expect(try host.peekAll(flow) == (.endOfStream, [3]))
      host.close(flow, abortively: false)
    }
    // The peer's first.
    do {
      let (flow, peer) = try host.connection()
      try peer.finish()
      try host.wait(flow, for: .readClosed)
      #expect(try host.peek(flow, 10).0 == .endOfStream)
      #expect(host.send(flow, pattern(1000)) == .accepted(1000))
      host.close(flow, abortively: false)
      #expect(try peer.receiveAll() == pattern(1000))
    }
  }

  @Test func `an event of a flow that has ended does not reach its successor`() throws {
    let host = try Host()
    let (flow, peer) = try host.connection()
    try peer.send([1])
    var events = EventBuffer()
    try host.queue.wait(into: &events, timeout: .seconds(5))
    host.close(flow, abortively: true)
    let successor = FlowID(index: flow.index, generation: flow.generation + 1)
    let listener = try Peer(listeningOn: loopback4)
    #expect(host.connect(successor, to: try listener.endpoint()) == .ready)
    host.requestWritable(successor)
    let stale = FlowID(rawValue: events[0].data)
    #expect(stale == flow)
    #expect(host.readiness(of: stale, [.writable, .readable]) == [])
    #expect(host.readiness(of: stale, events[0].events) == [])
    // It has not used up what the successor waits for.
    #expect(try host.wait(successor, for: .writable) == .writable)
    #expect(host.readiness(of: FlowID(index: 99_999, generation: 0), .readable) == [])
  }

  @Test func `a flow's state is small`() {
    #expect(MemoryLayout<SocketState>.stride == 16)
  }
}
