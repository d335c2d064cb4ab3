import Simulation
import Testing

/// The text of a replay's script.
@Suite struct ReplayScriptTests {
  @Test func `a script says what is behind each port`() throws {
    let behavior = try ReplayBehavior(
      script: #"""
        # a remark
        tcp 80 receive 4 send "a\r\n\t\0\\\"\x41" close   # another

        tcp 22 reset
        tcp * echo
        udp 53 answer "no"
        udp 9 discard
        udp * refuse
        icmp * blackhole
        """#)
    #expect(
      behavior.streams == [
        .init(port: 80, action: .steps([.receive(4), .send([0x61, 13, 10, 9, 0, 0x5c, 0x22, 0x41]), .close])),
        .init(port: 22, action: .steps([.reset])), .init(port: nil, action: .echo),
      ])
    #expect(
      behavior.datagrams == [
        .init(port: 53, action: .answer([0x6e, 0x6f])), .init(port: 9, action: .discard),
        .init(port: nil, action: .refuse),
      ])
    #expect(!behavior.answersEcho)
    #expect(
      try ReplayBehavior(script: "tcp 1 send 3").streams == [.init(port: 1, action: .steps([.send([97, 98, 99])]))])
    #expect(try ReplayBehavior(script: "") == ReplayBehavior())
  }

  @Test(arguments: [
    ("\nsctp * echo", "line 2: 'sctp' is not tcp, udp or icmp"), ("tcp", "line 1: a port, or *, is missing"),
    ("tcp 0 echo", "line 1: '0' is not a port, nor *"), ("tcp 80", "line 1: what is done is missing"),
    ("tcp 80 sing", "line 1: 'sing' is not echo, discard, refuse, blackhole, receive, send, close or reset"),
    ("tcp 80 close echo", "line 1: 'echo' stands alone, not behind other steps"),
    ("tcp 80 receive", "line 1: a number of bytes is missing"),
    ("tcp 80 send \"x", "line 1: a text without its second quotation mark"),
    ("tcp 80 send \"\\q\"", #"line 1: no such escape in a text; there are \n \r \t \0 \\ \" and \x41"#),
    ("tcp 80 send \"\\x4\"", #"line 1: \x is not followed by two hexadecimal digits"#),
    ("tcp 80 send 99999999", "line 1: a text, or a number of bytes up to 16777216, is missing"),
    ("udp 53 echo echo", "line 1: 'echo' has no meaning here"),
    ("udp 53 answer 4", "line 1: a text of up to 65507 bytes is missing"),
    ("icmp 5 echo", "line 1: icmp has no ports; write icmp *"),
  ])
  func `a mistake in a script is told with its line`(script: String, words: String) {
    let error = #expect(throws: ReplayScriptError.self) { try ReplayBehavior(script: script) }
    #expect(error?.description == words)
  }
}
