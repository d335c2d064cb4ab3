import Netstack
import Primitives
import Simulation
import Testing

/// Which destinations of a guest become destinations of the host, and which never do.
@Suite struct PolicyTests {
  /// Addresses to which no host socket is ever opened.
  static let forbidden = [
    IPv4Address(127, 0, 0, 1), IPv4Address(127, 0, 0, 53), IPv4Address(127, 255, 255, 254),  // loopback
    IPv4Address(0, 0, 0, 0), IPv4Address(0, 0, 0, 1), IPv4Address(0, 255, 255, 255),  // this network
    IPv4Address(224, 0, 0, 1), IPv4Address(239, 255, 255, 250),  // multicast
    IPv4Address(240, 0, 0, 1), IPv4Address(255, 255, 255, 254), IPv4Address(255, 255, 255, 255),  // reserved, broadcast
    IPv4Address(10, 0, 2, 0), IPv4Address(10, 0, 2, 255),  // the guests' network itself
    IPv4Address(10, 0, 2, 1), IPv4Address(10, 0, 2, 4), IPv4Address(10, 0, 2, 200),  // unassigned in it
    IPv4Address(10, 0, 2, 15), IPv4Address(10, 0, 2, 16),  // guests
    IPv4Address(169, 254, 169, 254), IPv4Address(169, 254, 0, 1),  // cloud metadata
  ]

  @Test(arguments: forbidden)
  func `no connection to a forbidden address reaches the host`(address: IPv4Address) {
    withLab { lab in
      lab.host.defaultService = RemoteService()
      _ = lab.guest.connect(to: Endpoint(address, port: 80))
      lab.advance(by: .seconds(10))
      #expect(lab.host.calls.connects == 0)
      #expect(lab.openSocketCount == 0)
      #expect(lab.drops(.forbiddenDestination) >= 1)
    }
  }

  @Test(arguments: forbidden.filter { !$0.isLinkLocal })
  func `nobody answers a segment of no connection to a forbidden address`(address: IPv4Address) {
    withLab { lab in
      for port: UInt16 in [0, 80] {
        var segment = PlainTCP.synchronize(to: port)
        segment.flags = .ack
        lab.guest.send(PlainIPv4(from: lab.guest.address, to: address, .tcp(segment)))
      }
      lab.settle()
      #expect(lab.guest.inbox.isEmpty)
      #expect(lab.drops(.noFlow) + lab.drops(.forbiddenDestination) == 2)
    }
  }

  @Test(arguments: forbidden)
  func `no datagram to a forbidden address reaches the host`(address: IPv4Address) {
    withLab { lab in
      lab.guest.sendUDP([1], from: 5000, to: address, port: 80)
      lab.settle()
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.openSocketCount == 0)
      #expect(lab.drops(.forbiddenDestination) == 1)
    }
  }

  @Test(arguments: [
    IPv4Address(1, 1, 1, 1), IPv4Address(10, 0, 1, 255), IPv4Address(10, 0, 3, 0), IPv4Address(126, 255, 255, 255),
    IPv4Address(128, 0, 0, 1), IPv4Address(172, 16, 0, 1), IPv4Address(192, 168, 1, 1), IPv4Address(169, 253, 255, 255),
    IPv4Address(169, 255, 0, 1), IPv4Address(223, 255, 255, 255),
  ])
  func `every other address is connected to as it is`(address: IPv4Address) {
    withLab { lab in
      let remote = Endpoint(address, port: 443)
      lab.host.services[remote] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: remote)
      connection.write([1, 2, 3])
      lab.guest.sendUDP([1], from: 5000, to: address, port: 443)
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1, 2, 3])
      #expect(lab.sentDatagrams.map(\.destination) == [remote])
    }
  }

  @Test func `the gateway's address is the host's loopback, for TCP and UDP`() {
    withLab { lab in
      let local = Endpoint(.loopback, port: 8000)
      lab.host.services[local] = RemoteService(echoes: true)
      lab.host.datagramServices[local] = .echoes
      let connection = lab.guest.connect(to: Endpoint(IPv4Address(10, 0, 2, 2), port: 8000))
      connection.write([1, 2, 3])
      lab.guest.sendUDP([4], from: 5000, to: IPv4Address(10, 0, 2, 2), port: 8000)
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1, 2, 3])
      #expect(lab.guest.datagrams == [PlainUDP(sourcePort: 8000, destinationPort: 5000, payload: [4])])
    }
  }

  @Test func `without host loopback the gateway refuses`() {
    var options = Lab.Options()
    options.settings.allowsHostLoopback = false
    withLab(options) { lab in
      lab.host.defaultService = RemoteService()
      let connection = lab.guest.connect(to: Endpoint(IPv4Address(10, 0, 2, 2), port: 8000))
      lab.guest.sendUDP([4], from: 5000, to: IPv4Address(10, 0, 2, 2), port: 8000)
      lab.settle()
      #expect(connection.wasReset)
      #expect(lab.guest.icmpMessages.map(\.code) == [3])
      #expect(lab.host.calls.connects == 0)
      #expect(lab.sentDatagrams.isEmpty)
    }
  }

  @Test func `cloud metadata is refused at once, and reached where it is allowed`() {
    let metadata = Endpoint(IPv4Address(169, 254, 169, 254), port: 80)
    withLab { lab in
      let connection = lab.guest.connect(to: metadata)
      lab.settle()
      // RFC 792, RFC 1812 section 5.2.7.1: communication administratively prohibited.
      #expect(connection.unreachableCode == 13)
    }
    var options = Lab.Options()
    options.settings.allowsLinkLocal = true
    withLab(options) { lab in
      lab.host.services[metadata] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: metadata)
      connection.write([1])
      lab.advance(by: .seconds(1))
      #expect(connection.received == [1])
    }
  }

  @Test(arguments: [
    IPv4Address(10, 0, 2, 2), IPv4Address(10, 0, 2, 3), IPv4Address(10, 0, 2, 255), IPv4Address(192, 0, 2, 9),
    IPv4Address(127, 0, 0, 1), IPv4Address(224, 0, 0, 1), IPv4Address(255, 255, 255, 255), IPv4Address.any,
  ])
  func `a packet from an address that is not a guest's opens nothing`(source: IPv4Address) {
    withLab { lab in
      lab.host.services[.server] = RemoteService()
      lab.guest.address = source
      _ = lab.guest.connect(to: .server)
      lab.guest.sendUDP([1], from: 5000, to: IPv4Address(192, 0, 2, 1), port: 7)
      lab.settle()
      #expect(lab.openSocketCount == 0)
      #expect(lab.sentDatagrams.isEmpty)
      #expect(lab.drops(.badSource) == 2)
    }
  }
}
