import Buffers
import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

@Suite struct ConnectingTests {
  @Test(arguments: [loopback4, loopback6])
  func `on the loopback a stream is connected at once`(_ local: Endpoint) throws {
    let host = try Host()
    let listener = try Peer(listeningOn: local)
    let flow = host.newFlow()
    #expect(host.connect(flow, to: try listener.endpoint()) == .ready)
    let number = host.number(of: flow)
    #expect(try SocketOption.urgentInline.value(on: number) == 1)
    #expect(try SocketOption.noDelay.value(on: number) != 0)
  }

  @Test(arguments: [loopback4, loopback6])
  func `a port where nobody listens refuses`(_ local: Endpoint) throws {
    let host = try Host()
    let bound = try Socket(.stream, for: .internet(local))
    try bound.bind(to: .internet(local))
    let closed = try #require(try bound.localAddress().endpoint)
    let flow = host.newFlow()
    switch host.connect(flow, to: closed) {
    case .failed(let error): #expect(error == .refused)
    case .ready: Issue.record("connected to nobody")
    case .inProgress:
      #expect(try host.wait(flow, for: .failed).contains(.failed))
      #expect(host.finishConnecting(flow) == .failed(.refused))
    }
    // Nothing is held: the place can be used again.
    #expect(!host.holds(flow))
  }

  @Test func `a full queue of clients leaves a connection in progress, and close ends it`() throws {
    let host = try Host()
    let narrow = try Socket(.stream, for: .internet(loopback4))
    try narrow.bind(to: .internet(loopback4))
    try narrow.listen(backlog: 0)
    let endpoint = try #require(try narrow.localAddress().endpoint)
    // With a backlog of 0 the kernel queues one connection and lets further handshakes hang.
    let first = try Peer(connectingTo: endpoint)
    try first.wait(for: .writable)
    let flow = host.newFlow()
    #expect(host.connect(flow, to: endpoint) == .inProgress)
    #expect(host.finishConnecting(flow) == .inProgress)
    #expect(try host.takeReadiness(flow) == [])
    host.close(flow, abortively: true)
    #expect(!host.holds(flow))
  }

  @Test func `a destination without a way fails at once`() throws {
    let host = try Host()
    let flow = host.newFlow()
    // The kernel connects no stream to the broadcast address, whatever its routes are.
    #expect(host.connect(flow, to: Endpoint(.broadcast, port: 80)) == .failed(.networkUnreachable))
    #expect(!host.holds(flow))
  }

  @Test(
    arguments: [
      (ECONNREFUSED, .refused), (ECONNRESET, .reset), (EPIPE, .reset), (EHOSTUNREACH, .hostUnreachable),
      (EHOSTDOWN, .hostUnreachable), (ENETUNREACH, .networkUnreachable), (EADDRNOTAVAIL, .addressUnavailable),
      (EAFNOSUPPORT, .networkUnreachable), (ETIMEDOUT, .timedOut), (EADDRINUSE, .addressInUse), (EACCES, .forbidden),
      (EPERM, .forbidden), (EMFILE, .exhausted), (ENFILE, .exhausted), (ENOBUFS, .exhausted), (ENOMEM, .exhausted),
      (EMSGSIZE, .messageTooLong), (EINVAL, .other(EINVAL)),
    ] as [(Int32, HostError)])
  func `error numbers have their meaning`(_ number: Int32, _ meaning: HostError) {
    #expect(HostError(number: number) == meaning)
  }

  @Test func `an address that cannot be had to reach a peer means that there is no way`() {
    #expect(HostError(reaching: SystemError(EADDRNOTAVAIL, "connect")) == .networkUnreachable)
    #expect(HostError(reaching: SystemError(ECONNREFUSED, "connect")) == .refused)
  }

  // MARK: Listening

  @Test(arguments: [loopback4, loopback6])
  func `connections are accepted with both their addresses, and inherit what streams need`(_ local: Endpoint) throws {
    let host = try Host()
    let listener = host.newFlow()
    let endpoint = Endpoint(local.address, port: try freePort(.stream))
    #expect(host.listen(listener, for: .tcp, on: endpoint) == .ready)
    let unnamed = host.newFlow()
    #expect(host.accept(from: listener, as: unnamed) == .wouldBlock)

    let clients = [try Peer(connectingTo: endpoint), try Peer(connectingTo: endpoint)]
    try host.wait(listener, for: .readable)
    for client in clients {
      let flow = host.newFlow()
      let accepted = host.accept(from: listener, as: flow)
      #expect(accepted == .accepted(peer: try client.endpoint(), local: endpoint))
      let number = host.number(of: flow)
      #expect(try SocketOption.urgentInline.value(on: number) == 1)
      #expect(try SocketOption.noDelay.value(on: number) != 0)
      try client.send([7])
      try host.wait(flow, for: .readable)
      #expect(try host.peek(flow, 10).1 == [7])
      #expect(host.send(flow, [8]) == .accepted(1))
      #expect(try client.receiveNext() == [8])
    }
    #expect(host.accept(from: listener, as: unnamed) == .wouldBlock)
  }

