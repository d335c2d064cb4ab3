import Netstack
import Primitives
import Simulation
import Testing

@testable import Netstack

/// What a TFTP server without unlimited memory, room and descriptors does when they are used up.
@Suite struct TFTPBoundTests {
  /// Runs `body` with a client at a server that has the file `f` of `count` bytes.
  private func withServer(
    _ count: Int = 5000, over family: IPAddress.Family = .ipv4, _ body: (TFTPBench) throws -> Void
  ) rethrows {
    try withLab(TFTPBench.options) { lab in
      lab.host.files["f"] = SimulatedFile(pattern(count))
      try body(TFTPBench(lab, over: family))
    }
  }

  private func block(_ number: Int, of count: Int = 5000, size: Int = 512) -> TFTPReply {
    .data(UInt16(number), Array(pattern(count)[((number - 1) * size)..<min(number * size, count)]))
  }

  // MARK: A link without room

  @Test(arguments: families)
  func `a window goes on where the link ran out of room, however long that takes`(family: IPAddress.Family) {
    withServer(over: family) { client in
      client.read("f", "octet", "windowsize", "4")
      client.expect(.options(["windowsize", "4"]))
      client.lab.openLink(room: 3)
      client.acknowledge(0)
      client.expect(block(1), block(2), block(3))
      // Not long enough for a router advertisement, which the link would have no room for either.
      client.lab.advance(by: .seconds(14))
      client.expect()
      client.lab.openLink()
      client.lab.settle()
      client.expect(block(4))
      client.acknowledge(4)
      client.expect(block(5), block(6), block(7), block(8))
    }
  }

  @Test func `what is acknowledged while the link has no room is not sent again`() {
    withServer { client in
      client.read("f", "octet", "windowsize", "4")
      _ = client.take()
      client.lab.openLink(room: 2)
      client.acknowledge(0)
      client.expect(block(1), block(2))
      client.acknowledge(2)
      client.expect()
      client.lab.openLink()
      client.lab.settle()
      client.expect(block(3), block(4), block(5), block(6))
    }
  }

  @Test(arguments: ["octet", "netascii"])
  func `options and the last block wait for room as well`(mode: String) {
    withServer(10) { client in
      client.lab.openLink(room: 0)
      client.read("f", mode, "timeout", "3")
      client.lab.advance(by: .seconds(10))
      client.expect()
      client.lab.openLink(room: 1)
      client.lab.settle()
      client.expect(.options(["timeout", "3"]))
      client.acknowledge(0)
      client.expect()
      client.lab.openLink()
      client.lab.settle()
      client.expect(.data(1, pattern(10)))
      client.acknowledge(1)
      #expect(client.lab.flowEnds == [.finished])
    }
  }

  @Test func `a refusal that finds no room is lost, as it may be on the way`() {
    withServer { client in
      client.lab.openLink(room: 0)
      client.read("g")
      client.lab.openLink()
      client.lab.settle()
      client.expect()
      #expect(client.lab.drops(.linkFull) == 1)
      client.read("g")
      client.expect(.error(1, "File not found"))
    }
  }

  // MARK: Too many

  /// Begins a transfer from each of these ports of the guest whose address ends with `host`.
  private func begin(_ ports: ClosedRange<UInt16>, from host: UInt8 = 15, on lab: Lab) -> [TFTPBench] {
    lab.guest.address = IPv4Address(10, 0, 2, host)
    return ports.map { port in
      let client = TFTPBench(lab, port: port)
      client.read("f")
      return client
    }
  }

  @Test func `a guest has 16 transfers at once, and four such guests all that there are`() {
    withServer { client in
      let lab = client.lab
      for host in UInt8(15)...18 {
        let port = UInt16(host) * 100
        for other in begin(port...port + 15, from: host, on: lab) { other.expect(block(1)) }
        begin(port + 16...port + 16, from: host, on: lab)[0].expect(.error(0, "Too many transfers"))
      }
      begin(2000...2000, from: 19, on: lab)[0].expect(.error(0, "Too many transfers"))
      #expect(lab.flowStates.count == 64 && lab.openSocketCount == 64 && lab.drops(.exhausted) == 5)
      #expect(lab.flowEnds.isEmpty)
    }
  }

