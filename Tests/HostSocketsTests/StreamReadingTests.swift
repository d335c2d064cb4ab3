import Buffers
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// The rules of reading a stream by peeking, on real sockets, for both ways of peeking.
@Suite struct StreamReadingTests {
  @Test func `this kernel peeks at TCP by offset, and the switch forces the other way`() throws {
    #expect(try Host(.automatic).usesPeekOffset)
    #expect(try Host(.offset).usesPeekOffset)
    #expect(try !Host(.skip).usesPeekOffset)
  }

  @Test(arguments: bothModes, [loopback4, loopback6])
  func `bytes are peeked in order, again after going back, and removed when discarded`(
    _ mode: PeekMode, _ local: Endpoint
  ) throws {
    let host = try Host(mode)
    let (flow, peer) = try host.connection(local)
    #expect(try host.peek(flow, 10).0 == .wouldBlock)
    let bytes = pattern(5000)
    try peer.send(bytes)
    try host.wait(flow, for: .readable)

    #expect(try host.peek(flow, 1000).1 == bytes[..<1000].map { $0 })
    #expect(try host.peek(flow, skipping: 1000, 1500, piece: 400).1 == bytes[1000..<2500].map { $0 })
    #expect(try host.peek(flow, skipping: 2500, 9000).1 == bytes[2500...].map { $0 })
    #expect(try host.peek(flow, skipping: 5000, 10).0 == .wouldBlock)
    // Back, as for a retransmission, and again to the end.
    #expect(try host.peek(flow, skipping: 500, 100).1 == bytes[500..<600].map { $0 })
    #expect(try host.peek(flow, skipping: 5000, 10).0 == .wouldBlock)

    host.discard(flow, count: 2000)
    #expect(try host.peek(flow, 10).1 == bytes[2000..<2010].map { $0 })
    #expect(try host.peek(flow, skipping: 2990, 100).1 == bytes[4990...].map { $0 })
    host.discard(flow, count: 3000)
    #expect(try host.peek(flow, 10).0 == .wouldBlock)

    try peer.send([42])
    try host.wait(flow, for: .readable)
    #expect(try host.peek(flow, 10).1 == [42])
  }

