import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// A UNIX socket of the test's own, with a path that is removed at the end.
private final class LocalServer {
  let path: String
  let peer: Peer

  init(backlog: Int32 = 16) throws {
    path = "/tmp/culvert-test-\(String(try ProcessControl.randomSeed().0, radix: 36)).socket"
    let socket = try Socket(.stream, for: .path(path))
    try socket.bind(to: .path(path))
    try socket.listen(backlog: backlog)
    peer = Peer(socket)
  }

  deinit { do { try FileSystem.unlink(path) } catch { Issue.record("\(error)") } }
}

/// Where UNIX streams are not like TCP's, on real sockets, for both ways of peeking. What the core sees is the same.
@Suite struct LocalStreamTests {
  /// A connected flow and its peer.
  private func connection(_ mode: PeekMode, scratchLength: Int = 256 * 1024) throws -> (Host, FlowID, Peer) {
    let server = try LocalServer()
    let host = try Host(mode, services: [.unix(path: server.path)], scratchLength: scratchLength)
    let flow = host.newFlow()
    #expect(host.connect(flow, toService: 0) == .ready)
    return (host, flow, try server.peer.accept())
  }

  @Test(arguments: bothModes)
  func `bytes are peeked in order, again after going back, and removed when discarded`(_ mode: PeekMode) throws {
    // The scratch memory is shorter than what is removed at once.
    let (host, flow, peer) = try connection(mode, scratchLength: 300)
    #expect(try host.peek(flow, 10).0 == .wouldBlock)
    let bytes = pattern(5000)
    for part in stride(from: 0, to: 5000, by: 1250) { try peer.send(Array(bytes[part..<(part + 1250)])) }
    try host.wait(flow, for: .readable)

    #expect(try host.peek(flow, 1000).1 == bytes[..<1000].map { $0 })
    #expect(try host.peek(flow, skipping: 1000, 1500, piece: 400).1 == bytes[1000..<2500].map { $0 })
    #expect(try host.peek(flow, skipping: 2500, 9000).1 == bytes[2500...].map { $0 })
    #expect(try host.peek(flow, skipping: 5000, 10).0 == .wouldBlock)
    #expect(try host.peek(flow, skipping: 500, 100).1 == bytes[500..<600].map { $0 })

    host.discard(flow, count: 2000)
    #expect(try host.peek(flow, 10).1 == bytes[2000..<2010].map { $0 })
    #expect(try host.peek(flow, skipping: 2990, 100).1 == bytes[4990...].map { $0 })
    host.discard(flow, count: 3000)
    #expect(try host.peek(flow, 10).0 == .wouldBlock)
    try peer.send([42])
    try host.wait(flow, for: .readable)
    #expect(try host.peek(flow, 10).1 == [42])
  }

  @Test func `a full socket blocks nobody, counts its room, and tells when there is some again`() throws {
    let (host, flow, peer) = try connection(.automatic)
    let fresh = host.sendSpace(flow)
    #expect(fresh > 10_000)
    let total = try host.fill(flow)
    #expect(host.sendSpace(flow) < fresh / 4)
    #expect(try host.takeReadiness(flow) == [])
    host.requestWritable(flow)
    #expect(try host.takeReadiness(flow) == [])
    var received = 0
    while received < total { received += try peer.receiveNext().count }
    #expect(try host.wait(flow, for: .writable) == .writable)
    #expect(host.sendSpace(flow) == fresh)
    #expect(host.send(flow, [1]) == .accepted(1))
  }

  @Test func `what is written is delivered at once, however the flow ends`() throws {
    for abortively in [false, true] {
      let (host, flow, peer) = try connection(.automatic)
      #expect(host.send(flow, pattern(30_000)) == .accepted(30_000))
      #expect(host.unacknowledgedByteCount(flow) == 0)
      host.close(flow, abortively: abortively)
      #expect(try peer.receiveAll() == pattern(30_000))
    }
  }

  @Test(arguments: bothModes)
  func `a peer that closes has ended its stream, and fails only a write`(_ mode: PeekMode) throws {
    let (host, flow, peer) = try connection(mode)
    try peer.send([1, 2, 3])
    try peer.socket.shutDownReadingAndWriting()
    // The hang-up is no failure: what was sent before is there to read.
    #expect(try host.wait(flow, for: .readClosed) == [.readable, .readClosed, .hungUp])
    #expect(try host.peekAll(flow) == (.endOfStream, [1, 2, 3]))
    host.discard(flow, count: 3)
    #expect(try host.peek(flow, 10).0 == .endOfStream)
    #expect(host.send(flow, [4]) == .failed(.reset))
    #expect(try host.peek(flow, 10).0 == .failed(.reset))
  }

  @Test(arguments: bothModes)
  func `a peer that closes over what it has not read has reset the connection`(_ mode: PeekMode) throws {
    let server = try LocalServer()
    let host = try Host(mode, services: [.unix(path: server.path)])
    let flow = host.newFlow()
    #expect(host.connect(flow, toService: 0) == .ready)
    do {
      let peer = try server.peer.accept()
      try peer.send([1, 2, 3])
      #expect(host.send(flow, [9]) == .accepted(1))
    }
    #expect(try host.wait(flow, for: .failed) == [.readable, .readClosed, .failed, .hungUp])
    #expect(try host.peekAll(flow) == (.failed(.reset), [1, 2, 3]))
    host.close(flow, abortively: true)
  }

  @Test(arguments: bothModes)
  func `each direction ends by itself`(_ mode: PeekMode) throws {
    let (host, flow, peer) = try connection(mode)
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
    #expect(!host.holds(flow))
  }

  @Test func `closed cleanly with bytes unread, the peer sees an end; closed abortively, a reset`() throws {
    for abortively in [false, true] {
      let (host, flow, peer) = try connection(.automatic)
      try peer.send(pattern(100_000))
      try host.wait(flow, for: .readable)
      #expect(try host.peek(flow, 1000).0 == .bytes(1000))
      host.close(flow, abortively: abortively)
      if abortively {
        let error = #expect(throws: SystemError.self) { _ = try peer.receiveNext() }
        #expect(error?.number == ECONNRESET)
      } else {
        #expect(try peer.receiveAll() == [])
      }
    }
  }

  @Test func `what cannot be reached fails at once, with the reason, and holds nothing`() throws {
    let nobody = try LocalServer()
    nobody.peer.socket.shutDownListening()
    let crowded = try LocalServer(backlog: 0)
    let first = try Socket(.stream, for: .path(crowded.path))
    #expect(try first.connect(to: .path(crowded.path)))
    let host = try Host(services: [
      .unix(path: "/tmp/culvert-test-absent/socket"), .unix(path: nobody.path), .unix(path: crowded.path),
      .unix(path: "/dev/null"), .unix(path: String(repeating: "x", count: 200)),
    ])
    let expected: [HostError] = [.other(ENOENT), .refused, .other(EAGAIN), .refused, .other(ENAMETOOLONG)]
    for (number, error) in expected.enumerated() {
      let flow = host.newFlow()
      #expect(host.connect(flow, toService: number) == .failed(error), "service \(number)")
      #expect(!host.holds(flow))
    }
  }
}

extension Socket {
  /// Ends both directions, as closing does.
  fileprivate func shutDownReadingAndWriting() throws { try #require(shutdown(rawValue, Int32(SHUT_RDWR)) == 0) }

  /// Leaves the path to nobody who listens.
  fileprivate func shutDownListening() { _ = shutdown(rawValue, Int32(SHUT_RDWR)) }
}
