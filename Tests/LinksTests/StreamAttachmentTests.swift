import Links
import LinuxSystem
import Netstack
import Primitives
import Testing

@Suite struct StreamAttachmentTests {
  @Test func `when the peer goes, the next one starts with whole frames`() throws {
    let path = try freshPath()
    let owner = try Owner(.unix(path: path))
    do {
      let first = try Peer(connectingTo: .path(path))
      try first.send([0, 0, 0, 60, 1, 2, 3])
      try owner.run { $0.isAttached }
      try owner.turn()
      // Half a frame to the first peer, too: it does not read.
      for seed in 0..<5 { #expect(owner.transmit(frame(69_632, seed))) }
      #expect(owner.flush() == .blocked)
    }
    try owner.run { !$0.ends.isEmpty }
    #expect(owner.pendingByteCount == 0)

    let second = try Peer(connectingTo: .path(path))
    try second.send(framed(frame(60)))
    try owner.run { !$0.frames.isEmpty }
    #expect(owner.frames == [frame(60)])
    #expect(owner.transmit(frame(70)))
    #expect(owner.flush() == .finished)
    #expect(try second.receive() == framed(frame(70)))
    #expect(owner.notices == [.attached, .attached])
  }

  @Test func `a second client is refused while the first is connected, which goes on undisturbed`() throws {
    let path = try freshPath()
    let owner = try Owner(.unix(path: path))
    let first = try Peer(connectingTo: .path(path))
    try owner.run { $0.isAttached }
    let second = try Peer(connectingTo: .path(path))
    try owner.run { $0.notices.count == 2 }
    #expect(owner.notices == [.attached, .refusedClient])
    #expect(try second.receive() == [])
    try first.send(framed(frame(60)))
    try owner.run { !$0.frames.isEmpty }
    #expect(owner.frames == [frame(60)])
  }

  @Test func `a client that comes just as the peer has gone is taken, not refused`() throws {
    let path = try freshPath()
    let owner = try Owner(.unix(path: path))
    do {
      let first = try Peer(connectingTo: .path(path))
      try owner.run { $0.isAttached }
      try first.send(framed(frame(30, 1)))
    }
    let second = try Peer(connectingTo: .path(path))
    try second.send(framed(frame(30, 2)))
    try owner.run { $0.frames.count == 2 }
    #expect(owner.frames == [frame(30, 1), frame(30, 2)])
    #expect(owner.notices == [.attached, .attached])
    #expect(owner.ends == [.closedByPeer(forgotten: 0)])
  }

  @Test func `an event of a peer that has gone is not taken for its successor's`() throws {
    let path = try freshPath()
    let owner = try Owner(.unix(path: path))
    let first = try Peer(connectingTo: .path(path))
    try owner.run { $0.isAttached }
    try first.send(framed(frame(30)))
    let stale = try #require(try owner.firstEvent().flatMap { LinkSource(rawValue: $0) })
    owner.detach()
    #expect(owner.handle(stale) == Link.Turn())
    let second = try Peer(connectingTo: .path(path))
    try owner.run { $0.isAttached }
    #expect(owner.handle(stale) == Link.Turn())
    withExtendedLifetime(second) {}
  }

  @Test func `the path is for its owner alone, and goes with the link`() throws {
    let path = try freshPath()
    do {
      let owner = try Owner(.unix(path: path))
      let identity = try FileIdentity(path: path)
      #expect(identity.isSocket)
      #expect(identity.permissions == 0o600)
      withExtendedLifetime(owner) {}
    }
    #expect(throws: SystemError.self) { _ = try FileIdentity(path: path) }
  }

  @Test func `a path that another has taken over stays`() throws {
    let path = try freshPath()
    do {
      let owner = try Owner(.unix(path: path))
      try FileSystem.unlink(path)
      try FileDescriptor.open(replacing: path, mode: 0o600).write("another's")
      withExtendedLifetime(owner) {}
    }
    #expect(try !FileIdentity(path: path).isSocket)
    try FileSystem.unlink(path)
  }

  @Test func `a stale path is replaced`() throws {
    let path = try freshPath()
    do {
      // Closing a socket leaves its path, as the end of a killed process does.
      let killed = try Socket(.stream, for: .path(path))
      try killed.bind(to: .path(path))
      try killed.listen()
    }
    #expect(try FileIdentity(path: path).isSocket)
    let owner = try Owner(.unix(path: path))
    let peer = try Peer(connectingTo: .path(path))
    try owner.run { $0.isAttached }
    #expect(try FileIdentity(path: path).permissions == 0o600)
    withExtendedLifetime(peer) {}
  }

  @Test func `a path in use is left alone, and the error says what to do`() throws {
    let path = try freshPath()
    let owner = try Owner(.unix(path: path))
    let error = #expect(throws: LinkError.self) { _ = try Owner(.unix(path: path)) }
    #expect(error == .pathInUse(path))
    #expect(
      error?.description
        == "cannot listen on unix:\(path): another process listens there; stop it or choose another path")
    // The probe came and went; the link is as good as before.
    try owner.run { $0.ends.count == 1 }
    let peer = try Peer(connectingTo: .path(path))
    try owner.run { $0.isAttached }
    withExtendedLifetime(peer) {}
  }

