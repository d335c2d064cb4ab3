import Netstack
import Primitives
import Simulation
import Testing

/// Every kind of segment in every state: what RFC 9293 section 3.10.7, with RFC 5961 and RFC 1337, has to say.
@Suite struct StateTableTests {
  /// The states, each with the way there: `next` is what the guest sends next, `acknowledged` what it has of ours.
  enum State: String, CaseIterable {
    case connecting, synSent, synReceived, established, finWait1, finWait2, closeWait, closing, lastAck, timeWait
  }

  /// The segments that arrive, as the guest's next.
  enum Kind: String, CaseIterable {
    case syn, synAck, ack, data, fin, rst, rstInWindow, rstOutside, bare, oldData, futureAck
  }

  /// What comes back and where that leads, for each state in the order of `Kind`: `-` nothing, `A` an acknowledgment,
  /// `R` a reset, `S` a SYN-ACK; and behind it what became of the connection: `E` it is now established, `X` gone.
  private static let expected: [State: [String]] = [
    .connecting: ["-", "-", "-", "-", "-", "- X", "-", "-", "-", "-", "-"],
    .synSent: ["S", "A E", "-", "-", "-", "- X", "-", "-", "-", "-", "R"],
    .synReceived: ["S", "A", "- E", "A E", "A", "- X", "A", "-", "-", "A", "R"],
    .established: ["A", "A", "-", "A", "A", "- X", "A", "-", "-", "A", "A"],
    .finWait1: ["A", "A", "-", "A", "A", "- X", "A", "-", "-", "A", "A"],
    .finWait2: ["A", "A", "-", "A", "A", "- X", "A", "-", "-", "A", "A"],
    .closeWait: ["A", "A", "-", "A", "A", "- X", "A", "-", "-", "A", "A"],
    .closing: ["A", "A", "-", "A", "A", "- X", "A", "-", "-", "A", "A"],
    .lastAck: ["A", "A", "-", "A", "A", "- X", "A", "-", "-", "A", "A"],
    .timeWait: ["S", "A", "-", "A", "A", "-", "-", "-", "-", "A", "-"],
  ]

  @Test(arguments: State.allCases)
  func `each segment is answered as the RFCs say`(state: State) throws {
    var outcomes: [String] = []
    for kind in Kind.allCases { outcomes.append(try outcome(of: kind, in: state)) }
    #expect(outcomes == Self.expected[state], "\(state): \(outcomes)")
  }

  private func outcome(of kind: Kind, in state: State) throws -> String {
    // Not under the witnesses' eyes: they take a SYN behind our FIN for a new connection, which is for the stack to say.
    let lab = Lab()
    let tcp = try connection(in: state, lab)
    _ = tcp.takeSegments()
    let (next, ours) = place(of: state)
    let before = lab.flowStates
    tcp.guest(segment(kind, next: next, ours: ours, isOpening: state == .connecting || state == .synSent))
    let answers = tcp.takeSegments()
    lab.advance(by: .milliseconds(40))
    var text = letters(answers + tcp.takeSegments())
    if lab.flowStates.isEmpty { text += " X" }
    if !before.contains(.established) && lab.flowStates.contains(.established) { text += " E" }
    return text
  }

  private func letters(_ segments: [Segment]) -> String {
    guard let first = segments.first(where: { $0.payload.isEmpty }) else { return "-" }
    if first.flags.contains(.rst) { return "R" }
    return first.flags.contains(.syn) ? "S" : "A"
  }

  /// The guest's next sequence number, and what it acknowledges.
  private func place(of state: State) -> (next: Int, ours: Int) {
    switch state {
    case .connecting, .synSent: (0, 1)
    case .synReceived, .established, .finWait1: (1, 1)
    case .finWait2: (1, 2)
    case .closeWait, .closing, .lastAck: (2, 1)
    case .timeWait: (2, 2)
    }
  }

  private func segment(_ kind: Kind, next: Int, ours: Int, isOpening: Bool) -> Segment {
    switch kind {
    case .syn: Segment(.syn, seq: isOpening ? 0 : next + 1000, options: [.mss(1460)])
    case .synAck: Segment(.syn, seq: isOpening ? 0 : next + 1000, ack: ours, options: [.mss(1460)])
    case .ack: .ack(ours, seq: next)
    case .data: .data("data", seq: next, ack: ours)
    case .fin: .fin(seq: next, ack: ours)
    case .rst: .rst(seq: isOpening ? 1 : next, ack: ours)
    case .rstInWindow: .rst(seq: next + 100)
    case .rstOutside: .rst(seq: next + 500_000)
    case .bare: Segment([], seq: next, payload: [1])
    case .oldData: .data("o", seq: next - 1, ack: ours)
    case .futureAck: .ack(ours + 5000, seq: next)
    }
  }

  private func connection(in state: State, _ lab: Lab) throws -> RawConnection {
    lab.host.services[.server] = RemoteService(state == .connecting ? .isSilent : .accepts)
    if state == .synSent { return try lab.forwarded().0 }
    let tcp = lab.rawConnection(to: .server)
    guard state != .connecting && state != .synReceived else {
      tcp.guest(.syn(.mss(1460)))
      return tcp
    }
    let server = try tcp.establish()
    switch state {
    case .finWait1: server.finish()
    case .finWait2:
      server.finish()
      tcp.guest(.ack(2, seq: 1))
    case .closeWait: tcp.guest(.fin(seq: 1, ack: 1))
    case .closing:
      server.finish()
      tcp.guest(.fin(seq: 1, ack: 1))
    case .lastAck:
      tcp.guest(.fin(seq: 1, ack: 1))
      server.finish()
    case .timeWait:
      server.finish()
      tcp.guest(.fin(seq: 1, ack: 2))
    case .connecting, .synSent, .synReceived, .established: break
    }
    lab.settle()
    return tcp
  }
}
