import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// What the network says of datagrams and connections, by way of the kernel's error queue.
@Suite(.needsRoot) struct NetworkErrorTests {
  @Test(arguments: bothFamilies)
  func `a datagram's hop limit ends at a router, which says so, by its own address`(_ far: Far) throws {
    try withRoutedWorld { world in
      let host = try Host()
      let flow = host.newFlow()
      _ = host.openDatagrams(flow, family: far.family, destination: nil, preferredPort: 0)
      let target = Endpoint(far.outside, port: 33_434)
      #expect(host.send(flow, [(pattern(40), target, nil)], PacketMarks(hopLimit: 1)) == .accepted(1))
      try host.wait(flow, for: .failed)
      let (failure, quote) = try #require(host.takeFailure(flow))
      #expect(
        failure
          == HostFailure(
            .hostUnreachable, report: .timeExceeded, reporter: far.router, destination: target, quoteLength: 40))
      #expect(quote == pattern(40))
      #expect(host.takeFailure(flow) == nil)

      // One hop more, and it is the closed port at the end that answers.
      #expect(host.send(flow, [(pattern(40), target, nil)], PacketMarks(hopLimit: 2)) == .accepted(1))
      try host.wait(flow, for: .failed)
      let (second, _) = try #require(host.takeFailure(flow))
      #expect(second.report == .portUnreachable)
      #expect(second.reporter == far.outside)
      #expect(second.destination == target)
    }
  }

  @Test(arguments: bothFamilies)
  func `two pending errors cost a datagram to another peer nothing`(_ far: Far) throws {
    try withRoutedWorld { world in
      let host = try Host()
      let peer = try world.outside { try Peer(datagramsOn: far.outside) }
      let flow = host.newFlow()
      _ = host.openDatagrams(flow, family: far.family, destination: nil, preferredPort: 0)
      for port: UInt16 in [9, 10] {
        // The first error may be there before the second datagram: then it is told in its place.
        while host.send(flow, [([1], Endpoint(far.outside, port: port), nil)]) != .accepted(1) {}
      }
      var ports: [UInt16] = []
      while ports.count < 2 {
        if let (failure, _) = host.takeFailure(flow) {
          #expect(failure.report == .portUnreachable)
          ports.append(try #require(failure.destination).port)
        } else {
          try host.wait(flow, for: .failed)
        }
      }
      #expect(Set(ports) == [9, 10])
      #expect(host.send(flow, [([7], try peer.endpoint(), nil)]) == .accepted(1))
      #expect(try peer.receiveNext() == [7])
    }
  }

  @Test(arguments: bothFamilies)
  func `what may not be fragmented learns how wide the way is, what may be passes (RFC 1191, RFC 8201)`(
    _ far: Far
  ) throws {
    try withRoutedWorld { world in
      let host = try Host()
      let peer = try world.outside { try Peer(datagramsOn: far.outside) }
      let target = try peer.endpoint()
      let flow = host.newFlow()
      _ = host.openDatagrams(flow, family: far.family, destination: nil, preferredPort: 0)
      let whole = PacketMarks(mayFragment: false)
      // What the router has said before does not keep the next one from being tried.
      for _ in 1...2 {
        #expect(host.send(flow, [(pattern(1400), target, nil)], whole) == .accepted(1))
        try host.wait(flow, for: .failed)
        let (failure, quote) = try #require(host.takeFailure(flow))
        #expect(failure.report == .tooBig(mtu: RoutedWorld.narrowMTU))
        #expect(failure.reporter == far.router)
        #expect(failure.destination == target)
        #expect(quote == Array(pattern(1400).prefix(quote.count)) && quote.count >= 500)
      }

      // Longer than our own link takes: told at once, by nobody else.
      #expect(host.send(flow, [(pattern(3000), target, nil)], whole) == .failed(.messageTooLong))
      let (failure, _) = try #require(host.takeFailure(flow))
      #expect(failure.report == .tooBig(mtu: 1500))
      #expect(failure.reporter == nil)
      #expect(host.takeFailure(flow) == nil)

      let fitting = RoutedWorld.narrowMTU - far.headerLength
      #expect(host.send(flow, [(pattern(fitting), target, nil)], whole) == .accepted(1))
      #expect(try peer.receiveNext() == pattern(fitting))
      #expect(host.send(flow, [(pattern(3000), target, nil)], PacketMarks()) == .accepted(1))
      #expect(try peer.receiveNext() == pattern(3000))
    }
  }

  @Test(arguments: bothFamilies)
  func `a router's prohibition is told as such`(_ far: Far) throws {
    try withRoutedWorld { _ in
      let host = try Host()
      let flow = host.newFlow()
      let target = Endpoint(far.prohibited, port: 53)
      _ = host.openDatagrams(flow, family: far.family, destination: target, preferredPort: 0)
      #expect(host.send(flow, [([1], nil, nil)]) == .accepted(1))
      try host.wait(flow, for: .failed)
      let (failure, _) = try #require(host.takeFailure(flow))
      #expect(failure.report == .prohibited)
      #expect(failure.reporter == far.router)
    }
  }

  @Test(arguments: bothFamilies)
  func `datagrams go by one call until their marks change`(_ far: Far) throws {
    try withRoutedWorld { world in
      let host = try Host()
      let peer = try world.outside { try Peer(datagramsOn: far.outside) }
      let flow = host.newFlow()
      _ = host.openDatagrams(flow, family: far.family, destination: try peer.endpoint(), preferredPort: 0)
      let one = PacketMarks(hopLimit: 30, dscp: 46)
      let other = PacketMarks(hopLimit: 30, dscp: 8, mayFragment: false)
      let sent = host.send(
        flow, (0..<6).map { (payload: [UInt8($0)], to: Endpoint?.none, from: IPAddress?.none) },
        each: [one, one, one, other, other, one])
      #expect(sent == .accepted(6))
      #expect(host.calls.datagramSends == 3)
      #expect(host.calls.marks == 3)
      for number in 0..<6 { #expect(try peer.receiveNext() == [UInt8(number)]) }
      let socket = host.number(of: flow)
      #expect(try SocketOption.hopLimit(far.family).value(on: socket) == 30)
      #expect(try SocketOption.trafficClass(far.family).value(on: socket) == 46 << 2)
      #expect(try SocketOption.pathMTU(far.family).value(on: socket) == Int32(IP_PMTUDISC_DONT))
      #expect(host.send(flow, [([9], nil, nil)], other) == .accepted(1))
      #expect(try SocketOption.pathMTU(far.family).value(on: socket) == Int32(IP_PMTUDISC_PROBE))
      #expect(host.send(flow, [([9], nil, nil)], PacketMarks()) == .accepted(1))
      #expect(try SocketOption.hopLimit(far.family).value(on: socket) == 64)
      #expect(try SocketOption.trafficClass(far.family).value(on: socket) == 0)
    }
  }

  // MARK: Streams

  @Test(arguments: bothFamilies)
  func `a connection attempt tells where its hop limit ended`(_ far: Far) throws {
    try withRoutedWorld { _ in
      let host = try Host()
      let flow = host.newFlow()
      let target = Endpoint(far.outside, port: 80)
      #expect(host.connect(flow, to: target, marks: PacketMarks(hopLimit: 1)) == .inProgress)
      try host.wait(flow, for: .failed)
      let (failure, _) = try #require(host.takeFailure(flow))
      #expect(failure.report == .timeExceeded)
      #expect(failure.reporter == far.router)
      #expect(failure.error == .hostUnreachable)
      #expect(host.takeFailure(flow) == nil)
      host.close(flow, abortively: true)

      // Far enough, the same attempt is refused, of which ICMP says nothing.
      let second = host.newFlow()
      #expect(host.connect(second, to: target, marks: PacketMarks(hopLimit: 2)) == .inProgress)
      try host.wait(second, for: .failed)
      #expect(host.takeFailure(second) == nil)
      #expect(host.finishConnecting(second) == .failed(.refused))
    }
  }

  @Test(arguments: bothFamilies)
  func `an open connection has the host's hop limit, the first packet's class, and no queue of errors`(
    _ far: Far
  ) throws {
    try withRoutedWorld { world in
      let host = try Host()
      let listener = try world.outside { try Peer(listeningOn: Endpoint(far.outside, port: 80)) }
      let flow = host.newFlow()
      let opened = host.connect(flow, to: try listener.endpoint(), marks: PacketMarks(hopLimit: 5, dscp: 10))
      #expect(opened == .inProgress)
      #expect(try SocketOption.hopLimit(far.family).value(on: host.number(of: flow)) == 5)
      try host.wait(flow, for: .writable)
      #expect(host.finishConnecting(flow) == .ready)
      #expect(try SocketOption.hopLimit(far.family).value(on: host.number(of: flow)) == 64)
      #expect(try SocketOption.trafficClass(far.family).value(on: host.number(of: flow)) == 10 << 2)
      #expect(try SocketOption.errorQueue(far.family).value(on: host.number(of: flow)) == 0)
    }
  }
}
