import Buffers
import Glibc
import Links
import LinuxSystem
import Netstack
import Primitives
import Testing

@Suite struct StreamBackpressureTests {
  @Test func `the frames of a turn leave by one system call`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    let frames = (0..<100).map { frame(60 + $0, $0) }
    for frame in frames { #expect(owner.transmit(frame)) }
    #expect(owner.sent.writeCalls == 0)
    #expect(owner.flush() == .finished)
    #expect(owner.sent.writeCalls == 1)
    #expect(owner.sent.frameCount == 100)
    #expect(try peer.receive() == frames.flatMap(framed))
    #expect(owner.flush() == .finished)
    #expect(owner.sent.writeCalls == 1)
  }

  @Test func `without a peer nothing is lent`() throws {
    let owner = try Owner(.unix(path: try freshPath()))
    #expect(!owner.transmit(frame(60)))
    #expect(owner.flush() == .finished)
    #expect(!owner.takeRoomNotice())
  }

  @Test func `a peer that does not read loses nothing: reservations end, and go on when it reads again`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()

    var sent = 0
    while owner.transmit(frame(1514, sent)) {
      sent += 1
      try #require(sent < 10_000, "no back-pressure")
    }
    #expect(owner.flush() == .blocked)
    #expect(owner.pendingByteCount > 0)
    #expect(!owner.takeRoomNotice())
    // Refused again at once, without a write that cannot succeed for each try being an endless loop.
    #expect(!owner.transmit(frame(1514, sent)))

    // The peer reads in odd pieces; the owner sends more whenever there is room, 300 frames beyond the first stop.
    let total = sent + 300
    var received: [UInt8] = []
    let expected = (0..<total).flatMap { framed(frame(1514, $0)) }
    while received.count < expected.count {
      if let bytes = try peer.receive(10_007) {
        received += bytes
      } else {
        try #require(owner.pendingByteCount > 0 || sent < total, "bytes were lost")
      }
      try owner.poll()
      if owner.roomNotices > 0 || sent > total - 300 {
        while sent < total, owner.transmit(frame(1514, sent)) { sent += 1 }
        _ = owner.flush()
      }
    }
    #expect(received == expected)
    #expect(owner.roomNotices > 0)
    #expect(owner.flush() == .finished)
  }

  @Test func `a partly written frame is finished before any other`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    // Frames so long that the socket's buffer ends within one of them.
    var frames: [[UInt8]] = []
    for seed in 0..<5 {
      frames.append(frame(69_632, seed))
      #expect(owner.transmit(frames[seed]))
    }
    #expect(owner.flush() == .blocked)
    let first = try #require(try peer.receive(1000))
    frames.append(frame(60, 9))
    #expect(owner.transmit(frames[5]))
    var received = first
    while received.count < frames.reduce(0, { $0 + 4 + $1.count }) {
      if let bytes = try peer.receive() { received += bytes }
      try owner.poll()
    }
    #expect(received == frames.flatMap(framed))
  }

  @Test func `a peer that went away is told by flush, and then nothing is lent`() throws {
    let pair = try Socket.pair(.stream).take()
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    let peer = FileDescriptor(owning: pair.second)
    // Not closed alone: a child that another test starts just now has a copy of the descriptor for a moment.
    try #require(shutdown(peer.rawValue, Int32(SHUT_RDWR)) == 0)
    _ = consume peer
    #expect(owner.transmit(frame(60)))
    #expect(owner.flush() == .failed("cannot send: Broken pipe"))
    #expect(!owner.transmit(frame(60)))
    owner.detach()
    #expect(owner.pendingByteCount == 0)
    #expect(owner.isFinished)
  }

  @Test func `an idle link with nothing to write is not told that it could`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    for seed in 0..<5 { #expect(owner.transmit(frame(69_632, seed))) }
    #expect(owner.flush() == .blocked)
    while owner.pendingByteCount > 0 {
      _ = try peer.receive()
      try owner.poll()
    }
    while try peer.receive() != nil {}
    #expect(try owner.firstEvent() == nil)
  }
}
