import Configuration
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import Runtime

/// A network that several loops serve, on real sockets: the guest's frames come by a queue of each.
struct SeveralLoopsTests {
  @Test func `a frame that came to another loop is answered by its owner`() throws {
    let network = try LoopUnderTest(loops: 3)
    for queue in 0..<3 {
      let request = GuestEnd.request(from: UInt8(20 + queue))
      #expect(try network.guest(0, queue: queue).write(request) == request.count)
    }
    try network.run { try network.guest(0).frames().count == 3 }
    let answers = try network.guest(0).frames()
    for queue in 0..<3 {
      #expect(answers.count { GuestEnd.isAnswer($0, to: UInt8(20 + queue)) } == 1)
      #expect(try queue == 0 || network.guest(0, queue: queue).frames().isEmpty)
    }
    // Each was handed to the two others, and is counted once.
    #expect(network.counters.framesHandedOver == 6)
    #expect(network.counters.framesFromGuest == 3)
  }

  @Test func `a guest's port is one socket of the host's, whichever queue its datagrams come by`() throws {
    let network = try LoopUnderTest(loops: 3)
    let (server, port) = try boundUDP()
    for guestPort in 40_001...40_006 as ClosedRange<UInt16> {
      for queue in 0..<3 {
        let frame = GuestEnd.datagram(from: guestPort, to: port)
        #expect(try network.guest(0, queue: queue).write(frame) == frame.count)
        try network.run { try receive(on: server) }
      }
    }
    let flows = network.flows
    #expect(Set(flows.map(\.guest.port)) == Set(40_001...40_006))
    #expect(flows.map(\.bytesFromGuest) == [9, 9, 9, 9, 9, 9])
    #expect(network.counters.framesHandedOver > 0)
    #expect(network.counters[.loopFull] == 0)
  }

  @Test func `a loop that is busy loses nothing of what others have for it`() throws {
    let network = try LoopUnderTest(loops: 2)
    let (server, serverPort) = try boundUDP()
    let port = try #require((40_001...40_100 as ClosedRange<UInt16>).first { network.owner(ofPort: $0) == 1 })
    let frame = GuestEnd.datagram(from: port, to: serverPort)
    // The first loop alone reads, until it finds no room in the way to the other, and then the guest none in the link.
    var (sent, rest, refusals) = (0, frame[...], 0)
    while refusals < 100 {
      try #require(sent < 50_000, "the first loop goes on reading")
      let count = try network.guest(0).write(rest)
      rest = rest.dropFirst(count)
      if rest.isEmpty { (sent, rest) = (sent + 1, frame[...]) }
      refusals = count == 0 ? refusals + 1 : 0
      if count == 0 { try network.poll() }
    }
    try #require(network.counters.framesHandedOver > 700)
    // More than its share of one turn waits for the other loop, which goes on without being told again.
    try network.poll(loop: 1)
    try awaitEvent(on: network.bell(of: 1))
    while !rest.isEmpty {
      rest = rest.dropFirst(try network.guest(0).write(rest))
      try network.poll()
      try network.poll(loop: 1)
    }
    try network.run { network.flows.map(\.bytesFromGuest) == [UInt64(3 * (sent + 1))] }
    #expect(network.counters[.loopFull] == 0)
    _ = consume server
  }

  /// Each loop ends its forwards before any begins one: the same ports of the host lead to other loops' flows now.
  @Test func `a configuration that is read again changes the forwards of all loops`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/culvert.toml"
    let port = try freePorts(8)
    func write(_ guestPort: UInt16) throws {
      let rule = "hostfwd = ['tcp:127.0.0.1:\(port)-\(port + 7)-10.0.2.15:\(guestPort)']"
      try FileDescriptor.open(replacing: path, mode: 0o600).write(rule)
    }
    func forwards(to guestPort: UInt16) -> Set<PortForward> {
      Set(
        (0..<8).map { index in
          PortForward(
            transport: .tcp, host: Endpoint(.loopback, port: port + index),
            guest: Endpoint(IPv4Address(10, 0, 2, 15), port: guestPort + index))
        })
    }
    try write(8000)
    var options = ServiceOptions()
    options.configurationFile = path
    options.network = try ConfigurationFile(path: path).network
    let network = try LoopUnderTest(loops: 3, options)
    #expect(network.forwards == forwards(to: 8000))
    try write(9000)
    network.mailbox.send(.reload)
    try network.run { network.forwards == forwards(to: 9000) }
    #expect(!network.log.contains("error:"), "\(network.log)")
  }

  @Test func `the operator sees one network`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(loops: 3, in: folder.path)
    let client = try ControlEnd(bench.address)
    let (server, port) = try boundUDP()
    for guestPort in 40_001...40_006 as ClosedRange<UInt16> {
      _ = try bench.guests[Int(guestPort) % 3].write(GuestEnd.datagram(from: guestPort, to: port))
      try awaitEvent(on: server.rawValue)
      #expect(try receive(on: server))
    }
    let status = try ControlJSON.result(
      of: Array(try client.ask(#"{"version":1,"method":"status"}"#).utf8), as: StatusReport.self)
    #expect(status.networks.map(\.flows.udp) == [6])
    #expect(status.networks[0].links.map(\.framesFromGuest) == [6])
    let flows = try ControlJSON.result(
      of: Array(try client.ask(#"{"version":1,"method":"flows"}"#).utf8), as: FlowsReport.self
    ).flows
    #expect(Set(flows.map(\.guest)) == Set((1...6).map { "10.0.2.15:4000\($0)" }))
    #expect(Set(flows.map(\.id)).count == 6)
  }

  @Test func `forwards of all loops are added, listed and removed`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(loops: 3, in: folder.path)
    let client = try ControlEnd(bench.address)
    let port = try freePorts(6)
    let rule = "tcp:127.0.0.1:\(port)-\(port + 5)-:80"
    func request(_ method: String) -> String {
      #"{"version":1,"method":"\#(method)","params":{"rule":"\#(rule)"}}"#
    }
    func forwards(_ request: String) throws -> [String] {
      try ControlJSON.result(of: Array(try client.ask(request).utf8), as: ForwardsReport.self)
        .forwards.map(\.host)
    }
    let all = (port...port + 5).map { "127.0.0.1:\($0)" }
    #expect(try forwards(request("add-forward")) == all)
    #expect(try forwards(#"{"version":1,"method":"forwards"}"#).sorted() == all.sorted())
    #expect(bench.log.contains("culvert: forwarding tcp ") || bench.log.contains("loop 1: forwarding tcp "))
    #expect(bench.log.contains("loop 1: forwarding tcp ") || bench.log.contains("loop 2: forwarding tcp "))
    #expect(
      try forwards(#"{"version":1,"method":"remove-forward","params":{"rule":"tcp:127.0.0.1:\#(port)"}}"#) == [all[0]])
    #expect(try forwards(#"{"version":1,"method":"forwards"}"#).sorted() == Array(all[1...]).sorted())
  }
}