  @Test func `a path that is no socket is left alone`() throws {
    let path = try freshPath()
    try FileDescriptor.open(replacing: path, mode: 0o600).write("precious")
    let error = #expect(throws: LinkError.self) { _ = try Owner(.unix(path: path)) }
    #expect(error == .notASocketPath(path))
    #expect(try !FileIdentity(path: path).isSocket)
    try FileSystem.unlink(path)
  }

  @Test func `a folder that is missing is named in the error`() {
    let error = #expect(throws: LinkError.self) { _ = try Owner(.unix(path: "/nowhere/net.sock")) }
    #expect(
      error?.description
        == "cannot use unix:/nowhere/net.sock: cannot bind a socket to /nowhere/net.sock: No such file or directory")
  }

  @Test(arguments: [Endpoint(.loopback, port: 0), Endpoint(IPAddress(IPv6Address.loopback), port: 0)])
  func `a TCP link listens, without delay on its peers`(_ local: Endpoint) throws {
    let owner = try Owner(.tcp(local))
    let endpoint = try #require(try owner.localEndpoint())
    let peer = try Peer(connectingTo: .internet(endpoint))
    try owner.run { $0.isAttached }
    let number = try #require(owner.peerNumber)
    #expect(try SocketOption.noDelay.value(on: number) != 0)
    try peer.send(framed(frame(1000)))
    try owner.run { !$0.frames.isEmpty }
    #expect(owner.frames == [frame(1000)])

    // A port in use.
    let error = #expect(throws: LinkError.self) { _ = try Owner(.tcp(endpoint)) }
    #expect(
      error?.description
        == "cannot use tcp:\(endpoint): cannot bind a socket to \(endpoint): Address already in use")
  }

  @Test func `a link connects, and connects again when its peer has gone, each time after a longer wait`() throws {
    let path = try freshPath()
    let owner = try Owner(.connectUnix(path: path))
    // Nobody listens: 100, 200, 400 ms and so on, 2 s at most. Time is ours.
    var now = owner.nextDeadline
    var waits: [Interval] = []
    for _ in 0..<7 {
      #expect(owner.advance(to: now - .microseconds(1)) == nil)
      guard case .connectFailed(let reason, let wait)? = owner.advance(to: now) else {
        Issue.record("connected to nobody")
        return
      }
      #expect(reason == "cannot connect to \(path): No such file or directory")
      waits.append(wait)
      #expect(owner.nextDeadline == now + wait)
      now = owner.nextDeadline
    }
    #expect(waits == [100, 200, 400, 800, 1600, 2000, 2000].map { .milliseconds($0) })

    let listener = try Socket(.stream, for: .path(path))
    try listener.bind(to: .path(path))
    try listener.listen()
    #expect(owner.advance(to: now) == .attached)
    #expect(owner.nextDeadline == .never)
    do {
      guard let peer = try listener.accept() else { return }
      try Peer(peer).send(framed(frame(33)) + [0, 0])
    }
    try owner.run { !$0.ends.isEmpty }
    #expect(owner.frames == [frame(33)])
    #expect(owner.ends == [.closedByPeer(forgotten: 2)])
    // The first wait again.
    try owner.run { $0.isAttached }
    guard let peer = try listener.accept() else { return }
    try Peer(peer).send(framed(frame(34)))
    try owner.run { $0.frames.count == 2 }
    #expect(owner.frames[1] == frame(34))
    try FileSystem.unlink(path)
  }

  @Test func `a link connects over TCP`() throws {
    let any = SocketAddress.internet(Endpoint(.loopback, port: 0))
    let listener = try Socket(.stream, for: any)
    try listener.bind(to: any)
    try listener.listen()
    let endpoint = try #require(try listener.localAddress().endpoint)
    let owner = try Owner(.connectTCP(endpoint))
    try owner.run { $0.isAttached }
    guard let accepted = try listener.accept() else { return }
    let peer = Peer(accepted)
    #expect(owner.transmit(frame(90)))
    #expect(owner.flush() == .finished)
    try wait(peer.socket.rawValue, for: .readable)
    #expect(try peer.receive() == framed(frame(90)))
    let number = try #require(owner.peerNumber)
    #expect(try SocketOption.noDelay.value(on: number) != 0)
  }

  @Test func `a refused TCP connection is told with its reason`() throws {
    let any = SocketAddress.internet(Endpoint(.loopback, port: 0))
    let bound = try Socket(.stream, for: any)
    try bound.bind(to: any)
    let endpoint = try #require(try bound.localAddress().endpoint)
    let owner = try Owner(.connectTCP(endpoint))
    try owner.run { !$0.notices.isEmpty }
    let reason = "cannot connect to \(endpoint): Connection refused"
    #expect(owner.notices.first == .connectFailed(reason: reason, retryAfter: .milliseconds(100)))
    #expect(!owner.isAttached)
  }

  @Test func `a listening descriptor takes one peer after the other`() throws {
    let path = try freshPath()
    let listener = try Socket(.stream, for: .path(path))
    try listener.bind(to: .path(path))
    try listener.listen()
    let owner = try Owner(.descriptor(listener.take()))
    for seed in 1...2 {
      let peer = try Peer(connectingTo: .path(path))
      try peer.send(framed(frame(20, seed)))
      try owner.run { $0.frames.count == seed }
    }
    #expect(owner.frames == [frame(20, 1), frame(20, 2)])
    #expect(!owner.isFinished)
    // Whoever made the path removes it.
    try FileSystem.unlink(path)
  }

  @Test func `a descriptor that is of no use is refused with the reason`() throws {
    let file = try FileDescriptor.open(reading: "/dev/null").take()
    #expect(throws: LinkError.unsuitableDescriptor(file, reason: "it is not a socket")) {
      _ = try Owner(.descriptor(file))
    }
    #expect(throws: LinkError.unsuitableDescriptor(99_999, reason: "it is not open")) {
      _ = try Owner(.descriptor(99_999))
    }
    let datagrams = try Socket.pair(.datagram).take()
    #expect(throws: LinkError.unsuitableDescriptor(datagrams.first, reason: "it is not a stream socket")) {
      _ = try Owner(.descriptor(datagrams.first))
    }
    let lonely = try Socket(.stream, for: .path("/unused")).take()
    let error = #expect(throws: LinkError.unsuitableDescriptor(lonely, reason: "it is not connected")) {
      _ = try Owner(.descriptor(lonely))
    }
    #expect(
      error?.description
        == "cannot use fd:\(lonely): it is not connected; pass a connected stream socket or a listening one")
    for number in [file, datagrams.first, datagrams.second, lonely] { _ = FileDescriptor(owning: number) }
  }

  @Test func `the 64 bits of a link's events are told from a flow's`() throws {
    let flow = FlowID(index: .max >> 1, generation: .max)
    #expect(LinkSource(rawValue: flow.rawValue) == nil)
    let owner = try Owner(.unix(path: try freshPath()))
    #expect(!owner.isAttached)
    try owner.poll()
  }
}
