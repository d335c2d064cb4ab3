import LinuxSystem
import Netstack
import Testing

@testable import HostSockets

/// Streams between two flows, on real sockets, for both ways of peeking.
@Suite struct PairTests {
  private func pair(_ mode: PeekMode) throws -> (host: Host, one: FlowID, other: FlowID) {
    let host = try Host(mode)
    let (one, other) = (host.newFlow(), host.newFlow())
    #expect(host.openPair(one, other) == .ready)
    return (host, one, other)
  }

  @Test(arguments: bothModes)
  func `what is written to one is there to read at the other`(_ mode: PeekMode) throws {
    let (host, one, other) = try pair(mode)
    for (from, to) in [(one, other), (other, one)] {
      #expect(host.send(from, pattern(5000)) == .accepted(5000))
      #expect(try host.wait(to, for: .readable) == .readable)
      #expect(try host.peekAll(to) == (.wouldBlock, pattern(5000)))
      host.discard(to, count: 2000)
      #expect(try host.peek(to, 10).1 == pattern(5000)[2000..<2010].map { $0 })
    }
  }

  @Test(arguments: bothModes)
  func `an end that finishes may still read, and one that is closed has hung up`(_ mode: PeekMode) throws {
    let (host, one, other) = try pair(mode)
    #expect(host.send(one, [1]) == .accepted(1))
    host.finishWriting(one)
    #expect(try host.wait(other, for: .readClosed) == [.readable, .readClosed])
    #expect(try host.peekAll(other) == (.endOfStream, [1]))
    #expect(host.send(other, [2]) == .accepted(1))
    #expect(try host.peekAll(one) == (.wouldBlock, [2]))
    host.close(one, abortively: false)
    #expect(try host.wait(other, for: .hungUp).contains(.hungUp))
    #expect(host.send(other, [3]) == .failed(.reset))
  }

  @Test func `a full one takes the longest message once its peer has read, by when it says so`() throws {
    let (host, one, other) = try pair(.automatic)
    let room = host.sendSpace(one)
    let total = try host.fill(one)
    host.requestWritable(one)
    _ = try host.takeReadiness(one)
    var removed = 0
    while try !host.takeReadiness(one).contains(.writable) {
      let count = try host.peek(other, 4096, piece: 4096).1.count
      host.discard(other, count: count)
      removed += count
    }
    #expect(removed < total && host.sendSpace(one) >= room / 4)
    #expect(host.send(one, pattern(65_537)) == .accepted(65_537))
  }
}
