// The text of a script: what the simulated host of a replay does, a line for each port.
//
//     # Everything behind a hash is a remark.
//     tcp 80 receive 1 send "HTTP/1.0 200 OK\r\n\r\nhello" close
//     tcp 9  discard
//     tcp *  refuse
//     udp 53 answer "\x12\x34..."
//     udp *  echo
//     icmp * blackhole
//
// A line has a protocol, a destination port or `*` for all, and what is done; the first line that fits counts. Who is
// in no line refuses, and answers echo requests.
// - tcp: `echo`, `discard`, `refuse` or `blackhole`; or steps, one after the other: `receive N` waits for N bytes,
//   `send "TEXT"` and `send N` (N bytes of any kind) send, `close` finishes, `reset` resets. Behind the last step
//   everything is read, and the connection finished when the guest finishes.
// - udp: `echo`, `discard`, `blackhole` (the same), `refuse`, or `answer "TEXT"`.
// - icmp: `echo` or `blackhole`, of echo requests to anybody.
// In a text `\n`, `\r`, `\t`, `\0`, `\\`, `\"` and `\x41` stand for a byte each.

/// What is wrong with a script.
public struct ReplayScriptError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The line, counted from 1.
  public var line: Int
  /// What is wrong in it.
  public var reason: String

  /// `line 3: ...`.
  public var description: String { "line \(line): \(reason)" }
}

extension ReplayBehavior {
  /// The most bytes that one step of a script sends.
  public static let longestSend = 16 << 20

  /// Reads a script.
  public init(script: String) throws(ReplayScriptError) {
    self.init()
    var number = 0
    for line in script.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      var reader = ScriptReader(line: number, text: line)
      try take(&reader)
    }
  }

  private mutating func take(_ reader: inout ScriptReader) throws(ReplayScriptError) {
    guard let proto = try reader.next() else { return }
    let port = try reader.port()
    switch proto {
    case .word("tcp"): streams.append(Rule(port: port, action: try reader.stream()))
    case .word("udp"): datagrams.append(Rule(port: port, action: try reader.datagrams()))
    case .word("icmp"):
      guard port == nil else { throw reader.error("icmp has no ports; write icmp *") }
      answersEcho = try reader.answersEcho()
    default: throw reader.error("\(proto) is not tcp, udp or icmp")
    }
    if let rest = try reader.next() { throw reader.error("\(rest) has no meaning here") }
  }
}

/// Goes through the words of a line.
private struct ScriptReader {
  enum Token: Hashable, CustomStringConvertible {
    case word(String)
    case text([UInt8])

    var description: String {
      switch self {
      case .word(let word): "'\(word)'"
      case .text: "a text"
      }
    }
  }

  let line: Int
  private var rest: Substring

  init(line: Int, text: Substring) {
    self.line = line
    rest = text
  }

  func error(_ reason: String) -> ReplayScriptError { ReplayScriptError(line: line, reason: reason) }

  /// The next word or text; nil at the end.
  mutating func next() throws(ReplayScriptError) -> Token? {
    rest = rest.drop { $0 == " " || $0 == "\t" }
    guard let first = rest.first, first != "#" else {
      rest = ""
      return nil
    }
    if first == "\"" { return .text(try text()) }
    let word = rest.prefix { !" \t\"#".contains($0) }
    rest = rest.dropFirst(word.count)
    return .word(String(word))
  }

  private mutating func text() throws(ReplayScriptError) -> [UInt8] {
    var bytes: [UInt8] = []
    rest.removeFirst()
    while let character = rest.popFirst() {
      switch character {
      case "\"": return bytes
      case "\\": bytes.append(try escape())
      default: bytes += String(character).utf8
      }
    }
    throw error("a text without its second quotation mark")
  }

  private mutating func escape() throws(ReplayScriptError) -> UInt8 {
    switch rest.popFirst() {
    case "n": return 0x0a
    case "r": return 0x0d
    case "t": return 0x09
    case "0": return 0
    case "\\": return UInt8(ascii: "\\")
    case "\"": return UInt8(ascii: "\"")
    case "x":
      let digits = rest.prefix(2)
      rest = rest.dropFirst(2)
      guard digits.count == 2, digits.allSatisfy(\.isHexDigit), let byte = UInt8(digits, radix: 16) else {
        throw error("\\x is not followed by two hexadecimal digits")
      }
      return byte
    default: throw error("no such escape in a text; there are \\n \\r \\t \\0 \\\\ \\\" and \\x41")
    }
  }

  /// A port, nil for all.
  mutating func port() throws(ReplayScriptError) -> UInt16? {
    guard case .word(let word)? = try next() else { throw error("a port, or *, is missing") }
    if word == "*" { return nil }
    guard let port = UInt16(word), port > 0 else { throw error("'\(word)' is not a port, nor *") }
    return port
  }

  mutating func stream() throws(ReplayScriptError) -> ReplayBehavior.Stream {
    var steps: [ReplayBehavior.Step] = []
    while let token = try next() {
      let whole: ReplayBehavior.Stream?
      switch token {
      case .word("echo"): whole = .echo
      case .word("discard"): whole = .discard
      case .word("refuse"): whole = .refuse
      case .word("blackhole"): whole = .blackhole
      default: whole = nil
      }
      if let whole {
        guard steps.isEmpty else { throw error("\(token) stands alone, not behind other steps") }
        return whole
      }
      steps.append(try step(token))
    }
    guard !steps.isEmpty else { throw error("what is done is missing") }
    return .steps(steps)
  }

  private mutating func step(_ token: Token) throws(ReplayScriptError) -> ReplayBehavior.Step {
    switch token {
    case .word("receive"): return .receive(try number(upTo: .max))
    case .word("close"): return .close
    case .word("reset"): return .reset
    case .word("send"):
      let before = rest
      if case .text(let bytes)? = try next() { return .send(bytes) }
      rest = before
      let count = try number(upTo: ReplayBehavior.longestSend)
      return .send((0..<count).map { UInt8(truncatingIfNeeded: 0x61 + $0 % 26) })
    default:
      throw error("\(token) is not echo, discard, refuse, blackhole, receive, send, close or reset")
    }
  }

  private mutating func number(upTo limit: Int) throws(ReplayScriptError) -> Int {
    guard case .word(let word)? = try next(), let number = Int(word), (1...limit).contains(number) else {
      throw error(
        limit == .max ? "a number of bytes is missing" : "a text, or a number of bytes up to \(limit), is missing")
    }
    return number
  }

  mutating func datagrams() throws(ReplayScriptError) -> ReplayBehavior.Datagrams {
    switch try next() {
    case .word("echo")?: return .echo
    case .word("discard")?, .word("blackhole")?: return .discard
    case .word("refuse")?: return .refuse
    case .word("answer")?:
      guard case .text(let bytes)? = try next(), bytes.count <= 65_507 else {
        throw error("a text of up to 65507 bytes is missing")
      }
      return .answer(bytes)
    case let token:
      throw error("\(token?.description ?? "nothing") is not echo, discard, refuse, blackhole or answer")
    }
  }

  mutating func answersEcho() throws(ReplayScriptError) -> Bool {
    switch try next() {
    case .word("echo")?: return true
    case .word("blackhole")?: return false
    case let token: throw error("\(token?.description ?? "nothing") is not echo or blackhole")
    }
  }
}