  @Test func `a listener on a port in use, or on another's address, says so`() throws {
    let host = try Host()
    let taken = try Peer(listeningOn: loopback4)
    #expect(host.listen(host.newFlow(), for: .tcp, on: try taken.endpoint()) == .failed(.addressInUse))
    let foreign = Endpoint(IPv4Address(192, 0, 2, 1), port: 8080)
    #expect(host.listen(host.newFlow(), for: .tcp, on: foreign) == .failed(.addressUnavailable))
    #expect(host.listen(host.newFlow(), for: .udp, on: foreign) == .failed(.addressUnavailable))
  }

  @Test func `both families listen on one port`() throws {
    let host = try Host()
    let port = try freePort(.stream)
    #expect(host.listen(host.newFlow(), for: .tcp, on: Endpoint(.any, port: port)) == .ready)
    let any6 = Endpoint(IPAddress(IPv6Address.any), port: port)
    #expect(host.listen(host.newFlow(), for: .tcp, on: any6) == .ready)
  }

  @Test func `a listener can be opened again while an old connection lingers`() throws {
    let host = try Host()
    let listener = host.newFlow()
    let endpoint = Endpoint(.loopback, port: try freePort(.stream))
    #expect(host.listen(listener, for: .tcp, on: endpoint) == .ready)
    let client = try Peer(connectingTo: endpoint)
    try host.wait(listener, for: .readable)
    let flow = host.newFlow()
    guard case .accepted = host.accept(from: listener, as: flow) else {
      Issue.record("not accepted")
      return
    }
    // We close first: TIME-WAIT is ours.
    host.close(flow, abortively: false)
    #expect(try client.receiveAll() == [])
    try client.finish()
    host.close(listener, abortively: false)
    #expect(host.listen(host.newFlow(), for: .tcp, on: endpoint) == .ready)
  }

  // MARK: Want of descriptors

  @Test func `without descriptors a client is reset, not left waiting, and the others go on`() throws {
    let (refused, after, later, echo) = try withOwnDescriptors {
      let host = try Host()
      let listener = host.newFlow()
      let endpoint = Endpoint(.loopback, port: try freePort(.stream))
      _ = host.listen(listener, for: .tcp, on: endpoint)
      let (old, oldPeer) = try host.connection()
      let client = try Peer(connectingTo: endpoint)
      let next = try Socket(.stream, for: .internet(endpoint))
      let hog = exhaustDescriptors()

      try host.poll()
      let refused = host.accept(from: listener, as: host.newFlow())
      let after = host.accept(from: listener, as: host.newFlow())
      // The client sees it at once.
      let isReset = client.socket.isHungUp
      try oldPeer.send([5])
      try host.poll()
      let echo = try host.peek(old, 10).1

      for number in hog { _ = FileDescriptor(owning: number) }
      _ = try next.connect(to: .internet(endpoint))
      try host.wait(listener, for: .readable)
      let later = host.accept(from: listener, as: host.newFlow())
      return (isReset ? refused : .wouldBlock, after, later, echo)
    }
    #expect(refused == .failed(.exhausted))
    #expect(after == .wouldBlock)
    guard case .accepted = later else {
      Issue.record("not accepted: \(later)")
      return
    }
    #expect(echo == [5])
  }

  @Test func `without descriptors nothing new is opened, and the reason is told`() throws {
    let (connected, listened, opened, paired) = try withOwnDescriptors {
      let host = try Host()
      _ = exhaustDescriptors()
      return (
        host.connect(host.newFlow(), to: Endpoint(.loopback, port: 9)),
        host.listen(host.newFlow(), for: .tcp, on: loopback4),
        host.openDatagrams(host.newFlow(), family: .ipv4, destination: nil, preferredPort: 0),
        host.openPair(host.newFlow(), host.newFlow())
      )
    }
    #expect(paired == .failed(.exhausted))
    #expect(connected == .failed(.exhausted))
    #expect(listened == .failed(.exhausted))
    #expect(opened == .failed(.exhausted))
  }
}