  @Test func `the transfer of a guest that is silent for longest makes room for another of it, and it learns that`() {
    withServer { client in
      let lab = client.lab
      let clients = begin(2000...2015, on: lab)
      for (index, other) in clients.enumerated() where index != 6 && index != 9 {
        _ = other.take()
        lab.schedule(after: .milliseconds(Int64(index) * 10 + 10)) { _ in
          lab.guest.sendUDP(
            TFTPBench.acknowledgment(1), from: other.port, to: Endpoint(.gateway(.ipv4), port: other.transferPort))
        }
      }
      _ = (clients[6].take(), clients[9].take())
      // Long enough for the two that say nothing, not for the others.
      lab.advance(by: .seconds(5) - .milliseconds(1))
      for other in clients { _ = other.take() }
      begin(3000...3000, on: lab)[0].expect(.error(0, "Too many transfers"))
      lab.advance(by: .milliseconds(1))
      begin(3001...3001, on: lab)[0].expect(block(1))
      clients[6].expect(.error(0, "Too many transfers"))
      #expect(lab.flowEnds == [.evicted])
      #expect(lab.stack.observer.closedFlows[0].flow.guest.port == 2006)
      clients[9].expect()
    }
  }

  @Test func `a transfer that has ended makes room before any other`() {
    withServer(10) { client in
      let clients = begin(2000...2015, on: client.lab)
      for other in clients { _ = other.take() }
      clients[11].acknowledge(1)
      begin(3000...3000, on: client.lab)[0].expect(.data(1, pattern(10)))
      #expect(client.lab.flowEnds == [.finished] && client.lab.flows.count == 16)
    }
  }

  @Test
  func `where descriptors are used up the UDP flow that was unused for longest makes room, else the guest is told`() {
    withServer { client in
      let lab = client.lab
      lab.host.descriptorsLeft = 0
      client.read("f")
      client.expect(.error(0, "The file cannot be opened"))
      #expect(lab.flows.isEmpty)
      lab.host.descriptorsLeft = 1
      lab.guest.sendUDP([1], from: 5000, to: .server)
      lab.settle()
      #expect(lab.openSocketCount == 1)
      client.read("f")
      client.expect(block(1))
      #expect(lab.flowEnds == [.evicted] && lab.openSocketCount == 1)
    }
  }

  // MARK: Files that change

  @Test(arguments: ["octet", "netascii"])
  func `a file that has become shorter ends the transfer, and the guest learns it`(mode: String) {
    withServer { client in
      client.read("f", mode)
      _ = client.take()
      client.lab.host.files["f"]?.bytes = pattern(700)
      client.acknowledge(1)
      client.expect(.error(0, "The file has become shorter"))
      #expect(client.lab.flowEnds == [.failed(.other(0))] && client.lab.openSocketCount == 0)
      client.lab.advance(by: .seconds(10))
      client.expect()
      #expect(client.lab.flows.isEmpty)
    }
  }

  @Test(arguments: ["octet", "netascii"])
  func `a file that cannot be read any more ends the transfer, and the guest learns it`(mode: String) {
    withServer { client in
      client.read("f", mode)
      _ = client.take()
      client.lab.host.files["f"]?.readFailure = .other(5)
      client.acknowledge(1)
      client.expect(.error(0, "The file cannot be read"))
      #expect(client.lab.flowEnds == [.failed(.other(5))] && client.lab.openSocketCount == 0)
    }
  }

  @Test func `of a file that grows as much is sent as there was`() {
    withServer(600) { client in
      client.read("f", "octet", "tsize", "0")
      client.expect(.options(["tsize", "600"]))
      client.lab.host.files["f"]?.bytes = pattern(5000)
      client.acknowledge(0)
      client.expect(block(1))
      client.acknowledge(1)
      client.expect(.data(2, Array(pattern(600)[512...])))
      client.acknowledge(2)
      #expect(client.lab.flowEnds == [.finished])
    }
  }

  // MARK: Guests that go away, or become others

  /// A client that asked to be left alone for 100 s at a time, and has been silent until its station was forgotten.
  private func forgottenClient(_ lab: Lab) -> TFTPBench {
    let client = TFTPBench(lab)
    client.read("f", "octet", "timeout", "100")
    client.expect(.options(["timeout", "100"]))
    lab.guest.answersARP = false
    // What is sent then raises the question whether anybody is there.
    lab.advance(by: .seconds(100))
    client.expect(.options(["timeout", "100"]))
    lab.advance(by: .seconds(99))
    lab.guest.clearInbox()
    return client
  }

