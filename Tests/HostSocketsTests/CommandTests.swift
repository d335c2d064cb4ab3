import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// Commands that are started for connections, real ones.
@Suite struct CommandTests {
  /// A host whose one service is a script, and a flow on which it runs.
  private func running(_ script: String) throws -> (Host, FlowID) {
    let host = try Host(services: [.command(["sh", "-c", script])])
    let flow = host.newFlow()
    #expect(host.connect(flow, toService: 0) == .ready)
    #expect(host.commandCount == 1)
    return (host, flow)
  }

  /// Reads and removes bytes until there are as many as wanted.
  private func read(_ count: Int, from flow: FlowID, of host: Host) throws -> String {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let (read, part) = try host.peekAll(flow)
      bytes += part
      if !part.isEmpty { host.discard(flow, count: part.count) }
      guard read == .wouldBlock else { break }
      if bytes.count < count { try host.wait(flow, for: .readable) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `standard input and output are the connection, and each half ends by itself`() throws {
    let (host, flow) = try running("echo ready; exec cat")
    #expect(try read(6, from: flow, of: host) == "ready\n")
    // It reads already, and waits.
    #expect(host.send(flow, Array("hello".utf8)) == .accepted(5))
    #expect(try read(5, from: flow, of: host) == "hello")
    host.finishWriting(flow)
    try host.wait(flow, for: .readClosed)
    #expect(try host.peek(flow, 10).0 == .endOfStream)
    host.close(flow, abortively: false)
    try host.waitForCommands()
  }

  @Test func `what a command has written is there behind its end`() throws {
    let (host, flow) = try running("echo 'that is all'")
    try host.waitForCommands()
    try host.wait(flow, for: .readClosed)
    #expect(try host.peekAll(flow) == (.endOfStream, Array("that is all\n".utf8)))
    host.close(flow, abortively: false)
  }

  @Test func `a command has a session of its own, and nothing open but what is its own`() throws {
    // The sixth field of stat is the session (proc_pid_stat(5)); ls has one descriptor more, for the folder.
    let (host, flow) = try running("echo $$ $(cut -d' ' -f6 /proc/$$/stat); exec ls -l /proc/self/fd")
    try host.waitForCommands()
    let lines = try read(.max, from: flow, of: host).split(separator: "\n").map(String.init)
    let numbers = try #require(lines.first).split(separator: " ")
    #expect(numbers.count == 2 && numbers[0] == numbers[1])
    // Standard input and output are one end of the pair; the other is not the command's.
    let sockets = lines.compactMap { $0.split(separator: " -> ").last }.filter { $0.hasPrefix("socket:") }
    #expect(lines.count { $0.contains(" 0 -> socket:") } == 1)
    #expect(sockets.count { $0 == sockets.first } == 2)
    let own = try #require(try FileSystem.linkTarget(of: "/proc/self/fd/\(host.number(of: flow))"))
    #expect(!sockets.contains(own[...]))
    host.close(flow, abortively: false)
  }

  @Test(arguments: [true, false])
  func `a command is hung up, with those that it has started, where its connection is reset`(isReset: Bool) throws {
    let path = "/tmp/culvert-test-\(String(try ProcessControl.randomSeed().0, radix: 36))"
    defer { do { try FileSystem.unlink(path) } catch { Issue.record("\(error)") } }
    // `tail` never ends by itself, and the shell waits for it: only a signal to both ends them. It is started before the
    // trap is set, which a shell between its birth and its program would have, too.
    let (start, end) = isReset ? ("tail -f /dev/null &", "wait") : ("", "cat >/dev/null; echo peace >\(path)")
    let (host, flow) = try running("\(start) trap 'echo hung up >\(path); exit' HUP; echo ready; \(end)")
    #expect(try read(6, from: flow, of: host) == "ready\n")
    host.close(flow, abortively: isReset)
    try host.waitForCommands()
    let file = try FileDescriptor.open(reading: path)
    var bytes = [UInt8](repeating: 0, count: 20)
    var span = bytes.mutableSpan
    let count = try file.read(into: &span) ?? 0
    #expect(String(decoding: bytes.prefix(count), as: UTF8.self) == (isReset ? "hung up\n" : "peace\n"))
  }

  @Test func `a command that there is not fails at once and holds nothing`() throws {
    let host = try Host(services: [.command(["/nowhere/to/be/found"]), .command(["/dev/null"])])
    for (number, error) in [HostError.other(ENOENT), .forbidden].enumerated() {
      let flow = host.newFlow()
      #expect(host.connect(flow, toService: number) == .failed(error))
      #expect(!host.holds(flow) && host.commandCount == 0)
    }
  }

  @Test func `there are no more commands at once than are allowed, and another after the end of one`() throws {
    let host = try Host(services: [.command(["cat"])])
    let flows = (0..<RunningCommands.maximumCount).map { _ in host.newFlow() }
    for flow in flows { #expect(host.connect(flow, toService: 0) == .ready) }
    #expect(host.connect(host.newFlow(), toService: 0) == .failed(.exhausted))
    host.close(flows[0], abortively: false)
    while host.commandCount == flows.count { try #require(try host.poll(timeout: .seconds(5)) > 0) }
    #expect(host.connect(host.newFlow(), toService: 0) == .ready)
  }

  @Test func `no command outlives its network`() throws {
    // Only a signal ends it.
    let script = "echo started; tail -f /dev/null & wait"
    let watch: FileDescriptor
    do {
      let (host, flow) = try running(script)
      #expect(try read(8, from: flow, of: host) == "started\n")
      watch = try host.descriptorOfCommand()
    }
    let queue = try EventQueue()
    var buffer = EventBuffer(capacity: 1)
    try queue.registrar.add(watch.rawValue, for: .readable, data: 0)
    try queue.wait(into: &buffer, timeout: .seconds(5))
    #expect(buffer.count == 1)
  }

  @Test func `a command that does not end when it is asked to is ended`() throws {
    let watch: FileDescriptor
    do {
      let (host, flow) = try running("trap '' TERM; echo started; tail -f /dev/null & wait; wait")
      #expect(try read(8, from: flow, of: host) == "started\n")
      watch = try host.descriptorOfCommand()
    }
    let queue = try EventQueue()
    var buffer = EventBuffer(capacity: 1)
    try queue.registrar.add(watch.rawValue, for: .readable, data: 0)
    try queue.wait(into: &buffer, timeout: .zero)
    #expect(buffer.count == 1)
  }

  @Test func `a command that looks who is there finds a connection over the loopback`() throws {
    let host = try Host(services: [.internetCommand(["cat"])])
    let flow = host.newFlow()
    #expect(host.connect(flow, toService: 0) == .ready)
    let ends = (try Socket.localAddress(of: host.number(of: flow)), try Socket.peerAddress(of: host.number(of: flow)))
    #expect(ends.0.endpoint?.address == IPAddress(.loopback as IPv4Address))
    #expect(ends.1.endpoint?.address == IPAddress(.loopback as IPv4Address))
    #expect(host.send(flow, Array("the end\n".utf8)) == .accepted(8))
    host.finishWriting(flow)
    try host.waitForCommands()
    try host.wait(flow, for: .readClosed)
    #expect(String(decoding: try host.peekAll(flow).1, as: UTF8.self).hasSuffix("the end\n"))
    host.close(flow, abortively: false)
  }
}
