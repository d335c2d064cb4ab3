import Buffers
import Links
import LinuxSystem
import Netstack
import Primitives
import Testing

@Suite struct StreamFramingTests {
  @Test func `frames come out as they went in, length first, most significant byte first`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    #expect(owner.notices == [.attached])

    try peer.send([0, 0, 0, 3, 0xaa, 0xbb, 0xcc, 0, 0, 1, 2] + frame(258))
    try owner.turn()
    #expect(owner.frames == [[0xaa, 0xbb, 0xcc], frame(258)])

    #expect(owner.transmit([1, 2, 3, 4, 5]))
    #expect(owner.transmit(frame(300)))
    #expect(owner.flush() == .finished)
    #expect(try peer.receive() == [0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 1, 44] + frame(300))
  }

  @Test func `a stream split at any byte gives the same frames`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    let frames = [frame(1, 1), frame(60, 2), frame(14, 3), frame(256, 4)]
    let stream = frames.flatMap(framed)
    for cut in 1..<stream.count {
      owner.frames = []
      try peer.send(Array(stream[..<cut]))
      try owner.turn()
      #expect(owner.frames.count < frames.count)
      try peer.send(Array(stream[cut...]))
      try owner.turn()
      #expect(owner.frames == frames, "cut at \(cut)")
    }
    #expect(owner.received.frameCount == frames.count * (stream.count - 1))
  }

  @Test func `one byte at a time gives the same frames`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    let frames = [frame(17, 1), frame(5, 2)]
    for byte in frames.flatMap(framed) {
      try peer.send([byte])
      try owner.turn()
    }
    #expect(owner.frames == frames)
  }

  @Test func `frames of QEMU's greatest length pass, and those longer than a header part`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    // The least buffer that holds one: each frame begins in another place of it.
    let owner = try Owner(.descriptor(pair.first), receiveCapacity: 4 + 69_632)
    try owner.turn()
    let frames = [frame(69_632, 1), frame(65_536, 2), frame(65_535, 3), frame(69_632, 4)]
    for frame in frames {
      try peer.send(framed(frame))
      try owner.turn()
    }
    #expect(owner.frames == frames)
    #expect(owner.ends == [])
  }

  @Test func `many frames come by one read`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    let frames = (0..<2000).map { frame(60, $0) }
    try peer.send(frames.flatMap(framed))
    try owner.turn()
    #expect(owner.frames == frames)
    #expect(owner.received.readCalls == 1)
  }

  @Test(arguments: [UInt32(69_633), 100_000, 0x7fff_ffff, 0xffff_ffff])
  func `a length that no frame has ends the link, after the frames before it`(_ length: UInt32) throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    let prefix = (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) }
    try peer.send(framed(frame(20)) + prefix + frame(1000))
    try owner.turn()
    #expect(owner.frames == [frame(20)])
    #expect(owner.ends == [.oversizedFrame(length: length)])
    #expect(owner.ends.first?.description == "the peer announced a frame of \(length) bytes, the most are 69632")
    #expect(owner.received.oversizedFrameCount == 1)
    #expect(owner.isFinished)
    // The peer sees that the link has ended; not before a child that another test starts just now has let go of its copy
    // of the descriptor.
    try wait(peer.socket.rawValue, for: .readClosed)
    #expect(peer.isHungUp)
  }

  @Test func `a length of 0 is skipped and counted`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    try peer.send([0, 0, 0, 0, 0, 0, 0, 0] + framed([9]) + [0, 0, 0, 0])
    try owner.turn()
    #expect(owner.frames == [[9]])
    #expect(owner.received.emptyFrameCount == 3)
    #expect(owner.ends == [])
  }

  @Test func `an end within a frame forgets it and says how much`() throws {
    let pair = try Socket.pair(.stream).take()
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    do {
      let peer = Peer(pair.second)
      try peer.send(framed(frame(40)) + [0, 0, 0, 50, 1, 2, 3])
    }
    try owner.run { !$0.ends.isEmpty }
    #expect(owner.frames == [frame(40)])
    #expect(owner.ends == [.closedByPeer(forgotten: 7)])
    #expect(!owner.isAttached)
  }

  @Test func `a run of slots becomes frames of one length and a shorter last`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let socket = FileDescriptor(owning: pair.first)
    var transmitter = FrameTransmitter(.stream, port: .first, capacity: FrameTransmitter.defaultCapacity)
    transmitter.attach(socket.rawValue)
    let request = SlotRequest(port: .first, maximumSlots: 4, headerLength: 2, payloadLength: 3)
    guard let run = transmitter.reserve(request) else {
      Issue.record("no room in an empty buffer")
      return
    }
    let slots = run.count
    #expect(slots == 4)
    for slot in 0..<3 {
      var header = transmitter.header(slot, of: run)
      header.storeBigEndian(UInt16(0xf000 + slot), at: 0)
    }
    do {
      var payload = transmitter.payload(of: run)
      let written = payload.write([1, 2, 3, 4, 5, 6, 7].span)
      #expect(written == 7)
    }
    transmitter.commit(
      run, slots: 3, lastPayload: 1, as: FrameDescriptor(port: .first, headerLength: 2, byteCount: 5))
    let flushed = transmitter.flush()
    #expect(flushed == .finished)
    let expected: [UInt8] = [
      0, 0, 0, 5, 0xf0, 0, 1, 2, 3,  //
      0, 0, 0, 5, 0xf0, 1, 4, 5, 6,  //
      0, 0, 0, 3, 0xf0, 2, 7,
    ]
    #expect(try peer.receive() == expected)
    let frameCount = transmitter.counters.frameCount
    #expect(frameCount == 3)
  }

  @Test func `a cancelled run leaves nothing`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    if let run = owner.link.transmitter.reserve(SlotRequest(port: .first, headerLength: 14, payloadLength: 100)) {
      owner.link.transmitter.cancel(run)
    }
    #expect(owner.flush() == .finished)
    #expect(try peer.receive() == nil)
    #expect(owner.sent.writeCalls == 0)
  }

  @Test func `a link's frames are at hand while frames are written to it`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let queue = try EventQueue()
    var link = try Link(.descriptor(pair.first), registrar: queue.registrar, at: .zero)
    let notice = link.advance(to: .zero).notice
    #expect(notice == .attached)
    try peer.send(framed(frame(100)) + framed(frame(90)))
    let receipt = link.receive()
    #expect(receipt == FrameReceipt(frameCount: 2, isDrained: true))

    link.receiver.deliver(into: &link.transmitter) { batch, sink in
      for index in 0..<batch.count { sink.forward(index, of: batch, to: .one(.first)) }
    }
    let flushed = link.flush()
    #expect(flushed == .finished)
    #expect(try peer.receive() == framed(frame(100)) + framed(frame(90)))
  }

  @Test func `another guest's frame is copied where it is meant for the port`() throws {
    let pair = try Socket.pair(.stream).take()
    let peer = Peer(pair.second)
    let owner = try Owner(.descriptor(pair.first))
    try owner.turn()
    let other = PortID(rawValue: 1)
    var list = FrameList(capacity: 1, byteCapacity: 1000)
    let appended = list.append(frame(200).span, port: other, headerLength: 20, pieceLength: 70)
    #expect(appended)
    for ports in [EgressPorts.one(.first), .one(other), .allBut(.first), .allBut(other)] {
      owner.link.transmitter.forward(0, of: list.batch, to: ports)
    }
    #expect(owner.flush() == .finished)
    #expect(try peer.receive() == framed(frame(200)) + framed(frame(200)))
    #expect(owner.sent.droppedFrameCount == 0)
  }
}