  @Test(arguments: bothModes)
  func `discarding less, as much as, and while more was peeked keeps the place`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    let (flow, peer) = try host.connection()
    let bytes = pattern(20_000)
    try peer.send(bytes)
    try host.wait(flow, for: .readable)
    // As a sender does: a window of 3000 bytes ahead of what is acknowledged in steps of 700.
    var (acknowledged, sent) = (0, 0)
    while acknowledged < bytes.count {
      while sent < min(acknowledged + 3000, bytes.count) {
        let (read, part) = try host.peek(flow, skipping: sent - acknowledged, min(1460, bytes.count - sent))
        try #require(read == .bytes(part.count))
        #expect(part == bytes[sent..<(sent + part.count)].map { $0 })
        sent += part.count
      }
      let step = min(700, sent - acknowledged)
      host.discard(flow, count: step)
      acknowledged += step
    }
    #expect(try host.peek(flow, 10).0 == .wouldBlock)
    // In order, no offset has to be set: the kernel moves it as we do.
    #expect(host.calls.peekOffsets == 0)
  }

  @Test(arguments: bothModes)
  func `one read fills many slots`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    let (flow, peer) = try host.connection()
    let bytes = pattern(40_000)
    try peer.send(bytes)
    try host.wait(flow, for: .readable)
    let before = host.calls.receives
    let (read, part) = try host.peek(flow, 40_000, piece: 50)
    #expect(read == .bytes(40_000))
    #expect(part == bytes)
    #expect(host.calls.receives == before + 1)
  }

  @Test func `more is skipped than scratch memory holds`() throws {
    let host = try Host(.skip, scratchLength: 1000)
    let (flow, peer) = try host.connection()
    let bytes = pattern(40_000)
    try peer.send(bytes)
    try peer.finish()
    try host.wait(flow, for: .readClosed)
    var all: [UInt8] = []
    while all.count < bytes.count {
      let (read, part) = try host.peek(flow, skipping: all.count, 777, piece: 100)
      try #require(read == .bytes(part.count))
      all += part
    }
    #expect(all == bytes)
    #expect(try host.peek(flow, skipping: 40_000, 777).0 == .endOfStream)
  }

  @Test(arguments: bothModes)
  func `data, then a FIN: all of it, then the end, as often as one asks`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    let (flow, peer) = try host.connection()
    let bytes = pattern(3000)
    try peer.send(bytes)
    try peer.finish()
    #expect(try host.wait(flow, for: [.readable, .readClosed]) == [.readable, .readClosed])
    #expect(try host.peekAll(flow) == (.endOfStream, bytes))
    #expect(try host.peek(flow, skipping: 3000, 10).0 == .endOfStream)
    // What was not acknowledged yet is still there behind the end.
    #expect(try host.peek(flow, skipping: 2000, 5000).1 == bytes[2000...].map { $0 })
    host.discard(flow, count: 3000)
    #expect(try host.peek(flow, 10).0 == .endOfStream)
  }

  @Test(arguments: bothModes)
  func `an end without data is an end`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    let (flow, peer) = try host.connection()
    #expect(try host.peek(flow, 10).0 == .wouldBlock)
    try peer.finish()
    try host.wait(flow, for: .readClosed)
    #expect(try host.peek(flow, 10).0 == .endOfStream)
  }

  @Test(arguments: bothModes)
  func `data, then a RST: all of it, then the failure, never a clean end`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    let flow: FlowID
    let bytes = pattern(3000)
    do {
      let peer: Peer
      (flow, peer) = try host.connection()
      try peer.send(bytes)
      try peer.socket.resetOnClose()
    }
    let readiness = try host.wait(flow, for: [.readable, .failed])
    #expect(readiness.contains(.failed))
    #expect(try host.peek(flow, 1000).1 == bytes[..<1000].map { $0 })
    let (end, rest) = try host.peekAll(flow, skipping: 1000)
    #expect(rest == bytes[1000...].map { $0 })
    #expect(end == .failed(.reset))
    #expect(try host.peek(flow, skipping: 3000, 10).0 == .failed(.reset))
    host.discard(flow, count: 3000)
    #expect(try host.peek(flow, 10).0 == .failed(.reset))
  }

  @Test(arguments: bothModes)
  func `an error that a failed write took is not lost to the reader`(_ mode: PeekMode) throws {
    let host = try Host(mode)
    let flow: FlowID
    let bytes = pattern(100)
    do {
      let peer: Peer
      (flow, peer) = try host.connection()
      try peer.send(bytes)
      try peer.socket.resetOnClose()
    }
    try host.wait(flow, for: .failed)
    #expect(host.send(flow, [1]) == .failed(.reset))
    #expect(host.send(flow, [1]) == .failed(.reset))
    #expect(try host.peekAll(flow) == (.failed(.reset), bytes))
  }

  @Test(arguments: bothModes, [false, true])
  func `an urgent byte stays in its place`(_ mode: PeekMode, _ isFinished: Bool) throws {
    let host = try Host(mode)
    let (flow, peer) = try host.connection()
    try peer.send([1, 2, 3])
    let isSent = sendUrgent(4, on: peer.socket)
    #expect(isSent)
    try peer.send([5, 6])
    if isFinished { try peer.finish() }
    try host.wait(flow, for: isFinished ? .readClosed : .readable)
    let end: HostRead = isFinished ? .endOfStream : .wouldBlock
    // Across the mark, from before it and from behind it. From the front, a peek ends at the mark and goes on when
    // what is before it was acknowledged; the end is not told before.
    #expect(try host.peek(flow, 2).1 == [1, 2])
    if mode == .offset {
      #expect(try host.peekAll(flow, skipping: 2) == (end, [3, 4, 5, 6]))
      #expect(try host.peekAll(flow) == (end, [1, 2, 3, 4, 5, 6]))
      host.discard(flow, count: 3)
    } else {
      #expect(try host.peekAll(flow, skipping: 2) == (.wouldBlock, [3]))
      host.discard(flow, count: 2)
      try host.wait(flow, for: .readable)
      #expect(try host.peekAll(flow, skipping: 1) == (.wouldBlock, []))
      host.discard(flow, count: 1)
      try host.wait(flow, for: .readable)
    }
    #expect(try host.peekAll(flow) == (end, [4, 5, 6]))
    host.discard(flow, count: 1)
    #expect(try host.peekAll(flow) == (end, [5, 6]))
    host.discard(flow, count: 2)
    #expect(try host.peek(flow, 10).0 == end)
  }

  @Test func `without being asked for, room to write is not told with what there is to read`() throws {
    let host = try Host()
    let (flow, peer) = try host.connection()
    #expect(try host.takeReadiness(flow) == [])
    try peer.send([1])
    #expect(try host.wait(flow, for: .readable) == .readable)
    // Told once: an edge, not a state.
    #expect(try host.takeReadiness(flow) == [])
    try peer.send([2])
    #expect(try host.wait(flow, for: .readable) == .readable)
  }
}
