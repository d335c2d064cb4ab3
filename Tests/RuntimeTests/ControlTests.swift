import Configuration
import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import Runtime

/// The control socket: requests and answers, line by line as `Sources/Runtime/Control/README.md` has them.
struct ControlTests {
  // MARK: Methods

  @Test func `status says what the process and its network are`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    _ = try bench.guests[0].write(GuestEnd.request(from: 15))
    try bench.awaitAnswers(to: 15)
    let report = try ControlJSON.result(
      of: Array(try client.ask(#"{"version":1,"method":"status"}"#).utf8), as: StatusReport.self)
    #expect(report.version == Version.current && report.processID == ProcessControl.processID)
    #expect(report.logLevel == .info)
    let network = try #require(report.networks.first)
    #expect(report.networks.count == 1 && network.name == "net0" && network.mtu == 65_520)
    #expect(network.ipv4 == .init(network: "10.0.2.0/24", gateway: "10.0.2.2", resolver: "10.0.2.3"))
    #expect(network.ipv6 == .init(network: "fec0::/64", gateway: "fec0::2", resolver: "fec0::3"))
    #expect(network.resolvers == ["192.0.2.53:53"])
    let link = try #require(network.links.first)
    #expect(link.isConnected && link.link.hasPrefix("fd:"))
    // 42 bytes of Ethernet and ARP behind four of framing.
    #expect(link.framesFromGuest == 1 && link.bytesFromGuest == 46)
    #expect(link.framesToGuest >= 1 && link.bytesToGuest >= 46)
  }

  @Test func `a dropped frame is counted under its reason`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    // One that is no frame, and one that is answered, so that the first has been seen.
    _ = try bench.guests[0].write([0, 0, 0, 1, 0xa5] + GuestEnd.request(from: 15))
    try bench.awaitAnswers(to: 15)
    #expect(try client.ask(#"{"version":1,"method":"status"}"#).contains(#""drops":{"malformed":1}"#))
  }

  @Test func `flows are listed with their bytes, by transport and by state`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    let (server, port) = try boundUDP()
    _ = try bench.guests[0].write(GuestEnd.datagram(from: 1000, to: port))
    try awaitEvent(on: server.rawValue)
    let flow =
      #"{"bytesFromGuest":3,"bytesToGuest":0,"guest":"10.0.2.15:1000","host":"127.0.0.1:\#(port)","id":"0.0","#
      + #""isInbound":false,"remote":"10.0.2.2:\#(port)","state":"CONNECTED","transport":"udp"}"#
    let all = #"{"id":1,"result":{"flows":[\#(flow)],"network":"net0"},"version":1}"#
    let none = #"{"id":1,"result":{"flows":[],"network":"net0"},"version":1}"#
    for (params, answer) in [
      ("{}", all), (#"{"transport":"udp"}"#, all), (#"{"transport":"tcp"}"#, none), (#"{"state":"connected"}"#, all),
      (#"{"state":"TIME-WAIT"}"#, none), (#"{"network":"net0","transport":"udp","state":"CONNECTED"}"#, all),
    ] {
      #expect(try client.ask(#"{"version":1,"id":1,"method":"flows","params":\#(params)}"#) == answer)
    }
  }

  @Test func `forwards are added, listed and removed, a range of them by one rule`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    let port = try freePorts(3)
    func forward(_ index: UInt16) -> String {
      #"{"guest":"10.0.2.15:\#(80 + index)","host":"127.0.0.1:\#(port + index)","#
        + #""rule":"tcp:127.0.0.1:\#(port + index)-10.0.2.15:\#(80 + index)","transport":"tcp"}"#
    }
    func answer(_ forwards: [String]) -> String {
      #"{"result":{"forwards":[\#(forwards.joined(separator: ","))],"network":"net0"},"version":1}"#
    }
    let rule = "tcp:127.0.0.1:\(port)-\(port + 2)-:80"
    let added = try client.ask(#"{"version":1,"method":"add-forward","params":{"rule":"\#(rule)"}}"#)
    #expect(added == answer([forward(0), forward(1), forward(2)]))
    let first = "tcp:127.0.0.1:\(port)"
    let removed = try client.ask(#"{"version":1,"method":"remove-forward","params":{"rule":"\#(first)"}}"#)
    #expect(removed == answer([forward(0)]))
    #expect(try client.ask(#"{"version":1,"method":"forwards"}"#) == answer([forward(1), forward(2)]))
    #expect(bench.log.contains("forwarding tcp 127.0.0.1:\(port) to 10.0.2.15:80\n"))
    #expect(bench.log.contains("no longer forwarding tcp 127.0.0.1:\(port)\n"))
  }

  @Test func `a forward may listen on a socket, whose path goes with it`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    let path = folder.path + "/guest.sock"
    let forward =
      #"{"guest":"10.0.2.15:22","host":"unix:\#(path)","rule":"unix:\#(path)-10.0.2.15:22","transport":"tcp"}"#
    func answer(_ forwards: String) -> String {
      #"{"result":{"forwards":[\#(forwards)],"network":"net0"},"version":1}"#
    }
    let added = try client.ask(#"{"version":1,"method":"add-forward","params":{"rule":"unix:\#(path)-:22"}}"#)
    #expect(added.replacing(#"\/"#, with: "/") == answer(forward))
    #expect(try FileIdentity(path: path).isSocket)
    let listed = try client.ask(#"{"version":1,"method":"forwards"}"#)
    #expect(listed.replacing(#"\/"#, with: "/") == answer(forward))
    let removed = try client.ask(#"{"version":1,"method":"remove-forward","params":{"rule":"unix:\#(path)"}}"#)
    #expect(removed.replacing(#"\/"#, with: "/") == answer(forward))
    #expect(throws: SystemError.self) { try FileIdentity(path: path) }
    #expect(bench.log.contains("forwarding tcp unix:\(path) to 10.0.2.15:22\n"))
    #expect(bench.log.contains("no longer forwarding tcp unix:\(path)\n"))
    // The control socket itself, by its name and by another.
    for (name, reason) in [
      ("ctl", "unix:\(folder.path)/ctl is the control socket; choose another path"),
      (
        "./ctl",
        "cannot listen on unix:\(folder.path)/./ctl: another process listens there; stop it or choose another path"
      ),
    ] {
      let rule = "unix:\(folder.path)/\(name)-:22"
      let refused = try client.ask(#"{"version":1,"method":"add-forward","params":{"rule":"\#(rule)"}}"#)
      #expect(
        refused.replacing(#"\/"#, with: "/")
          == #"{"error":{"code":"refused","message":"Could not set up host forwarding rule '\#(rule)': \#(reason)"},"#
          + #""version":1}"#)
    }
  }

  @Test func `a range of which one port is taken is not forwarded at all`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    let port = try freePorts(3)
    let local = SocketAddress.internet(Endpoint(.loopback, port: port + 2))
    let other = try Socket(.stream, for: local)
    try other.bind(to: local)
    try other.listen()
    let rule = "tcp:127.0.0.1:\(port)-\(port + 2)-:80"
    #expect(
      try client.ask(#"{"version":1,"id":"a","method":"add-forward","params":{"rule":"\#(rule)"}}"#)
        == #"{"error":{"code":"refused","message":"Could not set up host forwarding rule '\#(rule)': cannot listen on "#
        + #"127.0.0.1:\#(port + 2): the address is in use; choose another port, or stop what listens there"},"#
        + #""id":"a","version":1}"#)
    #expect(
      try client.ask(#"{"version":1,"method":"forwards"}"#)
        == #"{"result":{"forwards":[],"network":"net0"},"version":1}"#)
  }

  @Test func `name servers are listed, best first, with what became of the queries`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    #expect(
      try client.ask(#"{"version":1,"method":"dns"}"#)
        == #"{"result":{"failures":0,"forwardedAnswers":0,"localAnswers":0,"network":"net0","queries":0,"#
        + #""repetitions":0,"servers":[{"answered":0,"asked":0,"failed":0,"server":"192.0.2.53:53"}]},"version":1}"#)
  }

  @Test func `how much is logged is changed for the whole process`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(networks: ["a", "b"], in: folder.path)
    let client = try ControlEnd(bench.address)
    #expect(
      try client.ask(#"{"version":1,"method":"log-level"}"#) == #"{"result":{"level":"info"},"version":1}"#)
    _ = try bench.guests[1].write(GuestEnd.request(from: 15))
    try bench.awaitAnswers(to: 15, ofGuest: 1)
    #expect(!bench.log.contains("is at"))
    #expect(
      try client.ask(#"{"version":1,"method":"log-level","params":{"level":"debug"}}"#)
        == #"{"result":{"level":"debug"},"version":1}"#)
    _ = try bench.guests[1].write(GuestEnd.request(from: 16))
    try bench.awaitAnswers(to: 16, ofGuest: 1)
    #expect(bench.log.contains("b: port 0: 10.0.2.16 is at 52:54:00:00:00:10"))
  }

  @Test func `each of several networks is asked by its name, the first one by default`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(networks: ["lan", "wan"], in: folder.path)
    let client = try ControlEnd(bench.address)
    let port = try freePorts(1)
    let added = try client.ask(
      #"{"version":1,"method":"add-forward","params":{"network":"wan","rule":"udp:127.0.0.1:\#(port)-:53"}}"#)
    #expect(
      try client.ask(#"{"version":1,"method":"forwards"}"#)
        == #"{"result":{"forwards":[],"network":"lan"},"version":1}"#)
    let other = try client.ask(#"{"version":1,"method":"forwards","params":{"network":"wan"}}"#)
    #expect(other.contains(#""host":"127.0.0.1:\#(port)""#) && other.contains(#""network":"wan""#), "\(added) \(other)")
    let status = try client.ask(#"{"version":1,"method":"status"}"#)
    #expect(status.contains(#""name":"lan""#) && status.contains(#""name":"wan""#))
    #expect(!(try client.ask(#"{"version":1,"method":"status","params":{"network":"wan"}}"#).contains("lan")))
    #expect(bench.log.contains("lan: network 10.0.2.0/24") && bench.log.contains("wan: network 10.0.2.0/24"))
  }

  // MARK: Mistakes

  @Test(arguments: [
    ("hello", "invalid-json", "the line is not JSON (RFC 8259)"),
    (#"{"version":1,"#, "invalid-json", "the line is not JSON (RFC 8259)"),
    ("[1]", "invalid-request", ""),
    (#"{"method":"status"}"#, "invalid-request", "'version' is missing"),
    (#"{"version":1}"#, "invalid-request", "'method' is missing"),
    (#"{"version":1,"method":"flows","params":{"network":7}}"#, "invalid-request", "params.network: "),
    (
      #"{"version":1,"method":"flows","params":{"nett":"a"}}"#, "invalid-request",
      "params: there is no parameter 'nett'"
    ),
    (#"{"version":1,"id":{},"method":"flows"}"#, "invalid-request", "id: "),
  ])
  func `a line that is no request is answered with what is wrong`(line: String, code: String, message: String) throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    #expect(try client.ask(line).hasPrefix(#"{"error":{"code":"\#(code)","message":"\#(message)"#))
    // The conversation goes on.
    #expect(try client.ask(#"{"version":1,"method":"log-level"}"#).contains(#""level":"info""#))
  }

  @Test(arguments: [
    (#""version":2,"method":"status""#, "unsupported-version", "version 2 is not spoken here; write 1"),
    (#""version":1,"method":"dance""#, "unknown-method", "there is no method 'dance'; give status, "),
    (
      #""version":1,"method":"flows","params":{"network":"x"}"#, "unknown-network",
      "network: there is no 'x'; give net0"
    ),
    (
      #""version":1,"method":"flows","params":{"transport":"sctp"}"#, "invalid-parameter",
      "transport: 'sctp' is not one of tcp, udp, icmp"
    ),
    (
      #""version":1,"method":"flows","params":{"state":"odd"}"#, "invalid-parameter",
      "state: 'ODD' is not one of CONNECTING, "
    ),
    (
      #""version":1,"method":"log-level","params":{"level":"loud"}"#, "invalid-parameter",
      "level: 'loud' is not one of error, warning, info, debug, trace"
    ),
    (#""version":1,"method":"add-forward""#, "invalid-parameter", "rule is missing; give a forward in QEMU's syntax"),
    (
      #""version":1,"method":"add-forward","params":{"rule":"x"}"#, "invalid-parameter",
      "Invalid host forwarding rule 'x' (No : separators)"
    ),
    (#""version":1,"method":"remove-forward""#, "invalid-parameter", "rule is missing; give the host's side"),
    (
      #""version":1,"method":"remove-forward","params":{"rule":"sctp::1"}"#, "invalid-parameter",
      "Invalid host forwarding rule 'sctp::1' (Bad protocol name)"
    ),
    (
      #""version":1,"method":"remove-forward","params":{"rule":"udp::1"}"#, "not-found",
      "host forwarding rule for udp:0.0.0.0:1 not found"
    ),
  ])
  func `a request that cannot be carried out is answered under its own name`(
    members: String, code: String, message: String
  ) throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    let answer = try client.ask(#"{"id":"seven",\#(members)}"#)
    #expect(answer.hasPrefix(#"{"error":{"code":"\#(code)","message":"\#(message)"#), "\(answer)")
    #expect(answer.hasSuffix(#","id":"seven","version":1}"#), "\(answer)")
  }

  @Test func `a network that has ended is said to be unavailable, at once`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    bench.endLoops()
    let begin = MonotonicClock.now
    #expect(try client.ask(#"{"version":1,"method":"flows"}"#).contains(#""code":"unavailable""#))
    #expect(MonotonicClock.now - begin < .seconds(2))
  }

  // MARK: Clients

  @Test func `a request may come in parts, beside another client's`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let first = try ControlEnd(bench.address)
    let second = try ControlEnd(bench.address)
    for (index, character) in #"{"version":1,"id":1,"method":"log-level"}"#.enumerated() {
      try first.write(String(character))
      #expect(try second.ask(#"{"version":1,"id":\#(index),"method":"log-level"}"#).contains(#""id":\#(index),"#))
    }
    try first.write("\n")
    #expect(try first.line() == #"{"id":1,"result":{"level":"info"},"version":1}"#)
  }

  @Test func `requests that come together are answered in their order, the last without a line's end`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    let requests = (0..<20).map { #"{"version":1,"id":\#($0),"method":"log-level"}"# }
    try client.write("\n\n" + requests.joined(separator: "\n"))
    try client.finish()
    for id in 0..<20 {
      #expect(try client.line() == #"{"id":\#(id),"result":{"level":"info"},"version":1}"#)
    }
    #expect(try client.isAtEnd())
  }

  @Test(arguments: [0, 1, 30_000])
  func `a line that is too long is refused, and the conversation ends`(beyond: Int) throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    // As long as a line may be, it is merely no JSON.
    let longest = String(repeating: "x", count: ControlRequest.maximumLength)
    #expect(try client.ask(longest).contains(#""code":"invalid-json""#))
    try client.write(longest + String(repeating: "x", count: 1 + beyond))
    let answer = try #require(try client.line())
    #expect(answer.hasPrefix(#"{"error":{"code":"too-long","message":"a request has at most 65536 bytes""#))
    #expect(try client.isAtEnd())
  }

  @Test func `there are as many clients as there may be, and room again when one has gone`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let question = #"{"version":1,"method":"log-level"}"#
    var clients = try (0..<ControlClients.maximumCount).map { _ in try ControlEnd(bench.address) }
    for client in clients { #expect(try client.ask(question).contains("info")) }
    let another = try ControlEnd(bench.address)
    let refusal = try #require(try another.line())
    #expect(refusal.hasPrefix(#"{"error":{"code":"too-many-clients","message":"16 clients are served at once"#))
    #expect(try another.isAtEnd())
    for client in clients { #expect(try client.ask(question).contains("info")) }
    clients.removeFirst()
    try expectRoom(bench)
  }

  @Test func `a client that goes away in the middle leaves the others served`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    for text in ["", #"{"version":1,"#, #"{"version":1,"method":"status"}"# + "\n"] {
      for _ in 0..<ControlClients.maximumCount {
        let client = try ControlEnd(bench.address)
        try client.write(text)
      }
    }
    try expectRoom(bench)
  }

  @Test func `a client that does not read is asked for no more requests, and holds up nobody`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let slow = try ControlEnd(bench.address)
    let other = try ControlEnd(bench.address)
    // Written until nothing more is taken, while another client is answered all the time.
    let request = #"{"version":1,"method":"status"}"# + "\n"
    var (written, refusals) = (0, 0)
    while refusals < 3 {
      let count = try slow.writeSome(request)
      refusals = count == 0 ? refusals + 1 : 0
      // A part of a line would mean a part of a request.
      #expect(count == 0 || count == request.utf8.count)
      written += count == 0 ? 0 : 1
      if written % 100 == 0 || count == 0 {
        #expect(try other.ask(#"{"version":1,"method":"log-level"}"#).contains("info"))
      }
    }
    for _ in 0..<written { #expect(try slow.line()?.contains(#""version":"culvert"#) == true) }
    #expect(try slow.ask(#"{"version":1,"method":"log-level"}"#).contains("info"))
  }

  @Test func `only the user whose instance it is and root may ask`() {
    #expect(ControlClients.mayAsk(ProcessControl.effectiveUser) && ControlClients.mayAsk(0))
    #expect(!ControlClients.mayAsk(ProcessControl.effectiveUser + 1))
  }

  @Test func `while ten thousand flows are listed, the network goes on`() throws {
    try ProcessControl.raiseDescriptorLimit()
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let client = try ControlEnd(bench.address)
    let (server, port) = try boundUDP()
    for source in 1...UInt16(10_000) { try bench.guests[0].writeAll(GuestEnd.datagram(from: source, to: port)) }
    var status = ""
    while !status.contains(#""udp":10000"#) {
      status = try client.ask(#"{"version":1,"method":"status"}"#)
      try #require(!status.contains("exhausted"), "\(status)")
    }
    // Ten thousand lines of text are made while the guest is answered; were the loop to make them, it would be
    // answered once at most.
    try client.write(#"{"version":1,"method":"flows"}"# + "\n")
    var answered = 0
    while try !client.hasLine() {
      try bench.guests[0].writeAll(GuestEnd.request(from: 15))
      answered += 1
      try bench.awaitAnswers(answered, to: 15)
    }
    #expect(answered > 5)
    let report = try ControlJSON.result(of: Array(#require(try client.line()).utf8), as: FlowsReport.self)
    #expect(report.flows.count == 10_000)
    _ = consume server
  }

  // MARK: Support

  /// Asks until there is room to be answered: the instance may hear of those who have gone after whoever comes next.
  private func expectRoom(_ bench: ControlBench) throws {
    let deadline = MonotonicClock.now + .seconds(10)
    var answer = ""
    while !answer.contains(#""level":"info""#) {
      try #require(MonotonicClock.now < deadline, "\(answer)")
      let client = try ControlEnd(bench.address)
      do {
        try client.write(#"{"version":1,"method":"log-level"}"# + "\n")
      } catch let error as SystemError where error.number == EPIPE {
        // Refused, and hung up on, before it could ask.
      }
      answer = try client.line() ?? ""
    }
  }
}
