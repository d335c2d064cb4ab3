import Configuration
import LinuxSystem
import Runtime

/// Any bytes from a client of the control socket, cut into reads at any place: the requests are the lines, each of them
/// is read or refused, and what was read is written as the same.
///
/// The first byte says how many cuts follow, each of one byte, the length of a read.
enum ControlTarget {
  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let cuts = (0..<input.number(below: 16)).map { _ in 1 + Int(input.byte()) }
    let text = input.rest()
    let expected = text.split(separator: UInt8(ascii: "\n")).map { Array($0) }
    // A longer line ends the conversation; there are tests of that.
    guard expected.allSatisfy({ $0.count <= 60_000 }) else { return [] }
    do throws(SystemError) {
      let lines = try lines(of: text, cuts)
      guard lines == expected else {
        return ["of \(expected.count) lines in reads of \(cuts) there came \(lines.count)"]
      }
    } catch {
      return ["the system refuses: \(error)"]
    }
    return expected.flatMap(check)
  }

  /// What a conversation takes for requests.
  private static func lines(of text: [UInt8], _ cuts: [Int]) throws(SystemError) -> [[UInt8]] {
    let pair = try Socket.pair(.stream).take()
    let client = ControlClient(Socket(FileDescriptor(owning: pair.first)))
    let far = Socket(FileDescriptor(owning: pair.second))
    var lines: [[UInt8]] = []
    var (offset, number) = (0, 0)
    while offset < text.count {
      let end = min(offset + (cuts.isEmpty ? text.count : cuts[number % cuts.count]), text.count)
      number += 1
      while offset < end { offset += try far.send(text.span.extracting(offset..<end)) ?? 0 }
      try advance(client, far, &lines)
    }
    try far.shutDownWriting()
    try advance(client, far, &lines)
    return lines
  }

  private static func advance(
    _ client: ControlClient, _ far: borrowing Socket, _ lines: inout [[UInt8]]
  ) throws(SystemError) {
    while true {
      let awaited = try client.advance { line in
        lines.append(line)
        return [UInt8(ascii: "!")]
      }
      // Answers are taken, so that the conversation goes on.
      var buffer = [UInt8](repeating: 0, count: 4096)
      var span = buffer.mutableSpan
      _ = try Socket.receive(into: &span, on: far.rawValue)
      if awaited != .writable { return }
    }
  }

  /// Looks at one line as a request, and at the rule in it.
  private static func check(_ line: [UInt8]) -> [String] {
    do throws(ControlFailure) {
      let request = try ControlJSON.request(line)
      let again = try ControlJSON.request(ControlJSON.line(request))
      guard again == request else { return ["\(request) became \(again)"] }
      return request.params?.rule.map(RuleChecks.check) ?? []
    } catch {
      let answer = ControlJSON.line(error, id: nil)
      return answer.contains(UInt8(ascii: "\n")) ? ["an answer of several lines"] : []
    }
  }
}

/// Rules in QEMU's syntax: what is read is written as a rule that says the same.
enum RuleChecks {
  static func check(_ rule: String) -> [String] {
    var faults: [String] = []
    do throws(HostForward.SyntaxError) {
      let forward = try HostForward(rule: rule)
      let again = try HostForward(rule: forward.description)
      if again != forward { faults.append("'\(rule)', written as '\(forward)', became another") }
      _ = forward.ports
    } catch {
      if error.description.isEmpty { faults.append("'\(rule)' is refused without a word") }
      if error.rule != rule { faults.append("'\(rule)' is read, but not '\(error.rule)', which says the same") }
    }
    do throws(HostForward.SyntaxError) {
      let removal = try ForwardRemoval(rule: rule)
      let again = try ForwardRemoval(rule: removal.description)
      if again != removal { faults.append("'\(rule)', written as '\(removal)', became another") }
    } catch {
      if error.rule != rule { faults.append("'\(rule)' is read, but not '\(error.rule)', which says the same") }
    }
    return faults
  }
}
