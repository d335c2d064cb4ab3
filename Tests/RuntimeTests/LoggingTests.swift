import Buffers
import LinuxSystem
import Logging
import Netstack
import Primitives
import Testing

@testable import Runtime

struct LoggingTests {
  @Test func `a message is one line with its level in words`() {
    let lines = Lines()
    let logger = lines.logger(.info)
    logger.info("listening")
    logger.warning("odd")
    logger.error("broken")
    logger.debug("not asked for")
    #expect(lines.all == ["culvert: listening\n", "culvert: warning: odd\n", "culvert: error: broken\n"])
  }

  @Test func `the levels for developers carry the time`() throws {
    let lines = Lines()
    lines.logger(.debug).debug("flow opened")
    let line = try #require(lines.all.first)
    #expect(line.wholeMatch(of: /culvert: \d+\.\d{3} s: flow opened\n/) != nil)
  }

  @Test(arguments: [
    ("plain text, 10.0.2.15", "plain text, 10.0.2.15"),
    ("caf\u{e9}", "caf\u{e9}"),
    ("a\nculvert: forged", #"a\u{a}culvert: forged"#),
    ("\u{1b}[2J", #"\u{1b}[2J"#),
    ("\r\u{7f}\u{9b}", #"\u{d}\u{7f}\u{9b}"#),
    ("\u{202e}txt.exe", #"\u{202e}txt.exe"#),
    ("line\u{2028}separator", #"line\u{2028}separator"#),
  ])
  func `what a guest put into a message cannot leave its line`(text: String, printed: String) {
    let lines = Lines()
    lines.logger(.info).info("\(text)")
    #expect(lines.all == ["culvert: \(printed)\n"])
  }

  @Test func `a process in the background has its last messages in two files of bounded size`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/log"
    let log = BackgroundLog(bound: 20) { _ throws(SystemError) in }
    try log.begin(at: path)
    for number in 1...8 { log.write("message \(number)\n") }
    #expect(try FileDescriptor.contents(of: path + ".1", limit: 100) == "message 5\nmessage 6\n")
    #expect(try FileDescriptor.contents(of: path, limit: 100) == "message 7\nmessage 8\n")
    // A message that is longer than a file may be is one by itself.
    let long = String(repeating: "x", count: 30) + "\n"
    log.write(long)
    log.write("short\n")
    #expect(try FileDescriptor.contents(of: path + ".1", limit: 100) == long)
    // Where no other file can be made, this one begins anew.
    try FileSystem.unlink(path + ".1")
    try FileSystem.makeFolder(path + ".1")
    log.write("a message of 20 bytes\n")
    #expect(try FileDescriptor.contents(of: path, limit: 100) == "a message of 20 bytes\n")
  }

  @Test func `drops are counted by reason and traced only where asked for`() {
    let quiet = Lines()
    var observer = LogObserver(logger: quiet.logger(.debug))
    observer.dropped(.malformed, on: .first)
    observer.dropped(.malformed, on: .first)
    observer.dropped(.ignoredRequest, on: .first)
    #expect(observer.dropCounts.map { "\($0.reason) \($0.count)" } == ["malformed 2", "ignoredRequest 1"])
    #expect(quiet.all.isEmpty)

    let loud = Lines()
    var tracing = LogObserver(logger: loud.logger(.trace))
    tracing.dropped(.badChecksum, on: .first)
    #expect(loud.all.count == 1)
    #expect(loud.all[0].hasSuffix("port 0: dropped, badChecksum\n"))
  }

  @Test func `a flow is one line at its begin and one at its end`() {
    let lines = Lines()
    var observer = LogObserver(logger: lines.logger(.debug))
    var flow = FlowSummary(
      id: FlowID(index: 3, generation: 1), transport: .tcp, guest: Endpoint(IPv4Address(10, 0, 2, 15), port: 40_000),
      remote: Endpoint(IPv4Address(10, 0, 2, 2), port: 80), host: Endpoint(.loopback, port: 80), isInbound: false,
      state: .established, bytesFromGuest: 0, bytesToGuest: 0)
    observer.opened(flow)
    (flow.bytesFromGuest, flow.bytesToGuest) = (5, 7)
    observer.closed(flow, end: .failed(.reset))
    #expect(lines.all.count == 2)
    #expect(lines.all[0].hasSuffix("flow 3.1 opened: tcp 10.0.2.15:40000 -> 10.0.2.2:80 (127.0.0.1:80)\n"))
    #expect(
      lines.all[1].hasSuffix(
        "flow 3.1 closed: tcp 10.0.2.15:40000 -> 10.0.2.2:80 (127.0.0.1:80), reset by the peer, 5 B out, 7 B in\n"))
  }

  @Test func `what a guest does not reach is warned of once, and again after it has been there`() {
    let lines = Lines()
    var observer = LogObserver(logger: lines.logger(.info))
    let printer = Endpoint(IPv4Address(10, 0, 2, 100), port: 9100)
    var flow = FlowSummary(
      id: FlowID(index: 3, generation: 1), transport: .tcp, guest: Endpoint(IPv4Address(10, 0, 2, 15), port: 40_000),
      remote: printer, host: printer, service: HostService(0, name: "unix:/run/printer"), isInbound: false,
      state: .connecting, bytesFromGuest: 0, bytesToGuest: 0)
    for _ in 0..<3 { observer.closed(flow, end: .failed(.other(2))) }
    let warning = "unix:/run/printer at 10.0.2.100:9100: No such file or directory\n"
    #expect(lines.all == ["culvert: warning: guests do not reach \(warning)"])
    observer.opened(flow)
    // A connection that fails later, or that the guest gives up, is no failure to reach it.
    observer.closed(flow, end: .resetByGuest)
    flow.state = .established
    observer.closed(flow, end: .failed(.reset))
    #expect(lines.all.count == 1)
    #expect(flow.route == "tcp 10.0.2.15:40000 -> 10.0.2.100:9100 (unix:/run/printer)")
    flow.state = .connecting
    observer.closed(flow, end: .failed(.refused))
    #expect(lines.all.count == 2)
  }
}