  @Test func `a transfer waits for the station of its guest, and goes on when that is known`() {
    withServer { other in
      let lab = other.lab
      let client = forgottenClient(lab)
      lab.advance(by: .seconds(2))
      #expect(lab.guest.datagrams.isEmpty && lab.guest.arpMessages.count == 2)
      lab.guest.answersARP = true
      lab.advance(by: .seconds(1))
      #expect(lab.guest.datagrams.map { TFTPReply($0.payload) } == [.options(["timeout", "100"])])
      client.acknowledge(0)
      #expect(lab.guest.datagrams.last.map { TFTPReply($0.payload) } == block(1))
    }
  }

  @Test func `the transfer of a guest that is not there any more ends`() {
    withServer { other in
      let lab = other.lab
      _ = forgottenClient(lab)
      lab.advance(by: .seconds(5))
      #expect(lab.guest.datagrams.isEmpty && lab.guest.arpMessages.count == 3)
      #expect(lab.flowEnds == [.failed(.hostUnreachable)] && lab.flows.isEmpty && lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `a guest whose client has gone says so by ICMP, which ends the transfer (RFC 1122 section 4.1.3.3)`(
    family: IPAddress.Family
  ) throws {
    try withServer(over: family) { client in
      let lab = client.lab
      client.read("f")
      let block = try #require(client.takeDatagrams().last)
      // From another system, for which the block was not; then from the guest, about a port that is not the transfer's.
      reportClosedPort(of: block, from: 99, over: family, on: lab)
      var other = block
      other.sourcePort -= 1
      reportClosedPort(of: other, over: family, on: lab)
      #expect(lab.flowEnds.isEmpty && lab.drops(.noFlow) == 2)
      reportClosedPort(of: block, over: family, on: lab)
      #expect(lab.flowEnds == [.failed(.refused)] && lab.openSocketCount == 0)
      reportClosedPort(of: block, over: family, on: lab)
      #expect(lab.drops(.noFlow) == 3)
      lab.advance(by: .seconds(30))
      client.expect()
    }
  }

  /// The guest, or another system whose address ends with `host`, has nobody for a datagram of the gateway's.
  private func reportClosedPort(
    of datagram: PlainUDP, from host: UInt8? = nil, over family: IPAddress.Family, on lab: Lab
  ) {
    let (gateway, guest) = (IPAddress.gateway(family), lab.guest.address(in: family))
    if family == .ipv4 {
      let packet = PlainIPv4(from: IPv4Address(10, 0, 2, 2), to: lab.guest.address, .udp(datagram))
      let message = PlainICMP(type: 3, code: 3, payload: Array(packet.encoded.prefix(28)))
      let source = host.map { IPAddress(IPv4Address(10, 0, 2, $0)) } ?? guest
      lab.guest.send(.icmp(message), from: source, to: gateway)
    } else {
      let packet = PlainIPv6(from: .gateway, to: lab.guest.ipv6Address, .udp(datagram))
      let message = PlainICMP(type: 1, code: 4, payload: Array(packet.encoded.prefix(48)))
      let source = host.map { IPAddress(IPv6Address(high: 0xfec0 << 48, low: UInt64($0))) } ?? guest
      lab.guest.send(.icmp(message), from: source, to: gateway)
    }
    lab.settle()
  }

  @Test func `where another system has the guest's address, which takes no such blocks, the transfer ends`() {
    withServer(20_000) { client in
      let lab = client.lab
      lab.guest.ping(client.server.address, payload: [UInt8](repeating: 0, count: 8972))
      client.read("f", "octet", "blksize", "8192")
      client.expect(.options(["blksize", "8192"]))
      client.acknowledge(0)
      client.expect(block(1, of: 20_000, size: 8192))
      lab.guest.mac = MACAddress(0x52, 0x54, 0x00, 0x12, 0x34, 0x57)
      lab.guest.requestARP(for: IPv4Address(10, 0, 2, 2))
      client.acknowledge(1)
      client.expect()
      #expect(lab.flowEnds == [.evicted] && lab.openSocketCount == 0)
    }
  }
}
