import Buffers
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

@Suite struct DatagramTests {
  @Test(arguments: [IPAddress(IPv4Address.loopback), IPAddress(IPv6Address.loopback)])
  func `a connected flow talks with its one peer`(_ address: IPAddress) throws {
    let host = try Host()
    let peer = try Peer(datagramsOn: address)
    let flow = host.newFlow()
    let target = try peer.endpoint()
    let opened = host.openDatagrams(flow, family: address.family, destination: target, preferredPort: 0)
    #expect(opened == .ready)
    #expect(host.send(flow, [(pattern(100), nil, nil)]) == .accepted(1))
    #expect(try peer.receiveNext() == pattern(100))
    let local = try host.localEndpoint(of: flow)
    try peer.send(pattern(200), to: local)
    try host.wait(flow, for: .readable)
    let (result, datagrams) = host.receive(flow)
    #expect(result == .accepted(1))
    #expect(datagrams.first?.payload == pattern(200))
    #expect(datagrams.first?.entry.source == target)
    #expect(host.receive(flow).0 == .wouldBlock)
    #expect(host.takeError(flow) == nil)
  }

  @Test(arguments: [IPAddress(IPv4Address.loopback), IPAddress(IPv6Address.loopback)])
  func `a connected flow learns that its peer's port is closed, once`(_ address: IPAddress) throws {
    let host = try Host()
    let closed: Endpoint
    do { closed = try Peer(datagramsOn: address).endpoint() }
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: address.family, destination: closed, preferredPort: 0)
    #expect(host.send(flow, [([1], nil, nil)]) == .accepted(1))
    #expect(try host.wait(flow, for: .failed).contains(.failed))
    #expect(host.takeError(flow) == .refused)
    #expect(host.takeError(flow) == nil)
    #expect(host.receive(flow).0 == .wouldBlock)
    #expect(try host.takeReadiness(flow) == [])
  }

  @Test func `an error that sending tells comes with its cause, once`() throws {
    let host = try Host()
    let closed: Endpoint
    do { closed = try Peer(datagramsOn: IPAddress(IPv4Address.loopback)).endpoint() }
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: .ipv4, destination: closed, preferredPort: 0)
    #expect(host.send(flow, [([1], nil, nil)]) == .accepted(1))
    try host.wait(flow, for: .failed)
    #expect(host.send(flow, [([2], nil, nil)]) == .failed(.refused))
    let (failure, quote) = try #require(host.takeFailure(flow))
    #expect(failure.report == .portUnreachable)
    #expect(failure.destination == closed)
    #expect(quote == [1])
    #expect(host.takeFailure(flow) == nil)
    // Nothing is pending now: the next one goes out.
    #expect(host.send(flow, [([3], nil, nil)]) == .accepted(1))
  }

  @Test func `a pending error does not keep datagrams from being read, and is told afterwards`() throws {
    let host = try Host()
    let port: UInt16
    let flow = host.newFlow()
    do {
      let peer = try Peer(datagramsOn: IPAddress(IPv4Address.loopback))
      port = try peer.endpoint().port
      _ = host.openDatagrams(
        flow, family: .ipv4, destination: Endpoint(.loopback, port: port), preferredPort: 0)
      try peer.send([9], to: try host.localEndpoint(of: flow))
    }
    #expect(host.send(flow, [([1], nil, nil)]) == .accepted(1))
    try host.wait(flow, for: [.readable, .failed])
    let (result, datagrams) = host.receive(flow)
    #expect(result == .accepted(1))
    #expect(datagrams.first?.payload == [9])
    #expect(host.takeError(flow) == .refused)
    #expect(host.takeError(flow) == nil)
  }

  @Test func `an unconnected flow talks with several peers from one port, the preferred one where it is free`() throws {
    let host = try Host()
    let port = try freePort(.datagram)
    let flow = host.newFlow()
    #expect(host.openDatagrams(flow, family: .ipv4, destination: nil, preferredPort: port) == .ready)
    #expect(try host.localEndpoint(of: flow).port == port)
    let peers = [
      try Peer(datagramsOn: IPAddress(IPv4Address.loopback)), try Peer(datagramsOn: IPAddress(IPv4Address.loopback)),
    ]
    let sent = host.send(
      flow, [([1], try peers[0].endpoint(), nil), ([2], try peers[1].endpoint(), nil)])
    #expect(sent == .accepted(2))
    #expect(try peers[0].receiveNext() == [1])
    #expect(try peers[1].receiveNext() == [2])
    for (index, peer) in peers.enumerated() {
      try peer.send([UInt8(index)], to: Endpoint(.loopback, port: port))
    }
    try host.wait(flow, for: .readable)
    let (_, datagrams) = host.receive(flow)
    #expect(datagrams.map(\.payload) == [[0], [1]])
    #expect(try datagrams.map(\.entry.source) == peers.map { try $0.endpoint() })

    // Taken now: another port is as good. A privileged one is never asked for.
    for preferred in [port, 53] {
      let second = host.newFlow()
      let opened = host.openDatagrams(second, family: .ipv4, destination: nil, preferredPort: preferred)
      #expect(opened == .ready)
      let local = try host.localEndpoint(of: second)
      #expect(local.port != preferred && local.port >= 1024)
    }
  }

  @Test(arguments: [
    (IPAddress(IPv4Address.any), IPAddress(IPv4Address(127, 0, 0, 2))),
    (IPAddress(IPv4Address.any), IPAddress(IPv4Address.loopback)),
    (IPAddress(IPv6Address.any), IPAddress(IPv6Address.loopback)),
  ])
  func `a listener tells which address was asked, and answers from it`(_ any: IPAddress, _ asked: IPAddress) throws {
    let host = try Host()
    let listener = host.newFlow()
    let port = try freePort(.datagram)
    #expect(host.listen(listener, for: .udp, on: Endpoint(any, port: port)) == .ready)
    // A connected client takes an answer from nowhere else.
    let client = try Socket(.datagram, for: .internet(Endpoint(asked, port: port)))
    let isConnected = try client.connect(to: .internet(Endpoint(asked, port: port)))
    #expect(isConnected)
    let peer = Peer(client)
    try peer.send([1, 2])
    try host.wait(listener, for: .readable)
    let (_, datagrams) = host.receive(listener)
    let entry = try #require(datagrams.first).entry
    #expect(entry.destination == asked)
    #expect(entry.source == (try peer.endpoint()))
    #expect(host.send(listener, [([3], entry.source, asked)]) == .accepted(1))
    #expect(try peer.receiveNext() == [3])
  }

  @Test(arguments: [0, 1, 1472, 9000, 65_507])
  func `a datagram of any length passes whole both ways`(_ length: Int) throws {
    let host = try Host()
    let peer = try Peer(datagramsOn: IPAddress(IPv4Address.loopback))
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: .ipv4, destination: try peer.endpoint(), preferredPort: 0)
    #expect(host.send(flow, [(pattern(length), nil, nil)]) == .accepted(1))
    try peer.wait(for: .readable)
    #expect(try peer.receive() == pattern(length))
    try peer.send(pattern(length, 1), to: try host.localEndpoint(of: flow))
    try host.wait(flow, for: .readable)
    let (result, datagrams) = host.receive(flow)
    #expect(result == .accepted(1))
    #expect(datagrams.first?.payload == pattern(length, 1))
  }

  @Test func `one longer than any is refused and told as such`() throws {
    let host = try Host()
    let peer = try Peer(datagramsOn: IPAddress(IPv4Address.loopback))
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: .ipv4, destination: try peer.endpoint(), preferredPort: 0)
    #expect(host.send(flow, [(pattern(65_508), nil, nil)]) == .failed(.messageTooLong))
    // Behind one that can be sent: that one goes, and the caller comes again with the rest.
    #expect(host.send(flow, [([1], nil, nil), (pattern(65_508), nil, nil)]) == .accepted(1))
    #expect(try peer.receiveNext() == [1])
  }

  @Test func `a batch of 64 goes by one call each way, more by as few as it takes`() throws {
    let host = try Host()
    let peer = try Peer(datagramsOn: IPAddress(IPv4Address.loopback))
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: .ipv4, destination: try peer.endpoint(), preferredPort: 0)
    let batch = (0..<64).map { (payload: pattern(200, $0), to: Endpoint?.none, from: IPAddress?.none) }
    #expect(host.send(flow, batch) == .accepted(64))
    #expect(host.calls.datagramSends == 1)
    for datagram in batch { #expect(try peer.receiveNext() == datagram.payload) }

    let local = try host.localEndpoint(of: flow)
    for datagram in batch { try peer.send(datagram.payload, to: local) }
    try host.wait(flow, for: .readable)
    let (result, datagrams) = host.receive(flow, capacity: 64)
    #expect(result == .accepted(64))
    #expect(datagrams.map(\.payload) == batch.map(\.payload))
    #expect(host.calls.datagramReceives == 1)

    #expect(host.send(flow, batch + batch.prefix(6)) == .accepted(70))
    #expect(host.calls.datagramSends == 2)
    for _ in 0..<70 { _ = try peer.receiveNext() }
    for index in 0..<70 { try peer.send([UInt8(index)], to: local) }
    try host.wait(flow, for: .readable)
    #expect(host.receive(flow, capacity: 100).1.map(\.payload) == (0..<70).map { [UInt8($0)] })
    #expect(host.calls.datagramReceives == 3)
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `datagrams of one length go together and arrive apart, whatever lies between them`(
    _ family: IPAddress.Family
  ) throws {
    let host = try Host()
    let loopback = family == .ipv4 ? IPAddress(IPv4Address.loopback) : IPAddress(IPv6Address.loopback)
    let (peer, other) = (try Peer(datagramsOn: loopback), try Peer(datagramsOn: loopback))
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: family, destination: nil, preferredPort: 0)
    let (one, two) = (try peer.endpoint(), try other.endpoint())
    let lengths = [100, 100, 100, 40, 100, 100, 0, 0, 7, 100, 200, 200, 1, 1, 1, 1400]
    let toOne = lengths.enumerated().map { (payload: pattern($1, $0), to: one, from: IPAddress?.none) }
    let toTwo = lengths.enumerated().map { (payload: pattern($1, $0 + 50), to: two, from: IPAddress?.none) }
    let all = toOne + toTwo.prefix(4) + toOne.prefix(2) + toTwo.dropFirst(4)
    let asked = all.map { (payload: $0.payload, to: Endpoint?.some($0.to), from: $0.from) }
    #expect(host.send(flow, asked) == .accepted(all.count))
    #expect(host.calls.datagramSends == 1)
    for datagram in toOne + toOne.prefix(2) { #expect(try peer.receiveNext() == datagram.payload) }
    for datagram in toTwo { #expect(try other.receiveNext() == datagram.payload) }
  }

  @Test func `more datagrams of one length than a message holds go in several`() throws {
    let host = try Host()
    let peer = try Peer(datagramsOn: IPAddress(IPv4Address.loopback))
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: .ipv4, destination: try peer.endpoint(), preferredPort: 0)
    for (count, length) in [(200, 10), (60, 8000)] {
      let batch = (0..<count).map { (payload: pattern(length, $0), to: Endpoint?.none, from: IPAddress?.none) }
      // The peer's queue holds no more than a few of the long ones at once.
      for part in stride(from: 0, to: count, by: 20) {
        let few = Array(batch[part..<min(part + 20, count)])
        #expect(host.send(flow, few) == .accepted(few.count))
        for datagram in few { #expect(try peer.receiveNext() == datagram.payload) }
      }
    }
    let batch = (0..<200).map { (payload: pattern(10, $0), to: Endpoint?.none, from: IPAddress?.none) }
    #expect(host.send(flow, batch) == .accepted(200))
    for datagram in batch { #expect(try peer.receiveNext() == datagram.payload) }
  }

  @Test func `where the way takes no datagrams together, or not of their length, they go one by one`() throws {
    let host = try Host()
    let peer = try Peer(datagramsOn: IPAddress(IPv4Address.loopback))
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: .ipv4, destination: try peer.endpoint(), preferredPort: 0)
    // The kernel cuts no messages of sockets that send no checksums (udp(7), SO_NO_CHECK).
    try disableChecksums(of: host.number(of: flow))
    let batch = (0..<10).map { (payload: pattern(300, $0), to: Endpoint?.none, from: IPAddress?.none) }
    #expect(host.send(flow, batch) == .accepted(10))
    #expect(host.calls.datagramSends == 2)
    for datagram in batch { #expect(try peer.receiveNext() == datagram.payload) }
    // And it is not tried again.
    #expect(host.send(flow, batch) == .accepted(10))
    #expect(host.calls.datagramSends == 3)
    for datagram in batch { #expect(try peer.receiveNext() == datagram.payload) }
  }

  @Test func `what a peer sends together is read as the datagrams that it is`() throws {
    let sender = try Host()
    let host = try Host()
    let flow = host.newFlow()
    _ = host.openDatagrams(flow, family: .ipv4, destination: nil, preferredPort: 0)
    let local = Endpoint(IPv4Address.loopback, port: try host.localEndpoint(of: flow).port)
    let source = sender.newFlow()
    _ = sender.openDatagrams(source, family: .ipv4, destination: local, preferredPort: 0)
    let batch = [500, 500, 500, 500, 20, 0, 9, 9].enumerated().map {
      (payload: pattern($1, $0), to: Endpoint?.none, from: IPAddress?.none)
    }
    #expect(sender.send(source, batch) == .accepted(8))
    try host.wait(flow, for: .readable)
    let (result, datagrams) = host.receive(flow, capacity: 64)
    #expect(result == .accepted(8))
    #expect(datagrams.map(\.payload) == batch.map(\.payload))
    #expect(Set(datagrams.map(\.entry.source)) == [try sender.localEndpoint(of: source)])
  }
}
